/* The tables of formats, and what all formats share: opening by content, bounds, reference counts, files that appear whole
 * or not at all. A format sees only requests that are inside its variables.
 *
 * Threads: an open store is immutable but for its count; a writer's regions do not overlap, so nothing here locks. */
#define _GNU_SOURCE
#include "store/store.h"

#include "base/mem.h"
#include "base/names.h"
#include "base/os.h"
#include "base/vec.h"
#include "block/dtype.h"
#include "store/fdcache.h"
#include "store/formats.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_BYTES = 512 };

/* Asked in this order; the first that knows the file's beginning reads it. */
static const store_ops *const readers[] = {
    &netcdf3_store_ops, &hdf5_store_ops, &npy_store_ops, &png_store_ops, &jpeg_store_ops, &tiff_store_ops,
};

static const writer_ops *const writers[] = {
    &netcdf3_writer_ops, &netcdf3_classic_writer_ops, &netcdf3_offset64_writer_ops, &netcdf3_cdf5_writer_ops, &hdf5_writer_ops,
    &npy_writer_ops,
};

enum { N_READERS = sizeof readers / sizeof *readers, N_WRITERS = sizeof writers / sizeof *writers };

/* ---- Opening ----------------------------------------------------------------------------------------------------- */

static void attrs_free(store_attr *attrs, int n)
{
    for (int i = 0; i < n; i++) {
        mem_free(attrs[i].name);
        mem_free(attrs[i].text);
        mem_free(attrs[i].values);
    }
    mem_free(attrs);
}

static void vars_free(store_var *vars, int n)
{
    for (int i = 0; i < n; i++) {
        mem_free(vars[i].name);
        mem_free(vars[i].compression);
        attrs_free(vars[i].attrs, vars[i].n_attrs);
    }
    mem_free(vars);
}

static void store_free(store *s)
{
    if (s->ops && s->ops->close) s->ops->close(s);
    for (int i = 0; i < s->n_dims; i++) mem_free(s->dims[i].name);
    mem_free(s->dims);
    vars_free(s->vars, s->n_vars);
    attrs_free(s->attrs, s->n_attrs);
    cached_file_close(s->file);
    mem_free(s->variant);
    mem_free(s->path);
    mem_free(s);
}

static tsr_status unknown_format(const unsigned char *head, size_t n)
{
    char names[256] = "", begin[40] = "";
    for (int i = 0; i < N_READERS; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", readers[i]->name);
    }
    for (size_t i = 0; i < n && i < 8; i++)
        snprintf(begin + 3 * i, sizeof begin - 3 * i, i < 7 && i + 1 < n ? "%02x " : "%02x", head[i]);
    if (n == 0) return error_set(TSR_ERR_FORMAT, "the file is empty");
    return error_set(TSR_ERR_FORMAT, "not a known format (the file begins with %s); known are %s", begin, names);
}

static tsr_status open_by_content(store *s)
{
    unsigned char head[HEAD_BYTES];
    TRY(cached_file_open(s->path, &s->file));
    int64_t size = cached_file_size(s->file);
    size_t n = size < HEAD_BYTES ? (size_t)size : HEAD_BYTES;
    TRY(cached_file_read(s->file, head, n, 0));
    for (int i = 0; i < N_READERS; i++) {
        if (readers[i]->probe(head, n, s->path)) {
            s->ops = readers[i];
            return s->ops->open(s);
        }
    }
    return unknown_format(head, n);
}

/* The path of a file that does not exist with the nearest name in its folder, to mem_free; NULL: no name is near. */
static char *nearest_path(const char *path)
{
    enum { MOST = 4096 };
    VEC(char *) names = {0};
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char *folder = slash ? mem_printf("%.*s", (int)(slash + 1 - path), path) : mem_strdup("./");
    DIR *d = folder ? opendir(folder) : NULL;
    for (struct dirent *e; d && names.n < MOST && (e = readdir(d));) {
        char *copy = e->d_name[0] != '.' ? mem_strdup(e->d_name) : NULL;
        if (copy && !VEC_PUSH(&names, copy)) mem_free(copy);
    }
    if (d) closedir(d);
    int nearest = *name ? names_nearest(name, (int)names.n, (const char *const *)names.items) : -1;
    char *found = nearest >= 0 ? mem_printf("%.*s%s", (int)(name - path), path, names.items[nearest]) : NULL;
    for (size_t i = 0; i < names.n; i++) mem_free(names.items[i]);
    VEC_FINI(&names);
    mem_free(folder);
    return found;
}

tsr_status store_open(const char *path, store **out)
{
    store *s = mem_calloc(1, sizeof *s);
    if (!s) return TSR_ERR_MEMORY;
    atomic_init(&s->refs, 1);
    tsr_status status = (s->path = mem_strdup(path)) ? open_by_content(s) : TSR_ERR_MEMORY;
    if (status != TSR_OK) {
        store_free(s);
        char *near = tsr_error_errno() == ENOENT ? nearest_path(path) : NULL;
        if (!near) return error_prefix("%s", path);
        (void)error_set(status, "no file '%s'; did you mean '%s'?", path, near);
        mem_free(near);
        return error_repeat(status, ENOENT, tsr_error_message());
    }
    *out = s;
    return TSR_OK;
}

store *store_ref(store *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void store_unref(store *s)
{
    if (s && atomic_fetch_sub(&s->refs, 1) == 1) store_free(s);
}

const store_var *store_find(const store *s, const char *name)
{
    for (int i = 0; i < s->n_vars; i++) {
        if (strcmp(s->vars[i].name, name) == 0) return &s->vars[i];
    }
    return NULL;
}

const store_attr *store_var_attr(const store_var *var, const char *name)
{
    for (int i = 0; i < var->n_attrs; i++) {
        if (strcmp(var->attrs[i].name, name) == 0) return &var->attrs[i];
    }
    return NULL;
}

/* ---- Reading ----------------------------------------------------------------------------------------------------- */

static tsr_status check_region(const store_var *var, const box *region, const int64_t *step)
{
    if (region->ndim != var->ndim)
        return error_set(TSR_ERR_INDEX, "a region of %d dimensions was asked of an array of %d", region->ndim, var->ndim);
    for (int d = 0; d < var->ndim; d++) {
        int64_t start = region->start[d], count = region->count[d], by = step ? step[d] : 1;
        if (by < 1) return error_set(TSR_ERR_VALUE, "dimension %d: step %lld is not positive", d, (long long)by);
        if (start < 0 || count < 0 || start > var->shape[d] || (count > 0 && (var->shape[d] - start - 1) / by < count - 1) ||
            (count > 0 && start == var->shape[d]))
            return error_set(TSR_ERR_INDEX, "dimension %d: %lld values from %lld by %lld do not fit into a length of %lld", d,
                             (long long)count, (long long)start, (long long)by, (long long)var->shape[d]);
    }
    return TSR_OK;
}

static tsr_status read_checked(store *s, const store_var *var, const box *region, const int64_t *step, void *out,
                               int64_t *bytes_read)
{
    static const int64_t ones[TSR_MAX_NDIM] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    int64_t ignored = 0;
    if (var->is_text) return error_set(TSR_ERR_TYPE, "it holds text or compound values, which cannot be read as an array");
    TRY(check_region(var, region, step));
    if (box_size(region) == 0) return TSR_OK;
    return s->ops->read(s, var, region, step ? step : ones, out, bytes_read ? bytes_read : &ignored);
}

tsr_status store_read(store *s, const store_var *var, const box *region, const int64_t *step, void *out, int64_t *bytes_read)
{
    tsr_status status = read_checked(s, var, region, step, out, bytes_read);
    if (status != TSR_OK && !s->file) return error_prefix("%s", s->path); /* what is read through a callback */
    if (status != TSR_OK) return error_prefix("%s: variable '%s'", s->path, var->name);
    return TSR_OK;
}

/* ---- Writing ----------------------------------------------------------------------------------------------------- */

static bool has_extension(const writer_ops *ops, const char *extension)
{
    size_t n = strlen(extension);
    for (const char *p = ops->extensions; p && *p;) {
        size_t length = strcspn(p, " ");
        if (length == n && strncasecmp(p, extension, n) == 0) return true;
        p += length + strspn(p + length, " ");
    }
    return false;
}

static tsr_status find_writer(const char *base, const char *format, const writer_ops **out)
{
    char known[256] = "";
    const char *extension = strrchr(base, '.');
    for (int i = 0; i < N_WRITERS; i++) {
        if (format ? strcmp(writers[i]->name, format) == 0 : extension && has_extension(writers[i], extension)) {
            *out = writers[i];
            return TSR_OK;
        }
        const char *name = format ? writers[i]->name : writers[i]->extensions;
        size_t used = strlen(known);
        if (*name) snprintf(known + used, sizeof known - used, "%s%s", used ? " " : "", name);
    }
    if (format) return error_set(TSR_ERR_VALUE, "unknown format '%s'; the formats are %s", format, known);
    return error_set(TSR_ERR_VALUE, "the name's ending '%s' tells no format; use one of %s, or name the format",
                     extension ? extension : "", known);
}

static tsr_status check_schema(const store_schema *schema)
{
    for (int i = 0; i < schema->n_dims; i++) {
        const store_dim *dim = &schema->dims[i];
        if (!dim->name || !*dim->name) return error_set(TSR_ERR_VALUE, "dimension %d has no name", i);
        if (dim->length < 0)
            return error_set(TSR_ERR_VALUE, "dimension '%s' has the length %lld", dim->name, (long long)dim->length);
    }
    for (int i = 0; i < schema->n_vars; i++) {
        const store_var *var = &schema->vars[i];
        if (!var->name || !*var->name) return error_set(TSR_ERR_VALUE, "variable %d has no name", i);
        if (!dtype_valid((int)var->dtype)) return error_set(TSR_ERR_TYPE, "variable '%s' has no dtype", var->name);
        if (var->ndim < 0 || var->ndim > TSR_MAX_NDIM)
            return error_set(TSR_ERR_VALUE, "variable '%s' has %d dimensions; at most %d are possible", var->name, var->ndim,
                             TSR_MAX_NDIM);
        for (int d = 0; d < var->ndim; d++) {
            int k = var->dims[d];
            if (k < 0 || k >= schema->n_dims || schema->dims[k].length != var->shape[d])
                return error_set(TSR_ERR_VALUE, "variable '%s': dimension %d does not match the file's dimensions", var->name, d);
        }
        if (shape_size(var->ndim, var->shape) > INT64_MAX / 32)
            return error_set(TSR_ERR_VALUE, "variable '%s' is too large for any file", var->name);
    }
    return TSR_OK;
}

static void writer_free(store_writer *w)
{
    vars_free(w->vars, w->n_vars);
    mem_free(w->path);
    mem_free(w->temporary);
    mem_free(w->hidden);
    if (w->unnamed >= 0) close(w->unnamed);
    mem_free(w);
}

/* Copies what every writer needs to know of the variables; attributes stay the schema's. */
static tsr_status copy_vars(store_writer *w, const store_schema *schema)
{
    w->vars = mem_calloc((size_t)schema->n_vars, sizeof *w->vars);
    if (!w->vars) return TSR_ERR_MEMORY;
    for (; w->n_vars < schema->n_vars; w->n_vars++) {
        const store_var *from = &schema->vars[w->n_vars];
        store_var *to = &w->vars[w->n_vars];
        to->name = mem_strdup(from->name);
        if (!to->name) return TSR_ERR_MEMORY;
        to->dtype = from->dtype;
        to->is_text = from->is_text;
        to->ndim = from->ndim;
        to->stored_bytes = -1;
        memcpy(to->dims, from->dims, sizeof to->dims);
        memcpy(to->shape, from->shape, sizeof to->shape);
        memcpy(to->chunk, from->shape, sizeof to->chunk);
    }
    return TSR_OK;
}

/* The folder of a path whose last part is `base`. */
static char *folder_of(const char *path, const char *base)
{
    const int n = (int)(base - path);
    return n > 0 ? mem_printf("%.*s", n > 1 ? n - 1 : n, path) : mem_strdup(".");
}

/* Refuses what surely has no room: every element will be written, and nothing of the file that may be replaced is given back
 * before. How small deflated data will be is not known. */
static tsr_status check_room(const writer_ops *ops, const char *path, const char *base, const store_schema *schema)
{
    int64_t wanted = 0, left;
    char sizes[2][32];
    if (ops->deflates && schema->deflate_level > 0) return TSR_OK;
    for (int i = 0; i < schema->n_vars; i++) {
        const store_var *var = &schema->vars[i];
        int64_t bytes = var->is_text ? 0 : shape_size(var->ndim, var->shape) * (int64_t)tsr_dtype_size(var->dtype);
        if (__builtin_add_overflow(wanted, bytes, &wanted)) wanted = INT64_MAX;
    }
    char *folder = folder_of(path, base);
    if (!folder) return TSR_ERR_MEMORY;
    tsr_status status = TSR_OK;
    if (os_free_bytes(folder, &left) && wanted > left)
        status = error_errno(ENOSPC, "the file takes %s, the file system of '%s' has %s left",
                             size_format((double)wanted, sizes[0], sizeof sizes[0]), folder,
                             size_format((double)left, sizes[1], sizeof sizes[1]));
    mem_free(folder);
    return status;
}

/* A file without a name in the folder of `path`: whatever happens to this process, nothing stays behind. False where the file
 * system cannot do that. */
static bool begin_unnamed(store_writer *w, const char *path, const char *base)
{
    char name[64], *folder = folder_of(path, base);
    if (!folder) return false;
    w->unnamed = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    mem_free(folder);
    if (w->unnamed < 0) return false;
    snprintf(name, sizeof name, "/proc/self/fd/%d", w->unnamed);
    if (access(name, W_OK) == 0 && (w->temporary = mem_strdup(name))) return true;
    close(w->unnamed);
    w->unnamed = -1;
    return false;
}

/* The file grows in the folder of its final name (renaming must not cross file systems): without a name, or hidden under a name
 * of this process. */
static tsr_status begin_file(store_writer *w, const char *path, const char *base)
{
    w->path = mem_strdup(path);
    w->hidden = mem_printf("%.*s.%s.tmp-%ld", (int)(base - path), path, base, (long)getpid());
    if (!w->path || !w->hidden) return TSR_ERR_MEMORY;
    if (unlink(w->hidden) != 0 && errno != ENOENT) return error_errno(errno, "cannot replace '%s'", w->hidden);
    if (begin_unnamed(w, path, base)) return TSR_OK;
    if (!(w->temporary = mem_strdup(w->hidden))) return TSR_ERR_MEMORY;
    int fd = open(w->hidden, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return error_errno(errno, "cannot create the file");
    close(fd);
    return TSR_OK;
}

static bool give_hidden_name(const store_writer *w)
{
    return w->unnamed < 0 || w->is_exposed || linkat(AT_FDCWD, w->temporary, AT_FDCWD, w->hidden, AT_SYMLINK_FOLLOW) == 0;
}

/* A new name cannot replace another file; renaming can. */
static tsr_status put_in_place(const store_writer *w)
{
    bool linked = give_hidden_name(w);
    if (linked && rename(w->hidden, w->path) == 0) return TSR_OK;
    return error_errno(errno, "cannot put the file in place");
}

static tsr_status create_writer(store_writer *w, const char *path, const char *format, const store_schema *schema)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    if (!*base) return error_set(TSR_ERR_VALUE, "the path names no file");
    TRY(check_schema(schema));
    const writer_ops *ops;
    TRY(find_writer(base, format, &ops));
    TRY(check_room(ops, path, base, schema));
    TRY(copy_vars(w, schema));
    w->ops = ops; /* from here on there may be a file to remove */
    TRY(begin_file(w, path, base));
    return ops->create(w, schema);
}

tsr_status store_create(const char *path, const char *format, const store_schema *schema, store_writer **out)
{
    store_writer *w = mem_calloc(1, sizeof *w);
    if (!w) return TSR_ERR_MEMORY;
    w->unnamed = -1;
    if (create_writer(w, path, format, schema) != TSR_OK) {
        (void)error_prefix("%s", path);
        store_abort(w);
        return tsr_error_code();
    }
    *out = w;
    return TSR_OK;
}

tsr_status store_write(store_writer *w, int var, const box *region, const void *data)
{
    if (var < 0 || var >= w->n_vars) return error_set(TSR_ERR_INDEX, "%s: there is no variable %d", w->path, var);
    tsr_status status = check_region(&w->vars[var], region, NULL);
    if (status == TSR_OK && box_size(region) > 0) status = w->ops->write(w, var, region, data);
    if (status != TSR_OK) return error_prefix("%s: variable '%s'", w->path, w->vars[var].name);
    return TSR_OK;
}

tsr_status store_finish(store_writer *w)
{
    tsr_status status = w->ops->finish(w);
    w->ops->close(w);
    if (status == TSR_OK) status = put_in_place(w);
    if (status != TSR_OK) {
        status = error_prefix("%s", w->path);
        unlink(w->hidden);
    }
    writer_free(w);
    return status;
}

bool store_expose(store_writer *w, int var, store_place *place, char **path, uint64_t *inode)
{
    struct stat info;
    if (!w->ops->place || !w->ops->place(w, var, place)) return false;
    if (!give_hidden_name(w)) return false;
    w->is_exposed = true;
    char *absolute = realpath(w->hidden, NULL);
    *path = absolute && stat(absolute, &info) == 0 ? mem_strdup(absolute) : NULL;
    if (*path) *inode = (uint64_t)info.st_ino;
    free(absolute);
    return *path != NULL;
}

void store_give_up(store_writer *w, tsr_status why)
{
    atomic_store(&w->in_hurry, why == TSR_ERR_CANCELLED);
    atomic_store(&w->given_up, true);
}

void store_abort(store_writer *w)
{
    if (!w) return;
    if (w->ops) {
        w->ops->close(w);
        if (w->hidden) unlink(w->hidden);
    }
    if (w->unnamed >= 0 && atomic_load(&w->in_hurry)) {
        os_abandon(w->unnamed);
        w->unnamed = -1;
    }
    writer_free(w);
}
