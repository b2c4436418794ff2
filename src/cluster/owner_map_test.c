/* Maps of owners from messages: what is proper is read as it was meant, everything else is refused with a reason, and whatever is
 * read can be looked up in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cluster/owner_map.h"

#include <stdlib.h>
#include <string.h>

typedef Tessera__Cluster__Map map_message;
typedef Tessera__Cluster__StageMap stage_message;

/* Two stages, of which nobody has the second. */
typedef struct made {
    map_message map;
    stage_message stages[2], *pointers[2];
    uint64_t workers[3], first[4];
    uint32_t owner[4];
} made;

static void make(made *m)
{
    *m = (made){.workers = {11, 12, 13}, .first = {0, 3, 4, 100}, .owner = {1, 0, 1, 2}};
    tessera__cluster__map__init(&m->map);
    for (int i = 0; i < 2; i++) {
        tessera__cluster__stage_map__init(&m->stages[i]);
        m->pointers[i] = &m->stages[i];
    }
    m->stages[0].n_first = m->stages[0].n_owner = 4;
    m->stages[0].first = m->first;
    m->stages[0].owner = m->owner;
    m->map.n_workers = 3;
    m->map.workers = m->workers;
    m->map.n_stages = 2;
    m->map.stages = m->pointers;
}

static void test_proper(void **state)
{
    static const struct {
        int64_t unit;
        uint64_t owner;
    } cases[] = {{0, 12}, {2, 12}, {3, 11}, {4, 12}, {99, 12}, {100, 13}, {INT64_MAX, 13}, {-1, 0}};
    const assign_units units[] = {{.n = 101}, {.n = 7}};
    made m;
    owner_map map;
    make(&m);
    assert_int_equal(owner_map_read(&m.map, &map), TSR_OK);
    assert_int_equal(map.n_stages, 2);
    assert_int_equal(map.stages[0].n, 4);
    assert_int_equal(map.stages[1].n, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(owner_map_find(&map, 0, cases[i].unit) == cases[i].owner);
    assert_true(owner_map_find(&map, 1, 0) == 0 && owner_map_find(&map, 2, 0) == 0 && owner_map_find(&map, -1, 0) == 0);
    assert_int_equal(owner_map_check_units(&map, 2, units), TSR_OK);
    assert_int_equal(owner_map_check_units(&map, 2, (const assign_units[]){{.n = 100}, {.n = 7}}), TSR_ERR_FORMAT);
    assert_non_null(strstr(tsr_error_message(), "unit 100 of stage 0, which has 100"));
    assert_int_equal(owner_map_check_units(&map, 1, units), TSR_ERR_FORMAT);
    assert_non_null(strstr(tsr_error_message(), "has 2 stages, its plan 1"));
    owner_map_free(&map);

    m.map.n_stages = 0;
    assert_int_equal(owner_map_read(&m.map, &map), TSR_OK);
    assert_int_equal(map.n_stages, 0);
    owner_map_free(&map);
}

static void test_of_a_plan(void **state)
{
    tsr_session *session = tsr_session_open(NULL, &(tsr_options){.n_threads = 1});
    tsr_array *x = tsr_random_normal(session, 1, 0, 1, TSR_F64, 2, (int64_t[]){8, 1 << 19}, (int64_t[]){1, 1 << 19});
    plan *p;
    made m;
    owner_map map;
    assert_int_equal(plan_build(1, &x, NULL, &p), TSR_OK);
    assert_int_equal(p->n_stages, 1);
    make(&m);
    m.map.n_stages = 1;
    m.first[3] = 7;
    assert_int_equal(owner_map_read(&m.map, &map), TSR_OK);
    assert_int_equal(owner_map_check(&map, p), TSR_OK);
    map.stages[0].first[3] = 8;
    assert_int_equal(owner_map_check(&map, p), TSR_ERR_FORMAT);
    owner_map_free(&map);
    plan_free(p);
    tsr_release(x);
    tsr_session_close(session);
}

static void refused(const made *m, const char *why)
{
    owner_map map;
    assert_int_equal(owner_map_read(&m->map, &map), TSR_ERR_FORMAT);
    assert_non_null(strstr(tsr_error_message(), why));
    assert_true(map.n_stages == 0 && map.stages == NULL);
}

static void test_nonsense(void **state)
{
    made m;
    make(&m);
    m.stages[0].n_owner = 3;
    refused(&m, "do not go together");
    make(&m);
    m.first[0] = 1;
    refused(&m, "does not begin at 0");
    make(&m);
    m.first[2] = 3;
    refused(&m, "not in order");
    m.first[2] = 2;
    refused(&m, "not in order");
    make(&m);
    m.first[3] = (uint64_t)INT64_MAX + 1;
    refused(&m, "behind every unit");
    m.first[3] = UINT64_MAX;
    refused(&m, "behind every unit");
    make(&m);
    m.owner[3] = 3;
    refused(&m, "not in its list");
    m.owner[3] = UINT32_MAX;
    refused(&m, "not in its list");
    m.map.n_workers = 0;
    m.owner[3] = 0;
    refused(&m, "not in its list");
    make(&m);
    m.workers[2] = 0;
    refused(&m, "number 0");
    make(&m);
    m.map.n_stages = OWNER_MAP_MOST + 1;
    refused(&m, "too many");
    make(&m);
    m.map.n_workers = OWNER_MAP_MOST + 1;
    refused(&m, "too many");
    make(&m);
    m.pointers[0] = &m.stages[1]; /* a good stage before a bad one: nothing is left of it */
    m.pointers[1] = &m.stages[0];
    m.first[1] = 0;
    refused(&m, "not in order");
}

/* Whatever bytes come: they are refused, or hold what every user of a map relies on. */
static void test_any_bytes(void **state)
{
    made m;
    uint8_t bytes[200];
    int n_good = 0, n_bad = 0;
    make(&m);
    const size_t n = tessera__cluster__map__pack(&m.map, bytes);
    assert_true(n < sizeof bytes);
    srand(4);
    for (int turn = 0; turn < 20000; turn++) {
        uint8_t changed[sizeof bytes];
        owner_map map;
        memcpy(changed, bytes, n);
        for (int i = rand() % 3; i >= 0; i--) changed[(size_t)rand() % n] = (uint8_t)rand();
        map_message *got = tessera__cluster__map__unpack(NULL, n - (size_t)(rand() % 3), changed);
        if (!got) continue;
        if (owner_map_read(got, &map) != TSR_OK) {
            assert_true(tsr_error_message()[0] != 0 && map.stages == NULL);
            n_bad++;
        } else {
            for (int i = 0; i < map.n_stages; i++) {
                const stage_owners *s = &map.stages[i];
                assert_true(s->n == 0 || s->first[0] == 0);
                for (int k = 0; k < s->n; k++) {
                    assert_true(s->owner[k] != 0 && (k == 0 || s->first[k] > s->first[k - 1]));
                    assert_true(owner_map_find(&map, i, s->first[k]) == s->owner[k]);
                }
            }
            owner_map_free(&map);
            n_good++;
        }
        tessera__cluster__map__free_unpacked(got, NULL);
    }
    assert_true(n_good > 500 && n_bad > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_proper), cmocka_unit_test(test_of_a_plan),
                                       cmocka_unit_test(test_nonsense), cmocka_unit_test(test_any_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
