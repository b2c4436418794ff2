/* Where a block goes that a client has fetched: into the caller's array, or to a writer; or it is not fetched at all, as the
 * worker writes it where it belongs. */
#include "cluster/client_parts.h"

#include <string.h>

static char *place_of(const fetch_root *r, const box *b, int64_t *strides)
{
    char *data = r->to.data;
    shape_strides(r->o->ndim, r->o->shape, tsr_dtype_size(r->o->dtype), strides);
    for (int d = 0; d < b->ndim; d++) data += b->start[d] * strides[d];
    return data;
}

char *deliver_in_place(const fetch_root *r, int64_t block)
{
    int64_t whole[TSR_MAX_NDIM], dense[TSR_MAX_NDIM];
    if (r->to.kind != SINK_MEMORY) return NULL;
    box b = grid_box(&r->o->blocks, block);
    char *data = place_of(r, &b, whole);
    shape_strides(b.ndim, b.count, tsr_dtype_size(r->o->dtype), dense);
    for (int d = 0; d < b.ndim; d++)
        if (b.count[d] > 1 && whole[d] != dense[d]) return NULL;
    return data;
}

tsr_status deliver(const fetching *f, const arrival *a)
{
    const fetch_root *r = &f->roots[a->root];
    int64_t whole[TSR_MAX_NDIM], dense[TSR_MAX_NDIM];
    box b = grid_box(&r->o->blocks, a->block);
    if (r->to.kind == SINK_WRITER) return store_write(r->to.writer, r->to.var, &b, a->data);
    char *out = place_of(r, &b, whole);
    shape_strides(b.ndim, b.count, tsr_dtype_size(r->o->dtype), dense);
    copy_strided(f->plan->kernels, r->o->dtype, b.ndim, b.count, out, whole, a->data, dense);
    return TSR_OK;
}

/* ---- Files that the workers write themselves ------------------------------------------------------------------------- */

enum { WORTH_A_PLACE_BYTES = 1 << 20 /* less is sent sooner than files are opened */ };

tsr_status deliver_find_place(fetch_root *r)
{
    store_place place;
    char *path = NULL;
    uint64_t inode = 0;
    if (r->to.kind != SINK_WRITER) return TSR_OK;
    if (shape_size(r->o->ndim, r->o->shape) * (int64_t)tsr_dtype_size(r->o->dtype) < WORTH_A_PLACE_BYTES) return TSR_OK;
    if (!store_expose(r->to.writer, r->to.var, &place, &path, &inode)) return TSR_OK;
    Tessera__Cluster__FilePlace *said = mem_calloc(1, sizeof *said);
    int64_t *strides = mem_calloc(TSR_MAX_NDIM, sizeof *strides);
    if (!said || !strides) {
        mem_free(said);
        mem_free(strides);
        mem_free(path);
        return TSR_ERR_MEMORY;
    }
    *said = (Tessera__Cluster__FilePlace)TESSERA__CLUSTER__FILE_PLACE__INIT;
    said->path = path;
    said->inode = inode;
    said->begin = (uint64_t)place.layout.begin;
    said->item_bytes = (uint32_t)place.layout.item_bytes;
    said->n_strides = (size_t)place.layout.ndim;
    said->strides = strides;
    said->swap = place.swap;
    memcpy(strides, place.layout.strides, sizeof *strides * said->n_strides);
    r->place = said;
    return TSR_OK;
}

void deliver_forget_place(fetch_root *r)
{
    if (!r->place) return;
    mem_free(r->place->path);
    mem_free(r->place->strides);
    mem_free(r->place);
    r->place = NULL;
}
