/* Element types: those of the file that are sabal's, and the names of those that are not. */
#include <stdio.h>
#include <string.h>

#include "io/hdf5_data.h"

/* HDF5's ids are variables behind macros, so they are looked up, not tabled. n counts over bytes and orders. */
static hid_t standard(sabal_dtype dtype, int big)
{
    switch (dtype) {
    case SABAL_UINT8:
        return big ? H5T_STD_U8BE : H5T_STD_U8LE;
    case SABAL_UINT16:
        return big ? H5T_STD_U16BE : H5T_STD_U16LE;
    case SABAL_UINT32:
        return big ? H5T_STD_U32BE : H5T_STD_U32LE;
    case SABAL_UINT64:
        return big ? H5T_STD_U64BE : H5T_STD_U64LE;
    case SABAL_INT8:
        return big ? H5T_STD_I8BE : H5T_STD_I8LE;
    case SABAL_INT16:
        return big ? H5T_STD_I16BE : H5T_STD_I16LE;
    case SABAL_INT32:
        return big ? H5T_STD_I32BE : H5T_STD_I32LE;
    case SABAL_INT64:
        return big ? H5T_STD_I64BE : H5T_STD_I64LE;
    case SABAL_FLOAT32:
        return big ? H5T_IEEE_F32BE : H5T_IEEE_F32LE;
    case SABAL_FLOAT64:
        return big ? H5T_IEEE_F64BE : H5T_IEEE_F64LE;
    default:
        return -1;
    }
}

/* Integers of any width and floats that the library can turn into the next larger one without loss. */
static sabal_dtype wider(hid_t type, H5T_class_t class_, size_t size)
{
    int is_signed = class_ == H5T_INTEGER && H5Tget_sign(type) != H5T_SGN_NONE;

    if (class_ == H5T_FLOAT) /* half precision and long double are not sabal's; VAX order and padding are converted */
        return size == 4 ? SABAL_FLOAT32 : size == 8 ? SABAL_FLOAT64 : 0;
    if (size <= 1)
        return is_signed ? SABAL_INT8 : SABAL_UINT8;
    if (size <= 2)
        return is_signed ? SABAL_INT16 : SABAL_UINT16;
    if (size <= 4)
        return is_signed ? SABAL_INT32 : SABAL_UINT32;
    if (size <= 8)
        return is_signed ? SABAL_INT64 : SABAL_UINT64;
    return 0;
}

static void read_number(sbl_h5_type *type, hid_t file_type, H5T_class_t class_)
{
    int32_t little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    size_t  size   = H5Tget_size(file_type);

    for (int d = SABAL_UINT8; d <= SABAL_FLOAT64; d++)
        for (int big = 0; big < 2; big++)
            if (H5Tequal(file_type, standard((sabal_dtype)d, big)) > 0) {
                type->dtype     = (sabal_dtype)d;
                type->form.size = size;
                type->form.swap = size > 1 && big == little ? (int32_t)size : 0;
                snprintf(type->name, sizeof type->name, "%s", sabal_dtype_name(type->dtype));
                return;
            }
    type->dtype     = wider(file_type, class_, size);
    type->form.size = sabal_dtype_size(type->dtype);
    type->convert   = 1;
    if (type->dtype)
        snprintf(type->name, sizeof type->name, "%s", sabal_dtype_name(type->dtype));
    else
        snprintf(type->name, sizeof type->name, "%s%zu",
                 class_ == H5T_FLOAT                      ? "float"
                 : H5Tget_sign(file_type) == H5T_SGN_NONE ? "uint"
                                                          : "int",
                 8 * size);
}

/* h5py and many others: an enumeration of one byte with FALSE 0 and TRUE 1. */
static int is_bool(hid_t type)
{
    signed char f = -1, t = -1;

    return H5Tget_size(type) == 1 && H5Tget_nmembers(type) == 2 && H5Tenum_valueof(type, "FALSE", &f) >= 0 &&
           H5Tenum_valueof(type, "TRUE", &t) >= 0 && f == 0 && t == 1;
}

static void read_enum(sbl_h5_type *type, hid_t file_type)
{
    hid_t base = H5Tget_super(file_type);

    if (is_bool(file_type)) {
        *type = (sbl_h5_type){.dtype = SABAL_BOOL, .form = {.size = 1, .is_bool = 1}, .name = "bool"};
    } else if (base >= 0) {
        read_number(type, base, H5T_INTEGER);
        if (type->convert)
            *type = (sbl_h5_type){.name = "enumeration of an unusual integer"};
    }
    if (base >= 0)
        H5Tclose(base);
}

/* h5py's complex numbers: members "r" and "i", both the same float. */
static int read_complex(sbl_h5_type *type, hid_t file_type)
{
    hid_t       r = -1, i = -1;
    sbl_h5_type part = {0};
    int         at = H5Tget_nmembers(file_type) == 2 ? H5Tget_member_index(file_type, "r") : -1, yes = 0;

    if (at < 0 || H5Tget_member_index(file_type, "i") != 1 - at)
        return 0;
    r = H5Tget_member_type(file_type, (unsigned)at);
    i = H5Tget_member_type(file_type, (unsigned)(1 - at));
    if (r >= 0 && i >= 0 && H5Tequal(r, i) > 0 && H5Tget_class(r) == H5T_FLOAT) {
        read_number(&part, r, H5T_FLOAT);
        yes = part.dtype == SABAL_FLOAT32 || part.dtype == SABAL_FLOAT64;
    }
    if (yes) {
        type->dtype     = part.dtype == SABAL_FLOAT32 ? SABAL_COMPLEX64 : SABAL_COMPLEX128;
        type->form.size = 2 * part.form.size;
        type->form.swap = part.form.swap;
        type->convert   = part.convert || at != 0 || H5Tget_member_offset(file_type, 0) != 0 ||
                        H5Tget_member_offset(file_type, 1) != part.form.size ||
                        H5Tget_size(file_type) != type->form.size;
        snprintf(type->name, sizeof type->name, "%s", sabal_dtype_name(type->dtype));
    }
    if (r >= 0)
        H5Tclose(r);
    if (i >= 0)
        H5Tclose(i);
    return yes;
}

static void name_compound(sbl_h5_type *type, hid_t file_type)
{
    int    n  = H5Tget_nmembers(file_type);
    size_t at = (size_t)snprintf(type->name, sizeof type->name, "compound {");

    for (int i = 0; i < n && at < sizeof type->name - 8; i++) {
        char *member = H5Tget_member_name(file_type, (unsigned)i);

        at += (size_t)snprintf(type->name + at, sizeof type->name - at, "%s%s", i ? ", " : "", member ? member : "?");
        H5free_memory(member);
    }
    if (at < sizeof type->name - 1)
        snprintf(type->name + at, sizeof type->name - at, "}");
    else
        memcpy(type->name + sizeof type->name - 6, " ...}", 6);
}

void sbl_h5_type_read(sbl_h5_type *type, hid_t file_type)
{
    H5T_class_t class_ = H5Tget_class(file_type);
    const char *name   = "unknown type";

    memset(type, 0, sizeof *type);
    switch (class_) {
    case H5T_INTEGER:
    case H5T_FLOAT:
        read_number(type, file_type, class_);
        return;
    case H5T_ENUM:
        read_enum(type, file_type);
        return;
    case H5T_COMPOUND:
        if (!read_complex(type, file_type))
            name_compound(type, file_type);
        return;
    case H5T_STRING:
        if (H5Tis_variable_str(file_type) > 0)
            name = "variable-length string";
        else
            snprintf(type->name, sizeof type->name, "string of %zu bytes", H5Tget_size(file_type));
        break;
    case H5T_VLEN:
        name = "variable-length sequence";
        break;
    case H5T_REFERENCE:
        name = "reference";
        break;
    case H5T_OPAQUE:
        name = "opaque";
        break;
    case H5T_BITFIELD:
        name = "bitfield";
        break;
    case H5T_TIME:
        name = "time";
        break;
    case H5T_ARRAY:
        name = "array type";
        break;
    default:
        break;
    }
    if (!type->name[0])
        snprintf(type->name, sizeof type->name, "%s", name);
}

static hid_t make_bool(void)
{
    hid_t       type = H5Tenum_create(H5T_NATIVE_INT8);
    signed char no = 0, yes = 1;

    if (type >= 0 && (H5Tenum_insert(type, "FALSE", &no) < 0 || H5Tenum_insert(type, "TRUE", &yes) < 0)) {
        H5Tclose(type);
        type = -1;
    }
    return type;
}

static hid_t make_complex(hid_t part)
{
    size_t size = H5Tget_size(part);
    hid_t  type = H5Tcreate(H5T_COMPOUND, 2 * size);

    if (type >= 0 && (H5Tinsert(type, "r", 0, part) < 0 || H5Tinsert(type, "i", size, part) < 0)) {
        H5Tclose(type);
        type = -1;
    }
    return type;
}

hid_t sbl_h5_type_make(sabal_dtype dtype)
{
    int big = __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__;

    if (dtype == SABAL_BOOL)
        return make_bool();
    if (dtype == SABAL_COMPLEX64 || dtype == SABAL_COMPLEX128)
        return make_complex(standard(dtype == SABAL_COMPLEX64 ? SABAL_FLOAT32 : SABAL_FLOAT64, big));
    return H5Tcopy(standard(dtype, big));
}
