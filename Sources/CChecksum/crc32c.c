#include "CChecksum.h"

#include <string.h>

// A table of 8 x 256 words, filled by the constructor at the end: "slicing by 8".
static uint32_t table[8][256];

static void fill_table(void) {
    for (uint32_t n = 0; n < 256; n++) {
        uint32_t c = n;
        for (int k = 0; k < 8; k++) c = (c & 1) ? (c >> 1) ^ 0x82F63B78u : c >> 1;
        table[0][n] = c;
    }
    for (uint32_t n = 0; n < 256; n++)
        for (int k = 1; k < 8; k++) table[k][n] = (table[k - 1][n] >> 8) ^ table[0][table[k - 1][n] & 0xff];
}

uint32_t raft_crc32c_portable(uint32_t crc, const void *bytes, size_t length) {
    const uint8_t *p = bytes;
    uint32_t c = ~crc;
    while (length >= 8) {
        uint32_t low = c ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
        c = table[7][low & 0xff] ^ table[6][(low >> 8) & 0xff] ^ table[5][(low >> 16) & 0xff] ^ table[4][low >> 24] ^
            table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
        p += 8;
        length -= 8;
    }
    while (length--) c = (c >> 8) ^ table[0][(c ^ *p++) & 0xff];
    return ~c;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

// The instruction takes one cycle and its result comes after three, so three parts of the bytes go through it side by
// side; the checksums of the first two are then moved behind as many zeros as follow them (V. Gopal et al., "Fast CRC
// computation for iSCSI polynomial using CRC32 instruction", Intel 2011).
enum { long_part = 4096, short_part = 256, least_part = 64 };

// What so many zeros make of a checksum, by each of its four bytes.
static uint32_t behind_long[4][256], behind_short[4][256], behind_least[4][256];

static void fill_behind(uint32_t behind[4][256], size_t zeros) {
    for (int k = 0; k < 4; k++) {
        for (int bit = 0; bit < 8; bit++) {
            uint32_t c = (uint32_t)1 << (8 * k + bit);
            for (size_t n = 0; n < zeros; n++) c = (c >> 8) ^ table[0][c & 0xff];
            behind[k][1 << bit] = c;
        }
        for (int n = 1; n < 256; n++) behind[k][n] = behind[k][n & -n] ^ behind[k][n & (n - 1)];
    }
}

static uint64_t moved(uint32_t behind[4][256], uint64_t c) {
    return behind[0][c & 0xff] ^ behind[1][(c >> 8) & 0xff] ^ behind[2][(c >> 16) & 0xff] ^ behind[3][(c >> 24) & 0xff];
}

static inline __attribute__((target("sse4.2"), always_inline)) uint64_t crc32c_three(
    uint64_t c, const uint8_t *p, size_t part, uint32_t behind[4][256]) {
    uint64_t d = 0, e = 0;
    for (size_t n = 0; n < part; n += 8) {
        uint64_t words[3];
        memcpy(&words[0], p + n, 8);
        memcpy(&words[1], p + part + n, 8);
        memcpy(&words[2], p + 2 * part + n, 8);
        c = _mm_crc32_u64(c, words[0]);
        d = _mm_crc32_u64(d, words[1]);
        e = _mm_crc32_u64(e, words[2]);
    }
    return moved(behind, moved(behind, c) ^ d) ^ e;
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_instruction(uint32_t crc, const void *bytes, size_t length) {
    const uint8_t *p = bytes;
    uint64_t c = (uint32_t)~crc;
    for (; length >= 3 * long_part; p += 3 * long_part, length -= 3 * long_part)
        c = crc32c_three(c, p, long_part, behind_long);
    for (; length >= 3 * short_part; p += 3 * short_part, length -= 3 * short_part)
        c = crc32c_three(c, p, short_part, behind_short);
    for (; length >= 3 * least_part; p += 3 * least_part, length -= 3 * least_part)
        c = crc32c_three(c, p, least_part, behind_least);
    while (length >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        c = _mm_crc32_u64(c, word);
        p += 8;
        length -= 8;
    }
    while (length--) c = _mm_crc32_u8((uint32_t)c, *p++);
    return ~(uint32_t)c;
}

uint32_t raft_crc32c(uint32_t crc, const void *bytes, size_t length) {
    if (__builtin_cpu_supports("sse4.2")) return crc32c_instruction(crc, bytes, length);
    return raft_crc32c_portable(crc, bytes, length);
}

#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>

uint32_t raft_crc32c(uint32_t crc, const void *bytes, size_t length) {
    const uint8_t *p = bytes;
    uint32_t c = ~crc;
    while (length >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        c = __crc32cd(c, word);
        p += 8;
        length -= 8;
    }
    while (length--) c = __crc32cb(c, *p++);
    return ~c;
}

#else

uint32_t raft_crc32c(uint32_t crc, const void *bytes, size_t length) {
    return raft_crc32c_portable(crc, bytes, length);
}

#endif

__attribute__((constructor)) static void fill_tables(void) {
    fill_table();
#if defined(__x86_64__)
    fill_behind(behind_long, long_part);
    fill_behind(behind_short, short_part);
    fill_behind(behind_least, least_part);
#endif
}
