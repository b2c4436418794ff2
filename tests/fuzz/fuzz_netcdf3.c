/* Fuzzes the reader of NetCDF-3: whatever the bytes, opening fails clearly or everything can be read. */
#define _GNU_SOURCE
#include "fuzz_store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 3 && memcmp(data, "CDF", 3) == 0) fuzz_store(data, size, true);
    return 0;
}
