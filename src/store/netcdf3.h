/* The NetCDF classic formats CDF-1, CDF-2 (64-bit offset) and CDF-5 (64-bit data), as their specification lays them out
 * ("NetCDF Classic Format Specification", Unidata; CDF-5: PnetCDF). All numbers are big-endian:
 *
 *   'C' 'D' 'F' version   numrecs   dimensions   global attributes   variables   | data of fixed variables | records
 *
 *   list       tag (4 bytes: 10, 11, 12; 0 when empty)  count  entries
 *   name       count  bytes, padded with zeros to 4
 *   dimension  name  length (0: the record dimension)
 *   attribute  name  type (4)  count  values, padded to 4
 *   variable   name  count  dimension numbers  attributes  type (4)  size  begin
 *
 * Counts, lengths, dimension numbers and sizes take 4 bytes, in CDF-5 8; `begin` takes 4 bytes, in CDF-2 and CDF-5 8.
 * A variable's data is padded to 4 bytes. A record holds one slab of each record variable, each padded to 4 bytes, but
 * for one case: a single record variable is not padded at all. */
#ifndef TESSERA_STORE_NETCDF3_H
#define TESSERA_STORE_NETCDF3_H

#include "store/layout.h"
#include "tessera.h"

enum { NC3_TAG_DIMENSION = 10, NC3_TAG_VARIABLE = 11, NC3_TAG_ATTRIBUTE = 12 };
enum { NC3_CLASSIC = 1, NC3_OFFSET64 = 2, NC3_CDF5 = 5 };

typedef enum nc3_type {
    NC3_BYTE = 1,
    NC3_CHAR = 2,
    NC3_SHORT = 3,
    NC3_INT = 4,
    NC3_FLOAT = 5,
    NC3_DOUBLE = 6,
    NC3_UBYTE = 7, /* this and the following: CDF-5 only */
    NC3_USHORT = 8,
    NC3_UINT = 9,
    NC3_INT64 = 10,
    NC3_UINT64 = 11
} nc3_type;

static inline int64_t nc3_padded(int64_t n_bytes) { return (n_bytes + 3) & ~(int64_t)3; }

#endif
