/* The rules, one line each: X(enum name, text for people, operation of the nodes it applies to, function). They are tried in this
 * order. */
#ifndef TESSERA_OPTIMIZE_RULES_H
#define TESSERA_OPTIMIZE_RULES_H

#define RULE_LIST(X)                                                                                                             \
    X(VIEW_OF_MAP, "view of an elementwise operation", NODE_VIEW, view_of_map)                                                   \
    X(VIEW_OF_RECHUNK, "view of rechunk", NODE_VIEW, view_of_rechunk)                                                            \
    X(SLICE_OF_CONCAT, "slice of concatenate", NODE_VIEW, slice_of_concat)                                                       \
    X(SLICE_OF_TAKE, "slice of take", NODE_VIEW, slice_of_take)                                                                  \
    X(SLICE_OF_RESHAPE, "slice of reshape", NODE_VIEW, slice_of_reshape)                                                         \
    X(SLICE_OF_REDUCTION, "slice of a reduction", NODE_VIEW, slice_of_reduction)                                                 \
    X(SLICE_OF_SCAN, "slice of a running sum", NODE_VIEW, slice_of_scan)                                                         \
    X(SLICE_OF_QUANTILE, "slice of quantiles", NODE_VIEW, slice_of_quantile)                                                     \
    X(CONSTANT_FOLDING, "constant folding", NODE_MAP, constant_folding)                                                          \
    X(NEUTRAL_OPERAND, "operand that changes nothing", NODE_MAP, neutral_operand)                                                \
    X(DONE_TWICE, "operation that undoes or repeats another", NODE_MAP, done_twice)                                              \
    X(KNOWN_CHOICE, "choice that is known", NODE_MAP, known_choice)                                                              \
    X(CAST_OF_CAST, "cast of a cast", NODE_CAST, cast_of_cast)                                                                   \
    X(TAKE_OF_MAP, "take of an elementwise operation", NODE_TAKE, take_of_map)                                                   \
    X(TAKE_OF_TAKE, "take of take", NODE_TAKE, take_of_take)                                                                     \
    X(TAKE_OF_A_RANGE, "take of evenly spaced indices", NODE_TAKE, take_of_a_range)                                              \
    X(CONCAT_OF_CONCAT, "concatenate of concatenate", NODE_CONCAT, concat_of_concat)                                             \
    X(RECHUNK_OF_RECHUNK, "rechunk of rechunk", NODE_RECHUNK, rechunk_of_rechunk)                                                \
    X(RECHUNK_OF_GENERATOR, "rechunk of a generator", NODE_RECHUNK, rechunk_of_generator)                                        \
    X(RESHAPE_OF_RESHAPE, "reshape of reshape", NODE_RESHAPE, reshape_of_reshape)                                                \
    X(RESHAPE_OF_SOURCE, "reshape of a source", NODE_RESHAPE, reshape_of_source)                                                 \
    X(RESHAPE_OF_MAP, "reshape of an elementwise operation", NODE_RESHAPE, reshape_of_map)

typedef enum rule_number {
#define X(name, text, op, function) RULE_##name,
    RULE_LIST(X)
#undef X
        N_RULES
} rule_number;

#endif
