/* The journal: what was appended is read again, whatever the end of the file looks like; compaction; files that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cluster/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[64];

enum { MOST_RECORDS = 1000 };

/* Record i has a head of i bytes and, every third, a payload of 10 * i bytes; all follow from i. */
static uint8_t head_byte(int i, int k) { return (uint8_t)(i * 31 + k); }

static void append_number(void *to, void (*record)(void *to, const journal_record *r), int i)
{
    const size_t n = (size_t)i, payload_bytes = i % 3 == 0 ? 10 * n : 0;
    uint8_t *head = malloc(n + 1);
    char *payload = malloc(payload_bytes + 1);
    for (int k = 0; k < i; k++) head[k] = head_byte(i, k);
    memset(payload, i, payload_bytes);
    record(to, &(journal_record){.kind = (journal_kind)(1 + i % (N_JOURNAL_KINDS - 1)),
                                 .head = head,
                                 .head_bytes = n,
                                 .payload = payload,
                                 .payload_bytes = payload_bytes});
    free(head);
    free(payload);
}

static void append(void *to, const journal_record *r) { journal_append(to, r, NULL); }

static void add_numbers(journal *j, int first, int end)
{
    for (int i = first; i < end; i++) append_number(j, append, i);
}

/* What was read: the numbers of the records, in order. */
typedef struct seen {
    int n;
    int number[MOST_RECORDS];
} seen;

static void look(void *context, const journal_record *r)
{
    seen *s = context;
    const int i = (int)r->head_bytes;
    assert_true(s->n < MOST_RECORDS);
    s->number[s->n++] = i;
    assert_int_equal(r->kind, 1 + i % (N_JOURNAL_KINDS - 1));
    assert_int_equal(r->payload_bytes, i % 3 == 0 ? 10 * i : 0);
    for (int k = 0; k < i; k++) assert_int_equal(r->head[k], head_byte(i, k));
    for (size_t k = 0; k < r->payload_bytes; k++) assert_int_equal((uint8_t)r->payload[k], (uint8_t)i);
}

static char logged[700];
static void note(void *context, int level, const char *text) { snprintf(logged, sizeof logged, "%s", text); }

static journal *open_it(void)
{
    journal *j;
    logged[0] = 0;
    assert_int_equal(journal_open(path, note, NULL, &j), TSR_OK);
    return j;
}

/* Opens, reads, and expects the records 0 ... n - 1. */
static void expect_numbers(int n)
{
    seen s = {0};
    journal *j = open_it();
    assert_int_equal(journal_read(j, look, &s), TSR_OK);
    journal_close(j);
    assert_int_equal(s.n, n);
    for (int i = 0; i < n; i++) assert_int_equal(s.number[i], i);
}

static long file_bytes(void)
{
    struct stat s;
    assert_int_equal(stat(path, &s), 0);
    return (long)s.st_size;
}

static void test_append(void **state)
{
    expect_numbers(0);
    journal *j = open_it();
    add_numbers(j, 0, 50);
    journal_close(j);
    expect_numbers(50);
    j = open_it();
    add_numbers(j, 50, 90);
    journal_close(j);
    expect_numbers(90);
    assert_string_equal(logged, "");
}

/* Records 10, 11 and 12, whatever their kind, in place of those that go. */
static void write_three(void *context, void (*record)(void *to, const journal_record *r), void *to)
{
    for (int i = 10; i < 13; i++) append_number(to, record, i);
}

/* Renewed while others append: what is of other kinds stays, in order, and what comes later follows. */
static void test_renew(void **state)
{
    const journal_kind first = JOURNAL_SHARED;
    journal *j = open_it();
    add_numbers(j, 0, 100);
    journal_renew(j, first, write_three, NULL);
    const uint64_t n = journal_append(j, &(journal_record){.kind = (journal_kind)1}, NULL);
    assert_int_equal(n, 101);
    for (int i = 0; i < 5000 && journal_written(j) < n; i++) usleep(1000);
    assert_int_equal(journal_written(j), n);
    const size_t size = journal_size_now(j);
    journal_close(j);
    assert_int_equal(file_bytes(), size);
    int expected[120], n_expected = 0;
    for (int i = 0; i < 100; i++)
        if (1 + i % (N_JOURNAL_KINDS - 1) < (int)first) expected[n_expected++] = i;
    for (int i = 10; i < 13; i++) expected[n_expected++] = i;
    expected[n_expected++] = 0;
    seen s = {0};
    j = open_it();
    assert_int_equal(journal_read(j, look, &s), TSR_OK);
    assert_int_equal(s.n, n_expected);
    for (int i = 0; i < n_expected; i++) assert_int_equal(s.number[i], expected[i]);
    /* The new file is locked as the old one was. */
    journal *other;
    assert_int_equal(journal_open(path, note, NULL, &other), TSR_ERR_IO);
    journal_close(j);
}

static void test_payload_by_reference(void **state)
{
    const int i = 9; /* has a payload of 90 bytes */
    uint8_t head[9];
    buffer *b;
    char *data = malloc(90);
    assert_int_equal(buffer_wrap(data, 90, free, data, &b), TSR_OK);
    memset(data, i, 90);
    for (int k = 0; k < i; k++) head[k] = head_byte(i, k);
    journal *j = open_it();
    journal_append(j,
                   &(journal_record){.kind = (journal_kind)(1 + i % (N_JOURNAL_KINDS - 1)),
                                     .head = head,
                                     .head_bytes = 9,
                                     .payload = data,
                                     .payload_bytes = 90},
                   b);
    buffer_unref(b);
    journal_close(j);
    seen s = {0};
    j = open_it();
    assert_int_equal(journal_read(j, look, &s), TSR_OK);
    journal_close(j);
    assert_int_equal(s.n, 1);
}

/* However much of the last record is there, the others are read, and what comes later follows them. */
static void test_torn_tail(void **state)
{
    journal *j = open_it();
    add_numbers(j, 0, 20);
    journal_close(j);
    const long before = file_bytes();
    j = open_it();
    add_numbers(j, 20, 22);
    journal_close(j);
    const long two = file_bytes();
    for (long cut = two - 1; cut > before; cut -= 7) {
        assert_int_equal(truncate(path, cut), 0);
        j = open_it();
        const bool first_is_whole = cut >= before + 24 + 20; /* record 20 has no payload */
        journal_close(j);
        if (cut != before + 24 + 20) assert_non_null(strstr(logged, "cut off"));
        expect_numbers(first_is_whole ? 21 : 20);
        j = open_it();
        add_numbers(j, first_is_whole ? 21 : 20, 22);
        journal_close(j);
        assert_int_equal(file_bytes(), two);
        expect_numbers(22);
    }
}

/* A byte that changed: nothing from there on is believed. */
static void test_damage(void **state)
{
    for (int place = 0; place < 6; place++) {
        journal *j = open_it();
        add_numbers(j, 0, 12);
        journal_close(j);
        int fd = open(path, O_RDWR);
        const off_t record = 16 + 24 + 24 + 1 + 24 + 2; /* number 3: 3 bytes of head, 30 of payload */
        const off_t at[] = {record, record + 9, record + 13, record + 17, record + 25, record + 40};
        char c;
        assert_int_equal(pread(fd, &c, 1, at[place]), 1);
        c ^= 0x40;
        assert_int_equal(pwrite(fd, &c, 1, at[place]), 1);
        close(fd);
        expect_numbers(3);
        unlink(path);
    }
}

static void write_file(const char *text, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    fclose(f);
}

static void test_other_files(void **state)
{
    journal *j;
    write_file("CDF\1 this is something else", 27);
    assert_int_equal(journal_open(path, note, NULL, &j), TSR_ERR_FORMAT);
    assert_non_null(strstr(tsr_error_message(), "no journal"));
    assert_int_equal(file_bytes(), 27);
    write_file("TSRJ", 4); /* the process was killed when it began */
    expect_numbers(0);
    assert_int_equal(journal_open("/nowhere/at/all", note, NULL, &j), TSR_ERR_IO);
}

static void test_lock(void **state)
{
    journal *j = open_it(), *other;
    assert_int_equal(journal_open(path, note, NULL, &other), TSR_ERR_IO);
    assert_non_null(strstr(tsr_error_message(), "another scheduler"));
    journal_close(j);
    expect_numbers(0);
}

static int n_living;
static void write_living(void *context, void (*record)(void *to, const journal_record *r), void *to)
{
    for (int i = 0; i < n_living; i++) append_number(to, record, i);
}

static void test_compact(void **state)
{
    journal *j = open_it();
    add_numbers(j, 0, 100);
    journal_close(j);
    const long before = file_bytes();
    n_living = 95; /* hardly any garbage */
    j = open_it();
    assert_int_equal(journal_compact(j, write_living, NULL), TSR_OK);
    journal_close(j);
    assert_int_equal(file_bytes(), before);
    n_living = 30;
    j = open_it();
    assert_int_equal(journal_compact(j, write_living, NULL), TSR_OK);
    assert_int_equal(journal_bytes(j), (size_t)file_bytes());
    add_numbers(j, 30, 32);
    journal *other;
    assert_int_equal(journal_open(path, note, NULL, &other), TSR_ERR_IO); /* the new file is locked, too */
    journal_close(j);
    assert_true(file_bytes() < before / 2);
    expect_numbers(32);
    char new_path[80];
    snprintf(new_path, sizeof new_path, "%s.new", path);
    assert_int_equal(access(new_path, F_OK), -1);
}

/* A disk that is full for a moment: here, a limit on the size of files. */
static void test_full_disk(void **state)
{
    struct rlimit old, small;
    journal *j = open_it();
    add_numbers(j, 0, 30);
    journal_close(j);
    j = open_it();
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = (rlim_t)file_bytes() + 30; /* a part of the next record */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    add_numbers(j, 30, 40);
    usleep(200000);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    usleep(1500000);
    journal_close(j);
    assert_non_null(strstr(logged, "written again"));
    expect_numbers(40);
}

static int begin(void **state)
{
    snprintf(path, sizeof path, "/tmp/tessera-journal-test-%d", (int)getpid());
    unlink(path);
    return 0;
}

static int end(void **state)
{
    unlink(path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_append, begin, end),
        cmocka_unit_test_setup_teardown(test_renew, begin, end),
        cmocka_unit_test_setup_teardown(test_payload_by_reference, begin, end),
        cmocka_unit_test_setup_teardown(test_torn_tail, begin, end),
        cmocka_unit_test_setup_teardown(test_damage, begin, end),
        cmocka_unit_test_setup_teardown(test_other_files, begin, end),
        cmocka_unit_test_setup_teardown(test_lock, begin, end),
        cmocka_unit_test_setup_teardown(test_compact, begin, end),
        cmocka_unit_test_setup_teardown(test_full_disk, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
