/* What the fuzzers of file formats share: bytes become a file in memory, which is opened as any file is and read at both
 * ends of every variable. */
#ifndef TESSERA_TESTS_FUZZ_STORE_H
#define TESSERA_TESTS_FUZZ_STORE_H

#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Values of one read at most: what a variable claims to hold may be any number. */
enum { FUZZ_SIDE = 16, FUZZ_MAX_VALUES = 1 << 14 };

/* Reads one region; a file that opened promises that it can be read, where the format can promise that. */
static inline void fuzz_read_region(store *s, const store_var *var, const box *region, const int64_t *step, bool must_succeed)
{
    static char out[FUZZ_MAX_VALUES * 16];
    int64_t n_read = 0;
    tsr_status status = store_read(s, var, region, step, out, &n_read);
    if ((status != TSR_OK && must_succeed) || (status != TSR_OK && !tsr_error_message()[0])) {
        fprintf(stderr, "status %d: %s\n", status, tsr_error_message());
        abort();
    }
}

static inline void fuzz_read_var(store *s, const store_var *var, bool must_succeed)
{
    box first = {.ndim = var->ndim}, last = first, strided = first;
    int64_t step[TSR_MAX_NDIM], left = FUZZ_MAX_VALUES;
    for (int d = var->ndim - 1; d >= 0; d--) {
        if (var->shape[d] == 0) return;
        int64_t n = var->shape[d] < FUZZ_SIDE ? var->shape[d] : FUZZ_SIDE;
        if (n > left) n = left;
        left /= n;
        first.count[d] = last.count[d] = strided.count[d] = n;
        last.start[d] = var->shape[d] - n;
        step[d] = n > 1 ? (var->shape[d] - 1) / (n - 1) : 1;
    }
    fuzz_read_region(s, var, &first, NULL, must_succeed);
    fuzz_read_region(s, var, &last, NULL, must_succeed);
    fuzz_read_region(s, var, &strided, step, must_succeed);
}

/* One input. The file in memory is kept for all of them. */
static inline void fuzz_store(const uint8_t *data, size_t size, bool must_succeed)
{
    static int fd = -1;
    static char path[64];
    store *s;
    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size) abort();
    if (store_open(path, &s) != TSR_OK) {
        if (strncmp(tsr_error_message(), path, strlen(path)) != 0) abort();
        return;
    }
    for (int i = 0; i < s->n_vars; i++) {
        if (!s->vars[i].is_text) fuzz_read_var(s, &s->vars[i], must_succeed);
    }
    store_unref(s);
}

#endif
