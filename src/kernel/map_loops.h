/* Loops of the elementwise kernels: macros that turn an expression of x (and y) into the kernel's forms. Included by map.c only.
 */
#ifndef TESSERA_KERNEL_MAP_LOOPS_H
#define TESSERA_KERNEL_MAP_LOOPS_H

#include "kernel/isa.h"

#define KERNEL_ARGUMENTS void *o_, const void *a_, const void *b_, const void *c_, size_t n, unsigned *faults

/* T in, R out. */
#define UNARY(name, T, R, expression)                                                                                            \
    static void name##_vv(KERNEL_ARGUMENTS)                                                                                      \
    {                                                                                                                            \
        R *o = o_;                                                                                                               \
        const T *a = a_;                                                                                                         \
        IVDEP for (size_t i = 0; i < n; i++)                                                                                     \
        {                                                                                                                        \
            T x = a[i];                                                                                                          \
            o[i] = (R)(expression);                                                                                              \
        }                                                                                                                        \
    }

#define BINARY_FORM(name, T, U, R, expression, x_value, y_value)                                                                 \
    static void name(KERNEL_ARGUMENTS)                                                                                           \
    {                                                                                                                            \
        R *o = o_;                                                                                                               \
        const T *a = a_;                                                                                                         \
        const U *b = b_;                                                                                                         \
        T x0 = a[0];                                                                                                             \
        U y0 = b[0];                                                                                                             \
        (void)x0, (void)y0;                                                                                                      \
        IVDEP for (size_t i = 0; i < n; i++)                                                                                     \
        {                                                                                                                        \
            T x = x_value;                                                                                                       \
            U y = y_value;                                                                                                       \
            o[i] = (R)(expression);                                                                                              \
        }                                                                                                                        \
    }

#define BINARY2(name, T, U, R, expression)                                                                                       \
    BINARY_FORM(name##_vv, T, U, R, expression, a[i], b[i])                                                                      \
    BINARY_FORM(name##_vs, T, U, R, expression, a[i], y0)                                                                        \
    BINARY_FORM(name##_sv, T, U, R, expression, x0, b[i])
#define BINARY(name, T, R, expression) BINARY2(name, T, T, R, expression)

#define FORMS3(name)                                                                                                             \
    {                                                                                                                            \
        name##_vv, name##_vs, name##_sv                                                                                          \
    }
#define FORMS1(name)                                                                                                             \
    {                                                                                                                            \
        name##_vv, NULL, NULL                                                                                                    \
    }

#endif
