/* The functions that a worker's tasks call: foreign ones through the worker's runner, C functions from libraries in the folders
 * that the worker was told to take them from, C source compiled once. A function is loaded by the first task that calls it, on
 * that task's thread; others wait for it. Any thread. */
#define _GNU_SOURCE
#include "array/udf.h"
#include "base/mem.h"
#include "cluster/worker_tasks.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* What C source calls; `tsr_task_calls` of the preamble points here. In its order. */
static const struct {
    void *(*alloc)(tsr_task_result *, size_t);
    tsr_status (*set)(tsr_task_result *, const void *, size_t);
    void (*error)(tsr_task_result *, const char *, const void *, size_t);
    bool (*cancelled)(void);
} calls = {tsr_task_result_alloc, tsr_task_result_set, tsr_task_result_error, tsr_task_cancelled};

tsr_status work_function_new(const Tessera__Futures__Function *f, buffer *code, const char *data, size_t size,
                             work_function **out)
{
    work_function *g = mem_calloc(1, sizeof *g);
    if (!g) return TSR_ERR_MEMORY;
    pthread_mutex_init(&g->lock, NULL);
    g->id = (hash128){.high = f->id_high, .low = f->id_low};
    atomic_init(&g->refs, 1);
    g->kind = (tsr_task_kind)f->kind;
    g->name = mem_strdup(f->name);
    g->library = mem_strdup(f->library);
    g->symbol = mem_strdup(f->symbol);
    g->flags = mem_strdup(f->flags);
    g->code = code;
    g->code_data = data;
    g->code_size = size;
    atomic_init(&g->micros, UINT32_MAX);
    if (code) (void)buffer_ref(code);
    if (!g->name || !g->library || !g->symbol || !g->flags) {
        work_function_unref(g);
        return TSR_ERR_MEMORY;
    }
    *out = g;
    return TSR_OK;
}

void work_function_unref(work_function *f)
{
    if (!f || atomic_fetch_sub(&f->refs, 1) > 1) return;
    if (f->handle) dlclose(f->handle);
    buffer_unref(f->code);
    pthread_mutex_destroy(&f->lock);
    mem_free(f->name);
    mem_free(f->library);
    mem_free(f->symbol);
    mem_free(f->flags);
    mem_free(f->error);
    mem_free(f);
}

/* Does the file lie in this folder? Both are real paths. */
static bool is_in(const char *path, const char *folder)
{
    const size_t n = strlen(folder);
    return strncmp(path, folder, n) == 0 && (path[n] == '/' || (n > 0 && folder[n - 1] == '/'));
}

static tsr_status check_library(const worker_tasks *w, const char *library)
{
    const char *folders = w->task_folders ? w->task_folders : "";
    bool found = strcmp(folders, "*") == 0;
    char *path = realpath(library, NULL);
    char *list = path ? mem_strdup(folders) : NULL, *rest = NULL;
    for (char *one = list ? strtok_r(list, ":", &rest) : NULL; one && !found; one = strtok_r(NULL, ":", &rest)) {
        char *folder = realpath(one, NULL);
        found = folder && is_in(path, folder);
        free(folder);
    }
    mem_free(list);
    const bool exists = path != NULL;
    free(path);
    if (!exists) return error_set(TSR_ERR_NOT_FOUND, "the library '%s' is not on this worker", library);
    if (found) return TSR_OK;
    return error_set(TSR_ERR_VALUE, "the library '%s' lies in none of the folders from which this worker takes functions (%s)",
                     library, folders[0] ? folders : "none; name some when it starts");
}

/* What libraries of functions call is in this one, or in the program, which has it to offer in any case. A program may have
 * loaded this one for itself alone. */
static void offer_own_functions(void)
{
    Dl_info own;
    void *handle = dladdr(&calls, &own) && own.dli_fname ? dlopen(own.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL) : NULL;
    if (handle) dlclose(handle);
}

static tsr_status open_function(const worker_tasks *w, work_function *f)
{
    if (f->kind == TSR_TASK_LIBRARY) {
        TRY(check_library(w, f->library));
        offer_own_functions();
        f->handle = dlopen(f->library, RTLD_NOW | RTLD_LOCAL);
        if (!f->handle) return error_set(TSR_ERR_IO, "%s: cannot be loaded: %s", f->library, dlerror());
    } else {
        char *source = mem_alloc(f->code_size + 1);
        if (!source) return TSR_ERR_MEMORY;
        memcpy(source, f->code_data, f->code_size);
        source[f->code_size] = '\0';
        tsr_status status = strlen(source) == f->code_size ? udf_source_load(f->name[0] ? f->name : "source", source,
                                                                             f->flags[0] ? f->flags : NULL, &f->handle)
                                                           : error_set(TSR_ERR_FORMAT, "%s: this is no text", f->name);
        mem_free(source);
        if (status != TSR_OK) return status;
        const void **table = dlsym(f->handle, "tsr_task_calls");
        if (table) __atomic_store_n(table, (const void *)&calls, __ATOMIC_RELAXED);
    }
    void *found = dlsym(f->handle, f->symbol);
    if (!found)
        return error_set(TSR_ERR_NOT_FOUND, "%s: there is no function '%s'", f->library[0] ? f->library : f->name, f->symbol);
    memcpy(&f->call, &found, sizeof found); /* POSIX: a pointer to a function fits into one to data */
    return TSR_OK;
}

static tsr_status load(const worker_tasks *w, work_function *f)
{
    pthread_mutex_lock(&f->lock);
    if (!f->loaded) {
        f->loaded = true;
        f->status = f->kind == TSR_TASK_LIBRARY || f->kind == TSR_TASK_SOURCE
                        ? open_function(w, f)
                        : error_set(TSR_ERR_UNSUPPORTED, "this worker does not know functions of the kind %d", (int)f->kind);
        if (f->status != TSR_OK) f->error = mem_strdup(tsr_error_message());
    }
    pthread_mutex_unlock(&f->lock);
    return f->status == TSR_OK ? TSR_OK : error_set(f->status, "%s", f->error ? f->error : "its function cannot be loaded");
}

tsr_status work_function_call(worker_tasks *w, work_function *f, const work_task *t, tsr_task_result *r)
{
    if (f->kind == TSR_TASK_FOREIGN) {
        if (!w->runner.call) return error_set(TSR_ERR_UNSUPPORTED, "this worker runs C functions only");
        return w->runner.call(w->runner.context, f->code_data, f->code_size, t->n_args, t->args, r);
    }
    TRY(load(w, f));
    return f->call(t->n_args, t->args, r);
}
