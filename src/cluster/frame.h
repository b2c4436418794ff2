/* Frames: the unit of the wire (see wire.proto for the layout), and a reader that takes them from a stream of bytes. */
#ifndef TESSERA_CLUSTER_FRAME_H
#define TESSERA_CLUSTER_FRAME_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FRAME_HEADER_BYTES = 16, FRAME_PREAMBLE_BYTES = 8 };
/* With the NUL that is not sent. */
#define FRAME_PREAMBLE "TESSERA\n"

/* wire.proto's FrameType, on the wire. */
#define FRAME_TYPE(name) (0xffff0000U + (uint32_t)TESSERA__WIRE__FRAME_TYPE__##name)

typedef struct frame_header {
    uint32_t type, head_bytes;
    uint64_t payload_bytes;
} frame_header;

void frame_header_pack(const frame_header *h, uint8_t out[FRAME_HEADER_BYTES]);
frame_header frame_header_unpack(const uint8_t in[FRAME_HEADER_BYTES]);

/* What the reader tells. A status other than TSR_OK ends the reading: frame_feed returns it at once. */
typedef struct frame_sink {
    /* Where the payload goes; *to stays NULL: it is dropped. Called only for payloads of at least a byte. */
    tsr_status (*place)(void *context, const frame_header *h, const uint8_t *head, char **to);
    /* A whole frame. payload is where it was placed, or NULL. */
    tsr_status (*frame)(void *context, const frame_header *h, const uint8_t *head, const char *payload);
    void *context;
} frame_sink;

/* Limits hold before anything is allocated; they may be changed between frames. */
typedef struct frame_reader {
    frame_sink sink;
    size_t max_head_bytes, max_payload_bytes;
    int n_preamble; /* bytes of the preamble seen; FRAME_PREAMBLE_BYTES: all */
    uint8_t header[FRAME_HEADER_BYTES];
    size_t n_header;
    frame_header h; /* of the frame being read, once the header is whole */
    uint8_t *head;  /* owned: heads that came in pieces */
    size_t n_head, head_capacity;
    bool in_payload;
    char *to;
    uint64_t n_payload;
} frame_reader;

void frame_reader_init(frame_reader *r, const frame_sink *sink, size_t max_head_bytes, size_t max_payload_bytes);
void frame_reader_fini(frame_reader *r);
/* Takes the next n bytes of the stream. TSR_ERR_FORMAT (or the sink's status) if they are not ours; the reader is then of no
 * further use. */
tsr_status frame_feed(frame_reader *r, const uint8_t *bytes, size_t n) MUST_CHECK;
/* Bytes of the current payload that have not arrived and may be put straight at *to; 0 if none are wanted there. */
size_t frame_room(const frame_reader *r, char **to);
/* n <= frame_room bytes were put there. */
tsr_status frame_filled(frame_reader *r, size_t n) MUST_CHECK;
/* Whether the stream may end here. */
bool frame_between(const frame_reader *r);

#endif
