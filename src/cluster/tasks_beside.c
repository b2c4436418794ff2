/* What lies beside the scheduler's tasks: who wants them, which workers have their results, why they failed. One client that
 * wants it and one worker that has it are in the task itself; more of them, and errors, are in tables by the task's number, and a
 * bit of the task says whether to look there. One thread. */
#include "cluster/tasks.h"

enum { CHUNK_WANTS = 1024 };

/* ---- Who wants it ---- */

static task_want *more_wants(const tasks *ts, const task *t)
{
    return t->has_more_wants ? id_table_find(&ts->more_wants, task_number(t)) : NULL;
}

bool tasks_wants(const tasks *ts, const task_client *c, const task *t)
{
    if (!c->number || !t->client) return false;
    if (t->client == c->number) return true;
    for (const task_want *w = more_wants(ts, t); w; w = w->next)
        if (w->client == c) return true;
    return false;
}

static bool number_client(tasks *ts, task_client *c)
{
    size_t i = 0;
    while (i < ts->clients.n && ts->clients.items[i]) i++;
    if (i == ts->clients.n && !VEC_PUSH(&ts->clients, NULL)) return false;
    ts->clients.items[i] = c;
    c->number = (uint32_t)i + 1;
    return true;
}

void tasks_client_forget(tasks *ts, task_client *c)
{
    if (c->number) ts->clients.items[c->number - 1] = NULL;
    c->number = 0;
}

/* The client is the one that the task names. */
static void set_client(const tasks *ts, task_client *c, task *t)
{
    t->client = c->number;
    t->before_wanted = 0;
    t->after_wanted = c->wanted;
    c->wanted = task_number(t);
    if (t->after_wanted) task_at(ts, t->after_wanted)->before_wanted = c->wanted;
}

static void unset_client(const tasks *ts, task_client *c, task *t)
{
    task *before = task_at(ts, t->before_wanted), *after = task_at(ts, t->after_wanted);
    *(before ? &before->after_wanted : &c->wanted) = t->after_wanted;
    if (after) after->before_wanted = t->before_wanted;
    t->client = t->before_wanted = t->after_wanted = 0;
}

static task_want *new_want(tasks *ts)
{
    if (!ts->free_wants) {
        task_want *chunk = mem_alloc(CHUNK_WANTS * sizeof *chunk);
        if (!chunk || !VEC_PUSH(&ts->want_chunks, chunk)) {
            mem_free(chunk);
            return NULL;
        }
        for (int i = CHUNK_WANTS - 1; i >= 0; i--) {
            chunk[i].next = ts->free_wants;
            ts->free_wants = &chunk[i];
        }
    }
    task_want *w = ts->free_wants;
    ts->free_wants = w->next;
    return w;
}

static void free_want(tasks *ts, task_want *w)
{
    w->next = ts->free_wants;
    ts->free_wants = w;
}

static bool add_more(tasks *ts, task_client *c, task *t)
{
    task_want *w = new_want(ts);
    if (!w) return false;
    *w = (task_want){.client = c, .t = task_number(t), .next = more_wants(ts, t), .after = c->wants, .in_client = &c->wants};
    if (!id_table_put(&ts->more_wants, w->t, w)) {
        free_want(ts, w);
        return false;
    }
    if (w->after) w->after->in_client = &w->after;
    c->wants = w;
    t->has_more_wants = true;
    return true;
}

/* Takes w out of the list that begins with `first`, and of its client's. */
static void drop_more(tasks *ts, task *t, task_want *first, task_want *w)
{
    const task_id id = task_number(t);
    if (w != first) {
        task_want *before = first;
        while (before->next != w) before = before->next;
        before->next = w->next;
    } else if (w->next) {
        (void)id_table_put(&ts->more_wants, id, w->next); /* replaces, which takes no memory */
    } else {
        (void)id_table_take(&ts->more_wants, id);
        t->has_more_wants = false;
    }
    *w->in_client = w->after;
    if (w->after) w->after->in_client = w->in_client;
    free_want(ts, w);
}

bool tasks_add_want(tasks *ts, task_client *c, task *t, bool *added)
{
    *added = false;
    if (tasks_wants(ts, c, t)) return true;
    if (!c->number && !number_client(ts, c)) return false;
    if (t->client) {
        if (!add_more(ts, c, t)) return false;
    } else {
        set_client(ts, c, t);
    }
    *added = true;
    return true;
}

void tasks_drop_want(tasks *ts, task_client *c, task *t)
{
    task_want *first = more_wants(ts, t), *w = first;
    if (t->client == c->number) {
        unset_client(ts, c, t);
        if (!first) return;
        set_client(ts, first->client, t);
    } else {
        while (w->client != c) w = w->next;
    }
    drop_more(ts, t, first, w);
}

task *tasks_wanted(const tasks *ts, const task_client *c)
{
    return task_at(ts, c->wanted ? c->wanted : c->wants ? c->wants->t : 0);
}

/* ---- Who has its result ---- */

/* [0]: how many; their slots */
static uint32_t *copies_of(const tasks *ts, const task *t)
{
    return t->has_copies ? id_table_find(&ts->copies, task_number(t)) : NULL;
}

size_t tasks_n_holders(const tasks *ts, const task *t)
{
    const uint32_t *copies = copies_of(ts, t);
    return t->state != TASK_FINISHED || !t->worker ? 0 : copies ? 1 + copies[0] : 1;
}

task_worker *tasks_holder(const tasks *ts, const task *t, size_t i)
{
    return ts->workers.items[i == 0 ? t->worker - 1 : copies_of(ts, t)[i]];
}

bool tasks_holds(const tasks *ts, const task *t, const task_worker *w)
{
    if (t->state != TASK_FINISHED) return false;
    if (t->worker == w->slot + 1) return true;
    const uint32_t *copies = copies_of(ts, t);
    for (uint32_t i = 1; copies && i <= copies[0]; i++)
        if (copies[i] == w->slot) return true;
    return false;
}

bool tasks_add_holder(tasks *ts, task *t, const task_worker *w)
{
    if (tasks_holds(ts, t, w)) return true;
    uint32_t *copies = copies_of(ts, t);
    const uint32_t n = copies ? copies[0] : 0;
    uint32_t *more = mem_realloc(copies, (n + 2) * sizeof *more);
    if (!more) return false;
    more[0] = n;
    if (!id_table_put(&ts->copies, task_number(t), more)) { /* only if there were none: what is there is replaced */
        mem_free(more);
        return false;
    }
    t->has_copies = true;
    more[0] = n + 1;
    more[n + 1] = w->slot;
    return true;
}

void tasks_drop_copies(tasks *ts, task *t)
{
    if (t->has_copies) mem_free(id_table_take(&ts->copies, task_number(t)));
    t->has_copies = false;
}

void tasks_drop_holder(tasks *ts, task *t, const task_worker *w)
{
    uint32_t *copies = copies_of(ts, t);
    const uint32_t n = copies ? copies[0] : 0;
    if (t->worker == w->slot + 1) {
        t->worker = n ? copies[n] + 1 : 0;
        if (n) copies[0] = n - 1;
    } else {
        for (uint32_t i = 1; i <= n; i++) {
            if (copies[i] != w->slot) continue;
            copies[i] = copies[n];
            copies[0] = n - 1;
            break;
        }
    }
    if (copies && copies[0] == 0) tasks_drop_copies(ts, t);
}

/* ---- Why it failed ---- */

const task_error *tasks_error(const tasks *ts, const task *t)
{
    return t->has_error ? id_table_find(&ts->errors, task_number(t)) : NULL;
}

void task_error_unref(task_error *e)
{
    if (!e || --e->refs > 0) return;
    mem_free(e->text);
    mem_free(e->logs);
    mem_free(e->details);
    mem_free(e);
}

void tasks_set_error(tasks *ts, task *t, task_error *e)
{
    if (t->has_error) task_error_unref(id_table_take(&ts->errors, task_number(t)));
    t->has_error = e && id_table_put(&ts->errors, task_number(t), e);
    if (e && !t->has_error) task_error_unref(e);
}
