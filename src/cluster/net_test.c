/* Messages between two nets of one process, over TCP, Unix sockets and TLS: sizes, places, order, many links, backpressure, ends.
 * The same cases run over each transport. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/net_testing.h"
#include "cluster/share.h"

#include <sys/stat.h>

#include <stdatomic.h>

typedef struct pair {
    const char *listen;
    net_options o;
    station a, b; /* a listens, b connects */
    net_link *link;
} pair;

static void pair_open_with(pair *p, const net_options *oa, const net_options *ob)
{
    net_options a = *oa, b = *ob;
    a.role = NET_ROLE_SCHEDULER;
    a.name = "head";
    b.role = NET_ROLE_WORKER;
    b.name = "hand";
    assert_int_equal(station_open(&p->a, &a), TSR_OK);
    assert_int_equal(station_open(&p->b, &b), TSR_OK);
    assert_int_equal(net_listen(p->a.n, p->listen, p->a.address, sizeof p->a.address), TSR_OK);
    assert_int_equal(net_connect(p->b.n, p->a.address, &p->link), TSR_OK);
}

static void pair_open(pair *p)
{
    pair_open_with(p, &p->o, &p->o);
    assert_true(station_wait(&p->a, &p->a.opened, 1));
    assert_true(station_wait(&p->b, &p->b.opened, 1));
}

static void pair_close(pair *p)
{
    link_unref(p->link);
    station_close(&p->b);
    station_close(&p->a);
}

static void test_peers(void **state)
{
    pair p = *(pair *)*state;
    pair_open(&p);
    assert_string_equal(p.a.peer_name, "hand");
    assert_string_equal(p.b.peer_name, "head");
    assert_int_equal(p.a.peer_role, NET_ROLE_WORKER);
    assert_int_equal(p.b.peer_role, NET_ROLE_SCHEDULER);
    const net_peer *peer = link_peer(p.link);
    assert_int_equal(peer->pid, getpid());
    assert_string_equal(peer->version, TESSERA_VERSION);
    assert_true(peer->same_host);
    pair_close(&p);
}

/* Sends a pattern of `size` bytes and checks what comes back. */
static void echo(pair *p, size_t size)
{
    buffer *b;
    int before = station_read(&p->b, &p->b.messages);
    char *data = malloc(size + 1);
    assert_non_null(data);
    for (size_t i = 0; i < size; i++) data[i] = (char)(i * 2654435761U >> 13);
    assert_int_equal(buffer_wrap(data, size, free, data, &b), TSR_OK);
    net_payload payload = {.buf = b, .data = data, .bytes = size};
    assert_int_equal(link_send(p->link, TYPE_ECHO, (const uint8_t *)"head", 4, &payload), TSR_OK);
    assert_true(station_wait(&p->b, &p->b.messages, before + 1));
    pthread_mutex_lock(&p->b.lock);
    assert_int_equal(p->b.got_bytes, size);
    assert_int_equal(p->b.last_head_bytes, 4);
    assert_memory_equal(p->b.last_head, "head", 4);
    if (size) assert_true(memcmp(p->b.got_at, data, size) == 0);
    pthread_mutex_unlock(&p->b.lock);
    buffer_unref(b);
}

static void test_echo_sizes(void **state)
{
    static const size_t sizes[] = {0,     1,     15,     16,     17,      4095,    4096,          4097,
                                   65535, 65536, 262143, 262144, 1000003, 8388608, (64 << 20) + 1};
    pair p = *(pair *)*state;
    pair_open(&p);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) echo(&p, sizes[i]);
    net_counters c = net_count(p.b.n);
    assert_int_equal(c.messages_in, sizeof sizes / sizeof sizes[0]);
    assert_int_equal(c.messages_out, sizeof sizes / sizeof sizes[0]);
    assert_true(c.bytes_in + c.shared_bytes_in > 64 << 20);
    pair_close(&p);
}

static void test_lands_in_its_place(void **state)
{
    pair p = *(pair *)*state;
    enum { SIZE = 3 << 20 };
    pair_open(&p);
    char *here = calloc(1, SIZE), *data = malloc(SIZE);
    memset(data, 7, SIZE);
    p.a.target = here;
    net_payload payload = {.data = data, .bytes = SIZE};
    assert_int_equal(link_send(p.link, TYPE_REPLY, NULL, 0, &payload), TSR_OK);
    memset(data, 9, SIZE); /* it was copied */
    assert_true(station_wait(&p.a, &p.a.messages, 1));
    assert_ptr_equal(p.a.got_at, here);
    for (size_t i = 0; i < SIZE; i++) assert_int_equal(here[i], 7);
    pair_close(&p);
    free(here);
    free(data);
}

static void test_payload_not_wanted(void **state)
{
    pair p = *(pair *)*state;
    char data[10000] = {1};
    pair_open(&p);
    p.a.refuse_payloads = true;
    net_payload payload = {.data = data, .bytes = sizeof data};
    assert_int_equal(link_send(p.link, TYPE_REPLY, NULL, 0, &payload), TSR_OK);
    assert_int_equal(link_send(p.link, TYPE_ECHO, NULL, 0, NULL), TSR_OK);
    assert_true(station_wait(&p.b, &p.b.messages, 1));
    assert_int_equal(station_read(&p.a, &p.a.messages), 2);
    pair_close(&p);
}

typedef struct sender {
    net_link *l;
    int n;
} sender;

static void *send_numbers(void *context)
{
    sender *s = context;
    char payload[700] = {0};
    for (int i = 0; i < s->n; i++) {
        uint64_t number = (uint64_t)i;
        net_payload p = {.data = payload, .bytes = i % 3 ? 0 : (size_t)(i % 700)};
        if (link_send(s->l, TYPE_NUMBER, (const uint8_t *)&number, sizeof number, &p) != TSR_OK) abort();
    }
    return NULL;
}

static void test_order(void **state)
{
    pair p = *(pair *)*state;
    enum { N = 20000 };
    pthread_t thread;
    pair_open(&p);
    sender s = {.l = p.link, .n = N};
    assert_int_equal(pthread_create(&thread, NULL, send_numbers, &s), 0);
    assert_true(station_wait(&p.a, &p.a.messages, N));
    pthread_join(thread, NULL);
    assert_false(p.a.out_of_order);
    pair_close(&p);
}

static void test_sent_before_open(void **state)
{
    pair p = *(pair *)*state;
    pair_open_with(&p, &p.o, &p.o);
    for (uint64_t i = 0; i < 100; i++) {
        assert_int_equal(link_send(p.link, TYPE_NUMBER, (const uint8_t *)&i, sizeof i, NULL), TSR_OK);
    }
    link_close(p.link, "all said");
    assert_true(station_wait(&p.a, &p.a.closed, 1));
    assert_int_equal(station_read(&p.a, &p.a.messages), 100);
    assert_false(p.a.out_of_order);
    pair_close(&p);
}

static void test_many_links(void **state)
{
    pair p = *(pair *)*state;
    enum { N = 60 };
    net_link *links[N];
    pair_open(&p);
    for (int i = 0; i < N; i++) assert_int_equal(net_connect(p.b.n, p.a.address, &links[i]), TSR_OK);
    for (int k = 0; k < 20; k++) {
        for (int i = 0; i < N; i++) assert_int_equal(link_send(links[i], TYPE_ECHO, NULL, 0, NULL), TSR_OK);
    }
    assert_true(station_wait(&p.b, &p.b.messages, 20 * N));
    assert_int_equal(station_read(&p.b, &p.b.opened), N + 1);
    for (int i = 0; i < N; i += 2) link_close(links[i], "enough");
    assert_true(station_wait(&p.a, &p.a.closed, N / 2));
    assert_true(station_wait(&p.b, &p.b.closed, N / 2));
    for (int i = 0; i < N; i++) {
        tsr_status status = link_send(links[i], TYPE_ECHO, NULL, 0, NULL);
        assert_int_equal(status, i % 2 ? TSR_OK : TSR_ERR_IO);
        link_unref(links[i]);
    }
    pair_close(&p);
}

static void test_close_tells_why(void **state)
{
    pair p = *(pair *)*state;
    pair_open(&p);
    link_set_user(p.link, &p);
    assert_ptr_equal(link_user(p.link), &p);
    assert_int_equal(link_send(p.link, TYPE_CLOSE_ME, NULL, 0, NULL), TSR_OK);
    assert_true(station_wait(&p.b, &p.b.closed, 1));
    assert_true(station_wait(&p.a, &p.a.closed, 1));
    assert_string_equal(p.b.reason, "closed by the peer: as you wish");
    assert_string_equal(p.a.reason, "closed here: as you wish");
    assert_int_equal(link_send(p.link, TYPE_ECHO, NULL, 0, NULL), TSR_ERR_IO);
    pair_close(&p);
}

static void test_net_close_tells_peers(void **state)
{
    pair p = *(pair *)*state;
    pair_open(&p);
    net_link *kept = link_ref(p.link);
    link_unref(p.link);
    station_close(&p.b);
    assert_true(station_wait(&p.a, &p.a.closed, 1));
    assert_string_equal(p.a.reason, "closed by the peer: this process is closing");
    assert_int_equal(p.b.closed, 1);
    assert_int_equal(link_send(kept, TYPE_ECHO, NULL, 0, NULL), TSR_ERR_IO); /* still a link */
    link_unref(kept);
    station_close(&p.a);
}

static void test_wrong_types(void **state)
{
    pair p = *(pair *)*state;
    pair_open(&p);
    assert_int_equal(link_send(p.link, 0, NULL, 0, NULL), TSR_ERR_VALUE);
    assert_int_equal(link_send(p.link, NET_FIRST_RESERVED_TYPE, NULL, 0, NULL), TSR_ERR_VALUE);
    pair_close(&p);
}

static void test_limits(void **state)
{
    pair p = *(pair *)*state;
    net_options small = p.o;
    uint8_t head[2000] = {0};
    small.max_head_bytes = 1000;
    pair_open_with(&p, &small, &p.o);
    assert_int_equal(link_send(p.link, TYPE_REPLY, head, 1000, NULL), TSR_OK);
    assert_true(station_wait(&p.a, &p.a.messages, 1));
    assert_int_equal(link_send(p.link, TYPE_REPLY, head, 1001, NULL), TSR_OK);
    assert_true(station_wait(&p.a, &p.a.closed, 1));
    assert_non_null(strstr(p.a.reason, "a head of 1001 bytes; at most 1000 are taken"));
    assert_true(station_wait(&p.b, &p.b.closed, 1));
    assert_non_null(strstr(p.b.reason, "at most 1000 are taken"));
    pair_close(&p);
}

static void count_call(void *context) { atomic_fetch_add((atomic_int *)context, 1); }

static void test_posts_and_timers(void **state)
{
    pair p = *(pair *)*state;
    atomic_int n_posted = 0, ticked = 0;
    net_timer *t;
    pair_open(&p);
    for (int i = 0; i < 1000; i++) assert_int_equal(net_post(p.a.n, count_call, &n_posted), TSR_OK);
    assert_int_equal(net_timer_start(p.a.n, 5, count_call, &ticked, &t), TSR_OK);
    for (int i = 0; i < 2000 && atomic_load(&ticked) < 5; i++) usleep(5000);
    assert_true(atomic_load(&ticked) >= 5);
    net_timer_stop(t);
    usleep(50000);
    int now = atomic_load(&ticked);
    usleep(50000);
    assert_int_equal(atomic_load(&ticked), now);
    assert_int_equal(net_timer_start(p.a.n, 1000000, count_call, &ticked, &t), TSR_OK); /* left to net_close */
    pair_close(&p);
    assert_int_equal(atomic_load(&n_posted), 1000);
}

/* Computed into shared memory and read where it lies: no copy, and the memory is recycled. */
static void test_without_a_copy(void **state)
{
    pair p = *(pair *)*state;
    enum { SIZE = 1 << 20, ROUNDS = 100 };
    char *first = NULL;
    pair_open(&p);
    p.a.use_shared = true;
    for (int k = 0; k < ROUNDS; k++) {
        buffer *b;
        assert_int_equal(net_buffer_new(p.b.n, SIZE, &b), TSR_OK);
        if (k == 0) first = b->data;
        if (k > 2) assert_in_range((uintptr_t)b->data, (uintptr_t)first, (uintptr_t)first + 16 * SIZE);
        memset(b->data, k, SIZE);
        net_payload payload = {.buf = b, .data = b->data + 100, .bytes = SIZE - 100};
        assert_int_equal(link_send(p.link, TYPE_REPLY, (const uint8_t *)"h", 1, &payload), TSR_OK);
        buffer_unref(b);
        assert_true(station_wait(&p.a, &p.a.messages, k + 1));
        pthread_mutex_lock(&p.a.lock);
        assert_int_equal(p.a.got_bytes, SIZE - 100);
        for (int i = 0; i < SIZE - 100; i += 97) assert_int_equal(p.a.got_at[i], k);
        pthread_mutex_unlock(&p.a.lock);
    }
    net_counters c = net_count(p.b.n);
    assert_int_equal(c.shared_bytes_out, (uint64_t)ROUNDS * (SIZE - 100));
    assert_true(c.bytes_out < ROUNDS * 200);
    assert_int_equal(net_count(p.a.n).shared_bytes_in, c.shared_bytes_out);
    pair_close(&p);
}

/* A block that a peer keeps stays as it is when the connection ends, whatever its owner does next. */
static void test_kept_beyond_the_link(void **state)
{
    pair p = *(pair *)*state;
    enum { SIZE = 1 << 20 };
    buffer *b, *kept;
    pair_open(&p);
    p.a.use_shared = true;
    assert_int_equal(net_buffer_new(p.b.n, SIZE, &b), TSR_OK);
    memset(b->data, 5, SIZE);
    net_payload payload = {.buf = b, .data = b->data, .bytes = SIZE};
    assert_int_equal(link_send(p.link, TYPE_REPLY, NULL, 0, &payload), TSR_OK);
    assert_true(station_wait(&p.a, &p.a.messages, 1));
    buffer_unref(b);
    pthread_mutex_lock(&p.a.lock);
    kept = buffer_ref(p.a.got);
    pthread_mutex_unlock(&p.a.lock);
    link_close(p.link, "done");
    assert_true(station_wait(&p.b, &p.b.closed, 1));
    for (int k = 0; k < 10; k++) {
        assert_int_equal(net_buffer_new(p.b.n, SIZE, &b), TSR_OK);
        memset(b->data, 6, SIZE);
        buffer_unref(b);
    }
    pair_close(&p);
    for (int i = 0; i < SIZE; i++) assert_int_equal(kept->data[i], 5);
    buffer_unref(kept);
}

/* The first message leaves together with the end of the handshake, descriptor and all. */
static void test_greeted_at_once(void **state)
{
    pair p = *(pair *)*state;
    enum { N = 30, SIZE = 200000 };
    net_link *links[N];
    pair_open(&p);
    p.a.greeting_bytes = SIZE;
    for (int i = 0; i < N; i++) assert_int_equal(net_connect(p.b.n, p.a.address, &links[i]), TSR_OK);
    assert_true(station_wait(&p.b, &p.b.messages, N));
    assert_int_equal(station_read(&p.b, &p.b.closed), 0);
    assert_true(net_count(p.b.n).shared_bytes_in == (uint64_t)N * SIZE);
    for (int i = 0; i < N; i++) link_unref(links[i]);
    pair_close(&p);
}

/* With no room left in shared memory, payloads take the socket. */
static void test_shared_memory_full(void **state)
{
    pair p = *(pair *)*state;
    enum { SIZE = 20 << 20, N = 5 };
    buffer *b[N];
    mem_account use = {0};
    p.o.max_shared_bytes = 64 << 20;
    p.o.memory_use = &use;
    pair_open(&p);
    for (int k = 0; k < N; k++) assert_int_equal(net_buffer_new(p.b.n, SIZE, &b[k]), TSR_OK);
    assert_in_range(atomic_load(&use.used_bytes), 3 * SIZE, 64 << 20);
    for (int k = 0; k < N; k++) {
        memset(b[k]->data, k, SIZE);
        net_payload payload = {.buf = b[k], .data = b[k]->data, .bytes = SIZE};
        assert_int_equal(link_send(p.link, TYPE_REPLY, NULL, 0, &payload), TSR_OK);
        assert_true(station_wait(&p.a, &p.a.messages, k + 1));
        pthread_mutex_lock(&p.a.lock);
        assert_int_equal(p.a.got_bytes, SIZE);
        assert_int_equal(p.a.got_at[SIZE - 1], k);
        pthread_mutex_unlock(&p.a.lock);
    }
    assert_int_equal(net_count(p.b.n).shared_bytes_out, 3 * SIZE);
    for (int k = 0; k < N; k++) buffer_unref(b[k]);
    /* Once all of it is given back, it is only kept; and not even that, if it is not wanted. */
    const int64_t end = os_now_ns() + (int64_t)TESTING_WAIT_S * 1000000000;
    while (atomic_load(&use.used_bytes) > 0 && os_now_ns() < end) usleep(1000);
    assert_int_equal(atomic_load(&use.used_bytes), 0);
    assert_true(atomic_load(&use.idle_bytes) >= 3 * SIZE);
    net_trim_shared(p.b.n);
    assert_int_equal(atomic_load(&use.idle_bytes), 0);
    pair_close(&p);
    assert_int_equal(atomic_load(&use.used_bytes), 0);
}

/* A block there and back, in which the n-th allocation of either side fails: an error, or a connection that ends, but no hang. */
static bool echo_without_memory(pair *p, long n)
{
    static char data[100000];
    bool open_a = false, open_b = false;
    net_options a = p->o, b = p->o;
    p->link = NULL;
    a.handshake_ms = b.handshake_ms = 500;
    mem_fail_at(n);
    if (station_open(&p->a, &a) != TSR_OK) goto done;
    open_a = true;
    if (station_open(&p->b, &b) != TSR_OK) goto done;
    open_b = p->a.may_fail = p->b.may_fail = true;
    if (net_listen(p->a.n, p->listen, p->a.address, sizeof p->a.address) != TSR_OK) goto done;
    if (net_connect(p->b.n, p->a.address, &p->link) != TSR_OK) goto done;
    if (link_send(p->link, TYPE_ECHO, NULL, 0, &(net_payload){.data = data, .bytes = sizeof data}) != TSR_OK) goto done;
    pthread_mutex_lock(&p->b.lock);
    int64_t start = os_now_ns();
    while (!p->b.messages && !p->b.closed) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 1;
        pthread_cond_timedwait(&p->b.changed, &p->b.lock, &until);
        if (os_now_ns() - start > (int64_t)TESTING_WAIT_S * 1000000000)
            fail_msg("allocation %ld failed, and nothing happened", n);
    }
    pthread_mutex_unlock(&p->b.lock);
done:
    link_unref(p->link);
    if (open_b) station_close(&p->b);
    if (open_a) station_close(&p->a);
    return mem_fail_at(0) < n;
}

static void test_out_of_memory(void **state)
{
    pair p = *(pair *)*state;
    long n = 1;
    while (!echo_without_memory(&p, n)) n++;
    assert_true(n > 15);
}

/* ---- over TCP, between stations alone ---- */

static void test_cannot_connect(void **state)
{
    station s;
    net_link *l = NULL;
    assert_int_equal(station_open(&s, NULL), TSR_OK);
    assert_int_equal(net_connect(s.n, "tcp://127.0.0.1:1", &l), TSR_OK);
    assert_true(station_wait(&s, &s.closed, 1));
    assert_string_equal(s.reason, "cannot connect to tcp://127.0.0.1:1: Connection refused");
    assert_int_equal(link_send(l, TYPE_ECHO, NULL, 0, NULL), TSR_ERR_IO);
    link_unref(l);
    assert_int_equal(net_connect(s.n, "unix:///nowhere/at/all", &l), TSR_OK);
    assert_true(station_wait(&s, &s.closed, 2));
    assert_true(station_said(&s, s.reason, "No such file or directory"));
    link_unref(l);
    assert_int_equal(net_connect(s.n, "tcp://no-such-host.invalid:80", &l), TSR_OK);
    assert_true(station_wait(&s, &s.closed, 3));
    assert_true(station_said(&s, s.reason, "cannot connect to tcp://no-such-host.invalid:80: "));
    link_unref(l);
    station_close(&s);
}

static void test_bad_addresses(void **state)
{
    static const char *const bad[] = {"",
                                      "127.0.0.1:80",
                                      "http://127.0.0.1:80",
                                      "tcp://127.0.0.1",
                                      "tcp://:80",
                                      "tcp://127.0.0.1:65536",
                                      "tcp://127.0.0.1:8x",
                                      "tcp://::1:80",
                                      "tcp://[::1]",
                                      "unix://relative",
                                      "unix://@"};
    station s;
    net_link *l = NULL;
    assert_int_equal(station_open(&s, NULL), TSR_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(net_connect(s.n, bad[i], &l), TSR_ERR_VALUE);
        assert_int_equal(net_listen(s.n, bad[i], NULL, 0), TSR_ERR_VALUE);
        assert_non_null(strstr(tsr_error_message(), bad[i]));
    }
    assert_int_equal(net_connect(s.n, "tls://127.0.0.1:80", &l), TSR_ERR_VALUE); /* no certificates */
    station_close(&s);
}

/* Nothing listens beyond loopback without a secret. */
static void test_refuses_to_listen_beyond_loopback(void **state)
{
    station s;
    char path[64];
    assert_int_equal(station_open(&s, NULL), TSR_OK);
    assert_int_equal(net_listen(s.n, "tcp://0.0.0.0:0", NULL, 0), TSR_ERR_VALUE);
    assert_non_null(strstr(tsr_error_message(), "--secret-file"));
    assert_int_equal(net_listen(s.n, "tcp://[::]:0", NULL, 0), TSR_ERR_VALUE);
    assert_int_equal(net_listen(s.n, "tcp://127.0.0.1:0", NULL, 0), TSR_OK);
    assert_int_equal(net_listen(s.n, "tcp://localhost:0", NULL, 0), TSR_OK);
    station_close(&s);
    testing_secret(path, "0123456789abcdef0123456789abcdef\n");
    assert_int_equal(station_open(&s, &(net_options){.secret_file = path}), TSR_OK);
    assert_int_equal(net_listen(s.n, "tcp://0.0.0.0:0", s.address, sizeof s.address), TSR_OK);
    assert_memory_equal(s.address, "tcp://0.0.0.0:", 14);
    station_close(&s);
    unlink(path);
}

static void test_port_in_use(void **state)
{
    station s, t;
    assert_int_equal(station_open(&s, NULL), TSR_OK);
    assert_int_equal(station_open(&t, NULL), TSR_OK);
    assert_int_equal(net_listen(s.n, "tcp://127.0.0.1:0", s.address, sizeof s.address), TSR_OK);
    assert_int_equal(net_listen(t.n, s.address, NULL, 0), TSR_ERR_IO);
    assert_non_null(strstr(tsr_error_message(), "Address already in use"));
    station_close(&s);
    station_close(&t);
}

/* What the peer does not read stays queued here, and is counted. */
static void hold(void *context)
{
    atomic_int *held = context;
    atomic_store(held, 1);
    while (atomic_load(held) != 2) usleep(1000);
}

static void test_backpressure(void **state)
{
    pair p = *(pair *)*state;
    enum { SIZE = 1 << 20, N = 64 };
    atomic_int held = 0;
    p.o.high_water_bytes = 8 << 20;
    p.o.low_water_bytes = 1 << 20;
    p.o.no_shared = true;
    char *data = calloc(1, SIZE);
    buffer *b;
    assert_int_equal(buffer_wrap(data, SIZE, free, data, &b), TSR_OK);
    pair_open(&p);
    assert_int_equal(net_post(p.a.n, hold, &held), TSR_OK);
    net_payload payload = {.buf = b, .data = data, .bytes = SIZE};
    for (int i = 0; i < N; i++) assert_int_equal(link_send(p.link, TYPE_REPLY, NULL, 0, &payload), TSR_OK);
    while (!atomic_load(&held)) usleep(1000);
    usleep(100000);
    size_t queued = link_queued_bytes(p.link);
    assert_true(queued > (size_t)(N / 2) * SIZE && queued <= N * (SIZE + 16));
    assert_int_equal(station_read(&p.b, &p.b.drained), 0);
    atomic_store(&held, 2);
    assert_true(station_wait(&p.b, &p.b.drained, 1));
    assert_true(station_wait(&p.a, &p.a.messages, N));
    /* What has arrived may still be written here. */
    const int64_t end = os_now_ns() + (int64_t)TESTING_WAIT_S * 1000000000;
    while (link_queued_bytes(p.link) > 0 && os_now_ns() < end) usleep(1000);
    assert_int_equal(link_queued_bytes(p.link), 0);
    pair_close(&p);
    assert_int_equal(atomic_load(&b->refs), 1);
    buffer_unref(b);
}

/* A child process with a net that listens. Made before there are threads: resolving names leaves some. */
typedef struct child {
    pid_t pid;
    char address[400];
} child;

static const net_options IMPATIENT = {.heartbeat_ms = 50, .silence_ms = 2000};

static void child_start(child *c, const net_options *o)
{
    int ends[2];
    if (pipe(ends) != 0) abort();
    *c = (child){.pid = fork()};
    if (c->pid == 0) {
        station s;
        close(ends[0]);
        if (station_open(&s, o) != TSR_OK || net_listen(s.n, "tcp://127.0.0.1:0", s.address, sizeof s.address) != TSR_OK)
            _exit(1);
        if (write(ends[1], s.address, strlen(s.address) + 1) < 0) _exit(1);
        close(ends[1]);
        for (;;) pause();
    }
    close(ends[1]);
    if (c->pid < 0 || read(ends[0], c->address, sizeof c->address) <= 0) abort();
    close(ends[0]);
}

static void test_silent_peer(void **state)
{
    const child *c = *state;
    station s;
    net_link *l;
    assert_int_equal(station_open(&s, &IMPATIENT), TSR_OK);
    assert_int_equal(net_connect(s.n, c->address, &l), TSR_OK);
    assert_true(station_wait(&s, &s.opened, 1));
    usleep(3000000); /* idle for longer than the patience: heartbeats keep it */
    assert_int_equal(station_read(&s, &s.closed), 0);
    int64_t start = os_now_ns();
    kill(c->pid, SIGSTOP);
    assert_true(station_wait(&s, &s.closed, 1));
    assert_true(os_now_ns() - start > 1500000000);
    assert_true(station_said(&s, s.reason, "the peer has sent nothing for "));
    link_unref(l);
    station_close(&s);
}

static void test_killed_peer(void **state)
{
    const child *c = *state;
    station s;
    net_link *l;
    assert_int_equal(station_open(&s, NULL), TSR_OK);
    assert_int_equal(net_connect(s.n, c->address, &l), TSR_OK);
    assert_true(station_wait(&s, &s.opened, 1));
    kill(c->pid, SIGKILL);
    assert_true(station_wait(&s, &s.closed, 1));
    assert_true(station_said(&s, s.reason, "without a word"));
    link_unref(l);
    station_close(&s);
}

#define OVER(transport, f)                                                                                                       \
    {                                                                                                                            \
#f "_over_" #transport, f, NULL, NULL, &transport                                                                        \
    }
#define CASES(t)                                                                                                                 \
    OVER(t, test_peers), OVER(t, test_echo_sizes), OVER(t, test_lands_in_its_place), OVER(t, test_payload_not_wanted),           \
        OVER(t, test_order), OVER(t, test_sent_before_open), OVER(t, test_many_links), OVER(t, test_close_tells_why),            \
        OVER(t, test_net_close_tells_peers), OVER(t, test_wrong_types), OVER(t, test_limits), OVER(t, test_posts_and_timers),    \
        OVER(t, test_backpressure), OVER(t, test_out_of_memory)

static size_t file_bytes(int fd)
{
    struct stat about;
    assert_int_equal(fstat(fd, &about), 0);
    return (size_t)about.st_blocks * 512;
}

/* Memory of pieces that nobody uses goes back to the system, also between others that are in use, and they can be used again.
 * What is kept idle counts as long as it takes memory. */
static void test_free_pieces_take_no_memory(void **state)
{
    enum { N = 4, BYTES = 1 << 20 };
    share_pool *p;
    buffer *b[N];
    share_place place;
    mem_account account = {0};
    assert_int_equal(share_pool_new((size_t)64 << 20, &account, &p), TSR_OK);
    for (int i = 0; i < N; i++) {
        assert_int_equal(share_pool_buffer(p, BYTES, &b[i]), TSR_OK);
        memset(b[i]->data, i + 1, BYTES);
    }
    assert_true(share_pool_find(p, b[1], &place));
    assert_true(file_bytes(place.fd) >= (size_t)N * BYTES);
    for (int i = 0; i < N; i++)
        if (i != 1) buffer_unref(b[i]);
    share_pool_trim(p);
    assert_true(file_bytes(place.fd) >= (size_t)N * BYTES);
    const size_t idle = atomic_load(&account.idle_bytes);
    assert_int_equal(atomic_load(&account.used_bytes), BYTES);
    share_pool_empty(p);
    share_pool_empty(p);
    assert_int_equal(atomic_load(&account.idle_bytes), idle - (size_t)(N - 1) * BYTES);
    assert_int_equal(file_bytes(place.fd), BYTES);
    for (int i = 0; i < BYTES; i++) assert_int_equal(b[1]->data[i], 2);
    for (int i = 0; i < N; i++) {
        if (i == 1) continue;
        assert_int_equal(share_pool_buffer(p, BYTES, &b[i]), TSR_OK);
        memset(b[i]->data, i + 1, BYTES);
    }
    assert_true(b[1]->data[0] == 2 && b[1]->data[BYTES - 1] == 2);
    assert_int_equal(atomic_load(&account.idle_bytes), idle - (size_t)(N - 1) * BYTES);
    buffer_unref(b[0]);
    assert_int_equal(atomic_load(&account.idle_bytes), idle - (size_t)(N - 2) * BYTES);
    share_pool_empty(p);
    assert_int_equal(share_pool_buffer(p, BYTES / 2, &b[0]), TSR_OK); /* of a segment of its own */
    buffer_unref(b[2]);
    buffer_unref(b[3]);
    share_pool_empty(p);
    share_pool_close(p);
    assert_int_equal(atomic_load(&account.idle_bytes), 0);
    assert_int_equal(atomic_load(&account.used_bytes), 0);
    buffer_unref(b[0]);
    buffer_unref(b[1]);
}

int main(void)
{
    char path[64], socket_path[64];
    child stopped, killed;
    child_start(&stopped, &IMPATIENT);
    child_start(&killed, NULL);
    testing_secret(path, "a secret of thirty-two characters");
    snprintf(socket_path, sizeof socket_path, "unix:///tmp/tessera-test-%d.sock", getpid());
    pair tcp = {.listen = "tcp://127.0.0.1:0", .o = {.secret_file = path, .no_shared = true}};
    pair local = {.listen = socket_path, .o = {.no_shared = true}};
    pair moved = {.listen = "tcp://127.0.0.1:0", .o = {.secret_file = path}};
    const struct CMUnitTest tests[] = {
        CASES(tcp),
        CASES(local),
        CASES(moved),
        OVER(moved, test_without_a_copy),
        OVER(moved, test_kept_beyond_the_link),
        OVER(moved, test_greeted_at_once),
        cmocka_unit_test(test_free_pieces_take_no_memory),
        OVER(moved, test_shared_memory_full),
        cmocka_unit_test(test_cannot_connect),
        cmocka_unit_test(test_bad_addresses),
        cmocka_unit_test(test_refuses_to_listen_beyond_loopback),
        cmocka_unit_test(test_port_in_use),
        cmocka_unit_test_prestate(test_silent_peer, &stopped),
        cmocka_unit_test_prestate(test_killed_peer, &killed),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    kill(stopped.pid, SIGKILL);
    kill(killed.pid, SIGKILL);
    while (wait(NULL) > 0) {
    }
    unlink(path);
    return failed;
}
