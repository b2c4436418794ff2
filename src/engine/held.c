/* The keeper. One lock guards all blocks, the cache and the counts; disk and compression happen outside it, with the block
 * pinned.
 *
 * Memory is counted in two sums: what is kept (`kept`: blocks in memory and cached source blocks; and what others of the process
 * keep, which changes without the lock, so nobody waits for it), and what running tasks have been admitted with. A buffer that
 * several keep counts once (buffer_claim). Their sum stays within the budget: blocks that are read back are not part of what a
 * task was admitted with, so others are spilled for them. Where all others are in use, each running task can exceed it by the
 * blocks it reads back. Memory counts as what its size class takes. Idle pool memory is given back to the system when it would
 * exceed the budget. */
#include "engine/held.h"

#include "base/mem.h"
#include "base/vec.h"
#include "engine/scratch.h"

#include <string.h>

typedef struct cache_entry {
    cache_key key;
    uint64_t hash;
    buffer *buf;
} cache_entry;

struct keeper {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pool *buffers;
    size_t budget_bytes;
    mem_account kept;
    size_t admitted_bytes; /* running tasks */
    int n_spilling;        /* threads that write a block to disk, and will free its memory */
    held_set *sets;
    VEC(cache_entry) cache;
    int *cache_table; /* open addressing; -1 empty */
    size_t cache_table_size;
    scratch *disk;
    char *scratch_dir;
    atomic_int_fast64_t spilled_bytes;
};

tsr_status keeper_new(pool *buffers, size_t budget_bytes, const char *scratch_dir, keeper **out)
{
    keeper *k = mem_calloc(1, sizeof *k);
    if (!k) return TSR_ERR_MEMORY;
    k->scratch_dir = mem_strdup(scratch_dir);
    if (!k->scratch_dir) {
        mem_free(k);
        return TSR_ERR_MEMORY;
    }
    k->buffers = buffers;
    k->budget_bytes = budget_bytes;
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->changed, NULL);
    *out = k;
    return TSR_OK;
}

void keeper_free(keeper *k)
{
    if (!k) return;
    keeper_cache_clear(k);
    VEC_FINI(&k->cache);
    mem_free(k->cache_table);
    scratch_close(k->disk);
    pthread_cond_destroy(&k->changed);
    pthread_mutex_destroy(&k->lock);
    mem_free(k->scratch_dir);
    mem_free(k);
}

void keeper_hurry(keeper *k)
{
    if (k && k->disk) scratch_hurry(k->disk);
}

void keeper_settle(keeper *k)
{
    if (k->disk) scratch_settle(k->disk);
}

mem_account *keeper_account(keeper *k) { return &k->kept; }

/* All that is counted. The lock is held. */
static size_t counted_bytes(const keeper *k) { return atomic_load(&k->kept.used_bytes) + k->admitted_bytes; }

int64_t keeper_spilled_bytes(const keeper *k) { return atomic_load(&k->spilled_bytes); }

/* ---- Places ------------------------------------------------------------------------------------------------------ */

/* The low two bits say what the others are: the address of a buffer, an offset in the scratch file, the address of a `twin`. */
enum { NOWHERE, IN_MEMORY, ON_DISK, IN_BOTH, PLACE_KINDS };

/* A block that was read back, and still is in the scratch file: it need not be written again. Few are, as they are in memory. */
typedef struct twin {
    buffer *buf;
    int64_t spill_at;
} twin;

static int kind_of(place p) { return (int)(p % PLACE_KINDS); }
static bool is_in_memory(place p) { return kind_of(p) == IN_MEMORY || kind_of(p) == IN_BOTH; }
static place place_in_memory(buffer *buf) { return (place)(uintptr_t)buf + IN_MEMORY; }
static place place_on_disk(int64_t spill_at) { return (place)spill_at + ON_DISK; }
static place place_in_both(twin *t) { return (place)(uintptr_t)t + IN_BOTH; }
/* Addresses come from malloc and offsets are of whole pages: both have these bits to spare. */
static void *address_of(place p) { return (void *)(uintptr_t)(p - p % PLACE_KINDS); }

static buffer *buffer_at(place p)
{
    if (kind_of(p) == IN_MEMORY) return address_of(p);
    return kind_of(p) == IN_BOTH ? ((twin *)address_of(p))->buf : NULL;
}

static int64_t spill_at(place p)
{
    if (kind_of(p) == ON_DISK) return (int64_t)(p - ON_DISK);
    return kind_of(p) == IN_BOTH ? ((twin *)address_of(p))->spill_at : -1;
}

static tsr_status twin_new(buffer *buf, int64_t at, place *out)
{
    twin *t = mem_alloc(sizeof *t);
    if (!t) return TSR_ERR_MEMORY;
    *t = (twin){buf, at};
    *out = place_in_both(t);
    return TSR_OK;
}

/* ---- Sets -------------------------------------------------------------------------------------------------------- */

/* The keeper's claim ends with its reference. */
static void let_go_of(keeper *k, buffer *buf)
{
    buffer_disclaim(buf, &k->kept);
    buffer_unref(buf);
}

/* Frees a block, wherever it lies. The lock is held. */
static void free_block(held_set *set, int64_t block)
{
    keeper *k = set->owner;
    place p = set->places[block];
    if (kind_of(p) == NOWHERE) return;
    if (is_in_memory(p)) let_go_of(k, buffer_at(p));
    if (spill_at(p) >= 0) scratch_release(k->disk, spill_at(p));
    if (kind_of(p) == IN_BOTH) mem_free(address_of(p));
    set->places[block] = NOWHERE;
}

/* Nobody refers to the set any more; the lock is held. */
static void set_free(held_set *set)
{
    keeper *k = set->owner;
    if (set->previous) {
        set->previous->next = set->next;
    } else {
        k->sets = set->next;
    }
    if (set->next) set->next->previous = set->previous;
    for (int64_t i = 0; i < set->n_blocks; i++) free_block(set, i);
    pthread_cond_broadcast(&k->changed);
    mem_free(set->places);
    mem_free(set->interests);
    mem_free(set->edges);
    mem_free(set);
}

/* The last reference goes under the lock: whoever looks for a block to spill finds a set that lives, or none. */
static void unref_base(block_set *base)
{
    held_set *set = (held_set *)base;
    keeper *k = set->owner;
    pthread_mutex_lock(&k->lock);
    if (atomic_fetch_sub(&base->refs, 1) == 1) set_free(set);
    pthread_mutex_unlock(&k->lock);
}

static const block_set_ops set_ops = {unref_base};

void held_set_unref(held_set *set)
{
    if (set) unref_base(&set->base);
}

static tsr_status copy_edges(held_set *set)
{
    size_t n = 0;
    for (int d = 0; d < set->blocks.ndim; d++) n += set->blocks.axes[d].edges ? (size_t)set->blocks.axes[d].n_blocks + 1 : 0;
    if (n == 0) return TSR_OK;
    set->edges = mem_alloc(n * sizeof *set->edges);
    if (!set->edges) return TSR_ERR_MEMORY;
    int64_t *at = set->edges;
    for (int d = 0; d < set->blocks.ndim; d++) {
        axis_grid *g = &set->blocks.axes[d];
        if (!g->edges) continue;
        memcpy(at, g->edges, sizeof *at * (size_t)(g->n_blocks + 1));
        g->edges = at;
        at += g->n_blocks + 1;
    }
    return TSR_OK;
}

tsr_status held_set_new(keeper *k, tsr_dtype dtype, const grid *blocks, bool persistent, held_set **out)
{
    held_set *set = mem_calloc(1, sizeof *set);
    if (!set) return TSR_ERR_MEMORY;
    *set = (held_set){.base = {.ops = &set_ops}, .owner = k, .dtype = dtype, .blocks = *blocks, .persistent = persistent};
    atomic_store(&set->base.refs, 1);
    set->n_blocks = grid_n_blocks(blocks);
    set->places = mem_calloc((size_t)set->n_blocks, sizeof *set->places);
    set->interests = mem_calloc((size_t)set->n_blocks, sizeof *set->interests);
    if (!set->places || !set->interests || copy_edges(set) != TSR_OK) {
        mem_free(set->places);
        mem_free(set->interests);
        mem_free(set);
        return TSR_ERR_MEMORY;
    }
    pthread_mutex_lock(&k->lock);
    set->next = k->sets;
    if (k->sets) k->sets->previous = set;
    k->sets = set;
    pthread_mutex_unlock(&k->lock);
    *out = set;
    return TSR_OK;
}

size_t held_block_bytes(const held_set *set, int64_t block)
{
    box b = grid_box(&set->blocks, block);
    return (size_t)box_size(&b) * tsr_dtype_size(set->dtype);
}

void held_put(held_set *set, int64_t block, buffer *buf)
{
    keeper *k = set->owner;
    pthread_mutex_lock(&k->lock);
    if (kind_of(set->places[block]) == NOWHERE) {
        set->places[block] = place_in_memory(buf);
        buffer_claim(buf, &k->kept);
    } else { /* two processes made it: the values are the same */
        buffer_unref(buf);
    }
    pthread_mutex_unlock(&k->lock);
}

/* ---- The cache of source blocks ---------------------------------------------------------------------------------- */

static uint64_t key_hash(const cache_key *key)
{
    hash128 h = hash_bytes(key->numbers, sizeof *key->numbers * (size_t)key->n);
    return h.low ^ key->node->hash.low;
}

static bool key_equal(const cache_key *a, const cache_key *b)
{
    return a->node == b->node && a->n == b->n && memcmp(a->numbers, b->numbers, sizeof *a->numbers * (size_t)a->n) == 0;
}

/* The place of a key in the table: its entry's, or the free one where it would go. */
static size_t cache_slot(const keeper *k, const cache_key *key, uint64_t hash)
{
    size_t i = (size_t)hash & (k->cache_table_size - 1);
    for (; k->cache_table[i] >= 0; i = (i + 1) & (k->cache_table_size - 1)) {
        const cache_entry *e = &k->cache.items[k->cache_table[i]];
        if (e->hash == hash && key_equal(&e->key, key)) break;
    }
    return i;
}

static bool cache_rehash(keeper *k, size_t size)
{
    int *table = mem_alloc(size * sizeof *table);
    if (!table) return false;
    mem_free(k->cache_table);
    k->cache_table = table;
    k->cache_table_size = size;
    for (size_t i = 0; i < size; i++) table[i] = -1;
    for (size_t i = 0; i < k->cache.n; i++) table[cache_slot(k, &k->cache.items[i].key, k->cache.items[i].hash)] = (int)i;
    return true;
}

buffer *keeper_cache_find(keeper *k, const cache_key *key)
{
    buffer *found = NULL;
    uint64_t hash = key_hash(key);
    pthread_mutex_lock(&k->lock);
    if (k->cache_table) {
        int at = k->cache_table[cache_slot(k, key, hash)];
        if (at >= 0 && k->cache.items[at].buf) found = buffer_ref(k->cache.items[at].buf);
    }
    pthread_mutex_unlock(&k->lock);
    return found;
}

void keeper_cache_add(keeper *k, const cache_key *key, buffer *buf)
{
    uint64_t hash = key_hash(key);
    pthread_mutex_lock(&k->lock);
    bool room = counted_bytes(k) + buffer_taken_bytes(buf->size_bytes) <= k->budget_bytes - k->budget_bytes / 4;
    if (room && (k->cache.n + 1) * 2 > k->cache_table_size)
        room = cache_rehash(k, k->cache_table_size ? k->cache_table_size * 2 : 64);
    if (room) {
        size_t slot = cache_slot(k, key, hash);
        int at = k->cache_table[slot];
        if (at < 0 && VEC_PUSH(&k->cache, (cache_entry){*key, hash, buffer_ref(buf)})) {
            k->cache_table[slot] = (int)k->cache.n - 1;
            buffer_claim(buf, &k->kept);
        } else if (at >= 0 && !k->cache.items[at].buf) {
            k->cache.items[at].buf = buffer_ref(buf);
            buffer_claim(buf, &k->kept);
        }
    }
    pthread_mutex_unlock(&k->lock);
}

static bool cache_drop_one(keeper *k)
{
    for (size_t i = k->cache.n; i-- > 0;) { /* the newest: the next pass begins with the oldest */
        cache_entry *e = &k->cache.items[i];
        if (!e->buf) continue;
        let_go_of(k, e->buf);
        e->buf = NULL;
        return true;
    }
    return false;
}

void keeper_cache_clear(keeper *k)
{
    pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < k->cache.n; i++)
        if (k->cache.items[i].buf) let_go_of(k, k->cache.items[i].buf);
    k->cache.n = 0;
    for (size_t i = 0; i < k->cache_table_size; i++) k->cache_table[i] = -1;
    pthread_mutex_unlock(&k->lock);
}

/* Frees the memory of a block that is in the scratch file, too. */
static void forget(held_set *set, int64_t block)
{
    twin *t = address_of(set->places[block]);
    set->places[block] = place_on_disk(t->spill_at);
    let_go_of(set->owner, t->buf);
    mem_free(t);
}

void held_count_use(held_set *set, int64_t block)
{
    uint16_t *uses = &set->interests[block].uses;
    *uses = (uint16_t)(*uses == 0 ? 2 : *uses == USES_MANY ? USES_MANY : *uses + 1);
}

static bool is_used_up(const interest *i) { return i->uses == 1; }

void held_used(held_set *set, int64_t block)
{
    keeper *k = set->owner;
    pthread_mutex_lock(&k->lock);
    interest *i = &set->interests[block];
    if (i->uses > 1 && i->uses != USES_MANY) i->uses--;
    if (is_used_up(i) && i->pins == 0) free_block(set, block);
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
}

void held_hold(held_set *set, int64_t block)
{
    pthread_mutex_lock(&set->owner->lock);
    set->interests[block].pins++;
    pthread_mutex_unlock(&set->owner->lock);
}

static place place_of(const held_set *set, int64_t block)
{
    pthread_mutex_lock(&set->owner->lock);
    place p = set->places[block];
    pthread_mutex_unlock(&set->owner->lock);
    return p;
}

bool held_is_empty(const held_set *set, int64_t block) { return kind_of(place_of(set, block)) == NOWHERE; }

bool held_is_ready(const held_set *set, int64_t block) { return is_in_memory(place_of(set, block)); }

bool keeper_is_over(keeper *k)
{
    pthread_mutex_lock(&k->lock);
    const bool is_over = counted_bytes(k) > k->budget_bytes;
    pthread_mutex_unlock(&k->lock);
    return is_over;
}

bool held_drop(held_set *set, int64_t block)
{
    keeper *k = set->owner;
    pthread_mutex_lock(&k->lock);
    bool is_free = set->interests[block].pins == 0;
    if (is_free) free_block(set, block);
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
    return is_free;
}

/* ---- The budget -------------------------------------------------------------------------------------------------- */

static bool can_be_spilled(const held_set *set, int64_t block)
{
    return is_in_memory(set->places[block]) && set->interests[block].pins == 0 &&
           !buffer_is_claimed_twice(buffer_at(set->places[block]));
}

/* A block in memory that nobody uses: not what is on its way to others either, as its memory stays until it has left. Persisted
 * sets are searched from their end (a next pass begins at the start), others from their start (what was made first waits
 * longest). */
static bool find_victim(keeper *k, held_set **set_out, int64_t *block_out)
{
    for (held_set *set = k->sets; set; set = set->next) {
        for (int64_t i = 0; i < set->n_blocks; i++) {
            int64_t at = (set->cursor + i) % set->n_blocks;
            int64_t block = set->persistent ? set->n_blocks - 1 - at : at;
            if (!can_be_spilled(set, block)) continue;
            set->cursor = at + 1 < set->n_blocks ? at : 0;
            *set_out = set;
            *block_out = block;
            return true;
        }
    }
    return false;
}

/* Writes a block to the scratch file; the lock is given up meanwhile. The block is pinned. */
static tsr_status write_out(keeper *k, held_set *set, int64_t block, int64_t *at)
{
    tsr_status status = TSR_OK;
    const buffer *buf = buffer_at(set->places[block]);
    const size_t bytes = held_block_bytes(set, block);
    if (!k->disk) TRY(scratch_open(k->scratch_dir, &k->disk));
    pthread_mutex_unlock(&k->lock);
    status = scratch_write(k->disk, buf->data, bytes, at);
    pthread_mutex_lock(&k->lock);
    if (status == TSR_OK) atomic_fetch_add(&k->spilled_bytes, (int64_t)bytes);
    return status;
}

/* Frees the memory of a block that is, or comes, into the scratch file. Called with the lock, which is given up meanwhile. */
static tsr_status spill(keeper *k, held_set *set, int64_t block)
{
    interest *i = &set->interests[block];
    tsr_status status = TSR_OK;
    if (kind_of(set->places[block]) == IN_MEMORY) {
        int64_t at = -1;
        place both = NOWHERE;
        i->pins++;
        k->n_spilling++;
        atomic_fetch_add(&set->base.refs, 1);
        status = write_out(k, set, block, &at);
        if (status == TSR_OK) status = twin_new(buffer_at(set->places[block]), at, &both);
        if (status == TSR_OK) {
            set->places[block] = both;
        } else if (at >= 0) {
            scratch_release(k->disk, at);
        }
        pthread_cond_broadcast(&k->changed);
        i->pins--;
        k->n_spilling--;
        if (atomic_fetch_sub(&set->base.refs, 1) == 1) { /* everybody else let go while we wrote */
            set_free(set);
            return status;
        }
    }
    if (i->pins > 0) return status;
    if (is_used_up(i)) { /* its last reader was done while we wrote */
        free_block(set, block);
    } else if (kind_of(set->places[block]) == IN_BOTH) {
        forget(set, block);
    }
    return status;
}

void keeper_hold(keeper *k, size_t bytes) { atomic_fetch_add(&k->kept.used_bytes, bytes); }

void keeper_let_go(keeper *k, size_t bytes)
{
    pthread_mutex_lock(&k->lock);
    atomic_fetch_sub(&k->kept.used_bytes, bytes);
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
}

size_t keeper_budget_bytes(const keeper *k) { return k->budget_bytes; }

void keeper_set_budget(keeper *k, size_t bytes)
{
    pthread_mutex_lock(&k->lock);
    k->budget_bytes = bytes;
    pthread_mutex_unlock(&k->lock);
}

/* Memory that is kept for reuse, but of sizes that nobody asks for any more, goes back to the system. */
static void trim_idle(keeper *k)
{
    const size_t used = pool_used_bytes(k->buffers) + atomic_load(&k->kept.beside_bytes) + atomic_load(&k->kept.idle_bytes);
    const size_t wanted = k->budget_bytes > used ? k->budget_bytes - used : 0;
    if (pool_idle_bytes(k->buffers) > wanted) pool_trim(k->buffers, wanted);
}

tsr_status keeper_reserve(keeper *k, size_t bytes, const atomic_bool *stop)
{
    tsr_status status = TSR_OK;
    if (bytes > k->budget_bytes) {
        return error_set(
            TSR_ERR_MEMORY,
            "one block of this computation needs %.1f MiB, the memory budget is %.1f MiB; raise it, or use smaller chunks",
            (double)bytes / 0x1p20, (double)k->budget_bytes / 0x1p20);
    }
    pthread_mutex_lock(&k->lock);
    while (counted_bytes(k) + bytes > k->budget_bytes && status == TSR_OK && !atomic_load(stop)) {
        held_set *set;
        int64_t block;
        if (cache_drop_one(k)) continue;
        if (find_victim(k, &set, &block)) {
            status = spill(k, set, block);
        } else if (k->admitted_bytes > 0 || k->n_spilling > 0) {
            pthread_cond_wait(&k->changed, &k->lock);
        } else {
            break; /* everything held is in use by nobody but us: nothing more can be done */
        }
    }
    if (status == TSR_OK) k->admitted_bytes += bytes;
    pthread_mutex_unlock(&k->lock);
    trim_idle(k);
    return status;
}

/* Makes what is there fit the budget as far as nobody uses it; never waits: whom would an admitted task wait for, who might wait
 * for it. Called with the lock, which is given up meanwhile. */
static tsr_status make_room(keeper *k, bool *did)
{
    tsr_status status = TSR_OK;
    *did = false;
    while (status == TSR_OK && counted_bytes(k) > k->budget_bytes) {
        held_set *set;
        int64_t block;
        if (!cache_drop_one(k)) {
            if (!find_victim(k, &set, &block)) break;
            status = spill(k, set, block);
        }
        *did = true;
    }
    return status;
}

tsr_status keeper_make_room(keeper *k, bool *did)
{
    pthread_mutex_lock(&k->lock);
    const tsr_status status = make_room(k, did);
    pthread_mutex_unlock(&k->lock);
    if (*did) trim_idle(k);
    return status;
}

void keeper_release(keeper *k, size_t bytes)
{
    pthread_mutex_lock(&k->lock);
    k->admitted_bytes -= bytes;
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
}

void keeper_wake(keeper *k)
{
    pthread_mutex_lock(&k->lock);
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
}

/* ---- Reading blocks -------------------------------------------------------------------------------------------------- */

/* Counts `bytes` as kept before they are read back, and makes room for them. Called with the lock, which is given up meanwhile.
 */
static tsr_status take_room(keeper *k, size_t bytes)
{
    bool did;
    keeper_hold(k, bytes);
    tsr_status status = make_room(k, &did);
    if (status != TSR_OK) atomic_fetch_sub(&k->kept.used_bytes, bytes);
    return status;
}

/* Memory with n_bytes of a spilled block, from `first` on. It counts as held; the block is pinned. */
static tsr_status read_spilled(held_set *set, int64_t block, size_t first, size_t n_bytes, buffer **out)
{
    keeper *k = set->owner;
    pthread_mutex_lock(&k->lock);
    tsr_status status = take_room(k, buffer_taken_bytes(n_bytes));
    int64_t at = spill_at(set->places[block]);
    pthread_mutex_unlock(&k->lock);
    *out = NULL;
    if (status != TSR_OK) return status;
    trim_idle(k);
    status = buffer_new(k->buffers, n_bytes, out);
    if (status == TSR_OK) status = scratch_read(k->disk, at, held_block_bytes(set, block), first, n_bytes, (*out)->data);
    if (status == TSR_OK) {
        buffer_claim_counted(*out);
        return TSR_OK;
    }
    keeper_let_go(k, buffer_taken_bytes(n_bytes));
    buffer_unref(*out);
    *out = NULL;
    return status;
}

void held_part_done(held_set *set, buffer *part)
{
    keeper *k = set->owner;
    let_go_of(k, part);
    keeper_wake(k);
}

/* Two tasks may read a block back at once: the second to come finds a buffer. */
static tsr_status read_back(held_set *set, int64_t block, buffer **out)
{
    buffer *buf;
    place both;
    TRY(read_spilled(set, block, 0, held_block_bytes(set, block), &buf));
    pthread_mutex_lock(&set->owner->lock);
    place *p = &set->places[block];
    bool is_first = kind_of(*p) == ON_DISK;
    tsr_status status = is_first ? twin_new(buf, spill_at(*p), &both) : TSR_OK;
    bool is_taken = is_first && status == TSR_OK;
    if (is_taken) *p = both;
    *out = buffer_at(*p);
    pthread_mutex_unlock(&set->owner->lock);
    if (!is_taken) held_part_done(set, buf);
    return status;
}

void held_unpin(held_set *set, int64_t block)
{
    keeper *k = set->owner;
    interest *i = &set->interests[block];
    pthread_mutex_lock(&k->lock);
    i->pins--;
    /* What was read back for this reader goes at once where the budget is short. */
    bool is_short = counted_bytes(k) > k->budget_bytes;
    if (is_short && i->pins == 0 && kind_of(set->places[block]) == IN_BOTH) forget(set, block);
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
}

tsr_status held_pin(held_set *set, int64_t block, buffer **out)
{
    keeper *k = set->owner;
    pthread_mutex_lock(&k->lock);
    set->interests[block].pins++;
    int kind = kind_of(set->places[block]);
    *out = buffer_at(set->places[block]); /* as long as it is pinned nobody changes it */
    pthread_mutex_unlock(&k->lock);
    tsr_status status = TSR_OK;
    if (kind == NOWHERE) status = error_set(TSR_ERR_INTERNAL, "engine: block %lld is read before it is made", (long long)block);
    if (kind == ON_DISK) status = read_back(set, block, out);
    if (status != TSR_OK) held_unpin(set, block);
    return status;
}

tsr_status held_read_part(held_set *set, int64_t block, size_t first, size_t n_bytes, buffer **out)
{
    keeper *k = set->owner;
    *out = NULL;
    pthread_mutex_lock(&k->lock);
    bool is_spilled = kind_of(set->places[block]) == ON_DISK;
    set->interests[block].pins += is_spilled;
    pthread_mutex_unlock(&k->lock);
    if (!is_spilled) return TSR_OK;
    tsr_status status = read_spilled(set, block, first, n_bytes, out);
    held_unpin(set, block);
    return status;
}
