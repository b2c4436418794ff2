/* Buffers and their pool: counting, reuse, alignment, threads, foreign memory, failing allocations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "block/pool.h"

#include <pthread.h>
#include <string.h>

static void test_counts_and_reuse(void **state)
{
    pool *p;
    buffer *a, *b;
    assert_int_equal(pool_new(&p), TSR_OK);
    assert_int_equal(buffer_new(p, 100000, &a), TSR_OK);
    assert_int_equal(a->size_bytes, 100000);
    size_t used = pool_used_bytes(p);
    assert_true(used >= 100000 && used <= 125000); /* a class wastes at most a quarter */
    assert_int_equal(pool_idle_bytes(p), 0);
    char *data = a->data;
    buffer_unref(buffer_ref(a));
    assert_int_equal(pool_used_bytes(p), used);
    buffer_unref(a);
    assert_int_equal(pool_used_bytes(p), 0);
    assert_int_equal(pool_idle_bytes(p), used);
    assert_int_equal(buffer_new(p, 99000, &b), TSR_OK);
    assert_ptr_equal(b->data, data);
    assert_int_equal(pool_idle_bytes(p), 0);
    assert_int_equal(pool_peak_bytes(p), used);
    pool_begin_peak(p);
    assert_int_equal(pool_peak_bytes(p), used); /* what is in use counts */
    buffer_unref(b);
    pool_begin_peak(p);
    assert_int_equal(pool_peak_bytes(p), 0);
    pool_trim(p, used);
    assert_int_equal(pool_idle_bytes(p), used);
    pool_trim(p, 0);
    assert_int_equal(pool_idle_bytes(p), 0);
    buffer_unref(NULL);
    pool_free(p);
    pool_free(NULL);
}

/* Each size gets at least what it asks for, aligned, and every byte of it can be written. */
static void test_sizes(void **state)
{
    pool *p;
    assert_int_equal(pool_new(&p), TSR_OK);
    for (size_t base = 1; base <= (size_t)8 << 20; base *= 2) {
        for (int delta = -1; delta <= 1; delta++) {
            buffer *b;
            size_t size = base + (size_t)delta, before = pool_used_bytes(p);
            assert_int_equal(buffer_new(p, size, &b), TSR_OK);
            assert_true(pool_used_bytes(p) - before >= size);
            assert_int_equal((uintptr_t)b->data % 64, 0);
            memset(b->data, 0xab, size);
            buffer_unref(b);
            assert_int_equal(pool_used_bytes(p), 0);
        }
        pool_trim(p, 0);
    }
    buffer *b;
    assert_int_equal(buffer_new(p, SIZE_MAX, &b), TSR_ERR_MEMORY);
    assert_int_equal(buffer_new(p, (size_t)1 << 51, &b), TSR_ERR_MEMORY);
    pool_free(p);
}

static void count_release(void *context) { ++*(int *)context; }

static void test_foreign_memory(void **state)
{
    char memory[16];
    int n_released = 0;
    buffer *b;
    assert_int_equal(buffer_wrap(memory, sizeof memory, count_release, &n_released, &b), TSR_OK);
    assert_ptr_equal(b->data, memory);
    buffer_unref(buffer_ref(b));
    assert_int_equal(n_released, 0);
    buffer_unref(b);
    assert_int_equal(n_released, 1);
    assert_int_equal(buffer_wrap(memory, sizeof memory, NULL, NULL, &b), TSR_OK);
    buffer_unref(b);
}

static void *churn(void *argument)
{
    pool *p = argument;
    buffer *kept[8] = {0};
    unsigned seed = (unsigned)(uintptr_t)&kept;
    for (int i = 0; i < 5000; i++) {
        seed = seed * 1664525u + 1013904223u;
        int k = (int)(seed >> 16 & 7);
        buffer_unref(kept[k]);
        kept[k] = NULL;
        size_t size = 1 + (seed >> 8) % 200000;
        if (buffer_new(p, size, &kept[k]) != TSR_OK) return argument;
        kept[k]->data[0] = kept[k]->data[size - 1] = (char)i;
        if (i % 1000 == 999) pool_trim(p, 100000);
    }
    for (int k = 0; k < 8; k++) buffer_unref(kept[k]);
    return NULL;
}

static void test_threads(void **state)
{
    pool *p;
    pthread_t threads[4];
    assert_int_equal(pool_new(&p), TSR_OK);
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, churn, p), 0);
    for (int i = 0; i < 4; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_null(result);
    }
    assert_int_equal(pool_used_bytes(p), 0);
    pool_trim(p, 0);
    assert_int_equal(pool_idle_bytes(p), 0);
    pool_free(p);
}

/* A buffer counts once, whoever comes first and goes last. */
static void test_claims(void **state)
{
    static char foreign[1000];
    mem_account a = {0};
    pool *p;
    buffer *b, *f;
    assert_int_equal(pool_new(&p), TSR_OK);
    assert_int_equal(buffer_new(p, 100000, &b), TSR_OK);
    assert_int_equal(buffer_wrap(foreign, sizeof foreign, NULL, NULL, &f), TSR_OK);
    buffer_claim(b, NULL);
    buffer_claim(b, &a);
    assert_false(buffer_is_claimed_twice(b));
    assert_int_equal(atomic_load(&a.used_bytes), buffer_taken_bytes(100000));
    buffer_claim(b, &a);
    assert_true(buffer_is_claimed_twice(b));
    buffer_claim(f, &a);
    assert_int_equal(atomic_load(&a.used_bytes), buffer_taken_bytes(100000) + sizeof foreign);
    assert_int_equal(atomic_load(&a.beside_bytes), sizeof foreign);
    buffer_disclaim(b, &a);
    assert_int_equal(atomic_load(&a.used_bytes), buffer_taken_bytes(100000) + sizeof foreign);
    buffer_disclaim(b, &a);
    buffer_disclaim(f, &a);
    buffer_disclaim(b, NULL);
    assert_int_equal(atomic_load(&a.used_bytes), 0);
    assert_int_equal(atomic_load(&a.beside_bytes), 0);
    buffer_claim_counted(b); /* whoever counted it passes that on */
    mem_account_add(&a, (int64_t)buffer_taken_bytes(100000));
    buffer_claim(b, &a);
    assert_int_equal(atomic_load(&a.used_bytes), buffer_taken_bytes(100000));
    buffer_disclaim(b, &a);
    buffer_disclaim(b, &a);
    assert_int_equal(atomic_load(&a.used_bytes), 0);
    buffer_unref(b);
    buffer_unref(f);
    pool_free(p);
}

/* Many keep and queue the same buffers at once. */
typedef struct claimers {
    buffer *b[8];
    mem_account a;
} claimers;

static void *claim_all(void *context)
{
    claimers *c = context;
    for (int i = 0; i < 20000; i++) {
        buffer *b = c->b[i % 8];
        buffer_claim(b, &c->a);
        if (atomic_load(&c->a.used_bytes) > 16 * b->size_bytes) return c; /* less than none, or one of them many times */
        buffer_disclaim(b, &c->a);
    }
    return NULL;
}

static void test_claims_of_threads(void **state)
{
    claimers c = {0};
    pool *p;
    pthread_t threads[4];
    assert_int_equal(pool_new(&p), TSR_OK);
    for (int i = 0; i < 8; i++) assert_int_equal(buffer_new(p, 1 << 16, &c.b[i]), TSR_OK);
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, claim_all, &c), 0);
    for (int i = 0; i < 4; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_null(result);
    }
    assert_int_equal(atomic_load(&c.a.used_bytes), 0);
    for (int i = 0; i < 8; i++) buffer_unref(c.b[i]);
    pool_free(p);
}

static void test_out_of_memory(void **state)
{
    tsr_status status = TSR_ERR_MEMORY;
    int n = 1;
    for (; status != TSR_OK && n < 20; n++) {
        pool *p = NULL;
        buffer *b = NULL;
        mem_fail_at(n);
        status = pool_new(&p);
        if (status == TSR_OK) status = buffer_new(p, 5 << 20, &b);
        mem_fail_at(0);
        if (p) assert_int_equal(pool_used_bytes(p) > 0, status == TSR_OK);
        buffer_unref(b);
        pool_free(p);
        if (status != TSR_OK) assert_int_equal(status, TSR_ERR_MEMORY);
    }
    assert_int_equal(status, TSR_OK);
    assert_true(n > 3); /* the pool, the buffer's record, its memory */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_and_reuse), cmocka_unit_test(test_sizes),  cmocka_unit_test(test_foreign_memory),
        cmocka_unit_test(test_threads),          cmocka_unit_test(test_claims), cmocka_unit_test(test_claims_of_threads),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
