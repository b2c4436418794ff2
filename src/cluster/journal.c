/* See journal.h. One thread writes what others queue; the lock guards the queue. The file is locked (flock) as long as it is
 * open. After a failed write the file is cut back to the last whole record, and the rest is tried again a second later; if too
 * much has gathered by then, the journal ends, and says so. */
#include "cluster/journal.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOURNAL_MAGIC "TSRJ0001"
enum {
    MAGIC_BYTES = 16,
    FRONT_BYTES = 24,
    RETRY_MS = 1000,
    PIECE_BYTES = 1 << 20,
    SYNC_MS = 100,
    LAST_SYNC_MS = 1000,
    TELL_RECORDS = 64
};
#define MOST_HEAD_BYTES ((size_t)1 << 30)
#define MOST_PAYLOAD_BYTES ((size_t)1 << 40)
#define MOST_QUEUED_BYTES ((size_t)1 << 30)

typedef struct entry entry;
struct entry {
    entry *next;
    entry *instead;     /* not a record, but a renewal: these are to take the place */
    journal_kind first; /* of all from this kind on; 0: a record */
    buffer *payload;
    const char *data;
    size_t payload_bytes, n_bytes;
    uint8_t bytes[]; /* front and head */
};

struct journal {
    int fd;
    char *path;
    tsr_log_callback log;
    void *log_context;
    size_t size; /* of whole records; the writing thread's, once it runs */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    entry *first, **last; /* to be written */
    size_t queued_bytes;
    uint64_t n_appended;
    bool over, dead;
    bool has_thread;
    pthread_t thread;
    atomic_uint_least64_t n_written;
    atomic_size_t shown_size;
    void (*on_written)(void *context);
    void *on_written_context;
};

static void say(const journal *j, int level, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void say(const journal *j, int level, const char *format, ...)
{
    char text[700];
    va_list args;
    if (!j->log) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    j->log(j->log_context, level, text);
}

size_t journal_record_bytes(const journal_record *r) { return FRONT_BYTES + r->head_bytes + r->payload_bytes; }
size_t journal_bytes(const journal *j) { return j->size; }

/* ---- Records --------------------------------------------------------------------------------------------------------------- */

static uint64_t checksum(const uint8_t *front, const void *head, size_t head_bytes, const void *payload, size_t payload_bytes)
{
    hash128 h = hash_bytes(front + 8, FRONT_BYTES - 8);
    h = hash_mix(h, head, head_bytes);
    return hash_mix(h, payload, payload_bytes).low;
}

static void write_front(uint8_t *front, const journal_record *r)
{
    const uint32_t kind = (uint32_t)r->kind, head = (uint32_t)r->head_bytes;
    const uint64_t payload = r->payload_bytes;
    memcpy(front + 8, &kind, sizeof kind);
    memcpy(front + 12, &head, sizeof head);
    memcpy(front + 16, &payload, sizeof payload);
    const uint64_t sum = checksum(front, r->head, r->head_bytes, r->payload, r->payload_bytes);
    memcpy(front, &sum, sizeof sum);
}

static tsr_status read_all(int fd, void *to, size_t n, size_t at, bool *whole)
{
    *whole = false;
    while (n > 0) {
        ssize_t got = pread(fd, to, n, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return error_errno(errno, "cannot read the journal");
        if (got == 0) return TSR_OK;
        to = (char *)to + got;
        at += (size_t)got;
        n -= (size_t)got;
    }
    *whole = true;
    return TSR_OK;
}

/* The record at `at`; *whole false: there is none, or only a part. The memory of head and payload is *room. */
static tsr_status read_record(const journal *j, size_t at, size_t size, journal_record *r, char **room, bool *whole)
{
    uint8_t front[FRONT_BYTES];
    uint32_t kind, head;
    uint64_t payload, sum;
    *whole = false;
    *room = NULL;
    if (size - at < FRONT_BYTES) return TSR_OK;
    TRY(read_all(j->fd, front, sizeof front, at, whole));
    if (!*whole) return TSR_OK;
    memcpy(&sum, front, sizeof sum);
    memcpy(&kind, front + 8, sizeof kind);
    memcpy(&head, front + 12, sizeof head);
    memcpy(&payload, front + 16, sizeof payload);
    *whole = false;
    if (kind == 0 || kind >= N_JOURNAL_KINDS || head > MOST_HEAD_BYTES || payload > MOST_PAYLOAD_BYTES ||
        head + payload > size - at - FRONT_BYTES)
        return TSR_OK;
    *room = mem_alloc(head + payload);
    if (!*room) return TSR_ERR_MEMORY;
    tsr_status status = read_all(j->fd, *room, head + payload, at + FRONT_BYTES, whole);
    if (status == TSR_OK && *whole) *whole = checksum(front, *room, head, *room + head, payload) == sum;
    *r = (journal_record){.kind = (journal_kind)kind,
                          .head = (const uint8_t *)*room,
                          .head_bytes = head,
                          .payload = *room + head,
                          .payload_bytes = payload};
    if (status == TSR_OK && *whole) return TSR_OK;
    mem_free(*room);
    *room = NULL;
    return status;
}

/* Goes through all records; *end is where the last whole one ends. */
static tsr_status scan(const journal *j, size_t size, void (*found)(void *context, const journal_record *r), void *context,
                       size_t *end)
{
    size_t at = MAGIC_BYTES;
    for (;;) {
        journal_record r;
        char *room;
        bool whole;
        TRY(read_record(j, at, size, &r, &room, &whole));
        if (!whole) break;
        at += journal_record_bytes(&r);
        if (found) found(context, &r);
        mem_free(room);
    }
    *end = at;
    return TSR_OK;
}

/* ---- Writing ------------------------------------------------------------------------------------------------------------------
 */

static bool write_all(int fd, const void *from, size_t n, size_t at)
{
    while (n > 0) {
        ssize_t done = pwrite(fd, from, n < PIECE_BYTES ? n : PIECE_BYTES, (off_t)at);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return false;
        from = (const char *)from + done;
        at += (size_t)done;
        n -= (size_t)done;
    }
    return true;
}

static tsr_status write_magic(int fd, const char *path)
{
    const char magic[MAGIC_BYTES] = JOURNAL_MAGIC;
    return write_all(fd, magic, sizeof magic, 0) ? TSR_OK : error_errno(errno, "cannot write the journal '%s'", path);
}

static void entry_free(entry *e)
{
    while (e->instead) {
        entry *next = e->instead->next;
        entry_free(e->instead);
        e->instead = next;
    }
    buffer_unref(e->payload);
    mem_free(e);
}

/* NULL: the journal is closed, or nothing came within the time (< 0: for ever). */
static entry *take_first(journal *j, int wait_ms)
{
    pthread_mutex_lock(&j->lock);
    if (wait_ms >= 0 && !j->first && !j->over) os_cond_wait_ns(&j->changed, &j->lock, (int64_t)wait_ms * 1000000);
    while (wait_ms < 0 && !j->first && !j->over) pthread_cond_wait(&j->changed, &j->lock);
    entry *e = j->first;
    if (e) j->first = e->next;
    if (!j->first) j->last = &j->first;
    if (e) j->queued_bytes -= e->n_bytes + e->payload_bytes;
    pthread_mutex_unlock(&j->lock);
    return e;
}

/* Waits a second, or until the journal is closed. True: try again. */
static bool wait_to_retry(journal *j)
{
    pthread_mutex_lock(&j->lock);
    if (!j->over) os_cond_wait_ns(&j->changed, &j->lock, (int64_t)RETRY_MS * 1000000);
    const bool again = !j->over && j->queued_bytes < MOST_QUEUED_BYTES;
    pthread_mutex_unlock(&j->lock);
    return again;
}

static bool write_entry(journal *j, const entry *e)
{
    if (write_all(j->fd, e->bytes, e->n_bytes, j->size) && write_all(j->fd, e->data, e->payload_bytes, j->size + e->n_bytes)) {
        j->size += e->n_bytes + e->payload_bytes;
        atomic_store(&j->shown_size, j->size);
        return true;
    }
    const int why = errno;
    if (ftruncate(j->fd, (off_t)j->size) != 0) say(j, 3, "the journal '%s' has a part of a record at its end", j->path);
    errno = why;
    return false;
}

static bool is_idle(journal *j)
{
    pthread_mutex_lock(&j->lock);
    const bool idle = !j->first;
    pthread_mutex_unlock(&j->lock);
    return idle;
}

/* Those who wait for records hear of them when there is nothing more to write, or there are many. */
static void count_written(journal *j)
{
    const uint64_t n = atomic_fetch_add(&j->n_written, 1) + 1;
    if (j->on_written && (n % TELL_RECORDS == 0 || is_idle(j))) j->on_written(j->on_written_context);
}

static bool sync_now(journal *j)
{
    if (!j->dead && fdatasync(j->fd) != 0) say(j, 3, "the journal '%s': %s", j->path, strerror(errno));
    return true;
}

/* Writes one record, or tries until the journal ends. */
static void write_at_last(journal *j, const entry *e)
{
    bool failed = false;
    while (!j->dead && !write_entry(j, e)) {
        if (!failed) {
            say(j, 3, "the journal '%s' cannot be written: %s; trying again", j->path, strerror(errno));
            count_written(j);
        }
        failed = true;
        if (wait_to_retry(j)) continue;
        j->dead = true;
        say(j, 3, "the journal '%s' has ended: what comes from now on is not in it", j->path);
    }
    if (failed && !j->dead) say(j, 1, "the journal '%s' is written again", j->path);
    if (!failed) count_written(j);
}

/* The records that stay, and those that take the place of the others. */
static tsr_status write_renewed(const journal *j, const entry *e, int fd, size_t *size)
{
    *size = MAGIC_BYTES;
    TRY(write_magic(fd, j->path));
    for (size_t at = MAGIC_BYTES; at < j->size;) {
        journal_record r;
        char *room;
        bool whole, good = true;
        TRY(read_record(j, at, j->size, &r, &room, &whole));
        if (!whole) return error_set(TSR_ERR_FORMAT, "the journal '%s' is broken at byte %zu", j->path, at);
        const size_t n = journal_record_bytes(&r);
        if (r.kind < e->first) {
            uint8_t front[FRONT_BYTES];
            write_front(front, &r);
            good = write_all(fd, front, sizeof front, *size) &&
                   write_all(fd, room, r.head_bytes + r.payload_bytes, *size + sizeof front);
            *size += n;
        }
        mem_free(room);
        if (!good) return error_errno(errno, "cannot write the journal anew");
        at += n;
    }
    for (const entry *p = e->instead; p; *size += p->n_bytes + p->payload_bytes, p = p->next)
        if (!write_all(fd, p->bytes, p->n_bytes, *size) || !write_all(fd, p->data, p->payload_bytes, *size + p->n_bytes))
            return error_errno(errno, "cannot write the journal anew");
    return TSR_OK;
}

/* As journal_compact; on the thread that writes, whose the file is. */
static void renew(journal *j, const entry *e)
{
    tsr_status status;
    size_t size = 0;
    int fd = -1;
    char *path = j->dead ? NULL : mem_printf("%s.new", j->path);
    if (!path) return;
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    GUARD(fd >= 0 ? TSR_OK : error_errno(errno, "cannot open '%s'", path));
    GUARD(flock(fd, LOCK_EX | LOCK_NB) == 0 ? TSR_OK : error_errno(errno, "cannot lock '%s'", path));
    GUARD(write_renewed(j, e, fd, &size));
    GUARD(fsync(fd) == 0 ? TSR_OK : error_errno(errno, "cannot write '%s'", path));
    GUARD(rename(path, j->path) == 0 ? TSR_OK : error_errno(errno, "cannot replace the journal '%s'", j->path));
    say(j, 0, "the journal '%s' was written anew: %zu bytes instead of %zu", j->path, size, j->size);
    close(j->fd);
    j->fd = fd;
    j->size = size;
    atomic_store(&j->shown_size, size);
done:
    if (status != TSR_OK) {
        say(j, 2, "%s", tsr_error_message());
        if (fd >= 0) close(fd);
        unlink(path);
    }
    mem_free(path);
}

/* The disk is waited for when there is a pause, and every second. */
static void *write_entries(void *context)
{
    journal *j = context;
    bool synced = true;
    int64_t since_ns = 0;
    for (;;) {
        entry *e = take_first(j, synced ? -1 : SYNC_MS);
        if (e && synced) since_ns = os_now_ns();
        if (e && e->first) {
            renew(j, e);
            if (j->on_written) j->on_written(j->on_written_context); /* of what came before, nobody may have been told */
        }
        if (e && !e->first) write_at_last(j, e);
        if (!e && synced) return NULL;
        synced = (!e || os_now_ns() - since_ns > (int64_t)LAST_SYNC_MS * 1000000) && sync_now(j);
        if (e) entry_free(e);
    }
}

static entry *entry_new(const journal_record *r, buffer *payload)
{
    const size_t copied = payload ? 0 : r->payload_bytes;
    entry *e = mem_alloc(sizeof *e + FRONT_BYTES + r->head_bytes + copied);
    if (!e) return NULL;
    *e = (entry){.n_bytes = FRONT_BYTES + r->head_bytes + copied, .payload_bytes = r->payload_bytes - copied};
    write_front(e->bytes, r);
    if (r->head_bytes) memcpy(e->bytes + FRONT_BYTES, r->head, r->head_bytes);
    if (copied) memcpy(e->bytes + FRONT_BYTES + r->head_bytes, r->payload, copied);
    if (payload) {
        e->payload = buffer_ref(payload);
        e->data = r->payload;
    }
    return e;
}

uint64_t journal_written(const journal *j) { return atomic_load(&j->n_written); }

void journal_on_written(journal *j, void (*f)(void *context), void *context)
{
    j->on_written = f;
    j->on_written_context = context;
}

uint64_t journal_append(journal *j, const journal_record *r, buffer *payload)
{
    entry *e = r->head_bytes <= MOST_HEAD_BYTES && r->payload_bytes <= MOST_PAYLOAD_BYTES ? entry_new(r, payload) : NULL;
    if (!e) {
        say(j, 3, "the journal '%s' has not taken a record: %s", j->path, tsr_error_message());
        return 0;
    }
    pthread_mutex_lock(&j->lock);
    const uint64_t number = ++j->n_appended;
    *j->last = e;
    j->last = &e->next;
    j->queued_bytes += e->n_bytes + e->payload_bytes;
    pthread_cond_signal(&j->changed);
    pthread_mutex_unlock(&j->lock);
    return number;
}

/* Entries of a renewal, in order. */
typedef struct renewal {
    entry *first, **last;
    bool failed;
} renewal;

static void add_renewed(void *to, const journal_record *r)
{
    renewal *w = to;
    entry *e = w->failed ? NULL : entry_new(r, NULL);
    if (!e) {
        w->failed = true;
        return;
    }
    *w->last = e;
    w->last = &e->next;
}

void journal_renew(journal *j, journal_kind first, journal_writer *write, void *context)
{
    renewal w = {.last = &w.first};
    entry *e = mem_calloc(1, sizeof *e);
    if (!e) return;
    write(context, add_renewed, &w);
    *e = (entry){.instead = w.first, .first = first};
    if (w.failed) {
        entry_free(e);
        return;
    }
    pthread_mutex_lock(&j->lock);
    *j->last = e;
    j->last = &e->next;
    pthread_cond_signal(&j->changed);
    pthread_mutex_unlock(&j->lock);
}

size_t journal_size_now(const journal *j) { return atomic_load(&j->shown_size); }

/* ---- Opening ----------------------------------------------------------------------------------------------------------------
 */

/* Locks the file, and looks whether it is still the one of this name: whoever had it before may have replaced it. */
static tsr_status open_locked(const char *path, int *out)
{
    for (;;) {
        struct stat here, there;
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0) return error_errno(errno, "cannot open the journal '%s'", path);
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            const int why = errno;
            close(fd);
            if (why == EWOULDBLOCK) return error_set(TSR_ERR_IO, "the journal '%s' belongs to another scheduler that runs", path);
            return error_errno(why, "cannot lock the journal '%s'", path);
        }
        if (fstat(fd, &here) == 0 && stat(path, &there) == 0 && here.st_ino == there.st_ino && here.st_dev == there.st_dev) {
            *out = fd;
            return TSR_OK;
        }
        close(fd);
    }
}

static tsr_status check_file(journal *j)
{
    struct stat s;
    char magic[MAGIC_BYTES], expected[MAGIC_BYTES] = JOURNAL_MAGIC;
    bool whole;
    if (fstat(j->fd, &s) != 0) return error_errno(errno, "cannot look at the journal '%s'", j->path);
    const size_t size = (size_t)s.st_size;
    j->size = MAGIC_BYTES;
    if (size == 0) return write_magic(j->fd, j->path);
    TRY(read_all(j->fd, magic, size < sizeof magic ? size : sizeof magic, 0, &whole));
    if (memcmp(magic, expected, size < sizeof magic ? size : sizeof magic) != 0)
        return error_set(TSR_ERR_FORMAT, "'%s' is no journal of a scheduler", j->path);
    if (size < sizeof magic) return write_magic(j->fd, j->path);
    TRY(scan(j, size, NULL, NULL, &j->size));
    if (j->size == size) return TSR_OK;
    say(j, 2, "the journal '%s' ends in a part of a record: %zu bytes are cut off", j->path, size - j->size);
    if (ftruncate(j->fd, (off_t)j->size) != 0) return error_errno(errno, "cannot cut the journal '%s'", j->path);
    return TSR_OK;
}

static tsr_status start_thread(journal *j)
{
    int why = os_thread_start(&j->thread, write_entries, j);
    if (why != 0) return error_errno(why, "cannot start the thread of the journal");
    j->has_thread = true;
    return TSR_OK;
}

tsr_status journal_open(const char *path, tsr_log_callback log, void *log_context, journal **out)
{
    tsr_status status;
    journal *j = mem_calloc(1, sizeof *j);
    if (!j) return TSR_ERR_MEMORY;
    j->fd = -1;
    j->last = &j->first;
    j->log = log;
    j->log_context = log_context;
    pthread_mutex_init(&j->lock, NULL);
    os_cond_init(&j->changed);
    j->path = mem_strdup(path);
    GUARD(j->path ? TSR_OK : TSR_ERR_MEMORY);
    GUARD(open_locked(path, &j->fd));
    GUARD(check_file(j));
    GUARD(start_thread(j));
    *out = j;
done:
    if (status != TSR_OK) journal_close(j);
    return status;
}

void journal_close(journal *j)
{
    if (!j) return;
    pthread_mutex_lock(&j->lock);
    j->over = true;
    pthread_cond_signal(&j->changed);
    pthread_mutex_unlock(&j->lock);
    if (j->has_thread) pthread_join(j->thread, NULL);
    if (j->fd >= 0) close(j->fd);
    pthread_mutex_destroy(&j->lock);
    pthread_cond_destroy(&j->changed);
    mem_free(j->path);
    mem_free(j);
}

tsr_status journal_read(journal *j, void (*found)(void *context, const journal_record *r), void *context)
{
    size_t end;
    return scan(j, j->size, found, context, &end);
}

/* ---- Compaction
 * ---------------------------------------------------------------------------------------------------------------- */

typedef struct rewriting {
    int fd; /* -1: only counts */
    size_t size;
    bool failed;
} rewriting;

static void rewrite(void *to, const journal_record *r)
{
    rewriting *w = to;
    uint8_t front[FRONT_BYTES];
    if (w->fd >= 0 && !w->failed) {
        write_front(front, r);
        w->failed = !write_all(w->fd, front, sizeof front, w->size) ||
                    !write_all(w->fd, r->head, r->head_bytes, w->size + sizeof front) ||
                    !write_all(w->fd, r->payload, r->payload_bytes, w->size + sizeof front + r->head_bytes);
    }
    w->size += journal_record_bytes(r);
}

/* The new file is whole on the disk before it takes the old one's name; its lock is held by then. */
tsr_status journal_compact(journal *j, journal_writer *write, void *context)
{
    rewriting w = {.fd = -1, .size = MAGIC_BYTES};
    tsr_status status;
    char *path = NULL;
    write(context, rewrite, &w);
    if (w.size * 2 >= j->size) return TSR_OK;
    path = mem_printf("%s.new", j->path);
    if (!path) return TSR_ERR_MEMORY;
    w = (rewriting){.size = MAGIC_BYTES};
    w.fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    GUARD(w.fd >= 0 ? TSR_OK : error_errno(errno, "cannot open '%s'", path));
    GUARD(flock(w.fd, LOCK_EX | LOCK_NB) == 0 ? TSR_OK : error_errno(errno, "cannot lock '%s'", path));
    GUARD(write_magic(w.fd, path));
    write(context, rewrite, &w);
    GUARD(!w.failed && fsync(w.fd) == 0 ? TSR_OK : error_errno(errno, "cannot write '%s'", path));
    GUARD(rename(path, j->path) == 0 ? TSR_OK : error_errno(errno, "cannot replace the journal '%s'", j->path));
    say(j, 1, "the journal '%s' was written anew: %zu bytes instead of %zu", j->path, w.size, j->size);
    close(j->fd);
    j->fd = w.fd;
    j->size = w.size;
    w.fd = -1;
done:
    if (w.fd >= 0) {
        close(w.fd);
        unlink(path);
    }
    mem_free(path);
    return status;
}
