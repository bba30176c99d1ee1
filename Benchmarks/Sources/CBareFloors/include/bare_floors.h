#ifndef BARE_FLOORS_H
#define BARE_FLOORS_H

#include <stddef.h>
#include <stdint.h>

/// Numbers from several threads to one, through two vectors behind a mutex and a condition: the receiver takes all that
/// waits at once and leaves the other vector in its place. Timed from when all threads may begin until the last number
/// was taken.
///
/// - takes: how often the receiver took something.
/// - Returns: 0, or the number of a system error.
int bare_hand_over(size_t producers, uint64_t count, uint64_t *nanoseconds, uint64_t *takes);

/// A number there and back between two threads, each with a mutex and a condition of its own.
///
/// - nanoseconds: room for `count` times.
/// - Returns: 0, or the number of a system error.
int bare_round_trips(size_t count, uint64_t *nanoseconds);

/// How many numbers a bare message can have.
#define BARE_MESSAGE_NUMBERS 8

/// Messages of some numbers and one field of bytes, packed and unpacked by libprotobuf-c with malloc, and their bytes
/// copied from one place to another.
struct bare_message_times {
    size_t packed_bytes;
    /// For each message.
    double pack_nanoseconds, unpack_nanoseconds, copy_nanoseconds;
};

/// - Returns: 0, or -1 when what was packed could not be unpacked, or memory ran out.
int bare_message_measure(const uint64_t *numbers, size_t number_count, size_t body_bytes, size_t rounds,
                         struct bare_message_times *times);

/// An LMDB environment with one database, opened as the key-value machine opens its own: written through the map, never
/// synced, its whole map taken from the disk at once.
struct bare_map;

/// - Returns: 0, or an error of LMDB or of the system, for ``bare_map_error``.
int bare_map_open(const char *directory, size_t map_bytes, struct bare_map **map);
void bare_map_close(struct bare_map *map);

/// Sets `count` keys, which lie one behind the other, to the same value, with one commit for each `batch` of them.
int bare_map_put(struct bare_map *map, const uint8_t *keys, size_t key_bytes, size_t count, const uint8_t *value,
                 size_t value_bytes, size_t batch);
const char *bare_map_error(int code);

#endif
