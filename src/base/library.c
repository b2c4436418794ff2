/* Opening libraries late. A library that was opened stays open: its functions may be running anywhere.
 *
 * Threads: the first one opens under the library's lock; who finds `is_open` set sees all addresses. */
#include "base/library.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

void library_is_not_open(void)
{
    fputs("tessera: a function of a library was called before the library was opened\n", stderr);
    abort();
}

static tsr_status open_locked(library *l)
{
    void *handle = dlopen(l->file, RTLD_LAZY | RTLD_LOCAL);
    if (!handle) {
        const char *reason = dlerror();
        return error_set(TSR_ERR_UNSUPPORTED, "this needs the library %s, which cannot be opened: %s", l->file,
                         reason ? reason : "no reason was given");
    }
    for (size_t i = 0; i < l->n_symbols; i++) {
        void *found = dlsym(handle, l->symbols[i].name);
        if (!found) {
            dlclose(handle);
            return error_set(TSR_ERR_UNSUPPORTED, "the library %s has no %s: it is not the one that Tessera was built with",
                             l->file, l->symbols[i].name);
        }
        *l->symbols[i].address = found;
    }
    atomic_store(&l->is_open, true);
    return TSR_OK;
}

tsr_status library_open(library *l)
{
    if (atomic_load(&l->is_open)) return TSR_OK;
    pthread_mutex_lock(&l->lock);
    tsr_status status = atomic_load(&l->is_open) ? TSR_OK : open_locked(l);
    pthread_mutex_unlock(&l->lock);
    return status;
}
