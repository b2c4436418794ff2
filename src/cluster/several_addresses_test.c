/* Several addresses of a scheduler, of which some do not answer: sockets that listen, where nobody ever says anything, as if all
 * packets were dropped behind the first. */
#include "cluster/futures_testing.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

enum { PATIENCE_MS = 60000 };

typedef struct silent {
    int listening, fd;
    char address[40];
} silent;

static void silent_open(silent *s)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof where;
    s->fd = -1;
    s->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->listening >= 0);
    assert_int_equal(bind(s->listening, (struct sockaddr *)&where, size), 0);
    assert_int_equal(listen(s->listening, 10), 0);
    assert_int_equal(getsockname(s->listening, (struct sockaddr *)&where, &size), 0);
    snprintf(s->address, sizeof s->address, "tcp://127.0.0.1:%d", ntohs(where.sin_port));
}

static void silent_accept(silent *s)
{
    struct pollfd p = {.fd = s->listening, .events = POLLIN};
    assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
    s->fd = accept(s->listening, NULL, NULL);
    assert_true(s->fd >= 0);
}

/* Is the other side still there? It says hello, and waits. */
static bool is_waited_for(const silent *s)
{
    char bytes[1000];
    ssize_t n;
    while ((n = recv(s->fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
    }
    return n < 0 && errno == EAGAIN;
}

static void silent_close(silent *s)
{
    if (s->fd >= 0) close(s->fd);
    close(s->listening);
}

static void *open_in_vain(void *addresses)
{
    tsr_session *s = tsr_session_open(addresses, NULL);
    tsr_session_close(s);
    return s;
}

/* The next address is tried while the first is still waited for. */
static void test_clients_do_not_wait_for_the_first(void **state)
{
    silent a, b;
    char both[100];
    pthread_t thread;
    void *session;
    silent_open(&a);
    silent_open(&b);
    snprintf(both, sizeof both, "%s,%s", a.address, b.address);
    pthread_create(&thread, NULL, open_in_vain, both);
    silent_accept(&a);
    silent_accept(&b);
    assert_true(is_waited_for(&a));
    silent_close(&a); /* the next tries are refused */
    silent_close(&b);
    pthread_join(thread, &session);
    assert_null(session);
}

static void test_workers_do_not_wait_for_the_first(void **state)
{
    silent a, b;
    char both[100];
    tsr_worker *w;
    silent_open(&a);
    silent_open(&b);
    snprintf(both, sizeof both, "%s,%s", a.address, b.address);
    check(tsr_worker_start(&(tsr_worker_options){.scheduler = both, .n_threads = 1, .log = say}, &w));
    silent_accept(&a);
    silent_accept(&b);
    assert_true(is_waited_for(&a));
    tsr_worker_stop(w);
    silent_close(&a);
    silent_close(&b);
}

/* A scheduler behind two that say nothing: who looks for it finds it, and lets go of the others. */
static void test_the_one_that_answers_is_taken(void **state)
{
    silent a, b;
    char all[300];
    town t = {0};
    double out[3];
    silent_open(&a);
    silent_open(&b);
    check(tsr_scheduler_start(&(tsr_scheduler_options){.listen = "tcp://127.0.0.1:0", .log = say}, &t.scheduler));
    snprintf(all, sizeof all, "%s,%s,%s", a.address, b.address, tsr_scheduler_address(t.scheduler));
    memcpy(t.address, all, sizeof t.address);
    assert_true(strlen(all) < sizeof t.address);
    add_worker(&t, NULL);
    silent_accept(&a);
    t.s = open_session(&t);
    check(tsr_cluster_wait_for_workers(t.s, 1, 60));
    check(tsr_compute_into(tsr_arange(t.s, 0, 3, 1, TSR_F64, NULL), out, sizeof out));
    assert_true(out[2] == 2);
    for (int i = 0; i < PATIENCE_MS / 10 && is_waited_for(&a); i++) usleep(10000);
    assert_false(is_waited_for(&a)); /* the worker's */
    town_close(&t);
    silent_close(&a);
    silent_close(&b);
}

static tsr_scheduler *start_scheduler(const char *listen)
{
    tsr_scheduler *s;
    check(tsr_scheduler_start(&(tsr_scheduler_options){.listen = listen, .log = say}, &s));
    return s;
}

static double sum_of_three(tsr_session *s)
{
    double sum = 0;
    check(tsr_compute_into(tsr_sum(tsr_arange(s, 0, 3, 1, TSR_F64, NULL), 0, NULL, false), &sum, sizeof sum));
    return sum;
}

/* Nobody leaves a scheduler that lives, whoever else is in the list; who comes anew takes the first that answers. When that ends,
 * it goes on with the others. */
static void test_two_that_live(void **state)
{
    char first[100], both[200];
    town t = {0};
    t.scheduler = start_scheduler("tcp://127.0.0.1:0");
    tsr_scheduler *head = start_scheduler("tcp://127.0.0.1:0");
    snprintf(first, sizeof first, "%s", tsr_scheduler_address(head));
    snprintf(both, sizeof both, "%s,%s", first, tsr_scheduler_address(t.scheduler));
    snprintf(t.address, sizeof t.address, "%s", both);
    tsr_scheduler_stop(head);
    add_worker(&t, NULL);
    t.s = open_session(&t);
    check(tsr_cluster_wait_for_workers(t.s, 1, 60));
    head = start_scheduler(first);
    tsr_session *later = open_session(&t);
    assert_int_equal(tsr_cluster_wait_for_workers(later, 1, 0.5), TSR_ERR_TIMEOUT);
    assert_true(sum_of_three(t.s) == 3);
    tsr_scheduler_stop(head);
    check(tsr_cluster_wait_for_workers(later, 1, 60));
    assert_true(sum_of_three(later) == 3 && sum_of_three(t.s) == 3);
    tsr_session_close(later);
    town_close(&t);
}

/* Passes on what the connection and a real scheduler say to each other. */
typedef struct passing {
    int from, to;
} passing;

static void *pass_on(void *context)
{
    const passing *p = context;
    struct pollfd both[] = {{.fd = p->from, .events = POLLIN}, {.fd = p->to, .events = POLLIN}};
    char bytes[4096];
    while (poll(both, 2, PATIENCE_MS) > 0) {
        for (int i = 0; i < 2; i++) {
            if (!both[i].revents) continue;
            const ssize_t n = recv(both[i].fd, bytes, sizeof bytes, 0);
            if (n <= 0 || send(both[1 - i].fd, bytes, (size_t)n, MSG_NOSIGNAL) != n) return NULL;
        }
    }
    return NULL;
}

static int dial(const char *address)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    where.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&where, sizeof where), 0);
    return fd;
}

static void *open_it(void *addresses) { return tsr_session_open(addresses, &(tsr_options){.connect_seconds = 100}); }

/* The first one answers after all, when the second was dialled already, which never does. */
static void test_the_first_may_be_late(void **state)
{
    silent a, b;
    char both[100];
    town t = {0};
    pthread_t thread, other;
    void *session;
    double out[3];
    silent_open(&a);
    silent_open(&b);
    check(tsr_scheduler_start(&(tsr_scheduler_options){.listen = "tcp://127.0.0.1:0", .log = say}, &t.scheduler));
    snprintf(t.address, sizeof t.address, "%s", tsr_scheduler_address(t.scheduler));
    add_worker(&t, NULL);
    snprintf(both, sizeof both, "%s,%s", a.address, b.address);
    pthread_create(&thread, NULL, open_it, both);
    silent_accept(&a);
    silent_accept(&b);
    passing p = {.from = a.fd, .to = dial(t.address)};
    pthread_create(&other, NULL, pass_on, &p);
    pthread_join(thread, &session);
    assert_non_null(session);
    t.s = session;
    check(tsr_cluster_wait_for_workers(t.s, 1, 60));
    check(tsr_compute_into(tsr_arange(t.s, 0, 3, 1, TSR_F64, NULL), out, sizeof out));
    for (int i = 0; i < PATIENCE_MS / 10 && is_waited_for(&b); i++) usleep(10000);
    assert_false(is_waited_for(&b));
    town_close(&t);
    pthread_join(other, NULL);
    close(p.to);
    silent_close(&a);
    silent_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clients_do_not_wait_for_the_first),
        cmocka_unit_test(test_workers_do_not_wait_for_the_first),
        cmocka_unit_test(test_the_one_that_answers_is_taken),
        cmocka_unit_test(test_two_that_live),
        cmocka_unit_test(test_the_first_may_be_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
