/* Maps of owners, from messages. What is read holds the invariants of stage_owners: the first range begins at 0, ranges are in
 * order, and every owner is a worker. Pure functions; any thread. */
#include "cluster/owner_map.h"

#include "base/mem.h"

static tsr_status bad(const char *why) { return error_set(TSR_ERR_FORMAT, "the map of a job makes no sense: %s", why); }

static tsr_status read_stage(const Tessera__Cluster__Map *m, const Tessera__Cluster__StageMap *s, stage_owners *out)
{
    if (s->n_first != s->n_owner) return bad("ranges and owners do not go together");
    if (s->n_first > INT32_MAX) return bad("too many ranges");
    if (s->n_first == 0) return TSR_OK;
    out->first = mem_alloc(s->n_first * sizeof *out->first);
    out->owner = mem_alloc(s->n_first * sizeof *out->owner);
    if (!out->first || !out->owner) return TSR_ERR_MEMORY;
    out->n = (int)s->n_first;
    for (size_t i = 0; i < s->n_first; i++) {
        if (i == 0 && s->first[0] != 0) return bad("the first range does not begin at 0");
        if (s->first[i] > INT64_MAX) return bad("a range begins behind every unit");
        if (i > 0 && s->first[i] <= s->first[i - 1]) return bad("ranges are not in order");
        if (s->owner[i] >= m->n_workers) return bad("an owner is not in its list of workers");
        if (m->workers[s->owner[i]] == 0) return bad("a worker has number 0");
        out->first[i] = (int64_t)s->first[i];
        out->owner[i] = m->workers[s->owner[i]];
    }
    return TSR_OK;
}

tsr_status owner_map_read(const Tessera__Cluster__Map *m, owner_map *out)
{
    *out = (owner_map){0};
    if (m->n_stages > OWNER_MAP_MOST || m->n_workers > OWNER_MAP_MOST) return bad("it has too many stages or workers");
    tsr_status status = TSR_OK;
    out->stages = mem_calloc(m->n_stages, sizeof *out->stages);
    if (!out->stages) return TSR_ERR_MEMORY;
    out->n_stages = (int)m->n_stages;
    for (int i = 0; status == TSR_OK && i < out->n_stages; i++) status = read_stage(m, m->stages[i], &out->stages[i]);
    if (status != TSR_OK) owner_map_free(out);
    return status;
}

static tsr_status check_count(const owner_map *map, int n_stages)
{
    if (map->n_stages == n_stages) return TSR_OK;
    return error_set(TSR_ERR_FORMAT, "the map of a job has %d stages, its plan %d", map->n_stages, n_stages);
}

static tsr_status check_stage(const owner_map *map, int number, int64_t n_units)
{
    const stage_owners *s = &map->stages[number];
    if (s->n == 0 || s->first[s->n - 1] < n_units) return TSR_OK;
    return error_set(TSR_ERR_FORMAT, "the map of a job names unit %lld of stage %d, which has %lld",
                     (long long)s->first[s->n - 1], number, (long long)n_units);
}

tsr_status owner_map_check(const owner_map *map, const plan *p)
{
    TRY(check_count(map, p->n_stages));
    for (int i = 0; i < p->n_stages; i++) TRY(check_stage(map, i, assign_units_of(&p->stages[i]).n));
    return TSR_OK;
}

tsr_status owner_map_check_units(const owner_map *map, int n_stages, const assign_units *units)
{
    TRY(check_count(map, n_stages));
    for (int i = 0; i < n_stages; i++) TRY(check_stage(map, i, units[i].n));
    return TSR_OK;
}
