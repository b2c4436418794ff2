/* Jobs of a client: from expressions to a Submit, what persisted arrays refer to, and how long all of that lives.
 *
 * The cluster keeps a job as long as it has users here: arrays that read it, or its computation. The client itself remembers it
 * longer where a persisted job reads it: a scheduler that has forgotten everything is told all jobs again, in their order. */
#include "array/udf.h"
#include "cluster/client_parts.h"
#include "cluster/future_blocks.h"

#include <errno.h>
#include <sys/random.h>

/* ---- Sets -------------------------------------------------------------------------------------------------------- */

static void set_unref(block_set *base)
{
    remote_set *s = (remote_set *)base;
    client *c = s->of->c;
    if (!session_is_here(c->session)) return;
    pthread_mutex_lock(&c->lock);
    bool is_last = atomic_fetch_sub(&base->refs, 1) == 1; /* with the lock: who looks for a set finds one that lives */
    if (is_last) {
        if (s->next) s->next->previous = s->previous;
        if (s->previous) s->previous->next = s->next;
        if (c->sets == s) c->sets = s->next;
        job_leave(s->of);
    }
    pthread_mutex_unlock(&c->lock);
    if (!is_last) return;
    mem_free(s->edges);
    mem_free(s);
}

static const block_set_ops set_ops = {set_unref};

/* Edges of all axes in one piece. */
static tsr_status copy_edges(remote_set *s)
{
    size_t n = 0;
    for (int d = 0; d < s->stored.ndim; d++) n += s->stored.axes[d].edges ? (size_t)s->stored.axes[d].n_blocks + 1 : 0;
    s->edges = mem_alloc(n * sizeof *s->edges);
    if (!s->edges) return TSR_ERR_MEMORY;
    int64_t *at = s->edges;
    for (int d = 0; d < s->stored.ndim; d++) {
        axis_grid *g = &s->stored.axes[d];
        if (!g->edges) continue;
        memcpy(at, g->edges, sizeof *at * (size_t)(g->n_blocks + 1));
        g->edges = at;
        at += g->n_blocks + 1;
    }
    return TSR_OK;
}

tsr_status remote_set_new(job *j, uint32_t root, tsr_dtype dtype, const grid *stored, remote_set **out)
{
    client *c = j->c;
    remote_set *s = mem_calloc(1, sizeof *s);
    if (!s) return TSR_ERR_MEMORY;
    *s = (remote_set){.base = {.ops = &set_ops}, .of = j, .root = root, .dtype = dtype, .stored = *stored};
    if (copy_edges(s) != TSR_OK) {
        mem_free(s);
        return TSR_ERR_MEMORY;
    }
    atomic_store(&s->base.refs, 1);
    j->users++;
    s->next = c->sets;
    if (c->sets) c->sets->previous = s;
    c->sets = s;
    *out = s;
    return TSR_OK;
}

remote_set *remote_set_of(const tsr_array *a) { return a->op == NODE_BLOCKS ? remote_set_from(a->p.blocks.set) : NULL; }

remote_set *remote_set_from(block_set *set) { return set->ops == &set_ops ? (remote_set *)set : NULL; }

/* ---- Packing ----------------------------------------------------------------------------------------------------- */

/* What the expressions read of other jobs: borrowed, as the arrays live. */
typedef struct packing {
    client *c;
    VEC(job *) reads;
    bool failed;
} packing;

static bool save_set(void *context, const block_set *set, uint64_t *number, uint32_t *root)
{
    packing *p = context;
    if (set->ops != &set_ops) return false;
    const remote_set *s = (const remote_set *)set;
    *number = s->of->number;
    *root = s->root;
    for (size_t i = 0; i < p->reads.n; i++)
        if (p->reads.items[i] == s->of) return true;
    if (!VEC_PUSH(&p->reads, s->of)) p->failed = true;
    return true;
}

/* A set that this client knows already: it packed it a moment ago. */
static block_set *load_set(void *context, uint64_t number, uint32_t root, tsr_dtype *dtype, const grid **stored)
{
    client *c = ((packing *)context)->c;
    block_set *found = NULL;
    pthread_mutex_lock(&c->lock);
    for (remote_set *s = c->sets; s && !found; s = s->next) {
        if (s->of->number != number || s->root != root) continue;
        atomic_fetch_add(&s->base.refs, 1);
        *dtype = s->dtype;
        *stored = &s->stored;
        found = &s->base;
    }
    pthread_mutex_unlock(&c->lock);
    if (!found) (void)error_set(TSR_ERR_NOT_FOUND, "job %016llx is not known here", (unsigned long long)number);
    return found;
}

static tsr_status load_function(void *context, const char *name, const void *bytes, size_t size, const tsr_function *inner,
                                tsr_function *out)
{
    tsr_session *s = ((packing *)context)->c->session;
    if (strcmp(name, UDF_PACKED) == 0) return udf_unpack(s, bytes, size, out);
    if (!future_blocks_are(name)) return error_set(TSR_ERR_FORMAT, "unpack: no function '%.30s'", name);
    return future_blocks_load(s, NULL, bytes, size, inner, out);
}

static tsr_status save_function(void *context, const tsr_function *f, arena *memory, packed_function *out)
{
    TRY(future_blocks_save(NULL, f, memory, out));
    return out->name ? TSR_OK : udf_pack(((packing *)context)->c->session, f, memory, out);
}

static set_codec codec_of(packing *k) { return (set_codec){k, save_set, load_set, save_function, load_function}; }

static bool is_dense(const tsr_array *a)
{
    int64_t dense[TSR_MAX_NDIM];
    shape_strides(a->ndim, a->shape, tsr_dtype_size(a->dtype), dense);
    return !a->p.memory.swapped && memcmp(dense, a->p.memory.strides, sizeof *dense * (size_t)a->ndim) == 0;
}

static bool reads_dense(const body *b)
{
    for (int i = 0; i < b->n_operands; i++) {
        const operand *o = &b->operands[i];
        if (o->kind == OPERAND_MEMORY && !is_dense(o->node)) return false;
        for (int k = 0; k < o->n_pieces; k++)
            if (!reads_dense(o->pieces[k])) return false;
    }
    return true;
}

/* The plan that the others make of the packed expressions. It is the one of the expressions themselves unless it reads memory
 * that is not dense: that is packed densely, and plans depend on strides. */
static tsr_status make_plan(packing *k, const tsr_function_codec *codec, int n, tsr_array *const *arrays, const plan_hint *hints,
                            const void *packed, size_t size, plan **out)
{
    const set_codec sets = codec_of(k);
    plan *p;
    TRY(plan_build(n, arrays, hints, &p));
    bool dense = true;
    for (int i = 0; i < p->n_stages && dense; i++) dense = reads_dense(p->stages[i].body);
    *out = p;
    if (dense) return TSR_OK;
    plan_free(p);
    *out = NULL;
    tsr_array **again = mem_calloc((size_t)n, sizeof(tsr_array *));
    if (!again) return TSR_ERR_MEMORY;
    tsr_status status = expression_unpack(arrays[0]->session, packed, size, codec, &sets, n, again);
    if (status == TSR_OK) status = plan_build(n, again, hints, out);
    for (int i = 0; i < n; i++)
        if (again[i]) node_unref(again[i]);
    mem_free(again);
    return status;
}

/* ---- Submit ------------------------------------------------------------------------------------------------------ */

static tsr_status random_number(uint64_t *out)
{
    *out = 0;
    while (*out == 0) {
        if (getrandom(out, sizeof *out, 0) == sizeof *out || errno == EINTR) continue;
        return error_errno(errno, "cannot get random numbers");
    }
    return TSR_OK;
}

/* Of what the thread computes. */
static _Thread_local int thread_priority;

int tsr_set_priority(int priority)
{
    const int before = thread_priority;
    thread_priority = priority;
    return before;
}

static tsr_status pack_head(job *j, int n, tsr_array *const *arrays, const plan_hint *hints, const plan *p, bool wants_progress)
{
    Tessera__Cluster__Submit m = TESSERA__CLUSTER__SUBMIT__INIT;
    Tessera__Cluster__Hint *items = mem_calloc((size_t)n, sizeof *items), **list = mem_calloc((size_t)n, sizeof *list);
    uint64_t *reads = mem_calloc(j->reads.n, sizeof *reads);
    char **stages = mem_calloc((size_t)p->n_stages, sizeof *stages);
    tsr_status status = items && list && reads && stages ? TSR_OK : TSR_ERR_MEMORY;
    if (status == TSR_OK) {
        for (int i = 0; i < n; i++) {
            items[i] = (Tessera__Cluster__Hint)TESSERA__CLUSTER__HINT__INIT;
            list[i] = &items[i];
            if (!hints || !hints[i].chunk) continue;
            items[i].n_chunk = (size_t)arrays[i]->ndim;
            items[i].chunk = (int64_t *)(uintptr_t)hints[i].chunk;
        }
        for (size_t i = 0; i < j->reads.n; i++) reads[i] = j->reads.items[i]->number;
        m.job = j->number;
        m.persists = j->is_persistent;
        m.fingerprint = plan_fingerprint(p);
        for (int i = 0; i < p->n_stages; i++) stages[i] = (char *)(uintptr_t)node_name(p->stages[i].outputs[0].node);
        m.n_stages = (size_t)p->n_stages;
        m.stages = stages;
        m.n_hints = hints ? (size_t)n : 0;
        m.hints = list;
        m.n_reads = j->reads.n;
        m.reads = reads;
        m.progress = wants_progress;
        m.priority = thread_priority;
        j->head_bytes = tessera__cluster__submit__get_packed_size(&m);
        j->head = mem_alloc(j->head_bytes);
        if (j->head) {
            tessera__cluster__submit__pack(&m, j->head);
        } else {
            status = TSR_ERR_MEMORY;
        }
    }
    mem_free(items);
    mem_free(list);
    mem_free(reads);
    mem_free(stages);
    return status;
}

static void job_free(job *j)
{
    VEC_FINI(&j->reads);
    buffer_unref(j->packed);
    mem_free(j->head);
    mem_free(j->message);
    mem_free(j);
}

/* Uses what it reads; the first of it that has failed is the reason for not even beginning. The lock is held. */
static tsr_status hold_reads(job *j)
{
    for (size_t i = 0; i < j->reads.n; i++) {
        const job *r = j->reads.items[i];
        if (r->status != TSR_OK) return error_set(r->status, "%s", r->message ? r->message : "out of memory");
    }
    for (size_t i = 0; i < j->reads.n; i++) {
        j->reads.items[i]->refs++;
        if (!j->is_persistent) j->reads.items[i]->users++;
    }
    return TSR_OK;
}

tsr_status job_new(client *c, int n, tsr_array *const *arrays, const plan_hint *hints, bool is_persistent, job **out, plan **p)
{
    packing k = {.c = c};
    const set_codec sets = codec_of(&k);
    const tsr_function_codec *codec = c->has_codec ? &c->codec : NULL;
    void *packed = NULL;
    size_t size = 0;
    job *j = mem_calloc(1, sizeof *j);
    *p = NULL;
    if (!j) return TSR_ERR_MEMORY;
    *j = (job){.c = c, .is_persistent = is_persistent, .refs = 1, .users = 1};
    if (codec) pthread_mutex_lock(&c->pack_lock);
    tsr_status status = expression_pack(n, arrays, codec, &sets, &packed, &size);
    if (status == TSR_OK && k.failed) status = error_memory(sizeof(job *));
    if (status == TSR_OK) status = make_plan(&k, codec, n, arrays, hints, packed, size, p);
    if (codec) pthread_mutex_unlock(&c->pack_lock);
    j->reads.items = k.reads.items;
    j->reads.n = k.reads.n;
    j->reads.capacity = k.reads.capacity;
    GUARD(status);
    GUARD(buffer_wrap(packed, size, mem_free, packed, &j->packed));
    packed = NULL;
    GUARD(random_number(&j->number));
    GUARD(pack_head(j, n, arrays, hints, *p, !is_persistent && engine_progress_interval_ms(c->session->engine) > 0));
    pthread_mutex_lock(&c->lock);
    status = hold_reads(j);
    pthread_mutex_unlock(&c->lock);
done:
    if (status != TSR_OK) {
        mem_free(packed);
        plan_free(*p);
        *p = NULL;
        job_free(j);
        return status;
    }
    *out = j;
    return TSR_OK;
}

/* ---- Living ------------------------------------------------------------------------------------------------------ */

static void tell_submit(const job *j)
{
    client_tell(j->c, TESSERA__CLUSTER__MESSAGE_TYPE__SUBMIT, j->head, j->head_bytes, j->packed, j->packed->size_bytes);
}

/* The same, of which no array is left: one more field behind the others, Submit.sheds. */
static void tell_shed(const job *j)
{
    enum { TAG = 9 << 3 }; /* of a number */
    uint8_t *head = mem_alloc(j->head_bytes + 2);
    if (!head) { /* then workers keep blocks that nobody needs until they are told again */
        tell_submit(j);
        return;
    }
    memcpy(head, j->head, j->head_bytes);
    head[j->head_bytes] = TAG;
    head[j->head_bytes + 1] = true;
    client_tell(j->c, TESSERA__CLUSTER__MESSAGE_TYPE__SUBMIT, head, j->head_bytes + 2, j->packed, j->packed->size_bytes);
    mem_free(head);
}

static void enlist(job *j)
{
    client *c = j->c;
    j->is_listed = true;
    j->previous = c->last_job;
    if (c->last_job) {
        c->last_job->next = j;
    } else {
        c->jobs = j;
    }
    c->last_job = j;
}

void job_submit(job *j)
{
    enlist(j);
    tell_submit(j);
}

job *job_find(client *c, uint64_t number)
{
    job *j = c->last_job; /* messages are mostly of the latest */
    while (j && j->number != number) j = j->previous;
    return j;
}

/* Tells of all that the cluster may forget. */
static void send_released(client *c)
{
    enum { MOST = 1 << 16 /* in one message */ };
    while (c->is_open && c->released.n > 0) {
        Tessera__Cluster__Jobs m = TESSERA__CLUSTER__JOBS__INIT;
        m.n_jobs = c->released.n < MOST ? c->released.n : MOST;
        m.jobs = c->released.items + c->released.n - m.n_jobs;
        size_t bytes = tessera__cluster__jobs__get_packed_size(&m);
        uint8_t *head = mem_alloc(bytes);
        if (!head) return; /* with the next one */
        tessera__cluster__jobs__pack(&m, head);
        client_tell(c, TESSERA__CLUSTER__MESSAGE_TYPE__RELEASE, head, bytes, NULL, 0);
        mem_free(head);
        c->released.n -= m.n_jobs;
    }
}

static void on_release(void *context)
{
    client *c = context;
    pthread_mutex_lock(&c->lock);
    c->will_release = false;
    send_released(c);
    pthread_mutex_unlock(&c->lock);
}

static void unlist(job *j)
{
    client *c = j->c;
    if (!j->is_listed) return;
    if (j->next) {
        j->next->previous = j->previous;
    } else {
        c->last_job = j->previous;
    }
    if (j->previous) {
        j->previous->next = j->next;
    } else {
        c->jobs = j->next;
    }
}

static void release(job *j)
{
    client *c = j->c;
    if (!j->is_listed) return;                      /* nobody knows of it */
    if (!VEC_PUSH(&c->released, j->number)) return; /* the cluster keeps it until this client goes */
    if (!c->will_release) c->will_release = net_post(c->n, on_release, c) == TSR_OK;
}

/* Jobs whose last reference goes take along those that they read, without recursion: chains can be long. */
static void unref(job *j)
{
    if (--j->refs > 0) return;
    job *gone = j;
    unlist(j);
    j->next = NULL;
    while (gone) {
        job *now = gone;
        gone = now->next;
        for (size_t i = 0; i < now->reads.n; i++) {
            job *r = now->reads.items[i];
            if (!now->is_persistent && --r->users == 0) {
                release(r);
                r->refs--;
            }
            if (--r->refs > 0) continue;
            unlist(r);
            r->next = gone;
            gone = r;
        }
        job_free(now);
    }
}

void job_leave(job *j)
{
    if (--j->users > 0) return;
    release(j);
    unref(j);
}

void job_fail(job *j, tsr_status status, const char *message)
{
    if (j->status != TSR_OK) return;
    j->status = status;
    j->message = mem_strdup(message);
    if (j->fetch) fetch_fail(j->fetch, status, message);
    /* Jobs read only what was submitted before them. */
    for (job *k = j->next; k; k = k->next) {
        for (size_t i = 0; k->status == TSR_OK && i < k->reads.n; i++) {
            const job *r = k->reads.items[i];
            if (r->status == TSR_OK) continue;
            k->status = r->status;
            k->message = r->message ? mem_strdup(r->message) : NULL;
            if (k->fetch) fetch_fail(k->fetch, r->status, r->message);
        }
    }
}

void jobs_submit_again(client *c)
{
    for (job *j = c->jobs; j; j = j->next) {
        if (j->is_shared) continue;        /* somebody else's */
        if (j->fetch) j->fetch->epoch = 0; /* whoever answers may count anew */
        if (j->users > 0) {
            tell_submit(j);
        } else {
            tell_shed(j);
            release(j);
        }
    }
    send_released(c);
}

void jobs_free(client *c)
{
    while (c->jobs) {
        job *j = c->jobs;
        c->jobs = j->next;
        job_free(j);
    }
    c->last_job = NULL;
}

tsr_status job_share(client *c, uint64_t number, job **out)
{
    job *j = job_find(c, number);
    *out = j;
    if (j && j->users++ == 0) { /* another job reads it, which knew it longer than its arrays lived */
        j->refs++;
        for (size_t i = 0; i < c->released.n; i++)
            if (c->released.items[i] == number) c->released.items[i--] = c->released.items[--c->released.n];
    }
    if (j) return TSR_OK;
    j = mem_calloc(1, sizeof *j);
    if (!j) return TSR_ERR_MEMORY;
    *j = (job){.c = c, .number = number, .is_persistent = true, .is_shared = true, .refs = 1, .users = 1};
    enlist(j);
    *out = j;
    return TSR_OK;
}
