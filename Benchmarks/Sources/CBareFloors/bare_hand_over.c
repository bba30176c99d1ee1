#include "bare_floors.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

struct numbers {
    uint64_t *values;
    size_t count, room;
};

struct hand_over {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    struct numbers waiting;
    bool is_waiting, is_open, is_out_of_memory;
    pthread_cond_t gate;
};

struct producer {
    struct hand_over *shared;
    uint64_t count;
    pthread_t thread;
};

static bool append(struct numbers *numbers, uint64_t value) {
    if (numbers->count == numbers->room) {
        size_t room = numbers->room ? numbers->room * 2 : 64;
        uint64_t *values = realloc(numbers->values, room * sizeof *values);
        if (!values) return false;
        numbers->values = values;
        numbers->room = room;
    }
    numbers->values[numbers->count++] = value;
    return true;
}

static void *produce(void *argument) {
    struct producer *producer = argument;
    struct hand_over *shared = producer->shared;
    pthread_mutex_lock(&shared->mutex);
    while (!shared->is_open) pthread_cond_wait(&shared->gate, &shared->mutex);
    pthread_mutex_unlock(&shared->mutex);
    for (uint64_t number = 0; number < producer->count; number++) {
        pthread_mutex_lock(&shared->mutex);
        bool is_added = append(&shared->waiting, number);
        if (!is_added) shared->is_out_of_memory = true;
        bool wakes = shared->is_waiting;
        shared->is_waiting = false;
        pthread_mutex_unlock(&shared->mutex);
        if (wakes) pthread_cond_signal(&shared->condition);
        if (!is_added) break;
    }
    return NULL;
}

int bare_hand_over(size_t producers, uint64_t count, uint64_t *nanoseconds, uint64_t *takes) {
    struct hand_over shared = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                               .condition = PTHREAD_COND_INITIALIZER,
                               .gate = PTHREAD_COND_INITIALIZER};
    struct numbers taken = {0};
    struct producer *all = calloc(producers, sizeof *all);
    uint64_t got = 0, expected = 0, sum = 0, start = 0;
    size_t started = 0;
    int code = all ? 0 : ENOMEM;
    *takes = 0;
    for (; code == 0 && started < producers; started++) {
        all[started] = (struct producer){.shared = &shared, .count = count / producers};
        code = pthread_create(&all[started].thread, NULL, produce, &all[started]);
        if (code != 0) break;
        expected += all[started].count;
    }
    pthread_mutex_lock(&shared.mutex);
    // Those that have started must end, whatever happens.
    shared.is_open = true;
    pthread_cond_broadcast(&shared.gate);
    start = now();
    while (got < expected && !shared.is_out_of_memory) {
        if (shared.waiting.count == 0) {
            shared.is_waiting = true;
            pthread_cond_wait(&shared.condition, &shared.mutex);
            continue;
        }
        struct numbers full = shared.waiting;
        shared.waiting = taken;
        taken = full;
        pthread_mutex_unlock(&shared.mutex);
        for (size_t at = 0; at < taken.count; at++) sum += taken.values[at];
        __asm__ volatile("" : : "r"(sum));
        got += taken.count;
        taken.count = 0;
        *takes += 1;
        pthread_mutex_lock(&shared.mutex);
    }
    *nanoseconds = now() - start;
    if (shared.is_out_of_memory) code = ENOMEM;
    pthread_mutex_unlock(&shared.mutex);
    for (size_t number = 0; number < started; number++) pthread_join(all[number].thread, NULL);
    free(all);
    free(taken.values);
    free(shared.waiting.values);
    return code;
}

struct door {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    bool is_full;
};

struct pair {
    struct door there, back;
    size_t count;
};

static void put(struct door *door) {
    pthread_mutex_lock(&door->mutex);
    door->is_full = true;
    pthread_mutex_unlock(&door->mutex);
    pthread_cond_signal(&door->condition);
}

static void take(struct door *door) {
    pthread_mutex_lock(&door->mutex);
    while (!door->is_full) pthread_cond_wait(&door->condition, &door->mutex);
    door->is_full = false;
    pthread_mutex_unlock(&door->mutex);
}

static void *answer(void *argument) {
    struct pair *pair = argument;
    for (size_t trip = 0; trip < pair->count; trip++) {
        take(&pair->there);
        put(&pair->back);
    }
    return NULL;
}

int bare_round_trips(size_t count, uint64_t *nanoseconds) {
    struct pair pair = {.there = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false},
                        .back = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false},
                        .count = count};
    pthread_t thread;
    int code = pthread_create(&thread, NULL, answer, &pair);
    if (code != 0) return code;
    for (size_t trip = 0; trip < count; trip++) {
        uint64_t start = now();
        put(&pair.there);
        take(&pair.back);
        nanoseconds[trip] = now() - start;
    }
    pthread_join(thread, NULL);
    return 0;
}
