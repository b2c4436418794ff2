/* How results are made that variables and queues hold, in the journal. While a client has a future of a result, it says again
 * what that was made of to a scheduler that comes after this one; of what only a variable or a queue holds nobody else knows. So
 * the task is noted when it is put there, with all that it is made of, each after what it needs itself, and each once (`noted`)
 * until the records are written anew. Read again, these tasks are submitted by an heir, a client that nobody talks to and that is
 * gone when the whole journal was read: what is still held then is made if no worker has it. All on the I/O thread. */
#include "cluster/scheduler_tasks.h"

enum { MOST_TASKS = 1 << 20, MOST_BYTES = 256 << 20 };

typedef struct step {
    task *t;
    uint32_t next; /* argument */
} step;

typedef struct lineage {
    VEC(task *) tasks;
    VEC(step) stack;
    uint64_t bytes;
} lineage;

/* ---- Writing ---- */

static bool is_new(const task *t) { return t && t->batch && !t->noted; }

/* The bytes among its arguments, which lie end to end. */
static net_payload bytes_of(const task *t)
{
    net_payload p = {0};
    for (uint32_t i = 0; i < t->n_args; i++) {
        const task_arg *a = &task_args(t)[i];
        if (a->dep || !a->size) continue;
        if (!p.data) p.data = t->batch->payload->data + a->offset;
        p.bytes += a->size;
    }
    return p;
}

/* t and what it is made of that was not noted before, what is needed first. */
static bool gather(const scheduler_tasks *s, task *t, lineage *l)
{
    t->noted = true;
    if (!VEC_PUSH(&l->stack, (step){.t = t})) return false;
    while (l->stack.n) {
        step *top = &l->stack.items[l->stack.n - 1];
        task *needed = NULL;
        while (top->next < top->t->n_args && !is_new(needed)) needed = task_at(&s->ts, task_args(top->t)[top->next++].dep);
        if (is_new(needed)) {
            needed->noted = true;
            if (!VEC_PUSH(&l->stack, (step){.t = needed})) return false;
            continue;
        }
        l->bytes += bytes_of(top->t).bytes;
        if (!VEC_PUSH(&l->tasks, top->t)) return false;
        l->stack.n--;
        if (l->tasks.n + l->stack.n > MOST_TASKS || l->bytes > MOST_BYTES)
            return error_set(TSR_ERR_MEMORY, "it is made of more than %d tasks, or of arguments of more than %d bytes",
                             MOST_TASKS, MOST_BYTES) == TSR_OK;
    }
    return true;
}

static void write_function(const task_function *f, lineage_writer *write, void *to)
{
    known_function *k = f->user;
    if (k->noted) return;
    k->noted = true;
    write(to, &(journal_record){.kind = JOURNAL_FUNCTION,
                                .head = k->head,
                                .head_bytes = k->head_bytes,
                                .payload = k->code_data,
                                .payload_bytes = k->code_bytes});
}

/* Who may run it, as it was sent. */
static void add_rule(const scheduler_tasks *s, const task_rule *r, Tessera__Futures__Tasks *m, Tessera__Futures__Resource *room,
                     Tessera__Futures__Resource **pointers)
{
    m->n_workers = r->workers.n;
    m->workers = r->workers.items;
    m->others_too = r->others_too;
    m->resources = pointers;
    for (size_t i = 0; i < r->amounts.n; i++) {
        if (r->amounts.items[i] == 0) continue;
        Tessera__Futures__Resource *one = &room[m->n_resources];
        tessera__futures__resource__init(one);
        one->name = s->ts.resource_names.items[i];
        one->amount = r->amounts.items[i];
        pointers[m->n_resources++] = one;
    }
}

static bool write_task(const scheduler_tasks *s, const task *t, lineage_writer *write, void *to)
{
    const size_t n_resources = t->batch->rule->amounts.n;
    Tessera__Futures__Tasks m = TESSERA__FUTURES__TASKS__INIT;
    Tessera__Futures__Resource *room = mem_calloc(n_resources + 1, sizeof *room);
    Tessera__Futures__Resource **pointers = mem_calloc(n_resources + 1, sizeof(*pointers));
    tasks_column sizes = {0}, needed = {0};
    uint64_t key[2] = {t->key.high, t->key.low};
    uint32_t n_args = t->n_args;
    bool good = room && pointers;
    if (good) add_rule(s, t->batch->rule, &m, room, pointers);
    for (uint32_t i = 0; good && i < n_args; i++) {
        const task_arg *a = &task_args(t)[i];
        good = VEC_PUSH(&sizes, a->dep ? 0 : a->size + 1) && (!a->dep || tasks_column_key(&needed, task_at(&s->ts, a->dep)->key));
    }
    m.function_high = t->batch->function->id.high;
    m.function_low = t->batch->function->id.low;
    m.n_keys = 2;
    m.keys = key;
    m.n_n_args = 1;
    m.n_args = &n_args;
    m.n_arg_sizes = sizes.n;
    m.arg_sizes = sizes.items;
    m.n_arg_keys = needed.n;
    m.arg_keys = needed.items;
    m.priority = t->batch->priority;
    m.retries = t->batch->retries;
    m.at_once = t->batch->at_once;
    const net_payload bytes = bytes_of(t);
    if (good) scheduler_write_shared(&m.base, JOURNAL_TASK, bytes.data, bytes.bytes, write, to);
    VEC_FINI(&sizes);
    VEC_FINI(&needed);
    mem_free(room);
    mem_free(pointers);
    return good;
}

static void append(void *to, const journal_record *r)
{
    const scheduler_tasks *s = to;
    (void)s->record(s->record_context, r, NULL);
}

void scheduler_lineage_write(scheduler_tasks *s, tsr_key key, lineage_writer *write, void *to)
{
    lineage l = {0};
    task *t = tasks_find(&s->ts, key);
    if (!is_new(t)) return;
    bool good = gather(s, t, &l);
    for (size_t i = 0; good && i < l.tasks.n; i++) {
        write_function(l.tasks.items[i]->batch->function, write, to);
        good = write_task(s, l.tasks.items[i], write, to) && VEC_PUSH(&s->noted, l.tasks.items[i]->key);
    }
    if (!good) {
        for (size_t i = 0; i < l.tasks.n; i++) l.tasks.items[i]->noted = false;
        for (size_t i = 0; i < l.stack.n; i++) l.stack.items[i].t->noted = false;
        char *text =
            mem_printf("how the result of '%.100s' is made, which only a variable or a queue holds, is not in the journal: %s",
                       task_name(t), tsr_error_message());
        if (s->log && text) s->log(s->log_context, NET_LOG_WARNING, text);
        mem_free(text);
    }
    VEC_FINI(&l.tasks);
    VEC_FINI(&l.stack);
}

void scheduler_lineage_note(scheduler_tasks *s, tsr_key key)
{
    if (s->record) scheduler_lineage_write(s, key, append, s);
}

void scheduler_lineage_again(scheduler_tasks *s)
{
    for (size_t i = 0; i < s->noted.n; i++) {
        task *t = tasks_find(&s->ts, s->noted.items[i]);
        if (t) t->noted = false;
    }
    s->noted.n = 0;
    for (size_t i = 0; i < s->ts.functions_size; i++)
        for (task_function *f = s->ts.functions[i]; f; f = f->next) ((known_function *)f->user)->noted = false;
}

/* ---- Reading ---- */

tsr_status scheduler_lineage_replay(scheduler_tasks *s, const journal_record *r)
{
    buffer *payload = scheduler_record_payload(r);
    if (!s->heir) s->heir = mem_calloc(1, sizeof *s->heir);
    if (!s->heir || (r->payload_bytes && !payload)) {
        buffer_unref(payload);
        return TSR_ERR_MEMORY;
    }
    const net_message m = {.head = r->head,
                           .head_bytes = r->head_bytes,
                           .payload = payload ? payload->data : NULL,
                           .payload_bytes = r->payload_bytes};
    const tsr_status status = r->kind == JOURNAL_FUNCTION ? scheduler_took_function(s, s->heir, &m, payload)
                                                          : scheduler_took_tasks(s, s->heir, &m, payload);
    s->holds = true; /* a worker that comes may have the result */
    buffer_unref(payload);
    return status;
}

void scheduler_lineage_settle(scheduler_tasks *s)
{
    if (!s->heir) return;
    tasks_client_lost(&s->ts, &s->heir->client);
    scheduler_member_fini(s, s->heir);
    s->heir = NULL;
}
