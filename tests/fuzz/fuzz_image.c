/* Fuzzes the readers of PNG, JPEG and TIFF files. Checksums of PNG chunks are set first, so that what is behind them is reached.
 */
#define _GNU_SOURCE
#include "fuzz_store.h"

#include <libdeflate.h>

static uint32_t read_u32(const uint8_t *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

static void set_checksums(uint8_t *data, size_t size)
{
    for (size_t at = 8; at + 12 <= size;) {
        uint32_t n = read_u32(data + at);
        if (n > size - at - 12) return;
        uint32_t sum = libdeflate_crc32(0, data + at + 4, n + 4);
        for (int i = 0; i < 4; i++) data[at + 8 + n + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
        at += 12 + n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t copy[1 << 16];
    if (size < 8 || size > sizeof copy) return 0;
    memcpy(copy, data, size);
    bool is_png = memcmp(data, "\x89PNG", 4) == 0, is_jpeg = data[0] == 0xff && data[1] == 0xd8 && data[2] == 0xff;
    bool is_tiff = memcmp(data, "II", 2) == 0 || memcmp(data, "MM", 2) == 0;
    if (is_png) set_checksums(copy, size);
    if (is_png || is_jpeg || is_tiff) fuzz_store(copy, size, false);
    return 0;
}
