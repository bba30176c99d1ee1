// The call is one of Linux, and its headers show it only to who asks before the first of them.
#define _GNU_SOURCE
#include "CWriteBack.h"

#include <fcntl.h>

int raft_write_back(int descriptor, int64_t offset, int64_t length) {
#ifdef __linux__
    return sync_file_range(
        descriptor, offset, length,
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
#else
    return 0;
#endif
}
