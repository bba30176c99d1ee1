#include "bare_floors.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdlib.h>

struct bare_map {
    MDB_env *environment;
    MDB_dbi values;
};

int bare_map_open(const char *directory, size_t map_bytes, struct bare_map **map) {
    struct bare_map *made = calloc(1, sizeof *made);
    MDB_txn *transaction = NULL;
    mdb_filehandle_t file;
    if (!made) return ENOMEM;
    int code = mdb_env_create(&made->environment);
    if (code == 0) code = mdb_env_set_mapsize(made->environment, map_bytes);
    if (code == 0) code = mdb_env_set_maxdbs(made->environment, 1);
    if (code == 0) code = mdb_env_open(made->environment, directory, MDB_WRITEMAP | MDB_NOSYNC | MDB_NOTLS, 0600);
    if (code == 0) code = mdb_env_get_fd(made->environment, &file);
    if (code == 0) code = posix_fallocate(file, 0, (off_t)map_bytes);
    if (code == 0) code = mdb_txn_begin(made->environment, NULL, 0, &transaction);
    if (code == 0) {
        code = mdb_dbi_open(transaction, "values", MDB_CREATE, &made->values);
        if (code == 0)
            code = mdb_txn_commit(transaction);
        else
            mdb_txn_abort(transaction);
    }
    if (code != 0) {
        bare_map_close(made);
        return code;
    }
    *map = made;
    return 0;
}

void bare_map_close(struct bare_map *map) {
    if (!map) return;
    if (map->environment) mdb_env_close(map->environment);
    free(map);
}

int bare_map_put(struct bare_map *map, const uint8_t *keys, size_t key_bytes, size_t count, const uint8_t *value,
                 size_t value_bytes, size_t batch) {
    for (size_t done = 0; done < count;) {
        MDB_txn *transaction;
        size_t end = count - done < batch ? count : done + batch;
        int code = mdb_txn_begin(map->environment, NULL, 0, &transaction);
        if (code != 0) return code;
        for (; done < end; done++) {
            MDB_val key = {key_bytes, (void *)(keys + done * key_bytes)};
            MDB_val data = {value_bytes, (void *)value};
            code = mdb_put(transaction, map->values, &key, &data, 0);
            if (code != 0) {
                mdb_txn_abort(transaction);
                return code;
            }
        }
        code = mdb_txn_commit(transaction);
        if (code != 0) return code;
    }
    return 0;
}

const char *bare_map_error(int code) { return mdb_strerror(code); }
