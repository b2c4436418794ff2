/* What of the roots of a job its map gives to one owner. */
#include "base/mem.h"
#include "base/vec.h"
#include "cluster/worker.h"

/* The first block whose first unit is at or behind `unit`. */
static int64_t block_from(int64_t unit, int64_t n_runs) { return unit / n_runs + (unit % n_runs != 0); }

tsr_status worker_map_spans(const owner_map *map, const plan *p, uint64_t owner, span **out, size_t *n)
{
    VEC(span) spans = {0};
    for (int r = 0; r < p->n_roots; r++) {
        const stage *s = &p->stages[p->roots[r].stage];
        const stage_owners *o = &map->stages[p->roots[r].stage];
        const int64_t n_runs = stage_folds(s) ? s->n_runs : 1, n_blocks = stage_n_blocks(s);
        for (int i = 0; i < o->n; i++) {
            if (o->owner[i] != owner) continue;
            const int64_t first = block_from(o->first[i], n_runs);
            const int64_t end = i + 1 < o->n ? block_from(o->first[i + 1], n_runs) : n_blocks;
            if (first >= end) continue;
            if (!VEC_PUSH(&spans, (span){r, first, end})) {
                VEC_FINI(&spans);
                return TSR_ERR_MEMORY;
            }
        }
    }
    *out = spans.items;
    *n = spans.n;
    return TSR_OK;
}

tsr_status worker_map_new_spans(const span *spans, size_t n, const span *known, size_t n_known, span **out, size_t *n_out)
{
    VEC(span) fresh = {0};
    for (size_t i = 0; i < n; i++) {
        /* Both lists are in order, and the spans of one do not overlap: what is between those that are known is new. */
        int64_t at = spans[i].first;
        for (size_t k = 0; k <= n_known && at < spans[i].end; k++) {
            const bool is_end = k == n_known;
            if (!is_end && (known[k].root != spans[i].root || known[k].end <= at)) continue;
            const int64_t until = is_end || known[k].first > spans[i].end ? spans[i].end : known[k].first;
            if (until > at && !VEC_PUSH(&fresh, (span){spans[i].root, at, until})) {
                VEC_FINI(&fresh);
                return TSR_ERR_MEMORY;
            }
            at = is_end || known[k].end > spans[i].end ? spans[i].end : known[k].end;
        }
    }
    *out = fresh.items;
    *n_out = fresh.n;
    return TSR_OK;
}
