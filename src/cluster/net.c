/* A net: its I/O thread with a libuv loop, what other threads post to it, timers, and its end.
 *
 * Only the I/O thread touches the loop and the links' connections. Other threads put functions and links with something to send
 * into lists under the net's lock and wake the loop; it looks at the lists before it sleeps, so that what a handler sends leaves
 * in one piece when it is done. */
#define _GNU_SOURCE
#include "base/forks.h"
#include "base/mem.h"
#include "base/os.h"
#include "cluster/link.h"
#include "cluster/share.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void net_log(const net *n, net_level level, const char *format, ...)
{
    char text[1024];
    va_list args;
    if (!n->o.log) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    n->o.log(n->o.context, level, text);
}

bool net_on_thread(const net *n) { return pthread_equal(pthread_self(), n->thread); }

/* ---- work for the I/O thread ---- */

/* The lock is held. */
static void wake(net *n)
{
    if (n->woken || n->ended) return;
    n->woken = true;
    uv_async_send(&n->wake);
}

static tsr_status add_post(net *n, posted *p)
{
    pthread_mutex_lock(&n->lock);
    bool ended = n->ended;
    if (!ended) {
        *n->last_post = p;
        n->last_post = &p->next;
        wake(n);
    }
    pthread_mutex_unlock(&n->lock);
    return ended ? error_set(TSR_ERR_CANCELLED, "the network of this process is closed") : TSR_OK;
}

tsr_status net_post(net *n, void (*f)(void *context), void *context)
{
    posted *p = mem_calloc(1, sizeof *p);
    if (!p) return TSR_ERR_MEMORY;
    p->f = f;
    p->context = context;
    tsr_status status = add_post(n, p);
    if (status != TSR_OK) mem_free(p);
    return status;
}

static void run_posts(net *n)
{
    for (;;) {
        pthread_mutex_lock(&n->lock);
        posted *p = n->first_post;
        n->first_post = NULL;
        n->last_post = &n->first_post;
        pthread_mutex_unlock(&n->lock);
        if (!p) return;
        n->runs_posts = true;
        while (p) {
            posted *next = p->next;
            p->f(p->context);
            if (p != &n->last_words) mem_free(p);
            p = next;
        }
        n->runs_posts = false;
    }
}

void net_add_dirty(net_link *l)
{
    net *n = l->n;
    link_ref(l);
    l->next_dirty = NULL;
    pthread_mutex_lock(&n->lock);
    *n->last_dirty = l;
    n->last_dirty = &l->next_dirty;
    if (!net_on_thread(n)) wake(n);
    pthread_mutex_unlock(&n->lock);
}

static net_link *take_dirty(net *n)
{
    pthread_mutex_lock(&n->lock);
    net_link *l = n->first_dirty;
    n->first_dirty = NULL;
    n->last_dirty = &n->first_dirty;
    pthread_mutex_unlock(&n->lock);
    return l;
}

/* Handlers may make other links dirty while these are flushed. */
static void flush_dirty(net *n)
{
    net_link *l;
    while ((l = take_dirty(n)) != NULL) {
        while (l) {
            net_link *next = l->next_dirty;
            pthread_mutex_lock(&l->lock);
            l->dirty = false;
            pthread_mutex_unlock(&l->lock);
            link_flush(l);
            link_unref(l);
            l = next;
        }
    }
}

static void on_prepare(uv_prepare_t *handle)
{
    net *n = handle->data;
    run_posts(n);
    flush_dirty(n);
    run_posts(n);
    if (n->closing) net_check_end(n);
}

static void on_wake(uv_async_t *handle)
{
    net *n = handle->data;
    pthread_mutex_lock(&n->lock);
    n->woken = false;
    pthread_mutex_unlock(&n->lock);
}

/* ---- time ---- */

static int smallest(int a, int b) { return a < b ? a : b; }

static int tick_ms(const net *n)
{
    int ms = smallest(smallest(n->o.heartbeat_ms / 4, n->o.silence_ms / 8), n->o.handshake_ms / 8);
    return ms < 5 ? 5 : ms > 250 ? 250 : ms;
}

static void on_tick(uv_timer_t *handle)
{
    net *n = handle->data;
    int64_t now = os_now_ns(), late = now - n->last_tick_ns - (int64_t)tick_ms(n) * 1000000;
    /* This very process was stopped, had no processor, or the machine slept: that time does not count, and what the peers sent
     * meanwhile is still to be read. */
    bool was_stopped = late > (int64_t)n->o.silence_ms * 1000000 / 4;
    n->last_tick_ns = now;
    listeners_resume(n);
    for (net_link *l = n->links, *next; l; l = next) {
        next = l->next;
        if (was_stopped) {
            const int64_t least = now - l->silence_ns / 4 * 3;
            l->last_in_ns = l->last_in_ns + late > least ? l->last_in_ns + late : least;
            if (l->deadline_ns) l->deadline_ns += late;
        } else {
            if (next) link_ref(next);
            link_tick(l, now);
            if (next) {
                /* A handler may have ended the next one, which left the list then. */
                bool gone = next->state == LINK_CLOSED;
                link_unref(next);
                if (gone) break;
            }
        }
    }
}

static void timer_gone(uv_handle_t *handle) { mem_free(handle->data); }

static void timer_close(void *context)
{
    net_timer *t = context;
    *t->at = t->next;
    if (t->next) t->next->at = t->at;
    uv_close((uv_handle_t *)&t->timer, timer_gone);
}

static void on_timer(uv_timer_t *handle)
{
    net_timer *t = handle->data;
    if (!atomic_load(&t->stopped)) t->f(t->context);
}

static void timer_begin(void *context)
{
    net_timer *t = context;
    t->next = t->n->timers;
    t->at = &t->n->timers;
    if (t->next) t->next->at = &t->next;
    t->n->timers = t;
    uv_timer_init(&t->n->loop, &t->timer);
    t->timer.data = t;
    uv_update_time(&t->n->loop);
    uv_timer_start(&t->timer, on_timer, (uint64_t)t->every_ms, (uint64_t)t->every_ms);
}

tsr_status net_timer_start(net *n, int every_ms, void (*f)(void *context), void *context, net_timer **out)
{
    net_timer *t = mem_calloc(1, sizeof *t);
    if (!t) return TSR_ERR_MEMORY;
    t->n = n;
    t->every_ms = every_ms > 0 ? every_ms : 1;
    t->f = f;
    t->context = context;
    *out = t; /* before its function can run */
    tsr_status status = net_post(n, timer_begin, t);
    if (status != TSR_OK) {
        mem_free(t);
        *out = NULL;
    }
    return status;
}

void net_timer_stop(net_timer *t)
{
    if (!t) return;
    atomic_store(&t->stopped, true);
    /* Without memory for the message the timer stays until the net closes, stopped. */
    (void)!net_post(t->n, timer_close, t);
}

/* ---- the end ---- */

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

static void close_walked(uv_handle_t *handle, void *context) { close_handle(handle); }

void net_check_end(net *n)
{
    if (!n->closing || n->runs_posts || n->links || n->n_resolving > 0) return;
    pthread_mutex_lock(&n->lock);
    bool more = n->first_post || n->first_dirty;
    if (!more) n->ended = true;
    pthread_mutex_unlock(&n->lock);
    if (more || uv_is_closing((uv_handle_t *)&n->prepare)) return;
    while (n->timers) timer_close(n->timers);
    close_handle((uv_handle_t *)&n->prepare);
    close_handle((uv_handle_t *)&n->tick);
    close_handle((uv_handle_t *)&n->room);
    close_handle((uv_handle_t *)&n->wake);
}

static void close_all(void *context)
{
    net *n = context;
    n->closing = true;
    listeners_close(n);
    for (net_link *l = n->links; l;) {
        /* link_close ends a link at once that is not open; the list is then another. */
        link_ref(l);
        link_close(l, "this process is closing");
        int64_t soon = os_now_ns() + (int64_t)LEAVE_MS * 1000000;
        if (l->state != LINK_CLOSED && (l->deadline_ns == 0 || l->deadline_ns > soon)) l->deadline_ns = soon;
        net_link *next = l->state == LINK_CLOSED ? n->links : l->next;
        link_unref(l);
        l = next;
    }
    net_check_end(n);
}

static void net_free(net *n)
{
    secret_free(n->key);
    tls_context_free(n->tls);
    share_pool_close(n->pool);
    mem_free(n->name);
    mem_free(n->staging);
    mem_free(n->cipher);
    pthread_mutex_destroy(&n->lock);
    mem_free(n);
}

void net_close(net *n)
{
    if (!n || n->forks != forks_count()) return;
    /* Closing must not fail for want of memory: the net brings its own. */
    posted *p = &n->last_words;
    p->f = close_all;
    p->context = n;
    (void)!add_post(n, p);
    pthread_join(n->thread, NULL);
    uv_loop_close(&n->loop);
    net_free(n);
}

const char *net_host_id(const net *n) { return n->host_id; }

/* ---- the beginning ---- */

/* Processes with the same text share a kernel and a network, so that they can reach each other's abstract sockets. */
static void find_host_id(char *out, size_t size)
{
    char boot[64] = "";
    struct stat net_namespace = {0};
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (f) {
        if (!fgets(boot, sizeof boot, f)) boot[0] = 0;
        fclose(f);
    }
    boot[strcspn(boot, "\n")] = 0;
    if (stat("/proc/self/ns/net", &net_namespace) != 0) boot[0] = 0;
    out[0] = 0;
    if (boot[0]) snprintf(out, size, "%s-%llu", boot, (unsigned long long)net_namespace.st_ino);
}

static tsr_status set_options(net *n, const net_options *o)
{
    n->o = *o;
    net_options *p = &n->o;
    if (!p->max_head_bytes) p->max_head_bytes = 16 << 20;
    if (!p->max_payload_bytes) p->max_payload_bytes = (size_t)16 << 30;
    if (!p->max_unauthenticated) p->max_unauthenticated = 64;
    if (!p->handshake_ms) p->handshake_ms = 10000;
    if (!p->heartbeat_ms) p->heartbeat_ms = 2000;
    if (!p->silence_ms) p->silence_ms = 30000;
    if (!p->high_water_bytes) p->high_water_bytes = 64 << 20;
    if (!p->low_water_bytes) p->low_water_bytes = 16 << 20;
    if (!p->max_shared_bytes) p->max_shared_bytes = os_memory_available_bytes() / 4;
    if (p->role < NET_ROLE_CLIENT || p->role > NET_ROLE_SCHEDULER) return error_set(TSR_ERR_VALUE, "a process needs a role");
    if (o->name && strlen(o->name) >= HANDSHAKE_NAME_BYTES) {
        return error_set(TSR_ERR_VALUE, "the name of this process has %zu bytes; at most %d are taken", strlen(o->name),
                         HANDSHAKE_NAME_BYTES - 1);
    }
    n->name = mem_strdup(o->name ? o->name : "");
    n->staging = mem_alloc(STAGING_BYTES);
    n->cipher = mem_alloc(STAGING_BYTES);
    if (!n->name || !n->staging || !n->cipher) return TSR_ERR_MEMORY;
    return p->no_shared ? TSR_OK : share_pool_new(p->max_shared_bytes, p->memory_use, &n->pool);
}

static tsr_status set_security(net *n, const net_options *o)
{
    bool exposed = false;
    if (o->secret_file) TRY(secret_load(o->secret_file, &n->key, &exposed));
    if (exposed) net_log(n, NET_LOG_WARNING, "every user can read the secret file '%s': chmod 600 it", o->secret_file);
    int n_files = (o->ca_file != NULL) + (o->cert_file != NULL) + (o->key_file != NULL);
    if (n_files == 0) return TSR_OK;
    if (n_files < 3)
        return error_set(TSR_ERR_VALUE, "TLS needs the authority's certificate, a certificate and its key; %d given", n_files);
    return tls_context_new(o->ca_file, o->cert_file, o->key_file, &n->tls);
}

static tsr_status set_self(net *n)
{
    uint8_t random[16];
    TRY(secret_random(random, sizeof random));
    size_t used = (size_t)snprintf(n->local, sizeof n->local, "@tessera-");
    for (size_t i = 0; i < sizeof random; i++)
        used += (size_t)snprintf(n->local + used, sizeof n->local - used, "%02x", random[i]);
    find_host_id(n->host_id, sizeof n->host_id);
    n->self = (handshake_self){.role = n->o.role,
                               .name = n->name,
                               .host_id = n->host_id,
                               .local = n->o.no_shared ? "" : n->local,
                               .capabilities = n->o.capabilities,
                               .silence_ms = (uint32_t)n->o.silence_ms,
                               .shares = !n->o.no_shared,
                               .secret = n->key,
                               .protocol = NET_PROTOCOL};
    return TSR_OK;
}

static void *run(void *context)
{
    net *n = context;
    pthread_setname_np(pthread_self(), "tessera-net");
    /* net_open lets go of the lock when n->thread is set. */
    pthread_mutex_lock(&n->lock);
    pthread_mutex_unlock(&n->lock);
    n->last_tick_ns = os_now_ns();
    uv_run(&n->loop, UV_RUN_DEFAULT);
    return NULL;
}

static tsr_status start_loop(net *n)
{
    int error = uv_loop_init(&n->loop);
    if (error) return error_set(TSR_ERR_IO, "cannot start the network: %s", uv_strerror(error));
    forks_withhold(uv_backend_fd(&n->loop));
    error = uv_async_init(&n->loop, &n->wake, on_wake);
    if (!error) error = uv_prepare_init(&n->loop, &n->prepare);
    if (!error) error = uv_timer_init(&n->loop, &n->tick);
    if (!error) error = uv_timer_init(&n->loop, &n->room);
    n->wake.data = n->prepare.data = n->tick.data = n->room.data = n;
    if (!error) error = uv_prepare_start(&n->prepare, on_prepare);
    if (!error) error = uv_timer_start(&n->tick, on_tick, (uint64_t)tick_ms(n), (uint64_t)tick_ms(n));
    pthread_mutex_lock(&n->lock);
    if (!error) error = -os_thread_start(&n->thread, run, n);
    pthread_mutex_unlock(&n->lock);
    if (!error) return TSR_OK;
    /* Handles that were begun end in one turn of the loop. */
    uv_walk(&n->loop, close_walked, NULL);
    uv_run(&n->loop, UV_RUN_DEFAULT);
    uv_loop_close(&n->loop);
    return error_set(TSR_ERR_IO, "cannot start the network: %s", uv_strerror(error));
}

tsr_status net_open(const net_options *o, net **out)
{
    net *n = mem_calloc(1, sizeof *n);
    if (!n) return TSR_ERR_MEMORY;
    pthread_mutex_init(&n->lock, NULL);
    n->forks = forks_count();
    n->last_post = &n->first_post;
    n->last_dirty = &n->first_dirty;
    tsr_status status = set_options(n, o);
    if (status == TSR_OK) status = set_security(n, o);
    if (status == TSR_OK) status = set_self(n);
    if (status == TSR_OK) status = start_loop(n);
    if (status != TSR_OK) {
        net_free(n);
        return status;
    }
    *out = n;
    return TSR_OK;
}

tsr_status net_buffer_new(net *n, size_t size_bytes, buffer **out)
{
    void *data = NULL;
    *out = NULL;
    /* In a process that was forked the memory is still its parent's. */
    if (n->pool && n->forks == forks_count()) TRY(share_pool_buffer(n->pool, size_bytes, out));
    if (*out) return TSR_OK;
    if (mem_fault_now() || posix_memalign(&data, 64, size_bytes ? size_bytes : 1) != 0) return error_memory(size_bytes);
    tsr_status status = buffer_wrap(data, size_bytes, free, data, out);
    if (status != TSR_OK) free(data);
    return status;
}

void net_trim_shared(net *n)
{
    if (n->pool) share_pool_trim(n->pool);
}

void net_empty_shared(net *n)
{
    if (n->pool) share_pool_empty(n->pool);
}

static net_counters read_counters(const counters *c)
{
    return (net_counters){.bytes_in = atomic_load(&c->bytes_in),
                          .bytes_out = atomic_load(&c->bytes_out),
                          .messages_in = atomic_load(&c->messages_in),
                          .messages_out = atomic_load(&c->messages_out),
                          .shared_bytes_in = atomic_load(&c->shared_in),
                          .shared_bytes_out = atomic_load(&c->shared_out)};
}

net_counters net_count(const net *n) { return read_counters(&n->counts); }
net_counters link_count(const net_link *l) { return read_counters(&l->counts); }
