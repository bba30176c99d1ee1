#ifndef SWIFT_RAFT_CDROPUNSYNCED_H
#define SWIFT_RAFT_CDROPUNSYNCED_H

// Preloaded into a process (LD_PRELOAD) it writes down, before each change of a file, what was there, and after each
// sync, that it is done. After `kill -9` whoever reads that journal backwards can undo what was never synced, as a power
// cut would. Nothing here is called by name.
//
// Environment:
//   DROP_UNSYNCED_ROOT     the directory whose files are watched: absolute, without an end slash
//   DROP_UNSYNCED_JOURNAL  the directory that holds the journal and a second name for each file: on the same disk, not
//                          within the root; it must exist
//   DROP_UNSYNCED_BOOT_ID  a file that is read in the place of /proc/sys/kernel/random/boot_id
//   DROP_UNSYNCED_FORGETS  syncs of files whose names end so are not noted: what a program looks like that forgets them
//
// Watched are open with O_CREAT or O_TRUNC, pwrite, write, ftruncate, fsync, fdatasync, rename, unlink and mkdir. Files
// that end in .mdb are written through memory maps, which nothing can watch: they are left out.

/// What a record of the journal begins with; all numbers as the machine has them. Behind it come the two paths and the
/// old bytes.
struct raft_unsynced_record {
    /// 0x52444E55
    unsigned int magic;
    unsigned int kind;
    /// Which file, by its inode; its second name in the journal's directory is this number. 0 for none.
    unsigned long long file;
    /// Where the old bytes were, and how long the file was.
    long long offset;
    long long old_size;
    /// Of a sync: the length of the journal when it began. Of a write over zeros: how many there were.
    unsigned long long through;
    unsigned int path_length;
    unsigned int other_path_length;
    unsigned long long byte_count;
};

enum raft_unsynced_kind {
    RAFT_UNSYNCED_WRITE = 1,
    RAFT_UNSYNCED_SYNC = 2,
    RAFT_UNSYNCED_CREATE = 3,
    RAFT_UNSYNCED_RENAME = 4,
    RAFT_UNSYNCED_UNLINK = 5,
    RAFT_UNSYNCED_MAKE_DIRECTORY = 6,
    RAFT_UNSYNCED_SYNC_DIRECTORY = 7,
    RAFT_UNSYNCED_WRITE_OVER_ZEROS = 8,
};

#endif
