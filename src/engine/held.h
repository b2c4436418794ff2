/* Blocks that are held between tasks: intermediate results of a run, persisted arrays, and source blocks that will be read again.
 * The keeper holds them within a memory budget: source blocks are dropped, others are spilled to a scratch file (lz4). */
#ifndef TESSERA_ENGINE_HELD_H
#define TESSERA_ENGINE_HELD_H

#include "array/node.h"
#include "base/account.h"

#include <assert.h>
#include <pthread.h>

typedef struct keeper keeper;

/* What the keeper knows of a block, in 12 bytes, as there may be tens of millions: where it lies, and who wants it. All zeros is
 * a block that is not there, and that stays, once it is, as long as the set lives. */
typedef uint64_t place; /* 0: nowhere; else held.c */
typedef struct interest {
    uint16_t uses; /* 0: uncounted, the block is kept; else one more than the reads to come. USES_MANY: kept, too */
    uint16_t pins; /* tasks that use it now: it may not be spilled */
} interest;
enum { USES_MANY = UINT16_MAX };
static_assert(sizeof(place) + sizeof(interest) == 12,
              "with the pointer in stage_run.blocks, a task with two outputs keeps 32 bytes");

/* A grid of blocks, dense C order each. Counted by its base. */
typedef struct held_set {
    block_set base;
    keeper *owner;
    tsr_dtype dtype;
    grid blocks; /* edges are copied into `edges` */
    int64_t n_blocks;
    place *places;
    interest *interests;
    int64_t *edges;
    bool persistent;   /* outlives the run that made it */
    struct run *maker; /* of a shared run: makes blocks that are asked for; NULL after it was closed */
    int stage;         /* of the maker */
    int64_t cursor;    /* where the search for a victim goes on */
    struct held_set *next, *previous;
} held_set;

tsr_status keeper_new(pool *buffers, size_t budget_bytes, const char *scratch_dir, keeper **out) MUST_CHECK;
void keeper_free(keeper *k);
/* Blocks that are freed from now on leave the disk later, when keeper_settle is called or the keeper is freed, and nobody waits
 * for that: after a cancellation, and when the session closes. Nothing runs meanwhile. */
void keeper_hurry(keeper *k);
void keeper_settle(keeper *k);
size_t keeper_budget_bytes(const keeper *k);
/* While nothing runs. What is held beyond it is spilled when the next task asks for memory. */
void keeper_set_budget(keeper *k, size_t bytes);

tsr_status held_set_new(keeper *k, tsr_dtype dtype, const grid *blocks, bool persistent, held_set **out) MUST_CHECK;
void held_set_unref(held_set *set);
size_t held_block_bytes(const held_set *set, int64_t block);

/* Gives the block its contents; takes the reference to buf. */
void held_put(held_set *set, int64_t block, buffer *buf);
/* Makes the block available and keeps it so until held_unpin. Reads it back if it was spilled. The block must have been put. */
tsr_status held_pin(held_set *set, int64_t block, buffer **out) MUST_CHECK;
void held_unpin(held_set *set, int64_t block);
/* A part of a block that is on disk only, and stays there: n_bytes from byte `first` on, into memory that is made for it, until
 * held_part_done. *out is NULL if the block is in memory: pin it. */
tsr_status held_read_part(held_set *set, int64_t block, size_t first, size_t n_bytes, buffer **out) MUST_CHECK;
void held_part_done(held_set *set, buffer *part);
/* Keeps a block from being dropped; until held_unpin. */
void held_hold(held_set *set, int64_t block);
bool held_is_empty(const held_set *set, int64_t block);
bool held_is_ready(const held_set *set, int64_t block); /* in memory */
/* Frees a block, wherever it lies, unless somebody uses it (false). */
bool held_drop(held_set *set, int64_t block);
/* One more read to come, before the run begins: the block is freed with the last of them. */
void held_count_use(held_set *set, int64_t block);
/* One of the reads to come is done; with the last the block is freed. */
void held_used(held_set *set, int64_t block);

/* Counts memory that is kept without being a block; never waits. */
void keeper_hold(keeper *k, size_t bytes);
void keeper_let_go(keeper *k, size_t bytes);
/* Where all that is kept is counted, by the keeper and by others of the same budget; as long as the keeper. */
mem_account *keeper_account(keeper *k);

/* Admission: waits until `bytes` more fit the budget, dropping and spilling as needed; release gives them back. A task that needs
 * more than the whole budget is refused with TSR_ERR_MEMORY. `stop` ends the wait early. */
tsr_status keeper_reserve(keeper *k, size_t bytes, const atomic_bool *stop) MUST_CHECK;
void keeper_release(keeper *k, size_t bytes);
/* Drops and spills until what is there fits the budget, as far as nobody uses it: for threads with nothing else to do, as blocks
 * that were asked of others come whether a task begins here or not. *did: something went. */
tsr_status keeper_make_room(keeper *k, bool *did) MUST_CHECK;
/* Wakes whoever waits in keeper_reserve, for example after setting `stop`. */
void keeper_wake(keeper *k);

/* The cache of source blocks of a run. find: a new reference or NULL. add: keeps a reference if there is room. */
typedef struct cache_key {
    const tsr_array *node;
    int64_t numbers[3 * TSR_MAX_NDIM];
    int n;
} cache_key;
buffer *keeper_cache_find(keeper *k, const cache_key *key);
void keeper_cache_add(keeper *k, const cache_key *key, buffer *buf);
void keeper_cache_clear(keeper *k);

int64_t keeper_spilled_bytes(const keeper *k);
bool keeper_is_over(keeper *k); /* more is counted than the budget */

#endif
