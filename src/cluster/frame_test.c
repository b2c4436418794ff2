/* The reader of frames: streams cut at every byte, limits, strangers; and addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/address.h"
#include "cluster/frame.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct seen {
    int n;
    frame_header h[8];
    char head[8][64];
    char payload[8][4096];
    char room[4096];
    bool refuse;
} seen;

static tsr_status place(void *context, const frame_header *h, const uint8_t *head, char **to)
{
    seen *s = context;
    memcpy(s->head[s->n], head, h->head_bytes);
    *to = s->refuse ? NULL : s->room;
    return TSR_OK;
}

static tsr_status frame(void *context, const frame_header *h, const uint8_t *head, const char *payload)
{
    seen *s = context;
    s->h[s->n] = *h;
    if (h->payload_bytes) assert_true(memcmp(s->head[s->n], head, h->head_bytes) == 0);
    memcpy(s->head[s->n], head, h->head_bytes);
    if (payload) memcpy(s->payload[s->n], payload, h->payload_bytes);
    s->n++;
    return TSR_OK;
}

static size_t add(uint8_t *to, uint32_t type, const char *head, size_t payload_bytes)
{
    size_t n = strlen(head);
    frame_header_pack(&(frame_header){.type = type, .head_bytes = (uint32_t)n, .payload_bytes = payload_bytes}, to);
    memcpy(to + FRAME_HEADER_BYTES, head, n);
    for (size_t i = 0; i < payload_bytes; i++) to[FRAME_HEADER_BYTES + n + i] = (uint8_t)(i + type);
    return FRAME_HEADER_BYTES + n + payload_bytes;
}

static size_t stream(uint8_t *to)
{
    size_t n = FRAME_PREAMBLE_BYTES;
    memcpy(to, FRAME_PREAMBLE, n);
    n += add(to + n, 1, "one", 0);
    n += add(to + n, 2, "", 0);
    n += add(to + n, 3, "three", 300);
    n += add(to + n, 4, "", 1);
    return n + add(to + n, 0xfffffffeU, "five", 0);
}

static void check(const seen *s)
{
    static const char *const heads[] = {"one", "", "three", "", "five"};
    static const uint64_t payloads[] = {0, 0, 300, 1, 0};
    assert_int_equal(s->n, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(s->h[i].type, i < 4 ? (uint32_t)i + 1 : 0xfffffffeU);
        assert_int_equal(s->h[i].payload_bytes, payloads[i]);
        assert_memory_equal(s->head[i], heads[i], strlen(heads[i]));
        for (uint64_t k = 0; k < payloads[i] && !s->refuse; k++)
            assert_int_equal((uint8_t)s->payload[i][k], (uint8_t)(k + i + 1));
    }
}

static void test_cut_anywhere(void **state)
{
    uint8_t bytes[1024];
    size_t n = stream(bytes);
    for (size_t cut = 1; cut <= n; cut++) {
        for (int refuse = 0; refuse < 2; refuse++) {
            seen s = {.refuse = refuse};
            frame_reader r;
            frame_reader_init(&r, &(frame_sink){.place = place, .frame = frame, .context = &s}, 100, 1000);
            for (size_t i = 0; i < n; i += cut) assert_int_equal(frame_feed(&r, bytes + i, i + cut <= n ? cut : n - i), TSR_OK);
            check(&s);
            assert_true(frame_between(&r));
            frame_reader_fini(&r);
        }
    }
}

static void test_straight_to_its_place(void **state)
{
    uint8_t bytes[1024];
    char *to;
    size_t n = stream(bytes), before = FRAME_PREAMBLE_BYTES + 19 + 16 + 16 + 5 + 10; /* ten bytes of the third payload */
    seen s = {0};
    frame_reader r;
    frame_reader_init(&r, &(frame_sink){.place = place, .frame = frame, .context = &s}, 100, 1000);
    assert_int_equal(frame_room(&r, &to), 0);
    assert_int_equal(frame_feed(&r, bytes, before), TSR_OK);
    assert_int_equal(frame_room(&r, &to), 290);
    assert_ptr_equal(to, s.room + 10);
    memcpy(to, bytes + before, 200);
    assert_int_equal(frame_filled(&r, 200), TSR_OK);
    assert_false(frame_between(&r));
    assert_int_equal(frame_room(&r, &to), 90);
    memcpy(to, bytes + before + 200, 90);
    assert_int_equal(frame_filled(&r, 90), TSR_OK);
    assert_int_equal(frame_feed(&r, bytes + before + 290, n - before - 290), TSR_OK);
    check(&s);
    frame_reader_fini(&r);
}

static void refused(const void *bytes, size_t n, const char *why)
{
    seen s = {0};
    frame_reader r;
    frame_reader_init(&r, &(frame_sink){.place = place, .frame = frame, .context = &s}, 100, 1000);
    assert_int_equal(frame_feed(&r, bytes, n), TSR_ERR_FORMAT);
    assert_non_null(strstr(tsr_error_message(), why));
    assert_int_equal(s.n, 0);
    frame_reader_fini(&r);
}

static void test_strangers(void **state)
{
    uint8_t bytes[64];
    frame_header h = {.type = 1, .head_bytes = 101};
    refused("GET / HTTP/1.1\r\n", 16, "it began with 'GET / HTTP/1'");
    refused("\x16\x03\x01\x02", 4, "the peer speaks TLS");
    refused("TESSERB", 7, "does not speak");
    memcpy(bytes, FRAME_PREAMBLE, FRAME_PREAMBLE_BYTES);
    frame_header_pack(&h, bytes + FRAME_PREAMBLE_BYTES);
    refused(bytes, FRAME_PREAMBLE_BYTES + 16, "a head of 101 bytes; at most 100");
    h = (frame_header){.type = 1, .payload_bytes = UINT64_MAX};
    frame_header_pack(&h, bytes + FRAME_PREAMBLE_BYTES);
    refused(bytes, FRAME_PREAMBLE_BYTES + 16, "a payload of 18446744073709551615 bytes; at most 1000");
    h = (frame_header){.type = 0};
    frame_header_pack(&h, bytes + FRAME_PREAMBLE_BYTES);
    refused(bytes, FRAME_PREAMBLE_BYTES + 16, "type 0");
}

static void test_addresses(void **state)
{
    static const char *const good[] = {"tcp://127.0.0.1:80", "tls://[::1]:0", "tcp://head.example.org:65535", "unix:///a/b",
                                       "unix://@x"};
    char text[ADDRESS_TEXT_BYTES];
    address a;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(address_parse(good[i], &a), TSR_OK);
        address_print(&a, text, sizeof text);
        assert_string_equal(text, good[i]);
    }
    struct sockaddr_storage where;
    socklen_t size;
    address_to_unix(&a, &where, &size);
    address_print_socket(ADDRESS_UNIX, &where, size, text, sizeof text);
    assert_string_equal(text, "unix://@x");
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    assert_false(address_is_loopback((struct sockaddr *)&in));
    assert_false(address_is_loopback((struct sockaddr *)&in6));
    in.sin_addr.s_addr = htonl(0x7f123456);
    in6.sin6_addr.s6_addr[15] = 1;
    assert_true(address_is_loopback((struct sockaddr *)&in));
    assert_true(address_is_loopback((struct sockaddr *)&in6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_straight_to_its_place),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
