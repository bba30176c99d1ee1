#include "bare_floors.h"

#include <protobuf-c/protobuf-c.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct bare_message {
    ProtobufCMessage base;
    uint64_t numbers[BARE_MESSAGE_NUMBERS];
    ProtobufCBinaryData body;
};

#define NUMBER(at)                                                                                                    \
    {                                                                                                                 \
        .name = "number", .id = at + 1, .label = PROTOBUF_C_LABEL_NONE, .type = PROTOBUF_C_TYPE_UINT64,              \
        .offset = offsetof(struct bare_message, numbers[at])                                                          \
    }

// As protoc-c would write it: the numbers are the fields 1 to 8, the bytes are field 15.
static const ProtobufCFieldDescriptor fields[] = {
    NUMBER(0), NUMBER(1), NUMBER(2), NUMBER(3), NUMBER(4), NUMBER(5), NUMBER(6), NUMBER(7),
    {.name = "body",
     .id = 15,
     .label = PROTOBUF_C_LABEL_NONE,
     .type = PROTOBUF_C_TYPE_BYTES,
     .offset = offsetof(struct bare_message, body)},
};
static const unsigned by_name[] = {8, 0, 1, 2, 3, 4, 5, 6, 7};
static const ProtobufCIntRange ranges[] = {{1, 0}, {15, 8}, {0, 9}};
static const ProtobufCMessageDescriptor descriptor = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "bare.Message",
    .short_name = "Message",
    .c_name = "BareMessage",
    .package_name = "bare",
    .sizeof_message = sizeof(struct bare_message),
    .n_fields = 9,
    .fields = fields,
    .fields_sorted_by_name = by_name,
    .n_field_ranges = 2,
    .field_ranges = ranges,
};

static double since(const struct timespec *start) {
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - start->tv_sec) * 1e9 + (double)(end.tv_nsec - start->tv_nsec);
}

int bare_message_measure(const uint64_t *numbers, size_t number_count, size_t body_bytes, size_t rounds,
                         struct bare_message_times *times) {
    struct bare_message message = {.base = PROTOBUF_C_MESSAGE_INIT(&descriptor)};
    struct timespec start;
    uint8_t *packed = NULL, *copy = NULL;
    int result = -1;
    for (size_t at = 0; at < number_count && at < BARE_MESSAGE_NUMBERS; at++) message.numbers[at] = numbers[at];
    message.body.len = body_bytes;
    message.body.data = malloc(body_bytes + 1);
    if (!message.body.data) return -1;
    memset(message.body.data, 7, body_bytes);
    size_t size = protobuf_c_message_get_packed_size(&message.base);
    packed = malloc(size + 1);
    copy = malloc(size + 1);
    if (!packed || !copy || protobuf_c_message_pack(&message.base, packed) != size) goto end;
    times->packed_bytes = size;

    clock_gettime(CLOCK_MONOTONIC, &start);
    for (size_t round = 0; round < rounds; round++) {
        uint8_t *bytes = malloc(protobuf_c_message_get_packed_size(&message.base));
        if (!bytes) goto end;
        protobuf_c_message_pack(&message.base, bytes);
        __asm__ volatile("" : : "r"(bytes) : "memory");
        free(bytes);
    }
    times->pack_nanoseconds = since(&start) / (double)rounds;

    clock_gettime(CLOCK_MONOTONIC, &start);
    for (size_t round = 0; round < rounds; round++) {
        ProtobufCMessage *unpacked = protobuf_c_message_unpack(&descriptor, NULL, size, packed);
        if (!unpacked) goto end;
        protobuf_c_message_free_unpacked(unpacked, NULL);
    }
    times->unpack_nanoseconds = since(&start) / (double)rounds;

    clock_gettime(CLOCK_MONOTONIC, &start);
    for (size_t round = 0; round < rounds; round++) {
        __asm__ volatile("" : : "r"(packed) : "memory");
        memcpy(copy, packed, size);
        __asm__ volatile("" : : "r"(copy) : "memory");
    }
    times->copy_nanoseconds = since(&start) / (double)rounds;
    result = 0;
end:
    free(message.body.data);
    free(packed);
    free(copy);
    return result;
}
