#pragma once
#include <sys/prctl.h>

// Swift cannot call C variadics: `prctl` is one. At most 15 bytes of `name` are kept.
static inline int shim_name_this_thread(const char *name) {
    return prctl(PR_SET_NAME, (unsigned long)name, 0UL, 0UL, 0UL);
}
