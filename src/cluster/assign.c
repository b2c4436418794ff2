/* See assign.h. The bytes that a unit reads are found by walking over its body. A stage of very many units is sampled; between
 * samples that prefer different workers the border is found by bisection, since neighbours mostly read neighbours. Nobody gets
 * more than twice his share for the sake of locality. */
#include "cluster/assign.h"

#include "base/vec.h"
#include "cluster/future_blocks.h"

#include <stdlib.h>

enum {
    MOST_SAMPLES = 2048,        /* of a stage */
    MOST_BLOCKS = 64,           /* looked at of one operand of one unit */
    MOST_PARTIES = 32,          /* owners told apart for one unit */
    MOST_SCAN_RANGES = 1 << 16, /* of a stage that scans, whose chains are kept together */
    NOBODY = -1
};

typedef struct piece {
    int64_t first, end;
    int worker; /* index, or NOBODY */
} piece;

typedef struct pieces {
    VEC(piece) all;
} pieces;

assign_units assign_units_of(const stage *s)
{
    const int64_t n_runs = stage_folds(s) ? s->n_runs : 1;
    assign_units u = {.n = stage_n_blocks(s) * n_runs, .n_runs = n_runs};
    if (s->kind != STAGE_SCAN || u.n == 0) return u;
    u.n_along = s->tiles.axes[s->axis].n_blocks;
    u.inner = 1;
    for (int d = s->axis + 1; d < s->tiles.ndim; d++) u.inner *= s->tiles.axes[d].n_blocks;
    return u;
}

bool assign_has(const owner_map *map, uint64_t worker)
{
    for (int i = 0; i < map->n_stages; i++)
        for (int k = 0; k < map->stages[i].n; k++)
            if (map->stages[i].owner[k] == worker) return true;
    return false;
}

static int find_worker(const assign_context *c, uint64_t id)
{
    int low = 0, high = c->n_workers;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (c->workers[middle].id == id) return middle;
        if (c->workers[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NOBODY;
}

/* ---- Where the input of a unit lies ---------------------------------------------------------------------------------- */

typedef struct votes {
    const assign_context *c;
    const plan *plan;
    const owner_map *map; /* of the stages before */
    int n;
    int worker[MOST_PARTIES];
    double bytes[MOST_PARTIES], total;
} votes;

static void vote(votes *v, int worker, double bytes)
{
    v->total += bytes;
    int i = 0;
    while (i < v->n && v->worker[i] != worker) i++;
    if (worker == NOBODY || i == MOST_PARTIES) return;
    if (i == v->n) {
        v->worker[v->n++] = worker;
        v->bytes[i] = 0;
    }
    v->bytes[i] += bytes;
}

/* Blocks of a grid that a region touches; of too many, some along each axis stand for their neighbours. */
typedef struct touched {
    int64_t first[TSR_MAX_NDIM], count[TSR_MAX_NDIM], taken[TSR_MAX_NDIM];
    bool is_sample;
} touched;

static touched blocks_touched(const grid *g, const region *source)
{
    touched t = {.is_sample = false};
    int64_t n = 1;
    for (int d = 0; d < g->ndim; d++) {
        int64_t low = source->box.start[d], high = low + (source->box.count[d] - 1) * source->step[d];
        t.first[d] = axis_grid_find(&g->axes[d], low);
        t.taken[d] = t.count[d] = axis_grid_find(&g->axes[d], high) - t.first[d] + 1;
    }
    for (int d = 0; d < g->ndim; d++) n = n > MOST_BLOCKS ? n : n * t.taken[d];
    while (n > MOST_BLOCKS) {
        int longest = 0;
        t.is_sample = true;
        for (int d = 1; d < g->ndim; d++)
            if (t.taken[d] > t.taken[longest]) longest = d;
        t.taken[longest] = t.taken[longest] > 2 * MOST_BLOCKS ? MOST_BLOCKS : (t.taken[longest] + 1) / 2;
        n = 1;
        for (int d = 0; d < g->ndim; d++) n = n > MOST_BLOCKS ? n : n * t.taken[d];
    }
    return t;
}

/* Elements of a region in a block, about. */
static double overlap(const grid *g, const int64_t *coords, const region *source)
{
    double n = 1;
    for (int d = 0; d < g->ndim; d++) {
        int64_t start = axis_grid_start(&g->axes[d], coords[d]), end = start + axis_grid_count(&g->axes[d], coords[d]);
        int64_t low = source->box.start[d], high = low + (source->box.count[d] - 1) * source->step[d] + 1;
        int64_t span = (end < high ? end : high) - (start > low ? start : low);
        n *= span > source->step[d] ? (double)span / (double)source->step[d] : 1;
    }
    return n;
}

static void vote_blocks(votes *v, const grid *g, const region *source, const owner_map *map, int number, int64_t n_runs,
                        double item_bytes)
{
    if (box_size(&source->box) == 0 || g->ndim != source->box.ndim) return;
    touched t = blocks_touched(g, source);
    int64_t at[TSR_MAX_NDIM] = {0}, coords[TSR_MAX_NDIM], n = 1;
    for (int d = 0; d < g->ndim; d++) n *= t.taken[d];
    double each = (double)box_size(&source->box) * item_bytes / (double)n;
    for (;;) {
        for (int d = 0; d < g->ndim; d++) coords[d] = t.first[d] + (at[d] * t.count[d] + t.count[d] / 2) / t.taken[d];
        for (int d = 0; d < g->ndim && !t.is_sample; d++) coords[d] = t.first[d] + at[d];
        uint64_t owner = map ? owner_map_find(map, number, grid_block_at(g, coords) * n_runs) : 0;
        vote(v, owner ? find_worker(v->c, owner) : NOBODY, t.is_sample ? each : overlap(g, coords, source) * item_bytes);
        int d = g->ndim - 1;
        for (; d >= 0; d--) {
            if (++at[d] < t.taken[d]) break;
            at[d] = 0;
        }
        if (d < 0) return;
    }
}

static void found_read(void *context, const operand *o, const region *source)
{
    votes *v = context;
    double item_bytes = (double)tsr_dtype_size(o->dtype);
    if (o->kind == OPERAND_STAGE) {
        const stage *s = &v->plan->stages[o->stage];
        vote_blocks(v, &s->outputs[o->output].blocks, source, v->map, o->stage, stage_folds(s) ? s->n_runs : 1, item_bytes);
    } else if (o->kind == OPERAND_BLOCKS) {
        const assign_input *in = NULL;
        for (int i = 0; i < v->c->n_inputs && !in; i++)
            if (v->c->inputs[i].set == o->node->p.blocks.set) in = &v->c->inputs[i];
        if (in) vote_blocks(v, o->node->p.blocks.stored, source, in->map, in->stage, in->n_runs, item_bytes);
    }
}

/* Does the body read anything whose place is known? */
static bool reads_blocks(const body *t)
{
    for (int i = 0; i < t->n_operands; i++) {
        const operand *o = &t->operands[i];
        if (o->kind == OPERAND_STAGE || o->kind == OPERAND_BLOCKS) return true;
        for (int k = 0; k < o->n_pieces; k++)
            if (reads_blocks(o->pieces[k])) return true;
    }
    return false;
}

/* The function that a stage calls, or NULL. */
static const tsr_function *called(const stage *s)
{
    return s->kind == STAGE_CALL ? &s->body->operands[0].node->p.call.spec->function : NULL;
}

static void vote_unit(votes *v, const stage *s, int64_t unit)
{
    const uint64_t holder = called(s) ? future_blocks_holder(called(s), unit) : 0;
    if (holder) vote(v, find_worker(v->c, holder), 1);
    if (!stage_folds(s)) {
        box tile = stage_tile(s, unit);
        region domain = region_of_box(&tile);
        body_walk(s->body, &domain, found_read, v);
        return;
    }
    int64_t block = unit / s->n_runs, part = unit % s->n_runs;
    int64_t first = part * s->n_folds / s->n_runs, end = (part + 1) * s->n_folds / s->n_runs;
    int64_t folds[3] = {first, first + (end - first) / 2, end - 1};
    for (int i = 0; i < 3; i++) {
        if (folds[i] < first || folds[i] >= end || (i > 0 && folds[i] == folds[i - 1])) continue;
        box tile = stage_fold_tile(s, block, folds[i]);
        region domain = region_of_box(&tile);
        body_walk(s->body, &domain, found_read, v);
    }
}

/* Whoever has clearly more than equal parts would give him. */
static int winner(const votes *v)
{
    int best = NOBODY;
    for (int i = 0; i < v->n; i++)
        if (best == NOBODY || v->bytes[i] > v->bytes[best]) best = i;
    if (best == NOBODY || v->bytes[best] * v->n < v->total * (v->n > 1 ? 1.1 : 0.1)) return NOBODY;
    return v->worker[best];
}

/* ---- The groups that a stage's units come in ------------------------------------------------------------------------- */

/* What is given away as one: a unit, or a chain, or all chains of an o where there are enough o. If keeping chains together made
 * too many ranges, or left workers without any, units again: tiles then wait for those of others. */
typedef struct grouping {
    const stage *stage;
    int64_t n, n_along, inner; /* n_along 0: groups are units */
    bool is_whole;             /* a group is all chains of an o */
} grouping;

static grouping group_units(const stage *s, const assign_units *u, int n_workers)
{
    grouping g = {.stage = s, .n = u->n, .n_along = u->n_along, .inner = u->inner};
    if (u->n_along == 0) return g;
    int64_t outer = u->n / (u->n_along * u->inner);
    g.is_whole = outer >= 2 * (int64_t)n_workers || u->inner == 1;
    g.n = g.is_whole ? outer : outer * u->inner;
    if (g.is_whole ? outer < n_workers : outer * u->n_along > MOST_SCAN_RANGES / (n_workers > 0 ? n_workers : 1))
        g = (grouping){.stage = s, .n = u->n};
    return g;
}

static int prefer(const grouping *g, votes *v, int64_t number)
{
    v->n = 0;
    v->total = 0;
    if (g->n_along == 0) {
        vote_unit(v, g->stage, number);
        return winner(v);
    }
    int64_t outer = g->is_whole ? number : number / g->inner, i = g->is_whole ? g->inner / 2 : number % g->inner;
    int64_t places[3] = {0, g->n_along / 2, g->n_along - 1};
    for (int k = 0; k < 3; k++)
        if (k == 0 || places[k] > places[k - 1]) vote_unit(v, g->stage, (outer * g->n_along + places[k]) * g->inner + i);
    return winner(v);
}

/* ---- Pieces ------------------------------------------------------------------------------------------------------------- */

static tsr_status add_piece(pieces *p, int64_t first, int64_t end, int worker)
{
    if (first >= end) return TSR_OK;
    if (p->all.n > 0) {
        piece *last = &p->all.items[p->all.n - 1];
        if (last->worker == worker && last->end == first) {
            last->end = end;
            return TSR_OK;
        }
    }
    return VEC_PUSH(&p->all, (piece){first, end, worker}) ? TSR_OK : TSR_ERR_MEMORY;
}

/* Cuts all groups into pieces by what they prefer. */
static tsr_status find_preferences(const grouping *g, votes *v, pieces *out)
{
    int64_t n = g->n < MOST_SAMPLES ? g->n : MOST_SAMPLES, before = 0, begun = 0;
    if (!reads_blocks(g->stage->body) && !(called(g->stage) && future_blocks_are(called(g->stage)->name)))
        return add_piece(out, 0, g->n, NOBODY);
    int last = prefer(g, v, 0);
    for (int64_t i = 1; i < n; i++) {
        int64_t at = g->n <= MOST_SAMPLES ? i : (int64_t)((double)i * (double)g->n / (double)n), low = before, high = at;
        int now = prefer(g, v, at);
        if (now != last) {
            while (high - low > 1) {
                int64_t middle = low + (high - low) / 2;
                if (prefer(g, v, middle) == last) {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            TRY(add_piece(out, begun, high, last));
            begun = high;
            last = now;
        }
        before = at;
    }
    return add_piece(out, begun, g->n, last);
}

typedef struct shares {
    const assign_context *c;
    int64_t *have, *left; /* of each worker: has, is to get */
    int *order;           /* in which the rest is given away */
    double n_threads;
} shares;

static tsr_status shares_init(shares *s, const assign_context *c)
{
    const size_t n = (size_t)c->n_workers;
    *s = (shares){.c = c};
    s->have = mem_calloc(n, 2 * sizeof *s->have + sizeof *s->order);
    if (!s->have) return TSR_ERR_MEMORY;
    s->left = s->have + n;
    s->order = (int *)(void *)(s->left + n);
    for (int i = 0; i < c->n_workers; i++) s->n_threads += c->workers[i].threads;
    return TSR_OK;
}

static double fair_share(const shares *s, int worker, int64_t n)
{
    return (double)n * s->c->workers[worker].threads / s->n_threads;
}

/* Takes from those who have much more than their share. */
static tsr_status limit(shares *s, const pieces *from, int64_t n, pieces *out)
{
    memset(s->have, 0, sizeof *s->have * (size_t)s->c->n_workers);
    for (size_t i = 0; i < from->all.n; i++) {
        piece p = from->all.items[i];
        int64_t keeps = 0;
        if (p.worker != NOBODY) {
            int64_t most = (int64_t)(2 * fair_share(s, p.worker, n) + 0.999), least = 4 * s->c->workers[p.worker].threads;
            if (most < least) most = least;
            keeps = most - s->have[p.worker];
            if (keeps > p.end - p.first) keeps = p.end - p.first;
            s->have[p.worker] += keeps;
        }
        TRY(add_piece(out, p.first, p.first + keeps, p.worker));
        TRY(add_piece(out, p.first + keeps, p.end, NOBODY));
    }
    return TSR_OK;
}

typedef struct rank {
    double load;
    int turn, worker;
} rank;

static int compare_ranks(const void *a, const void *b)
{
    const rank *x = a, *y = b;
    if (x->load != y->load) return x->load < y->load ? -1 : 1;
    return x->turn - y->turn;
}

/* Fewer units than workers: one each for those that are least busy, in turn. */
static tsr_status share_few(shares *s, int64_t rest, uint64_t turn)
{
    const int n = s->c->n_workers;
    rank *ranks = mem_alloc(sizeof *ranks * (size_t)n);
    if (!ranks) return TSR_ERR_MEMORY;
    for (int i = 0; i < n; i++) {
        int shift = (int)(((uint64_t)i + (uint64_t)n - turn % (uint64_t)n) % (uint64_t)n);
        ranks[i] = (rank){s->c->workers[i].load + (double)s->have[i] / s->c->workers[i].threads, shift, i};
    }
    qsort(ranks, (size_t)n, sizeof *ranks, compare_ranks);
    for (int i = 0; i < n; i++) {
        s->order[i] = ranks[i].worker;
        s->left[ranks[i].worker] = i < rest;
    }
    mem_free(ranks);
    return TSR_OK;
}

/* Many: everybody up to his share, in order, so that equal stages are cut alike. */
static void share_many(shares *s, int64_t rest, int64_t n)
{
    double lacking = 0, sum = 0;
    int64_t given = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < s->c->n_workers; i++) {
            double lacks = fair_share(s, i, n) - (double)s->have[i];
            if (lacks < 0) lacks = 0;
            if (pass == 0) {
                lacking += lacks;
                continue;
            }
            sum += lacks;
            int64_t until = lacking > 0 ? (int64_t)((double)rest * (sum / lacking) + 0.5) : 0;
            if (i == s->c->n_workers - 1 || until > rest) until = rest;
            s->order[i] = i;
            s->left[i] = until - given;
            given = until;
        }
    }
}

/* Gives away what has no owner. */
static tsr_status hand_out(shares *s, const pieces *from, int64_t n, uint64_t turn, pieces *out)
{
    int64_t rest = 0;
    int next = 0;
    for (size_t i = 0; i < from->all.n; i++)
        if (from->all.items[i].worker == NOBODY) rest += from->all.items[i].end - from->all.items[i].first;
    if (rest < s->c->n_workers)
        TRY(share_few(s, rest, turn));
    else
        share_many(s, rest, n);
    for (size_t i = 0; i < from->all.n; i++) {
        piece p = from->all.items[i];
        if (p.worker != NOBODY) TRY(add_piece(out, p.first, p.end, p.worker));
        while (p.worker == NOBODY && p.first < p.end) {
            while (s->left[s->order[next]] == 0) next++;
            int worker = s->order[next];
            int64_t count = s->left[worker] < p.end - p.first ? s->left[worker] : p.end - p.first;
            TRY(add_piece(out, p.first, p.first + count, worker));
            s->left[worker] -= count;
            p.first += count;
        }
    }
    return TSR_OK;
}

/* ---- Maps ------------------------------------------------------------------------------------------------------------- */

/* Pieces of groups become pieces of units. */
static tsr_status expand(const grouping *g, const pieces *from, pieces *out)
{
    if (g->is_whole) {
        for (size_t i = 0; i < from->all.n; i++) {
            piece p = from->all.items[i];
            TRY(add_piece(out, p.first * g->n_along * g->inner, p.end * g->n_along * g->inner, p.worker));
        }
        return TSR_OK;
    }
    size_t begin = 0;
    for (int64_t outer = 0; outer * g->inner < g->n; outer++) {
        int64_t low = outer * g->inner, high = low + g->inner;
        while (begin < from->all.n && from->all.items[begin].end <= low) begin++;
        for (int64_t k = 0; k < g->n_along; k++) {
            int64_t base = (outer * g->n_along + k) * g->inner - low;
            for (size_t i = begin; i < from->all.n && from->all.items[i].first < high; i++) {
                piece p = from->all.items[i];
                TRY(add_piece(out, base + (p.first > low ? p.first : low), base + (p.end < high ? p.end : high), p.worker));
            }
        }
    }
    return TSR_OK;
}

static tsr_status write_stage(const assign_context *c, const pieces *from, stage_owners *out)
{
    const size_t n = from->all.n;
    out->first = mem_alloc(sizeof *out->first * n);
    out->owner = mem_alloc(sizeof *out->owner * n);
    if (!out->first || !out->owner) return TSR_ERR_MEMORY;
    for (size_t i = 0; i < n; i++) {
        out->first[i] = from->all.items[i].first;
        out->owner[i] = c->workers[from->all.items[i].worker].id;
    }
    out->n = (int)n;
    return TSR_OK;
}

static tsr_status assign_stage(votes *v, shares *s, int number, owner_map *out)
{
    pieces wanted = {0}, limited = {0}, given = {0}, units = {0};
    tsr_status status;
    assign_units u = assign_units_of(&v->plan->stages[number]);
    grouping g = group_units(&v->plan->stages[number], &u, v->c->n_workers);
    GUARD(find_preferences(&g, v, &wanted));
    GUARD(limit(s, &wanted, g.n, &limited));
    GUARD(hand_out(s, &limited, g.n, v->c->turn, &given));
    if (g.n_along > 0) GUARD(expand(&g, &given, &units));
    GUARD(write_stage(v->c, g.n_along > 0 ? &units : &given, &out->stages[number]));
done:
    VEC_FINI(&wanted.all);
    VEC_FINI(&limited.all);
    VEC_FINI(&given.all);
    VEC_FINI(&units.all);
    return status;
}

static tsr_status map_init(owner_map *out, int n_stages)
{
    *out = (owner_map){.n_stages = n_stages};
    out->stages = mem_calloc((size_t)n_stages, sizeof *out->stages);
    return out->stages ? TSR_OK : TSR_ERR_MEMORY;
}

tsr_status assign_plan(const plan *p, const assign_context *c, owner_map *out)
{
    shares s = {0};
    tsr_status status;
    votes *v = NULL;
    GUARD(map_init(out, p->n_stages));
    if (c->n_workers == 0) return TSR_OK;
    v = mem_alloc(sizeof *v);
    GUARD(v ? TSR_OK : TSR_ERR_MEMORY);
    *v = (votes){.c = c, .plan = p, .map = out};
    GUARD(shares_init(&s, c));
    for (int i = 0; i < p->n_stages; i++) GUARD(assign_stage(v, &s, i, out));
done:
    if (status != TSR_OK) owner_map_free(out);
    mem_free(s.have);
    mem_free(v);
    return status;
}

/* Who owns what, in groups: of chains, the first unit tells. */
static tsr_status read_stage(shares *s, const stage_owners *from, const grouping *g, pieces *out)
{
    const int64_t outer = g->n_along ? g->n / g->inner : 1, row = g->n_along ? g->inner : g->n;
    int at = 0;
    if (from->n == 0) return add_piece(out, 0, g->n, NOBODY);
    for (int64_t o = 0; o < outer; o++) {
        int64_t shift = o * row - o * g->n_along * g->inner, low = o * row - shift, high = low + row;
        while (at + 1 < from->n && from->first[at + 1] <= low) at++;
        for (int i = at; i < from->n && from->first[i] < high; i++) {
            int64_t first = from->first[i] > low ? from->first[i] : low, end = i + 1 < from->n ? from->first[i + 1] : high;
            int worker = find_worker(s->c, from->owner[i]);
            if (end > high) end = high;
            if (worker != NOBODY) s->have[worker] += end - first;
            TRY(add_piece(out, first + shift, end + shift, worker));
        }
    }
    return TSR_OK;
}

static bool same_pieces(const pieces *a, const pieces *b)
{
    if (a->all.n != b->all.n) return false;
    for (size_t i = 0; i < a->all.n; i++) {
        const piece *x = &a->all.items[i], *y = &b->all.items[i];
        if (x->first != y->first || x->end != y->end || x->worker != y->worker) return false;
    }
    return true;
}

/* Chains that are together stay together; a map that has cut them goes on unit by unit. */
static tsr_status move_stage(shares *s, const stage_owners *from, const assign_units *u, uint64_t turn, stage_owners *out)
{
    pieces flat = {0}, chains = {0}, again = {0}, given = {0}, units = {0};
    grouping g = {.n = u->n}, c = {.n = u->n_along ? u->n / u->n_along : 0, .n_along = u->n_along, .inner = u->inner};
    bool is_chained = false;
    tsr_status status;
    memset(s->have, 0, sizeof *s->have * (size_t)s->c->n_workers);
    if (u->n_along > 0) {
        GUARD(read_stage(s, from, &c, &chains));
        GUARD(expand(&c, &chains, &again));
        memset(s->have, 0, sizeof *s->have * (size_t)s->c->n_workers);
    }
    GUARD(read_stage(s, from, &g, &flat));
    is_chained = u->n_along > 0 && same_pieces(&flat, &again);
    for (int i = 0; is_chained && i < s->c->n_workers; i++) s->have[i] /= u->n_along;
    GUARD(hand_out(s, is_chained ? &chains : &flat, is_chained ? c.n : g.n, turn, &given));
    if (is_chained) GUARD(expand(&c, &given, &units));
    GUARD(write_stage(s->c, is_chained ? &units : &given, out));
done:
    VEC_FINI(&flat.all);
    VEC_FINI(&chains.all);
    VEC_FINI(&again.all);
    VEC_FINI(&given.all);
    VEC_FINI(&units.all);
    return status;
}

tsr_status assign_move(const owner_map *from, const assign_units *units, const assign_context *c, owner_map *out)
{
    shares s = {0};
    tsr_status status;
    GUARD(map_init(out, from->n_stages));
    if (c->n_workers == 0) return TSR_OK;
    GUARD(shares_init(&s, c));
    for (int i = 0; i < from->n_stages; i++) GUARD(move_stage(&s, &from->stages[i], &units[i], c->turn, &out->stages[i]));
done:
    if (status != TSR_OK) owner_map_free(out);
    mem_free(s.have);
    return status;
}
