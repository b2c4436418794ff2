/* Fetching the blocks of a job's roots from the workers that the map says make them: who is asked for what.
 *
 * What is missing lies in lists of segments, one for each owner, drawn up anew with every map and when a worker is lost. Requests
 * cut pieces off them, as long as what was asked for and not delivered yet fits the window; owners take turns, so that all of
 * them have something to do. Every block remembers the request that asks for it: whatever arrives for another one is old news. */
#include "cluster/client_parts.h"

#include "base/os.h"

enum { PIECES = 4 /* of the window, for each owner */ };

size_t fetch_block_bytes(const fetch_root *r, int64_t block)
{
    box b = grid_box(&r->o->blocks, block);
    return (size_t)box_size(&b) * tsr_dtype_size(r->o->dtype);
}

/* ---- Beginning and ending ---------------------------------------------------------------------------------------- */

tsr_status fetch_new(job *j, const plan *p, const sink *sinks, fetching **out)
{
    client *c = j->c;
    fetching *f = mem_calloc(1, sizeof *f);
    if (!f) return TSR_ERR_MEMORY;
    *f = (fetching){.c = c, .of = j, .plan = p, .n_roots = p->n_roots};
    os_cond_init(&f->changed);
    f->ready_last = &f->ready;
    f->window_bytes = engine_budget_bytes(c->session->engine) / 4;
    f->roots = mem_calloc((size_t)p->n_roots, sizeof *f->roots);
    for (int i = 0; f->roots && i < p->n_roots; i++) {
        fetch_root *r = &f->roots[i];
        const stage *s = &p->stages[p->roots[i].stage];
        *r = (fetch_root){.stage = p->roots[i].stage,
                          .output = p->roots[i].output,
                          .o = &s->outputs[p->roots[i].output],
                          .to = sinks[i],
                          .n_blocks = stage_n_blocks(s),
                          .n_runs = stage_folds(s) ? s->n_runs : 1};
        r->state = mem_calloc((size_t)r->n_blocks, sizeof *r->state);
        if (!r->state || deliver_find_place(r) != TSR_OK) {
            fetch_free(f);
            return TSR_ERR_MEMORY;
        }
        f->n_blocks += r->n_blocks;
        f->n_left += r->n_blocks;
        if (shape_size(r->o->ndim, r->o->shape) > 0) continue;
        f->n_left -= r->n_blocks; /* there is nothing to fetch */
        for (int64_t b = 0; b < r->n_blocks; b++) r->state[b] = BLOCK_DONE;
    }
    if (!f->roots) {
        fetch_free(f);
        return TSR_ERR_MEMORY;
    }
    f->stages = mem_calloc((size_t)p->n_stages, sizeof *f->stages);
    if (!f->stages) {
        fetch_free(f);
        return TSR_ERR_MEMORY;
    }
    for (int i = 0; i < p->n_stages; i++) {
        f->stages[i] = (stage_progress){.name = node_name(p->stages[i].outputs[0].node), .tasks_total = p->stages[i].n_needed};
        f->progress.tasks_total += p->stages[i].n_needed;
    }
    f->is_over = f->n_left == 0;
    j->fetch = f; /* nobody knows the job yet */
    *out = f;
    return TSR_OK;
}

static void owners_fini(fetching *f)
{
    for (size_t i = 0; i < f->owners.n; i++) VEC_FINI(&f->owners.items[i].segments);
    VEC_FINI(&f->owners);
}

void fetch_arrival_free(arrival *a)
{
    buffer_unref(a->buf);
    mem_free(a);
}

void fetch_free(fetching *f)
{
    for (int i = 0; f->roots && i < f->n_roots; i++) {
        mem_free(f->roots[i].state);
        deliver_forget_place(&f->roots[i]);
    }
    mem_free(f->roots);
    mem_free(f->stages);
    owners_fini(f);
    owner_map_free(&f->map);
    pthread_cond_destroy(&f->changed);
    mem_free(f->message);
    mem_free(f);
}

void fetch_fail(fetching *f, tsr_status status, const char *message)
{
    if (f->is_over) return;
    f->status = status;
    f->message = message ? mem_strdup(message) : NULL;
    f->is_over = true;
    for (int i = 0; i < f->n_roots; i++)
        if (f->roots[i].to.kind == SINK_WRITER) store_give_up(f->roots[i].to.writer, status);
    pthread_cond_broadcast(&f->changed);
}

/* The text is the thread's last error. */
void fetch_fail_here(fetching *f, tsr_status status) { fetch_fail(f, status, tsr_error_message()); }

/* ---- Requests ---------------------------------------------------------------------------------------------------- */

int fetch_slot_of(const client *c, uint64_t id)
{
    size_t slot = (size_t)(id % MAX_REQUESTS);
    return id && slot < c->requests.n && c->requests.items[slot].id == id ? (int)slot : -1;
}

/* A free slot, which stays free. */
static int slot_new(client *c)
{
    if (c->free_request > 0) return c->free_request - 1;
    if (c->requests.n == MAX_REQUESTS || !VEC_PUSH(&c->requests, (request){0})) return -1;
    c->free_request = (int)c->requests.n;
    return c->free_request - 1;
}

void fetch_slot_free(client *c, int slot)
{
    request *q = &c->requests.items[slot];
    q->f->n_requests--;
    *q = (request){.next_free = c->free_request};
    c->free_request = slot + 1;
}

int32_t fetch_asked_by(int slot) { return slot + 1; }

static bool send_fetch(net_link *l, const request *q)
{
    const fetch_root *r = &q->f->roots[q->root];
    uint8_t few[128], *head = few;
    Tessera__Cluster__Fetch m = TESSERA__CLUSTER__FETCH__INIT;
    m.request = q->id;
    m.job = q->f->of->number;
    m.stage = (uint32_t)r->stage;
    m.output = (uint32_t)r->output;
    m.first = (uint64_t)q->first;
    m.count = (uint64_t)(q->end - q->first);
    m.place = r->place;
    if (r->place) head = mem_alloc(tessera__cluster__fetch__get_packed_size(&m));
    if (!head) return false;
    size_t n = tessera__cluster__fetch__pack(&m, head);
    bool is_sent = link_send(l, TESSERA__CLUSTER__MESSAGE_TYPE__FETCH, head, n, NULL) == TSR_OK;
    if (head != few) mem_free(head);
    return is_sent;
}

void fetch_request_drop(client *c, int slot, bool tell)
{
    request *q = &c->requests.items[slot];
    fetching *f = q->f;
    fetch_root *r = &f->roots[q->root];
    peer *p = client_find_peer(c, q->worker);
    if (tell && p && p->link) {
        uint8_t head[32];
        Tessera__Cluster__Request m = TESSERA__CLUSTER__REQUEST__INIT;
        m.request = q->id;
        size_t n = tessera__cluster__request__pack(&m, head);
        if (link_send(p->link, TESSERA__CLUSTER__MESSAGE_TYPE__FORGET, head, n, NULL) != TSR_OK)
            link_close(p->link, tsr_error_message());
    }
    for (int64_t b = q->first; b < q->end; b++) {
        if (r->state[b] != fetch_asked_by(slot)) continue;
        r->state[b] = BLOCK_WANTED;
        f->asked_bytes -= fetch_block_bytes(r, b);
    }
    fetch_slot_free(c, slot);
}

/* Takes a piece of the owner's next segment that fits `room`, at least a block if nothing else is on its way. */
static int64_t piece_end(const fetching *f, const segment *s, size_t most, size_t *bytes)
{
    const fetch_root *r = &f->roots[s->root];
    size_t room = f->window_bytes > f->asked_bytes ? f->window_bytes - f->asked_bytes : 0, sum = 0;
    int64_t end = s->first;
    if (most > room) most = room;
    while (end < s->end) {
        size_t n = fetch_block_bytes(r, end);
        bool is_first = end == s->first && (n <= room || f->asked_bytes == 0);
        if (sum + n > most && !is_first) break;
        sum += n;
        end++;
    }
    *bytes = sum;
    return end;
}

/* One request to an owner. False: nothing can be asked of it now. */
static bool ask_owner(fetching *f, owner *o)
{
    client *c = f->c;
    size_t bytes;
    if (o->at == o->segments.n) return false;
    segment *s = &o->segments.items[o->at];
    int64_t end = piece_end(f, s, f->window_bytes / (PIECES * f->owners.n), &bytes);
    if (end == s->first) return false;
    peer *p = client_find_peer(c, o->worker);
    int slot = p && client_dial(c, p) ? slot_new(c) : -1;
    if (slot < 0) {
        f->waits = true;
        return false;
    }
    request *q = &c->requests.items[slot];
    const request asked = {.id = c->next_request++ * MAX_REQUESTS + (uint64_t)slot,
                           .f = f,
                           .root = s->root,
                           .first = s->first,
                           .end = end,
                           .n_left = end - s->first,
                           .worker = o->worker};
    if (!send_fetch(p->link, &asked)) { /* it is being closed: what is missing is asked for after that */
        f->waits = true;
        return false;
    }
    c->free_request = q->next_free;
    *q = asked;
    f->n_requests++;
    for (int64_t b = s->first; b < end; b++) f->roots[s->root].state[b] = fetch_asked_by(slot);
    f->asked_bytes += bytes;
    s->first = end;
    if (s->first == s->end) o->at++;
    return true;
}

void fetch_ask(fetching *f)
{
    int n = (int)f->owners.n, n_idle = 0;
    f->waits = false;
    while (!f->is_over && n_idle < n) { /* until each in turn has taken nothing */
        f->next_owner = (f->next_owner + 1) % n;
        n_idle = ask_owner(f, &f->owners.items[f->next_owner]) ? 0 : n_idle + 1;
    }
}

/* ---- Maps -------------------------------------------------------------------------------------------------------- */

/* The worker that owns a block: that of its first unit. 0: nobody. */
static uint64_t owner_of(const fetching *f, const fetch_root *r, int64_t block)
{
    return owner_map_find(&f->map, r->stage, block * r->n_runs);
}

static owner *owner_named(fetching *f, uint64_t worker)
{
    for (size_t i = 0; i < f->owners.n; i++)
        if (f->owners.items[i].worker == worker) return &f->owners.items[i];
    if (!VEC_PUSH(&f->owners, (owner){.worker = worker})) return NULL;
    return &f->owners.items[f->owners.n - 1];
}

/* Lists what is missing by whom it is to be asked of. */
static tsr_status draw_up(fetching *f)
{
    owners_fini(f);
    f->next_owner = 0;
    for (int i = 0; i < f->n_roots; i++) {
        const fetch_root *r = &f->roots[i];
        segment s = {.root = i};
        uint64_t of = 0;
        for (int64_t b = 0; b <= r->n_blocks; b++) {
            uint64_t now = b < r->n_blocks && r->state[b] == BLOCK_WANTED ? owner_of(f, r, b) : 0;
            if (now == of && of != 0) continue;
            if (of != 0) {
                owner *o = owner_named(f, of);
                s.end = b;
                if (!o || !VEC_PUSH(&o->segments, s)) return TSR_ERR_MEMORY;
            }
            s.first = b;
            of = now;
        }
    }
    return TSR_OK;
}

void fetch_draw_up_and_ask(fetching *f)
{
    tsr_status status = draw_up(f);
    if (status != TSR_OK) {
        fetch_fail_here(f, status);
    } else {
        fetch_ask(f);
    }
}

bool fetch_set_map(fetching *f, const Tessera__Cluster__Map *m)
{
    client *c = f->c;
    owner_map map;
    if (owner_map_read(m, &map) != TSR_OK) return false;
    const bool good = owner_map_check(&map, f->plan) == TSR_OK;
    if (!good || m->epoch < f->epoch || f->is_over) {
        owner_map_free(&map);
        return good;
    }
    owner_map_free(&f->map);
    f->map = map;
    f->epoch = m->epoch;
    for (size_t i = 0; i < c->requests.n; i++) {
        const request *q = &c->requests.items[i];
        if (q->f != f) continue;
        bool moved = false;
        for (int64_t b = q->first; b < q->end && !moved; b++) {
            const fetch_root *r = &f->roots[q->root];
            moved = r->state[b] == fetch_asked_by((int)i) && owner_of(f, r, b) != q->worker;
        }
        if (moved) fetch_request_drop(c, (int)i, true);
    }
    fetch_draw_up_and_ask(f);
    return true;
}

void fetch_lost(fetching *f, const peer *p)
{
    client *c = f->c;
    bool any = f->has_missed;
    f->has_missed = false;
    for (size_t i = 0; i < c->requests.n && f->n_requests > 0; i++) {
        if (c->requests.items[i].f != f || c->requests.items[i].worker != p->id) continue;
        fetch_request_drop(c, (int)i, false);
        any = true;
    }
    if (any && !f->is_over) fetch_draw_up_and_ask(f);
}
