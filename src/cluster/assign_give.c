/* Giving away units that are not begun: the scheduler does so when their owner is far behind others, or others have come
 * (scheduler_balance.c). Pure functions; any thread. */
#include "base/mem.h"
#include "cluster/assign.h"

enum { MOST_ROWS = 100000 /* of chains that are cut: each may become two ranges */ };

/* ---- Units --------------------------------------------------------------------------------------------------------------- */

/* The part of range i of a stage that is still to be done and may be given: [*first, *end). */
static bool part_left(const stage_owners *s, const assign_units *u, const assign_gift *g, int number, int i, int64_t *first,
                      int64_t *end)
{
    if (s->owner[i] != g->giver || number < g->stage) return false;
    *first = s->first[i];
    *end = i + 1 < s->n ? s->first[i + 1] : u->n;
    if (number == g->stage && *first < g->unit) *first = g->unit;
    return *first < *end;
}

static int64_t units_left(const stage_owners *s, const assign_units *u, const assign_gift *g, int number)
{
    int64_t n = 0, first, end;
    for (int i = 0; i < s->n; i++)
        if (part_left(s, u, g, number, i, &first, &end)) n += end - first;
    return n;
}

static void add_range(stage_owners *s, int64_t first, uint64_t owner)
{
    if (s->n > 0 && s->owner[s->n - 1] == owner) return;
    s->first[s->n] = first;
    s->owner[s->n++] = owner;
}

/* Every range is cut at most once: what is kept, what is given. */
static void give_units(const stage_owners *from, const assign_units *u, const assign_gift *g, int number, stage_owners *out)
{
    int64_t left = units_left(from, u, g, number), keep = left - (int64_t)((double)left * g->part), first, end;
    for (int i = 0; i < from->n; i++) {
        if (!part_left(from, u, g, number, i, &first, &end)) {
            add_range(out, from->first[i], from->owner[i]);
            continue;
        }
        int64_t kept = keep < end - first ? keep : end - first;
        keep -= kept;
        if (from->first[i] < first + kept) add_range(out, from->first[i], g->giver);
        if (first + kept < end) add_range(out, first + kept, g->taker);
    }
}

/* ---- Chains ----------------------------------------------------------------------------------------------------------------
 *
 * Chains of an o are done side by side, tile after tile, so what is left of them are their ends. These are given, of as many
 * chains as the part says; a taker asks the giver for the tile before. Rows are the units of all chains of an o at one place:
 * row o * n_along + k, and a range of units goes through rows in their order. */

static int64_t n_rows(const assign_units *u) { return u->n / u->inner; }

/* The place from which the chains of an o are to be done; n_along: they are done. */
static int64_t place_left(const assign_units *u, const assign_gift *g, int number, int64_t o)
{
    if (number != g->stage) return number < g->stage ? u->n_along : 0;
    const int64_t row = g->unit / u->inner, now = row / u->n_along;
    return o < now ? u->n_along : o > now ? 0 : row % u->n_along + 1;
}

/* The part of range i, from unit `at` on, that lies in one row. */
static int64_t end_in_row(const stage_owners *s, const assign_units *u, int i, int64_t at)
{
    const int64_t end = i + 1 < s->n ? s->first[i + 1] : u->n, row_end = (at / u->inner + 1) * u->inner;
    return end < row_end ? end : row_end;
}

typedef struct chains {
    int64_t n, units; /* chains that end with the giver; the units that it has left */
    int64_t o, i;     /* the first that is given */
} chains;

/* Counts them, and finds the one behind `keep`. */
static chains find_chains(const stage_owners *s, const assign_units *u, const assign_gift *g, int number, int64_t keep)
{
    chains c = {.o = INT64_MAX};
    for (int k = 0; k < s->n; k++) {
        const int64_t end = k + 1 < s->n ? s->first[k + 1] : u->n;
        for (int64_t at = s->first[k], till; s->owner[k] == g->giver && at < end; at = till) {
            const int64_t row = at / u->inner, o = row / u->n_along, place = place_left(u, g, number, o);
            till = end_in_row(s, u, k, at);
            if (row % u->n_along < place) continue;
            c.units += till - at;
            if (row % u->n_along != u->n_along - 1) continue; /* whose it ends with */
            if (c.n <= keep && keep < c.n + till - at) {
                c.o = o;
                c.i = at % u->inner + keep - c.n;
            }
            c.n += till - at;
        }
    }
    return c;
}

static void give_chains(const stage_owners *from, const assign_units *u, const assign_gift *g, int number, stage_owners *out)
{
    const int64_t n = find_chains(from, u, g, number, INT64_MAX).n;
    const chains c = find_chains(from, u, g, number, n - (int64_t)((double)n * g->part));
    for (int k = 0; k < from->n; k++) {
        const int64_t end = k + 1 < from->n ? from->first[k + 1] : u->n;
        if (from->owner[k] != g->giver) add_range(out, from->first[k], from->owner[k]);
        for (int64_t at = from->first[k], till; from->owner[k] == g->giver && at < end; at = till) {
            const int64_t row = at / u->inner, o = row / u->n_along, begin = row * u->inner;
            int64_t cut = o > c.o ? at : o == c.o ? begin + c.i : INT64_MAX; /* what is behind is given */
            till = end_in_row(from, u, k, at);
            if (row % u->n_along < place_left(u, g, number, o)) cut = INT64_MAX;
            if (at < cut) add_range(out, at, g->giver);
            if (cut < till) add_range(out, at > cut ? at : cut, g->taker);
        }
    }
}

/* ---- Stages ---------------------------------------------------------------------------------------------------------------- */

static bool has_chains(const assign_units *u) { return u->n_along > 0; }
static bool are_too_many(const assign_units *u) { return has_chains(u) && n_rows(u) > MOST_ROWS; }

static int64_t range_left(const stage_owners *s, const assign_units *u, const assign_gift *g, int number, int k)
{
    int64_t first, end;
    if (!has_chains(u)) return part_left(s, u, g, number, k, &first, &end) ? end - first : 0;
    const stage_owners range = {.n = 1, .first = &s->first[k], .owner = &s->owner[k]};
    assign_units until = *u;
    if (k + 1 < s->n) until.n = s->first[k + 1];
    return find_chains(&range, &until, g, number, INT64_MAX).units;
}

void assign_left(const owner_map *map, const assign_units *units, const uint32_t *owner, size_t n, const assign_gift *gifts,
                 int64_t *left)
{
    for (size_t i = 0; i < n; i++) left[i] = 0;
    for (int i = 0; i < map->n_stages; i++) {
        const stage_owners *s = &map->stages[i];
        for (int k = 0; k < s->n && !are_too_many(&units[i]); k++)
            left[owner[k]] += range_left(s, &units[i], &gifts[owner[k]], i, k);
        owner += s->n;
    }
}

/* ---- All stages at the same place ------------------------------------------------------------------------------------------ */

static int64_t n_owned(const stage_owners *s, const assign_units *u, uint64_t owner)
{
    int64_t n = 0;
    for (int i = 0; i < s->n; i++)
        if (s->owner[i] == owner) n += (i + 1 < s->n ? s->first[i + 1] : u->n) - s->first[i];
    return n;
}

/* The unit that so many of the owner's are before. */
static int64_t owned_unit(const stage_owners *s, const assign_units *u, uint64_t owner, int64_t n)
{
    for (int i = 0; i < s->n; i++) {
        const int64_t end = i + 1 < s->n ? s->first[i + 1] : u->n;
        if (s->owner[i] != owner) continue;
        if (n < end - s->first[i]) return s->first[i] + n;
        n -= end - s->first[i];
    }
    return u->n;
}

static int64_t n_kept(int64_t owned, uint64_t done, double place)
{
    const int64_t before = (int64_t)((double)owned * place);
    const int64_t kept = done > (uint64_t)before ? (int64_t)(done < (uint64_t)owned ? done : (uint64_t)owned) : before;
    return kept < owned ? kept : owned;
}

void assign_cut(const owner_map *map, const assign_units *units, uint64_t giver, const uint64_t *done, int64_t n, int64_t *from)
{
    enum { STEPS = 40 };
    double low = 0, high = 1;
    for (int i = 0; i < map->n_stages; i++) from[i] = n_owned(&map->stages[i], &units[i], giver);
    for (int step = 0; step < STEPS; step++) {
        const double place = (low + high) / 2;
        int64_t given = 0;
        for (int i = 0; i < map->n_stages; i++) given += from[i] - n_kept(from[i], done[i], place);
        *(given > n ? &low : &high) = place;
    }
    for (int i = 0; i < map->n_stages; i++) {
        const assign_units *u = &units[i];
        const int64_t whole = u->n_along > 0 ? u->n_along * u->inner : 1;
        from[i] = owned_unit(&map->stages[i], u, giver, n_kept(from[i], done[i], high));
        from[i] = (from[i] + whole - 1) / whole * whole;
    }
}

static void give_behind(const stage_owners *from, const assign_units *u, const assign_gift *g, int64_t cut, stage_owners *out)
{
    for (int i = 0; i < from->n; i++) {
        const int64_t end = i + 1 < from->n ? from->first[i + 1] : u->n;
        const bool is_giver = from->owner[i] == g->giver;
        if (!is_giver || from->first[i] < cut) add_range(out, from->first[i], from->owner[i]);
        if (is_giver && cut < end) add_range(out, from->first[i] > cut ? from->first[i] : cut, g->taker);
    }
}

/* A single o has no chains behind others: their ends are given. */
static bool cuts_behind(const assign_units *u, const assign_gift *g)
{
    return g->from && (u->n_along == 0 || u->n >= 2 * u->n_along * u->inner);
}

static tsr_status give_stage(const stage_owners *from, const assign_units *u, const assign_gift *g, int number, stage_owners *out)
{
    const bool cuts_chains = has_chains(u) && !are_too_many(u);
    const size_t most = 2 * ((size_t)from->n + (cuts_chains ? (size_t)n_rows(u) : 0));
    out->first = mem_alloc(sizeof *out->first * most);
    out->owner = mem_alloc(sizeof *out->owner * most);
    if (!out->first || !out->owner) return TSR_ERR_MEMORY;
    if (cuts_behind(u, g)) {
        give_behind(from, u, g, g->from[number], out);
    } else if (cuts_chains) {
        give_chains(from, u, g, number, out);
    } else if (has_chains(u)) {
        for (int i = 0; i < from->n; i++) add_range(out, from->first[i], from->owner[i]);
    } else {
        give_units(from, u, g, number, out);
    }
    return TSR_OK;
}

tsr_status assign_give(const owner_map *from, const assign_units *units, const assign_gift *g, owner_map *out)
{
    *out = (owner_map){.n_stages = from->n_stages, .stages = mem_calloc((size_t)from->n_stages, sizeof *out->stages)};
    tsr_status status = out->stages ? TSR_OK : TSR_ERR_MEMORY;
    for (int i = 0; status == TSR_OK && i < from->n_stages; i++)
        status = give_stage(&from->stages[i], &units[i], g, i, &out->stages[i]);
    if (status != TSR_OK) owner_map_free(out);
    return status;
}
