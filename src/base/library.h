/* Libraries that few runs need, opened by the first call that needs them. To open HDF5, OpenBLAS, cairo, TIFF and OpenSSL with
 * the sixty libraries that they want takes longer than most small computations do.
 *
 * LIBRARY(openblas_open, LIBRARY_OPENBLAS, FUNCTIONS) defines the function openblas_open, and each of FUNCTIONS as a jump to
 * where the library has it; so callers and the library's headers stay as they are. Whoever calls one of the functions has made
 * sure that openblas_open succeeded before, in this or any other thread. With the option late_libraries=false, and on processors
 * that have no jump below, the libraries are linked as usual and opening them does nothing. */
#ifndef TESSERA_BASE_LIBRARY_H
#define TESSERA_BASE_LIBRARY_H

#include "base/error.h"
#include "base/libraries.h" /* made by meson: LIBRARY_HDF5 "libhdf5.so.103" ..., the files that were there when this was built */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct library_symbol {
    const char *name;
    void **address; /* where library_open leaves it */
} library_symbol;

typedef struct library {
    const char *file;
    const library_symbol *symbols;
    size_t n_symbols;
    _Atomic bool is_open;
    pthread_mutex_t lock; /* guards: opening */
} library;

/* Opens it, if that has not happened yet, and finds all symbols. TSR_ERR_UNSUPPORTED with the reason. Any thread. */
tsr_status library_open(library *l) MUST_CHECK;
/* What is called where opening was forgotten: says so and ends the process. */
void library_is_not_open(void);

#ifdef LATE_LIBRARIES

#if defined __x86_64__
#define LIBRARY_JUMP_TEXT(name) "endbr64\n jmp *library_slot_" #name "(%rip)\n"
#elif defined __aarch64__
#define LIBRARY_JUMP_TEXT(name)                                                                                                  \
    "hint #34\n adrp x16, library_slot_" #name "\n ldr x16, [x16, :lo12:library_slot_" #name "]\n br x16\n"
#endif

/* The function `name`: hidden, as all of ours, so that it is nobody else's. */
#define LIBRARY_JUMP(name)                                                                                                       \
    void *library_slot_##name = (void *)library_is_not_open;                                                                     \
    __asm__(".pushsection .text\n .balign 16\n .globl " #name "\n .hidden " #name "\n .type " #name ", %function\n" #name        \
            ":\n " LIBRARY_JUMP_TEXT(name) " .size " #name ", . - " #name "\n .popsection\n");
#define LIBRARY_SYMBOL(name) {#name, &library_slot_##name},

#define LIBRARY(open, file, functions)                                                                                           \
    functions(LIBRARY_JUMP) static const library_symbol open##_symbols[] = {functions(LIBRARY_SYMBOL)};                          \
    tsr_status open(void)                                                                                                        \
    {                                                                                                                            \
        static library l = {file, open##_symbols, sizeof open##_symbols / sizeof *open##_symbols, false,                         \
                            PTHREAD_MUTEX_INITIALIZER};                                                                          \
        return library_open(&l);                                                                                                 \
    }

#else

#define LIBRARY(open, file, functions)                                                                                           \
    tsr_status open(void) { return TSR_OK; }

#endif
#endif
