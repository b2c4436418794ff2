/* Open hashing with linear probing. Taking moves later entries of the probe back, so there are no tombstones. */
#include "cluster/id_table.h"

#include "base/mem.h"

/* MurmurHash3's finalizer (Appleby 2011): every bit of the key moves every bit of the place. */
static size_t home(const id_table *t, uint64_t key)
{
    key ^= key >> 33;
    key *= 0xff51afd7ed558ccdU;
    key ^= key >> 33;
    key *= 0xc4ceb9fe1a85ec53U;
    key ^= key >> 33;
    return (size_t)key & (t->capacity - 1);
}

/* Where the key is, or the free slot where it would go. */
static size_t place_of(const id_table *t, uint64_t key)
{
    size_t i = home(t, key);
    while (t->slots[i].value && t->slots[i].key != key) i = (i + 1) & (t->capacity - 1);
    return i;
}

void *id_table_find(const id_table *t, uint64_t key) { return t->n ? t->slots[place_of(t, key)].value : NULL; }

static bool grow(id_table *t)
{
    id_table bigger = {.n = t->n, .capacity = t->capacity ? t->capacity * 2 : 16};
    bigger.slots = mem_calloc(bigger.capacity, sizeof *bigger.slots);
    if (!bigger.slots) return false;
    for (size_t i = 0; t->slots && i < t->capacity; i++)
        if (t->slots[i].value) bigger.slots[place_of(&bigger, t->slots[i].key)] = t->slots[i];
    mem_free(t->slots);
    *t = bigger;
    return true;
}

bool id_table_put(id_table *t, uint64_t key, void *value)
{
    id_slot *slot = t->n ? &t->slots[place_of(t, key)] : NULL;
    if (!slot || !slot->value) {
        if ((!t->slots || t->n >= t->capacity / 2) && !grow(t)) return false;
        slot = &t->slots[place_of(t, key)];
        t->n++;
    }
    *slot = (id_slot){key, value};
    return true;
}

void *id_table_take(id_table *t, uint64_t key)
{
    if (t->n == 0) return NULL;
    const size_t mask = t->capacity - 1;
    size_t i = place_of(t, key);
    void *value = t->slots[i].value;
    if (!value) return NULL;
    t->n--;
    for (size_t next = (i + 1) & mask; t->slots[next].value; next = (next + 1) & mask) {
        /* It may move back unless its home lies behind the hole. */
        if (((next - home(t, t->slots[next].key)) & mask) < ((next - i) & mask)) continue;
        t->slots[i] = t->slots[next];
        i = next;
    }
    t->slots[i].value = NULL;
    return value;
}

void *id_table_next(const id_table *t, size_t *at)
{
    while (*at < t->capacity) {
        void *value = t->slots[(*at)++].value;
        if (value) return value;
    }
    return NULL;
}

void id_table_fini(id_table *t)
{
    mem_free(t->slots);
    *t = (id_table){0};
}
