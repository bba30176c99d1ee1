#ifndef RAFT_C_FUZZER_H
#define RAFT_C_FUZZER_H

#include <stddef.h>
#include <stdint.h>

// libFuzzer's driver: parses the rest of the arguments, and calls back once for each input.
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));

#endif
