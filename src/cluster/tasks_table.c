/* The table of the scheduler's tasks: finding, making, freeing.
 *
 * Tasks are cut from slabs and reused. The table is open hashing with linear probing; a place holds a task's number and 32 bits
 * of its key's hash, the first of which say where it belongs. So a search looks at one task, hardly ever at another one, and when
 * the table grows, which is a walk along it, no task is looked at. One thread. */
#include "cluster/tasks.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { FIRST_BITS = 10, MAX_BITS = 31, SLAB_TASKS = sizeof(((task_slab *)0)->tasks) / sizeof(task) };
#define ID_MASK ((1U << TASK_SLAB_BITS) - 1)

static_assert(sizeof(task_slab) <= TASK_SLAB_BYTES, "a slab is aligned to what it takes at most");
static_assert(SLAB_TASKS < 1 << TASK_SLAB_BITS, "they are counted by the last bits of a number");

/* Clients choose keys as they like, so all bits of a key count (multiplicative hashing: Knuth 1973, 6.4). */
static uint32_t hash_of(tsr_key key)
{
    return (uint32_t)((key.low ^ key.high * 0xc4ceb9fe1a85ec53U) * 0x9e3779b97f4a7c15U >> 32);
}

/* Memory of which every use is somewhere else takes few places of the processor's table of pages then. */
static void prefer_huge_pages(void *data, size_t size)
{
    const uintptr_t first = ((uintptr_t)data + TASK_SLAB_BYTES - 1) & ~(uintptr_t)(TASK_SLAB_BYTES - 1);
    const uintptr_t end = ((uintptr_t)data + size) & ~(uintptr_t)(TASK_SLAB_BYTES - 1);
    if (first < end) (void)madvise((char *)data + (first - (uintptr_t)data), end - first, MADV_HUGEPAGE);
}

static size_t mask(const tasks *ts) { return ((size_t)1 << ts->table_bits) - 1; }
static size_t home(const tasks *ts, uint32_t hash) { return hash >> (32 - ts->table_bits); }

task *tasks_find(const tasks *ts, tsr_key key)
{
    const uint32_t hash = hash_of(key);
    for (size_t i = home(ts, hash); ts->table[i].t; i = (i + 1) & mask(ts)) {
        if (ts->table[i].hash != hash) continue;
        task *t = task_at(ts, ts->table[i].t);
        if (t->key.low == key.low && t->key.high == key.high) return t;
    }
    return NULL;
}

void tasks_expect(const tasks *ts, tsr_key key) { __builtin_prefetch(&ts->table[home(ts, hash_of(key))]); }

tsr_status tasks_init(tasks *ts, const tasks_ops *ops)
{
    *ts = (tasks){.ops = *ops, .table_bits = FIRST_BITS};
    ts->table = mem_calloc((size_t)1 << FIRST_BITS, sizeof *ts->table);
    return ts->table ? TSR_OK : TSR_ERR_MEMORY;
}

static void put(tasks *ts, task_place p)
{
    size_t i = home(ts, p.hash);
    while (ts->table[i].t) i = (i + 1) & mask(ts);
    ts->table[i] = p;
}

/* Room for one more. False: no memory; as long as a place is free, it goes on without. */
static bool grow(tasks *ts)
{
    const size_t old = mask(ts) + 1;
    if (ts->n_tasks < old / 4 * 3) return true;
    task_place *smaller = ts->table, *bigger = ts->table_bits < MAX_BITS ? mem_calloc(old * 2, sizeof *bigger) : NULL;
    if (!bigger) return ts->n_tasks < old - 1;
    prefer_huge_pages(bigger, old * 2 * sizeof *bigger);
    ts->table = bigger;
    ts->table_bits++;
    for (size_t i = 0; i < old; i++)
        if (smaller[i].t) put(ts, smaller[i]);
    mem_free(smaller);
    return true;
}

static bool new_slab(tasks *ts)
{
    void *data = NULL;
    if (ts->slabs.n > UINT32_MAX >> TASK_SLAB_BITS || !VEC_RESERVE(&ts->slabs, 1)) return false;
    if (mem_fault_now() || posix_memalign(&data, TASK_SLAB_BYTES, TASK_SLAB_BYTES) != 0) {
        (void)error_memory(TASK_SLAB_BYTES);
        return false;
    }
    /* Not the first, most of which is never used by many a scheduler. */
    if (ts->slabs.n) prefer_huge_pages(data, TASK_SLAB_BYTES);
    task_slab *s = data;
    s->first = (uint64_t)ts->slabs.n << TASK_SLAB_BITS;
    /* Number 0 is none. */
    ts->n_cut = s->first ? (task_id)s->first : 1;
    ts->slabs.items[ts->slabs.n++] = s;
    return true;
}

static task *new_task(tasks *ts)
{
    task *t = task_at(ts, ts->free_tasks);
    if (t) {
        ts->free_tasks = t->next;
        return t;
    }
    if ((!ts->slabs.n || (ts->n_cut & ID_MASK) == SLAB_TASKS) && !new_slab(ts)) return NULL;
    return &ts->slabs.items[ts->slabs.n - 1]->tasks[ts->n_cut++ & ID_MASK];
}

task *tasks_get(tasks *ts, tsr_key key)
{
    task *t = tasks_find(ts, key);
    if (t) return t;
    if (!grow(ts)) return NULL;
    t = new_task(ts);
    if (!t) return NULL;
    *t = (task){.key = key, .state = TASK_UNKNOWN, .used = true};
    put(ts, (task_place){hash_of(key), task_number(t)});
    ts->n_tasks++;
    return t;
}

/* Later places of the probe move back, so no marks are left. */
static void take(tasks *ts, const task *t)
{
    const task_id id = task_number(t);
    const size_t m = mask(ts);
    task_place *table = ts->table;
    size_t i = home(ts, hash_of(t->key));
    while (table[i].t != id) i = (i + 1) & m;
    for (size_t next = (i + 1) & m; table[next].t; next = (next + 1) & m) {
        /* It may move back unless its home lies behind the hole. */
        if (((next - home(ts, table[next].hash)) & m) < ((next - i) & m)) continue;
        table[i] = table[next];
        i = next;
    }
    table[i].t = 0;
}

/* There are no tasks: all but the first slab goes back to the system. */
static void forget_slabs(tasks *ts)
{
    while (ts->slabs.n > 1) free(ts->slabs.items[--ts->slabs.n]);
    ts->n_cut = 1;
    ts->free_tasks = 0;
}

void tasks_remove(tasks *ts, task *t)
{
    take(ts, t);
    ts->n_tasks--;
    tasks_drop_copies(ts, t);
    tasks_set_error(ts, t, NULL);
    *t = (task){.next = ts->free_tasks};
    ts->free_tasks = task_number(t);
    if (!ts->n_tasks) forget_slabs(ts);
}

task *tasks_next(const tasks *ts, task_id *at)
{
    for (++*at; *at < ts->n_cut; ++*at) {
        if ((*at & ID_MASK) >= SLAB_TASKS) *at = (*at | ID_MASK) + 1;
        if (*at >= ts->n_cut) break;
        task *t = task_at(ts, *at);
        if (t->used) return t;
    }
    return NULL;
}

void tasks_fini(tasks *ts)
{
    task_id at = 0;
    for (task *t; (t = tasks_next(ts, &at));) {
        if (t->batch) tasks_batch_unref(ts, t->batch);
        tasks_set_error(ts, t, NULL);
        tasks_drop_copies(ts, t);
    }
    for (size_t i = 0; i < ts->workers.n; i++) tasks_worker_free(ts->workers.items[i]);
    for (size_t i = 0; i < ts->resource_names.n; i++) mem_free(ts->resource_names.items[i]);
    for (size_t i = 0; i < ts->want_chunks.n; i++) mem_free(ts->want_chunks.items[i]);
    for (size_t i = 0; i < ts->slabs.n; i++) free(ts->slabs.items[i]);
    VEC_FINI(&ts->workers);
    VEC_FINI(&ts->hungry);
    VEC_FINI(&ts->resource_names);
    VEC_FINI(&ts->want_chunks);
    VEC_FINI(&ts->slabs);
    VEC_FINI(&ts->clients);
    id_table_fini(&ts->errors);
    id_table_fini(&ts->copies);
    id_table_fini(&ts->more_wants);
    mem_free(ts->functions);
    mem_free(ts->table);
    *ts = (tasks){0};
}

const char *task_name(const task *t) { return t->batch ? t->batch->function->name : "scattered data"; }

task_worker *tasks_worker_find(const tasks *ts, const char *name_or_address)
{
    for (size_t i = 0; i < ts->workers.n; i++) {
        task_worker *w = ts->workers.items[i];
        if (w && (strcmp(w->address, name_or_address) == 0 || strcmp(w->name, name_or_address) == 0)) return w;
    }
    return NULL;
}
