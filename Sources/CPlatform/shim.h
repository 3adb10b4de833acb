#pragma once
#include <malloc.h>
#include <sys/prctl.h>

// The Glibc module does not have malloc.h.
static inline void shim_limit_malloc_arenas(int count) { (void)mallopt(M_ARENA_MAX, count); }
static inline size_t shim_malloc_bytes_in_use(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}
static inline void shim_malloc_trim(void) { (void)malloc_trim(0); }

// Swift cannot call C variadics: `prctl` is one. At most 15 bytes of `name` are kept.
static inline int shim_name_this_thread(const char *name) {
    return prctl(PR_SET_NAME, (unsigned long)name, 0UL, 0UL, 0UL);
}
