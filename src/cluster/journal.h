/* The scheduler's journal: an append-only file of records, by which a scheduler that is started again knows what there was.
 *
 *   0  magic "TSRJ0001"   8  eight zeros
 *   then records:
 *   0  checksum (u64: low half of XXH3-128 over the rest)   8  kind (u32)   12  bytes of the head (u32)   16  bytes of the
 *   payload (u64)   24  head (a packed message of cluster.proto or futures.proto)   then the payload
 *
 * Numbers are little endian. A record is written whole or not at all: what follows the last good one is cut off when the file is
 * opened. A thread of its own writes, so that nobody waits for the disk. */
#ifndef TESSERA_CLUSTER_JOURNAL_H
#define TESSERA_CLUSTER_JOURNAL_H

#include "block/pool.h"
#include "tessera.h"

#include <stdint.h>

typedef enum journal_kind {
    JOURNAL_WORKER = 1,  /* Register */
    JOURNAL_LOST = 2,    /* Jobs: a worker is gone (its number) */
    JOURNAL_JOB = 3,     /* Submit; payload: the packed expressions */
    JOURNAL_MAP = 4,     /* Map */
    JOURNAL_NAME = 5,    /* Name */
    JOURNAL_RELEASE = 6, /* Jobs */
    JOURNAL_SHARED = 7,  /* Ask of futures.proto, answered; payload: its value */
    JOURNAL_ANSWER = 8,  /* Answer of futures.proto, given to a client that may ask again; payload: its value */
    /* How results are made that are held by what is shared; before the JOURNAL_SHARED that holds them. */
    JOURNAL_FUNCTION = 9, /* Function of futures.proto; payload: its code */
    JOURNAL_TASK = 10,    /* Tasks of futures.proto, one; payload: its arguments that are bytes */
    N_JOURNAL_KINDS
} journal_kind;

/* Borrowed memory. */
typedef struct journal_record {
    journal_kind kind;
    const uint8_t *head;
    size_t head_bytes;
    const char *payload;
    size_t payload_bytes;
} journal_record;
/* In the file. */
size_t journal_record_bytes(const journal_record *r);

typedef struct journal journal;
/* Opens or makes the file, and locks it: TSR_ERR_IO if it cannot be, or another process has it. TSR_ERR_FORMAT: it is no journal.
 * What follows the last good record is cut off (and logged). */
tsr_status journal_open(const char *path, tsr_log_callback log, void *log_context, journal **out) MUST_CHECK;
/* Writes what is queued, and closes. NULL is fine. */
void journal_close(journal *j);
/* Reads all records, in order. Before the first journal_append. */
tsr_status journal_read(journal *j, void (*found)(void *context, const journal_record *r), void *context) MUST_CHECK;
/* Without waiting: to be written soon. `payload`: whose memory the record's payload is (a reference is taken), or NULL. If the
 * file cannot be written, that is logged and tried again. Returns how many were appended so far. Any thread. */
uint64_t journal_append(journal *j, const journal_record *r, buffer *payload);
/* How many of those the system has: they outlive this process, and the machine a second later. A record that cannot be written
 * counts, so that nobody waits for a disk that is full. Any thread. */
uint64_t journal_written(const journal *j);
/* f is called on the thread that writes, soon after that number grew. Before the first journal_append. */
void journal_on_written(journal *j, void (*f)(void *context), void *context);
/* Replaces the file by one with the records that `write` appends, if these are less than half of it. Before the first
 * journal_append of anything else. */
typedef void journal_writer(void *context, void (*record)(void *to, const journal_record *r), void *to);
tsr_status journal_compact(journal *j, journal_writer *write, void *context) MUST_CHECK;
size_t journal_bytes(const journal *j);
/* The file without the records from this kind on that were appended so far, but with those that `write` makes instead; what is
 * appended later follows. Written soon, as journal_append does; a file that cannot be written stays as it was. Any thread. */
void journal_renew(journal *j, journal_kind first, journal_writer *write, void *context);
/* How large the file was when it was last written to. Any thread. */
size_t journal_size_now(const journal *j);

#endif
