/* Many files of one array each, all of one shape, as one array with a new first dimension. Only the first is opened before the
 * values of others are needed; a file that does not fit is found then, and named.
 *
 * A file that is read whole is closed again; one of which only a part is wanted stays open, because its next part follows soon.
 * Threads: each file has an atomic pointer; of two threads that open the same, the later one takes what the first has opened. */
#include "store/stack.h"

#include "base/mem.h"
#include "block/dtype.h"

#include <string.h>

typedef struct stack {
    int64_t n;
    char **paths;
    _Atomic(store *) *members; /* NULL: not open */
} stack;

static tsr_status check_member(const store *s, const store *member, const char *path)
{
    const store_var *want = &s->vars[0], *have = member->n_vars == 1 ? &member->vars[0] : NULL;
    char a[200], b[200];
    if (!have || have->is_text) return error_set(TSR_ERR_FORMAT, "%s does not hold exactly one array", path);
    bool equal = have->ndim == want->ndim - 1 && memcmp(have->shape, want->shape + 1, (size_t)have->ndim * sizeof(int64_t)) == 0;
    if (equal && have->dtype == want->dtype && have->swapped == want->swapped) return TSR_OK;
    return error_set(TSR_ERR_VALUE, "%s has the shape %s and dtype %s%s, the first file of the stack %s and %s%s", path,
                     shape_format(have->ndim, have->shape, a, sizeof a), tsr_dtype_name(have->dtype),
                     have->swapped ? " (bytes swapped)" : "", shape_format(want->ndim - 1, want->shape + 1, b, sizeof b),
                     tsr_dtype_name(want->dtype), want->swapped ? " (bytes swapped)" : "");
}

/* A new reference to an open member. */
static tsr_status open_member(store *s, int64_t i, store **out)
{
    const stack *k = s->format_data;
    TRY(store_open(k->paths[i], out));
    tsr_status status = check_member(s, *out, k->paths[i]);
    if (status != TSR_OK) store_unref(*out);
    return status;
}

/* Makes *out the one that stays open, whichever thread opened it. */
static void keep_member(const stack *k, int64_t i, store **out)
{
    store *none = NULL;
    if (atomic_compare_exchange_strong(&k->members[i], &none, *out)) {
        (void)store_ref(*out);
        return;
    }
    store_unref(*out);
    *out = store_ref(none);
}

static bool is_whole(const store_var *member, const box *region)
{
    for (int d = 0; d < member->ndim; d++)
        if (region->count[d] != member->shape[d]) return false;
    return true;
}

static tsr_status read_member(store *s, int64_t i, const box *region, const int64_t *step, char *out, int64_t *bytes_read)
{
    const stack *k = s->format_data;
    store *member = atomic_load(&k->members[i]);
    if (member)
        (void)store_ref(member);
    else {
        TRY(open_member(s, i, &member));
        if (!is_whole(&member->vars[0], region)) keep_member(k, i, &member);
    }
    tsr_status status = store_read(member, &member->vars[0], region, step, out, bytes_read);
    store_unref(member);
    return status;
}

static tsr_status stack_read(store *s, const store_var *var, const box *region, const int64_t *step, void *out,
                             int64_t *bytes_read)
{
    box inside = {.ndim = region->ndim - 1};
    for (int d = 0; d < inside.ndim; d++) {
        inside.start[d] = region->start[d + 1];
        inside.count[d] = region->count[d + 1];
    }
    int64_t member_bytes = box_size(&inside) * (int64_t)tsr_dtype_size(var->dtype);
    for (int64_t i = 0; i < region->count[0]; i++)
        TRY(read_member(s, region->start[0] + i * step[0], &inside, step + 1, (char *)out + i * member_bytes, bytes_read));
    return TSR_OK;
}

static void stack_close(store *s)
{
    stack *k = s->format_data;
    if (!k) return;
    for (int64_t i = 0; k->members && i < k->n; i++) store_unref(atomic_load(&k->members[i]));
    for (int64_t i = 0; k->paths && i < k->n; i++) mem_free(k->paths[i]);
    mem_free(k->members);
    mem_free(k->paths);
    mem_free(k);
    s->format_data = NULL;
}

static tsr_status add_dim(store *s, const char *name, int64_t length)
{
    s->dims[s->n_dims] = (store_dim){.name = mem_strdup(name), .length = length};
    return s->dims[s->n_dims++].name ? TSR_OK : TSR_ERR_MEMORY;
}

/* The first file's variable with one more dimension. */
static tsr_status describe(store *s, const char *dim, int64_t n, const store *first)
{
    if (first->n_vars != 1 || first->vars[0].is_text)
        return error_set(TSR_ERR_VALUE, "%s does not hold exactly one array; such files cannot be stacked", first->path);
    const store_var *from = &first->vars[0];
    if (from->ndim == TSR_MAX_NDIM)
        return error_set(TSR_ERR_VALUE, "%s has %d dimensions already, the most possible", first->path, TSR_MAX_NDIM);
    s->vars = mem_calloc(1, sizeof *s->vars);
    s->dims = mem_calloc((size_t)from->ndim + 1, sizeof *s->dims);
    if (!s->vars || !s->dims) return TSR_ERR_MEMORY;
    s->n_vars = 1;
    store_var *var = &s->vars[0];
    *var = (store_var){.name = mem_strdup(from->name),
                       .dtype = from->dtype,
                       .swapped = from->swapped,
                       .ndim = from->ndim + 1,
                       .is_chunked = from->is_chunked,
                       .stored_bytes = -1};
    if (!var->name || (from->compression && !(var->compression = mem_strdup(from->compression)))) return TSR_ERR_MEMORY;
    TRY(add_dim(s, dim, n));
    for (int d = 0; d < from->ndim; d++) TRY(add_dim(s, first->dims[from->dims[d]].name, from->shape[d]));
    for (int d = 0; d <= from->ndim; d++) {
        var->dims[d] = d;
        var->shape[d] = s->dims[d].length;
        var->chunk[d] = d == 0 ? 1 : from->chunk[d - 1];
    }
    if (shape_size(var->ndim, var->shape) > INT64_MAX / 32) return error_set(TSR_ERR_VALUE, "the stack is too large");
    return TSR_OK;
}

static const store_ops stack_ops = {.name = "stack of files", .read = stack_read, .close = stack_close};

const char *const *store_stack_paths(const store *s, int *n)
{
    const stack *k = s->ops == &stack_ops ? s->format_data : NULL;
    *n = k ? (int)k->n : 0;
    return k ? (const char *const *)k->paths : NULL;
}

static tsr_status fill(store *s, const char *dim, int n, const char *const *paths, const store *first)
{
    stack *k = mem_calloc(1, sizeof *k);
    s->format_data = k;
    if (!k) return TSR_ERR_MEMORY;
    k->n = n;
    k->paths = mem_calloc((size_t)n, sizeof *k->paths);
    k->members = mem_calloc((size_t)n, sizeof *k->members);
    s->path = n > 1 ? mem_printf("%s .. %s (%d files)", paths[0], paths[n - 1], n) : mem_strdup(paths[0]);
    s->variant = mem_strdup(first->ops->name);
    if (!k->paths || !k->members || !s->path || !s->variant) return TSR_ERR_MEMORY;
    for (int i = 0; i < n; i++)
        if (!(k->paths[i] = mem_strdup(paths[i]))) return TSR_ERR_MEMORY;
    return describe(s, dim, n, first);
}

tsr_status store_open_stack(int n, const char *const *paths, const char *dim, store **out)
{
    store *first, *s = mem_calloc(1, sizeof *s);
    if (!s) return TSR_ERR_MEMORY;
    atomic_init(&s->refs, 1);
    s->ops = &stack_ops;
    tsr_status status = store_open(paths[0], &first);
    if (status == TSR_OK) {
        status = fill(s, dim ? dim : first->ops->stack_dim ? first->ops->stack_dim : "file", n, paths, first);
        store_unref(first);
    }
    if (status != TSR_OK)
        store_unref(s);
    else
        *out = s;
    return status;
}
