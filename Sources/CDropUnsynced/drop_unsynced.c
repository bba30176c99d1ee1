#define _GNU_SOURCE
#include "CDropUnsynced.h"

#ifdef __linux__

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAGIC 0x52444E55u
#define MAXIMUM_FILES 4096
#define PATH_SIZE 1024

/// One lock for every change and its record: a sync that begins finds either both or none.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_SIZE];
static char journal_folder[PATH_SIZE];
static const char *boot_id;
static const char *forgotten;
static int journal = -1;
/// By descriptor: 0 not watched, 1 a file, 2 a directory, 3 a file whose syncs are not noted.
static char watched[MAXIMUM_FILES];
/// By descriptor, of a file that is open for writing alone: where its old bytes are read.
static int reader[MAXIMUM_FILES];
static char *directory_path[MAXIMUM_FILES];

static int (*real_open)(const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_rename)(const char *, const char *);
static int (*real_unlink)(const char *);
static int (*real_mkdir)(const char *, mode_t);

static void find(void) {
    if (real_mkdir) return;
    real_open = dlsym(RTLD_NEXT, "open");
    real_close = dlsym(RTLD_NEXT, "close");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite");
    real_write = dlsym(RTLD_NEXT, "write");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_rename = dlsym(RTLD_NEXT, "rename");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_mkdir = dlsym(RTLD_NEXT, "mkdir");
}

/// A journal that cannot be kept proves nothing: the process ends with the reason.
static void give_up(const char *what) {
    char text[256];
    int length = snprintf(text, sizeof text, "drop-unsynced: cannot %s: %s\n", what, strerror(errno));
    if (length > 0) real_write(2, text, (size_t)length);
    _exit(86);
}

/// Where the last whole record ends: a process may have been killed in the midst of one.
static off_t whole_length(int file) {
    struct raft_unsynced_record record;
    struct stat status;
    off_t end = 0;
    if (fstat(file, &status) != 0) give_up("look at the journal");
    while (pread(file, &record, sizeof record, end) == (ssize_t)sizeof record && record.magic == MAGIC) {
        off_t next = end + (off_t)sizeof record + record.path_length + record.other_path_length
            + (off_t)record.byte_count;
        if (next > status.st_size) break;
        end = next;
    }
    return end;
}

__attribute__((constructor)) static void begin(void) {
    find();
    boot_id = getenv("DROP_UNSYNCED_BOOT_ID");
    forgotten = getenv("DROP_UNSYNCED_FORGETS");
    const char *folder = getenv("DROP_UNSYNCED_JOURNAL");
    const char *top = getenv("DROP_UNSYNCED_ROOT");
    if (!folder || !top || strlen(folder) + 32 > PATH_SIZE || strlen(top) + 1 > PATH_SIZE) return;
    strcpy(root, top);
    strcpy(journal_folder, folder);
    char path[PATH_SIZE + 16];
    snprintf(path, sizeof path, "%s/journal", folder);
    journal = real_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (journal < 0) give_up("open the journal");
    off_t end = whole_length(journal);
    if (real_ftruncate(journal, end) != 0 || lseek(journal, end, SEEK_SET) != end) give_up("cut the journal");
}

static int ends(const char *path, const char *ending) {
    size_t whole = strlen(path), length = strlen(ending);
    return whole >= length && strcmp(path + whole - length, ending) == 0;
}

static int is_watched(const char *path) {
    size_t length = strlen(root);
    if (journal < 0 || strncmp(path, root, length) != 0) return 0;
    if (path[length] != '/' && path[length] != 0) return 0;
    return !ends(path, ".mdb");
}

/// Call with the lock.
static void note(
    unsigned kind, ino_t file, off_t offset, off_t old_size, unsigned long long through, const char *path,
    const char *other, const void *bytes, size_t count) {
    struct raft_unsynced_record record = {
        .magic = MAGIC, .kind = kind, .file = file, .offset = offset, .old_size = old_size, .through = through,
        .path_length = path ? (unsigned)strlen(path) : 0, .other_path_length = other ? (unsigned)strlen(other) : 0,
        .byte_count = count,
    };
    struct iovec parts[4] = {
        {&record, sizeof record}, {(void *)path, record.path_length}, {(void *)other, record.other_path_length},
        {(void *)bytes, count},
    };
    ssize_t total = (ssize_t)(sizeof record + record.path_length + record.other_path_length + count);
    if (writev(journal, parts, 4) != total) give_up("write the journal");
}

static unsigned long long journal_end(void) { return (unsigned long long)lseek(journal, 0, SEEK_CUR); }

/// Gives a file a second name, under which it is found whatever becomes of the first.
static void keep(const char *path, ino_t file) {
    char name[PATH_SIZE + 32];
    snprintf(name, sizeof name, "%s/%llu", journal_folder, (unsigned long long)file);
    if (link(path, name) != 0 && errno != EEXIST) give_up("link a file");
}

/// Writes down what `count` bytes at `offset` are before they change. Call with the lock.
static void note_write(int file, off_t offset, size_t count) {
    struct stat status;
    if (fstat(file, &status) != 0) give_up("look at a file");
    size_t there = offset >= status.st_size ? 0
        : (size_t)(status.st_size - offset) < count ? (size_t)(status.st_size - offset)
                                                    : count;
    char *bytes = there ? malloc(there) : NULL;
    if (there && !bytes) give_up("find memory");
    int from = reader[file] ? reader[file] : file;
    for (size_t done = 0; done < there;) {
        ssize_t more = pread(from, bytes + done, there - done, offset + (off_t)done);
        if (more <= 0) give_up("read what is overwritten");
        done += (size_t)more;
    }
    // Most of a log is written over zeros: their number is enough.
    int is_zero = there == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, there - 1) == 0);
    if (is_zero) {
        note(RAFT_UNSYNCED_WRITE_OVER_ZEROS, status.st_ino, offset, status.st_size, there, NULL, NULL, NULL, 0);
    } else {
        note(RAFT_UNSYNCED_WRITE, status.st_ino, offset, status.st_size, 0, NULL, NULL, bytes, there);
    }
    free(bytes);
}

static int is_file(int file) { return journal >= 0 && file >= 0 && file < MAXIMUM_FILES && (watched[file] & 1); }

static int open_watched(const char *path, int flags, mode_t mode) {
    pthread_mutex_lock(&lock);
    struct stat status;
    int is_new = 0;
    if (stat(path, &status) != 0) {
        is_new = flags & O_CREAT;
        if (is_new) note(RAFT_UNSYNCED_CREATE, 0, 0, 0, 0, path, NULL, NULL, 0);
    } else if (S_ISREG(status.st_mode) && (flags & O_TRUNC) && status.st_size > 0) {
        keep(path, status.st_ino);
        int old = real_open(path, O_RDONLY | O_CLOEXEC);
        if (old < 0 || old >= MAXIMUM_FILES) give_up("read what is emptied");
        reader[old] = 0;
        note_write(old, 0, (size_t)status.st_size);
        real_close(old);
    }
    int file = real_open(path, flags, mode);
    int code = errno;
    if (file >= 0 && fstat(file, &status) == 0) {
        if (file >= MAXIMUM_FILES) give_up("watch so many files");
        reader[file] = 0;
        if (S_ISDIR(status.st_mode)) {
            watched[file] = 2;
            directory_path[file] = strdup(path);
        } else if (S_ISREG(status.st_mode) && (flags & O_ACCMODE) != O_RDONLY) {
            watched[file] = forgotten && ends(path, forgotten) ? 3 : 1;
            keep(path, status.st_ino);
            if ((flags & O_ACCMODE) == O_WRONLY) {
                reader[file] = real_open(path, O_RDONLY | O_CLOEXEC);
                if (reader[file] < 0) give_up("read what is overwritten");
            }
        }
    }
    pthread_mutex_unlock(&lock);
    errno = code;
    return file;
}

int open(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    find();
    if (boot_id && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0) return real_open(boot_id, flags, mode);
    return is_watched(path) ? open_watched(path, flags, mode) : real_open(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    return open(path, flags, mode);
}

int close(int file) {
    find();
    if (journal >= 0 && file >= 0 && file < MAXIMUM_FILES && watched[file]) {
        pthread_mutex_lock(&lock);
        watched[file] = 0;
        if (reader[file]) real_close(reader[file]);
        reader[file] = 0;
        free(directory_path[file]);
        directory_path[file] = NULL;
        pthread_mutex_unlock(&lock);
    }
    return real_close(file);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
    find();
    if (!is_file(file)) return real_pwrite(file, bytes, count, offset);
    pthread_mutex_lock(&lock);
    note_write(file, offset, count);
    ssize_t written = real_pwrite(file, bytes, count, offset);
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off_t offset) { return pwrite(file, bytes, count, offset); }

ssize_t write(int file, const void *bytes, size_t count) {
    find();
    if (!is_file(file)) return real_write(file, bytes, count);
    pthread_mutex_lock(&lock);
    struct stat status;
    off_t offset = lseek(file, 0, SEEK_CUR);
    if ((fcntl(file, F_GETFL) & O_APPEND) && fstat(file, &status) == 0) offset = status.st_size;
    note_write(file, offset, count);
    ssize_t written = real_write(file, bytes, count);
    pthread_mutex_unlock(&lock);
    return written;
}

int ftruncate(int file, off_t size) {
    find();
    if (!is_file(file)) return real_ftruncate(file, size);
    pthread_mutex_lock(&lock);
    struct stat status;
    if (fstat(file, &status) != 0) give_up("look at a file");
    note_write(file, size, size < status.st_size ? (size_t)(status.st_size - size) : 0);
    int code = real_ftruncate(file, size);
    pthread_mutex_unlock(&lock);
    return code;
}

int ftruncate64(int file, off_t size) { return ftruncate(file, size); }

/// What was written before a sync begins is durable when it has ended; what is written meanwhile may not be.
static int synced(int file, int (*sync)(int)) {
    if (journal < 0 || file < 0 || file >= MAXIMUM_FILES || !watched[file] || watched[file] == 3) return sync(file);
    pthread_mutex_lock(&lock);
    unsigned long long through = journal_end();
    pthread_mutex_unlock(&lock);
    int code = sync(file);
    int reason = errno;
    struct stat status;
    if (code == 0 && fstat(file, &status) == 0) {
        pthread_mutex_lock(&lock);
        if (watched[file] == 2) {
            note(RAFT_UNSYNCED_SYNC_DIRECTORY, 0, 0, 0, through, directory_path[file], NULL, NULL, 0);
        } else {
            note(RAFT_UNSYNCED_SYNC, status.st_ino, 0, 0, through, NULL, NULL, NULL, 0);
        }
        pthread_mutex_unlock(&lock);
    }
    errno = reason;
    return code;
}

int fsync(int file) {
    find();
    return synced(file, real_fsync);
}

int fdatasync(int file) {
    find();
    return synced(file, real_fdatasync);
}

int rename(const char *path, const char *to) {
    find();
    if (!is_watched(path) && !is_watched(to)) return real_rename(path, to);
    pthread_mutex_lock(&lock);
    struct stat status;
    ino_t replaced = 0;
    if (lstat(to, &status) == 0 && S_ISREG(status.st_mode)) {
        replaced = status.st_ino;
        keep(to, replaced);
    }
    note(RAFT_UNSYNCED_RENAME, replaced, 0, 0, 0, path, to, NULL, 0);
    int code = real_rename(path, to);
    pthread_mutex_unlock(&lock);
    return code;
}

int unlink(const char *path) {
    find();
    if (!is_watched(path)) return real_unlink(path);
    pthread_mutex_lock(&lock);
    struct stat status;
    if (lstat(path, &status) == 0 && S_ISREG(status.st_mode)) {
        keep(path, status.st_ino);
        note(RAFT_UNSYNCED_UNLINK, status.st_ino, 0, 0, 0, path, NULL, NULL, 0);
    }
    int code = real_unlink(path);
    pthread_mutex_unlock(&lock);
    return code;
}

int mkdir(const char *path, mode_t mode) {
    find();
    struct stat status;
    // The root's own name is in a directory that is not watched.
    if (!is_watched(path) || strcmp(path, root) == 0 || lstat(path, &status) == 0) return real_mkdir(path, mode);
    pthread_mutex_lock(&lock);
    note(RAFT_UNSYNCED_MAKE_DIRECTORY, 0, 0, 0, 0, path, NULL, NULL, 0);
    int code = real_mkdir(path, mode);
    pthread_mutex_unlock(&lock);
    return code;
}

#endif
