/* Opening files: header, roles of the variables, small coordinates. Many files are opened by threads that take the next index
 * from a counter; each writes only its own entry. Stores do not hold descriptors, so their number has no limit but memory. */
#include "dataset/meta.h"

#include "base/mem.h"
#include "base/os.h"
#include "dataset/dataset.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { MAX_OPEN_THREADS = 16 };
/* 1-D coordinates longer than this stay lazy. */
#define MAX_LABELS (INT64_C(1) << 26)

int meta_find(const file_meta *m, const char *name)
{
    const store_var *var = store_find(m->file, name);
    return var ? (int)(var - m->file->vars) : -1;
}

static void mark(file_meta *m, const char *list, variable_role role)
{
    for (int k = 0; k < m->file->n_vars; k++)
        if (dataset_word_in(m->file->vars[k].name, list) && (m->roles[k] == ROLE_DATA || role == ROLE_BOUNDS)) m->roles[k] = role;
}

static void find_roles(file_meta *m)
{
    const store *s = m->file;
    static const struct {
        const char *attribute;
        variable_role role;
    } lists[] = {
        {"bounds", ROLE_BOUNDS}, {"climatology", ROLE_BOUNDS}, {"grid_mapping", ROLE_MAPPING}, {"coordinates", ROLE_COORD}};
    for (int k = 0; k < s->n_vars; k++) {
        const store_var *var = &s->vars[k];
        if (var->ndim == 1 && !strcmp(var->name, s->dims[var->dims[0]].name)) m->roles[k] = ROLE_COORD;
    }
    for (int k = 0; k < s->n_vars; k++)
        for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
            const store_attr *attr = store_var_attr(&s->vars[k], lists[i].attribute);
            if (attr && attr->text) mark(m, attr->text, lists[i].role);
        }
}

static void swap_bytes(void *data, size_t item, int64_t n)
{
    unsigned char *p = data;
    for (int64_t i = 0; i < n; i++, p += item)
        for (size_t b = 0; b < item / 2; b++) {
            unsigned char t = p[b];
            p[b] = p[item - 1 - b];
            p[item - 1 - b] = t;
        }
}

static tsr_status read_labels(file_meta *m, int k)
{
    const store_var *var = &m->file->vars[k];
    labels *stored = NULL;
    tsr_status status;
    if (var->is_text) { /* a grid mapping made of a character: only its attributes matter */
        GUARD(labels_new(TSR_I32, 1, &stored));
        GUARD(labels_finish(stored));
        m->labels[k] = labels_ref(stored);
        goto done;
    }
    int64_t n = var->ndim ? var->shape[0] : 1, bytes_read = 0;
    GUARD(labels_new(var->dtype, n, &stored));
    if (n > 0) {
        box region = box_of_shape(var->ndim, var->shape);
        const int64_t step[TSR_MAX_NDIM] = {1};
        GUARD(store_read(m->file, var, &region, step, stored->data, &bytes_read));
        if (var->swapped) swap_bytes(stored->data, tsr_dtype_size(var->dtype), n);
    }
    if (cf_packing_is_plain(&m->packings[k])) {
        GUARD(labels_finish(stored));
        m->labels[k] = labels_ref(stored);
    } else
        GUARD(cf_decode_labels(stored, &m->packings[k], &m->labels[k]));
done:
    labels_unref(stored);
    return status;
}

static bool wants_labels(const file_meta *m, int k)
{
    const store_var *var = &m->file->vars[k];
    if (var->is_text) return m->roles[k] == ROLE_MAPPING && var->ndim == 0;
    if (var->ndim > 1 || dtype_is_complex(var->dtype)) return false;
    return (m->roles[k] == ROLE_COORD || m->roles[k] == ROLE_MAPPING) && (var->ndim == 0 || var->shape[0] <= MAX_LABELS);
}

tsr_status meta_open(const char *path, bool as_stored, file_meta *out)
{
    store *file;
    TRY(store_open(path, &file));
    return meta_of_store(path, file, as_stored, out);
}

tsr_status meta_of_store(const char *path, store *take_file, bool as_stored, file_meta *out)
{
    file_meta m = {.path = path, .file = take_file};
    tsr_status status;
    size_t n = (size_t)m.file->n_vars;
    m.roles = mem_calloc(n, sizeof *m.roles);
    m.packings = mem_calloc(n, sizeof *m.packings);
    m.labels = mem_calloc(n, sizeof *m.labels);
    if (!m.roles || !m.packings || !m.labels) {
        meta_close(&m);
        return TSR_ERR_MEMORY;
    }
    find_roles(&m);
    for (int k = 0; k < m.file->n_vars; k++) {
        status = cf_packing_read(&m.file->vars[k], as_stored, &m.packings[k]);
        if (status == TSR_OK && wants_labels(&m, k)) status = read_labels(&m, k);
        if (status != TSR_OK) {
            if (strncmp(tsr_error_message(), path, strlen(path)) != 0) status = error_prefix("%s", path);
            meta_close(&m);
            return status;
        }
    }
    *out = m;
    return TSR_OK;
}

void meta_close(file_meta *m)
{
    for (int k = 0; m->file && m->labels && k < m->file->n_vars; k++) labels_unref(m->labels[k]);
    mem_free(m->roles);
    mem_free(m->packings);
    mem_free(m->labels);
    if (m->file) store_unref(m->file);
    *m = (file_meta){0};
}

typedef struct opening {
    int n;
    const char *const *paths;
    bool as_stored;
    file_meta *metas;
    atomic_int next;
    atomic_bool stop;     /* set by the first failure: the others need not go on */
    pthread_mutex_t lock; /* guards what follows */
    int failed;           /* index of the first file that failed, n if none */
    tsr_status status;
    int errnum;
    char text[1024];
} opening;

static void *open_some(void *context)
{
    opening *o = context;
    while (!atomic_load(&o->stop)) {
        int i = atomic_fetch_add(&o->next, 1);
        if (i >= o->n) break;
        tsr_status status = meta_open(o->paths[i], o->as_stored, &o->metas[i]);
        if (status == TSR_OK) continue;
        atomic_store(&o->stop, true);
        pthread_mutex_lock(&o->lock);
        if (i < o->failed) {
            o->failed = i;
            o->status = status;
            o->errnum = tsr_error_errno();
            snprintf(o->text, sizeof o->text, "%s", tsr_error_message());
        }
        pthread_mutex_unlock(&o->lock);
    }
    return NULL;
}

tsr_status meta_open_many(int n, const char *const *paths, bool as_stored, int n_threads, file_meta *out)
{
    opening o = {.n = n, .paths = paths, .as_stored = as_stored, .metas = out, .failed = n};
    pthread_t threads[MAX_OPEN_THREADS];
    int wanted = n_threads > 0 ? n_threads : 2 * os_n_cpus(), started = 0; /* opening waits for the disk: twice the processors */
    if (wanted > MAX_OPEN_THREADS) wanted = MAX_OPEN_THREADS;
    if (wanted > n) wanted = n;
    memset(out, 0, (size_t)n * sizeof *out);
    pthread_mutex_init(&o.lock, NULL);
    /* The calling thread works too, so a thread that cannot be started only makes it slower. */
    while (started < wanted - 1 && os_thread_start(&threads[started], open_some, &o) == 0) started++;
    open_some(&o);
    for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&o.lock);
    if (o.failed == n) return TSR_OK;
    for (int i = 0; i < n; i++) meta_close(&out[i]);
    return error_repeat(o.status, o.errnum, o.text);
}

bool meta_time_units(const file_meta *m, int var, time_units *out)
{
    const store *s = m->file;
    const store_attr *units = store_var_attr(&s->vars[var], "units"), *calendar_attr = store_var_attr(&s->vars[var], "calendar");
    for (int k = 0; m->roles[var] == ROLE_BOUNDS && !units && k < s->n_vars; k++) {
        const store_attr *bounds = store_var_attr(&s->vars[k], "bounds");
        if (!bounds) bounds = store_var_attr(&s->vars[k], "climatology");
        if (!bounds || !bounds->text || !dataset_word_in(s->vars[var].name, bounds->text)) continue;
        units = store_var_attr(&s->vars[k], "units");
        calendar_attr = store_var_attr(&s->vars[k], "calendar");
    }
    if (!units || !time_units_likely(units->text)) return false;
    return time_units_parse(units->text, calendar_attr ? calendar_attr->text : NULL, out) == TSR_OK;
}
