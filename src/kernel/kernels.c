/* The table of kernels of this instruction set; compiled once per set. */
#include "kernel/isa.h"

extern const kernels ISA(kernels_table);

const kernels ISA(kernels_table) = {
    .isa = ISA_NAME,
    .map = ISA(map_table),
    .chain = ISA(chain_table),
    .sum_of_lanes = ISA(sum_of_lanes),
    .cast = ISA(cast_table),
    .gather = ISA(gather_table),
    .scatter = ISA(scatter_table),
    .stream = ISA(stream_copy),
    .random = ISA(random_table),
    .index = ISA(index_fill),
    .acc = ISA(acc_tables),
    .scan = ISA(scan_table),
    .quantile = ISA(quantile_table),
};
