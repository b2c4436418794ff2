/* The lock around libhdf5 and what every user of the library needs.
 *
 * Debian's libhdf5 is built without thread safety: two threads inside it corrupt its tables. `library_lock` is therefore
 * one for the process, not for the store, and one of the few global variables of Tessera. It is held while metadata is
 * read or a chunk is handed over for writing, never while data is read, decoded or compressed by our own code. */
#include "store/hdf5_lib.h"

#include "block/dtype.h"
#include "store/calls.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static pthread_mutex_t library_lock = PTHREAD_MUTEX_INITIALIZER; /* guards: everything inside libhdf5 */

static atomic_bool left_alone_at_exit;
_Static_assert(sizeof(hid_t) == sizeof(int64_t) && sizeof(herr_t) == sizeof(int), "as calls.c has them");

tsr_status hdf5_lib_enter(hdf5_section *s)
{
    TRY(hdf5_calls_open());
    pthread_mutex_lock(&library_lock);
    if (atomic_load(&left_alone_at_exit)) H5dont_atexit(); /* before it starts; later ones do nothing */
    H5open();
    H5Eget_auto2(H5E_DEFAULT, &s->print, &s->context);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return TSR_OK;
}

void hdf5_lib_leave(hdf5_section *s)
{
    H5Eset_auto2(H5E_DEFAULT, s->print, s->context);
    pthread_mutex_unlock(&library_lock);
}

void hdf5_lib_leave_alone_at_exit(void) { atomic_store(&left_alone_at_exit, true); }

static herr_t keep_innermost(unsigned n, const H5E_error2_t *error, void *context)
{
    char *text = context;
    if (n == 0 && error->desc) snprintf(text, 256, "%s", error->desc);
    return 0;
}

tsr_status hdf5_lib_error(tsr_status code, const char *format, ...)
{
    char what[512], reason[256] = "";
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, reason);
    H5Eclear2(H5E_DEFAULT);
    return reason[0] ? error_set(code, "%s: the HDF5 library says: %s", what, reason) : error_set(code, "%s", what);
}

tsr_status hdf5_lib_open(const char *path, hid_t *file)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (access < 0) return hdf5_lib_error(TSR_ERR_MEMORY, "cannot prepare the opening of an HDF5 file");
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    /* No chunk cache: chunks are decoded by our own threads. */
    H5Pset_cache(access, 0, 0, 0, 0);
    *file = H5Fopen(path, H5F_ACC_RDONLY, access);
    tsr_status status = *file < 0 ? hdf5_lib_error(TSR_ERR_FORMAT, "cannot open as HDF5") : TSR_OK;
    H5Pclose(access); /* a call that succeeds empties the library's error stack */
    return status;
}

/* ---- Types -------------------------------------------------------------------------------------------------------- */

static hid_t number_type(tsr_dtype dtype, bool big_endian)
{
    switch (dtype) {
    case TSR_BOOL:
    case TSR_I8: return H5T_STD_I8LE;
    case TSR_U8: return H5T_STD_U8LE;
    case TSR_I16: return big_endian ? H5T_STD_I16BE : H5T_STD_I16LE;
    case TSR_I32: return big_endian ? H5T_STD_I32BE : H5T_STD_I32LE;
    case TSR_I64: return big_endian ? H5T_STD_I64BE : H5T_STD_I64LE;
    case TSR_U16: return big_endian ? H5T_STD_U16BE : H5T_STD_U16LE;
    case TSR_U32: return big_endian ? H5T_STD_U32BE : H5T_STD_U32LE;
    case TSR_U64: return big_endian ? H5T_STD_U64BE : H5T_STD_U64LE;
    case TSR_F32: return big_endian ? H5T_IEEE_F32BE : H5T_IEEE_F32LE;
    default: return big_endian ? H5T_IEEE_F64BE : H5T_IEEE_F64LE;
    }
}

static bool host_is_big_endian(void) { return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__; }

hid_t hdf5_type_make(tsr_dtype dtype, bool swapped)
{
    hid_t base = number_type(dtype_real(dtype), swapped != host_is_big_endian());
    if (!dtype_is_complex(dtype)) return H5Tcopy(base);
    size_t size = tsr_dtype_size(dtype);
    hid_t type = H5Tcreate(H5T_COMPOUND, size);
    if (type >= 0 && (H5Tinsert(type, "r", 0, base) < 0 || H5Tinsert(type, "i", size / 2, base) < 0)) {
        H5Tclose(type);
        return -1;
    }
    return type;
}

static const tsr_dtype signed_by_log2[] = {TSR_I8, TSR_I16, TSR_I32, TSR_I64};
static const tsr_dtype unsigned_by_log2[] = {TSR_U8, TSR_U16, TSR_U32, TSR_U64};

static hdf5_type other(const char *what) { return (hdf5_type){.kind = HDF5_OTHER, .dtype = TSR_U8, .what = what}; }

/* Integers, bit fields and floats: the smallest dtype that holds the type, exact if the file's bytes are its own. */
static hdf5_type describe_number(hid_t type, H5T_class_t class)
{
    size_t size = H5Tget_size(type);
    hdf5_type t = {.kind = HDF5_NUMERIC};
    if (class == H5T_FLOAT) {
        t.dtype = size <= 4 ? TSR_F32 : TSR_F64;
    } else {
        if (size > 8 || size < 1) return other("integer of more than 8 bytes");
        int log2 = size <= 1 ? 0 : size <= 2 ? 1 : size <= 4 ? 2 : 3;
        bool is_signed = class == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_2;
        t.dtype = is_signed ? signed_by_log2[log2] : unsigned_by_log2[log2];
    }
    if (class == H5T_BITFIELD) {
        /* A bit field of whole bytes is an unsigned integer to us; the library converts bit fields to nothing else. */
        bool whole = size == tsr_dtype_size(t.dtype) && H5Tget_precision(type) == size * 8 && H5Tget_offset(type) == 0;
        H5T_order_t order = H5Tget_order(type);
        if (!whole || (order != H5T_ORDER_LE && order != H5T_ORDER_BE)) return other("bit field");
        t.exact = true;
        t.swapped = size > 1 && (order == H5T_ORDER_BE) != host_is_big_endian();
        return t;
    }
    for (int big = 0; big <= 1 && !t.exact; big++) {
        t.exact = H5Tequal(type, number_type(t.dtype, big)) > 0;
        t.swapped = t.exact && size > 1 && (big == 1) != host_is_big_endian();
    }
    if (!t.exact && size == 1 && class == H5T_INTEGER && H5Tget_precision(type) == 8) t.exact = true;
    return t;
}

/* h5py writes numpy.bool_ as an enumeration of one byte {FALSE = 0, TRUE = 1}. */
static bool enum_is_bool(hid_t type)
{
    static const char *const names[] = {"FALSE", "TRUE"};
    if (H5Tget_size(type) != 1 || H5Tget_nmembers(type) != 2) return false;
    for (int i = 0; i < 2; i++) {
        signed char value = 0;
        if (H5Tenum_valueof(type, names[i], &value) < 0 || value != i) return false;
    }
    return true;
}

static hdf5_type describe_enum(hid_t type)
{
    hid_t base = H5Tget_super(type);
    if (base < 0) return other("enumeration");
    hdf5_type t = describe_number(base, H5T_INTEGER);
    H5Tclose(base);
    if (t.kind == HDF5_NUMERIC && t.exact && enum_is_bool(type)) t.dtype = TSR_BOOL;
    return t.exact ? t : other("enumeration");
}

static bool member_is(hid_t type, unsigned member, char first)
{
    char *name = H5Tget_member_name(type, member);
    bool same = name && (name[0] == first || name[0] == first - 'a' + 'A');
    H5free_memory(name);
    return same;
}

/* A compound of two equal floats named r and i (or real and imag) is a complex number. */
static hdf5_type describe_compound(hid_t type)
{
    if (H5Tget_nmembers(type) != 2 || !member_is(type, 0, 'r') || !member_is(type, 1, 'i')) return other("compound");
    hdf5_type part[2];
    for (unsigned m = 0; m < 2; m++) {
        hid_t member = H5Tget_member_type(type, m);
        if (member < 0) return other("compound");
        part[m] = H5Tget_class(member) == H5T_FLOAT ? describe_number(member, H5T_FLOAT) : other("compound");
        H5Tclose(member);
        if (part[m].kind != HDF5_NUMERIC || !part[m].exact) return other("compound");
    }
    size_t size = tsr_dtype_size(part[0].dtype);
    bool packed = H5Tget_size(type) == 2 * size && H5Tget_member_offset(type, 0) == 0 && H5Tget_member_offset(type, 1) == size;
    if (!packed || part[0].dtype != part[1].dtype || part[0].swapped != part[1].swapped) return other("compound");
    part[0].dtype = dtype_complex(part[0].dtype);
    return part[0];
}

hdf5_type hdf5_type_describe(hid_t type)
{
    switch (H5Tget_class(type)) {
    case H5T_INTEGER: return describe_number(type, H5T_INTEGER);
    case H5T_FLOAT: return describe_number(type, H5T_FLOAT);
    case H5T_BITFIELD: return describe_number(type, H5T_BITFIELD);
    case H5T_ENUM: return describe_enum(type);
    case H5T_COMPOUND: return describe_compound(type);
    case H5T_STRING: return (hdf5_type){.kind = HDF5_TEXT, .dtype = TSR_U8};
    case H5T_OPAQUE: return other("opaque");
    case H5T_REFERENCE: return other("reference");
    case H5T_VLEN: return other("variable-length");
    case H5T_ARRAY: return other("array-valued");
    default: return other("unknown");
    }
}
