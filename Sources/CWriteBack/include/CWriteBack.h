#ifndef SWIFT_RAFT_CWRITEBACK_H
#define SWIFT_RAFT_CWRITEBACK_H

#include <stdint.h>

/// Writes this part of a file from the page cache to the disk and waits for it. Makes nothing durable. Does nothing
/// where the system has no such call. 0, or -1 with errno.
int raft_write_back(int descriptor, int64_t offset, int64_t length);

#endif
