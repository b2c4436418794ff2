"""Writes the C source of the module tessera._tessera, for cffi's API mode.

    build_ffi.py include/tessera.h python/glue.h python/glue.c OUTPUT.c

The declarations are read from the headers; none are copied by hand.
"""
import pathlib
import re
import sys

import cffi

# Functions of Python that C calls (cffi acquires the GIL): the modules of python/tessera define them.
CALLBACKS = """
extern "Python" void glue_progress(void *context, const tsr_progress *progress);
extern "Python" void glue_release(void *context);
extern "Python" void glue_drop(void *context);
extern "Python" tsr_status glue_read(void *context, const int64_t *start, const int64_t *shape, void *out);
extern "Python" tsr_status glue_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
extern "Python" tsr_status glue_write(void *context, const int64_t *start, const int64_t *shape, const void *data);
extern "Python" tsr_status glue_save(void *context, const tsr_function *function, const void **bytes, size_t *size);
extern "Python" tsr_status glue_load(void *context, tsr_session *session, const void *bytes, size_t size, tsr_function *function);
extern "Python" tsr_status glue_task(void *context, const void *function, size_t size, int n_args, const tsr_bytes *args, tsr_task_result *result);
extern "Python" void glue_future_done(void *context, tsr_future *future);
"""


def declarations(header):
    """The declarations of a C header as cffi's parser reads them: no comments, no preprocessor, no attributes."""
    text = re.sub(r"/\*.*?\*/", " ", header, flags=re.DOTALL)
    text = re.sub(r"//[^\n]*", "", text)
    text = re.sub(r"\\\n", " ", text)
    text = re.sub(r'#\s*ifdef __cplusplus.*?#\s*endif', "", text, flags=re.DOTALL)
    text = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    return re.sub(r"\bTSR_API\b", "", text)


def main():
    header, glue_header, glue_source, output = map(pathlib.Path, sys.argv[1:])
    ffi = cffi.FFI()
    ffi.cdef(declarations(header.read_text()))
    ffi.cdef(declarations(glue_header.read_text()))
    ffi.cdef(CALLBACKS)
    ffi.set_source("tessera._tessera", f'#include "tessera.h"\n{glue_header.read_text()}\n{glue_source.read_text()}')
    ffi.emit_c_code(str(output))


if __name__ == "__main__":
    main()
