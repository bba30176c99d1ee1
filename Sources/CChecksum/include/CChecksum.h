#ifndef SWIFT_RAFT_CCHECKSUM_H
#define SWIFT_RAFT_CCHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4) of `length` bytes, continued from `crc` (0 to begin).
/// Uses the processor's instruction where it has one, a table otherwise; both give the same result.
uint32_t raft_crc32c(uint32_t crc, const void *bytes, size_t length);

/// The table implementation alone, so that a test can hold the two against each other.
uint32_t raft_crc32c_portable(uint32_t crc, const void *bytes, size_t length);

#endif
