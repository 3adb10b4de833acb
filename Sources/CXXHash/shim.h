#pragma once
#include <stddef.h>
#include <stdint.h>

// Inlined, so that a hash over several pieces needs no state on the heap.
#define XXH_INLINE_ALL
#include <xxhash.h>

typedef struct {
    uint64_t high, low;
} shim_hash128;

static inline shim_hash128 shim_hash128_of(const void *bytes, size_t count) {
    XXH128_hash_t hash = XXH3_128bits(bytes, count);
    return (shim_hash128){hash.high64, hash.low64};
}

// The hash of `first ‖ second ‖ third`.
static inline shim_hash128 shim_hash128_of_three(
    const void *first, size_t first_count, const void *second, size_t second_count,
    const void *third, size_t third_count) {
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    if (first_count) XXH3_128bits_update(&state, first, first_count);
    if (second_count) XXH3_128bits_update(&state, second, second_count);
    if (third_count) XXH3_128bits_update(&state, third, third_count);
    XXH128_hash_t hash = XXH3_128bits_digest(&state);
    return (shim_hash128){hash.high64, hash.low64};
}

// With XXH_INLINE_ALL the library's names are macros, which Swift does not see.
static inline void *shim_hash128_begin(void) {
    XXH3_state_t *state = XXH3_createState();
    if (state) XXH3_128bits_reset(state);
    return state;
}

static inline void shim_hash128_update(void *state, const void *bytes, size_t count) {
    XXH3_128bits_update((XXH3_state_t *)state, bytes, count);
}

static inline shim_hash128 shim_hash128_end(const void *state) {
    XXH128_hash_t hash = XXH3_128bits_digest((const XXH3_state_t *)state);
    return (shim_hash128){hash.high64, hash.low64};
}

static inline void shim_hash128_free(void *state) { XXH3_freeState((XXH3_state_t *)state); }
