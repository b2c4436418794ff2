/* Messages between two processes of this machine: the time of a small one, there and back, and the rate of blocks of 8 MB whose
 * every byte the receiver reads. Over TCP, a Unix socket, and shared memory, into which blocks are computed or copied.
 *
 *     ninja -C build bench && build/bench/bench-net [SECONDS a row]
 *
 * Prints one line a row: transport, microseconds one way (median and 9 in 10), GB/s. */
#define _GNU_SOURCE
#include "base/os.h"
#include "cluster/net.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PING = 1, BLOCK = 2, SEEN = 3, BLOCK_BYTES = 8 << 20, IN_FLIGHT = 4, MAX_PINGS = 200000 };

typedef struct side {
    net *n;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool opened;
    int n_seen; /* blocks the peer has read */
    int64_t sent_ns, until_ns;
    int n_pings;
    bool pinging;
    float us[MAX_PINGS];
    char *place; /* the child's */
} side;

static void check(tsr_status status)
{
    if (status == TSR_OK) return;
    fprintf(stderr, "bench-net: %s\n", tsr_error_message());
    exit(1);
}

static void changed(side *s)
{
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void opened(void *context, net_link *l, const net_peer *peer)
{
    side *s = context;
    pthread_mutex_lock(&s->lock);
    s->opened = true;
    changed(s);
}

static char *place(void *context, net_link *l, const net_message *m, void **token)
{
    side *s = context;
    return m->shared ? NULL : s->place;
}

static uint64_t read_all(const char *data, size_t bytes)
{
    uint64_t sum = 0, word;
    for (size_t i = 0; i + 8 <= bytes; i += 8) {
        memcpy(&word, data + i, 8);
        sum += word;
    }
    return sum;
}

/* The child answers everything; the parent counts answers. */
static void answer(void *context, net_link *l, const net_message *m)
{
    uint64_t sum = m->payload_bytes ? read_all(m->payload, m->payload_bytes) : 0;
    check(link_send(l, m->type == PING ? PING : SEEN, (const uint8_t *)&sum, sizeof sum, NULL));
}

static void ping(side *s, net_link *l)
{
    uint8_t head[48] = {0}; /* 64 bytes with the header */
    s->sent_ns = os_now_ns();
    check(link_send(l, PING, head, sizeof head, NULL));
}

static void count(void *context, net_link *l, const net_message *m)
{
    side *s = context;
    int64_t now = os_now_ns();
    if (m->type == PING) {
        s->us[s->n_pings++] = (float)(now - s->sent_ns) / 2000;
        if (now < s->until_ns && s->n_pings < MAX_PINGS) {
            ping(s, l);
            return;
        }
    }
    pthread_mutex_lock(&s->lock);
    if (m->type == PING) s->pinging = false;
    if (m->type == SEEN) s->n_seen++;
    changed(s);
}

static void closed(void *context, net_link *l, const char *reason) {}

static void start(side *s, bool child, bool no_shared)
{
    net_options o = {.role = child ? NET_ROLE_SCHEDULER : NET_ROLE_WORKER, .no_shared = no_shared, .context = s};
    o.handlers = (net_handlers){.opened = opened, .place = place, .message = child ? answer : count, .closed = closed};
    *s = (side){0};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    check(net_open(&o, &s->n));
}

static pid_t start_child(side *s, const char *listen, bool no_shared, char *address, size_t size)
{
    int ends[2];
    if (pipe(ends) != 0) exit(1);
    pid_t pid = fork();
    if (pid == 0) {
        start(s, true, no_shared);
        s->place = malloc(BLOCK_BYTES);
        check(net_listen(s->n, listen, address, size));
        if (write(ends[1], address, strlen(address) + 1) < 0) exit(1);
        for (;;) pause();
    }
    if (pid < 0 || read(ends[0], address, size) <= 0) exit(1);
    close(ends[0]);
    close(ends[1]);
    return pid;
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* GB/s of blocks; `in_place`: computed where the peer reads them. */
static double stream(side *s, net_link *l, double seconds, bool in_place)
{
    buffer *blocks[IN_FLIGHT + 1];
    int n = 0;
    for (int i = 0; i <= IN_FLIGHT; i++) {
        if (in_place) {
            check(net_buffer_new(s->n, BLOCK_BYTES, &blocks[i]));
        } else {
            void *data = NULL;
            if (posix_memalign(&data, 4096, BLOCK_BYTES) != 0) exit(1);
            check(buffer_wrap(data, BLOCK_BYTES, free, data, &blocks[i]));
        }
        memset(blocks[i]->data, i, BLOCK_BYTES);
    }
    int64_t begin = os_now_ns(), end = begin + (int64_t)(seconds * 1e9);
    while (os_now_ns() < end || n < 2 * IN_FLIGHT) {
        buffer *b = blocks[n % (IN_FLIGHT + 1)];
        check(link_send(l, BLOCK, NULL, 0, &(net_payload){.buf = b, .data = b->data, .bytes = BLOCK_BYTES}));
        n++;
        pthread_mutex_lock(&s->lock);
        while (n - s->n_seen >= IN_FLIGHT) pthread_cond_wait(&s->changed, &s->lock);
        pthread_mutex_unlock(&s->lock);
    }
    pthread_mutex_lock(&s->lock);
    while (s->n_seen < n) pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
    double rate = (double)n * BLOCK_BYTES / (double)(os_now_ns() - begin);
    for (int i = 0; i <= IN_FLIGHT; i++) buffer_unref(blocks[i]);
    return rate;
}

static void row(const char *name, const char *listen, bool no_shared, bool in_place, double seconds)
{
    static side s;
    char address[400];
    net_link *l;
    pid_t child = start_child(&s, listen, no_shared, address, sizeof address);
    start(&s, false, no_shared);
    check(net_connect(s.n, address, &l));
    pthread_mutex_lock(&s.lock);
    while (!s.opened) pthread_cond_wait(&s.changed, &s.lock);
    s.pinging = true;
    s.until_ns = os_now_ns() + (int64_t)(seconds * 1e9);
    pthread_mutex_unlock(&s.lock);
    ping(&s, l);
    pthread_mutex_lock(&s.lock);
    while (s.pinging) pthread_cond_wait(&s.changed, &s.lock);
    pthread_mutex_unlock(&s.lock);
    qsort(s.us, (size_t)s.n_pings, sizeof s.us[0], compare);
    printf("%-34s %7.1f %7.1f", name, s.us[s.n_pings / 2], s.us[s.n_pings * 9 / 10]);
    printf(" %7.2f\n", stream(&s, l, seconds, in_place));
    link_unref(l);
    net_close(s.n);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 1;
    char path[64];
    snprintf(path, sizeof path, "unix:///tmp/tessera-bench-%d.sock", getpid());
    setlinebuf(stdout);
    printf("%-34s %7s %7s %7s\n", "", "us", "9 in 10", "GB/s");
    row("tcp", "tcp://127.0.0.1:0", true, false, seconds);
    row("unix", path, true, false, seconds);
    row("shared memory, blocks copied there", "tcp://127.0.0.1:0", false, false, seconds);
    row("shared memory, computed there", "tcp://127.0.0.1:0", false, true, seconds);
    unlink(path + strlen("unix://"));
    return 0;
}
