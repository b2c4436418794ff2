/* Fuzzes the reader of .npy files: whatever the bytes, opening fails clearly or everything can be read. */
#define _GNU_SOURCE
#include "fuzz_store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 1 && data[0] == 0x93) fuzz_store(data, size, true);
    return 0;
}
