"""The selected instruction set, and the conversion of Python's arrays and names for the kernels.

This is the only module that links the C objects; it hands their tables to the other modules.  The
instruction set is chosen once, at import: the best compiled target that the CPU and the operating
system support, or the one that `FASTCONV_ISA` names.
"""

import os

from cython.parallel cimport prange
from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport int64_t
cimport numpy as cnp
import numpy as np

from fastconv._ext._kernels cimport (
    FC_VARIANT_COUNT,
    FC_BOUNDED_RELU,
    FC_CAN_FUSE,
    FC_ONE_PARAMETER,
    FC_CLIPPED_RELU,
    FC_ELU,
    FC_EXPONENTIAL,
    FC_GELU,
    FC_GELU_TANH,
    FC_HARD_SIGMOID,
    FC_HARD_SILU,
    FC_ISA_COUNT,
    FC_KEEPS_INPUT,
    FC_LEAKY_RELU,
    FC_LINEAR,
    FC_MISH,
    FC_RELU,
    FC_SELU,
    FC_SIGMOID,
    FC_SILU,
    FC_SOFTPLUS,
    FC_SOFTSIGN,
    FC_TANH,
    FC_BF16,
    FC_U8,
    fc_isa_base,
    fc_isa_compiled,
    fc_isa_name,
    fc_isa_supported,
    fc_target,
)
from fastconv._ext._network cimport fc_networks
from fastconv._ext._operation_table cimport fc_operations
from fastconv._ext._tables cimport (
    fc_dot_table,
    fc_get_dot_table,
    fc_get_table,
    fc_schedules,
    fc_table,
)

cdef extern from *:
    """
    #ifdef _OPENMP
    #define FASTCONV_OPENMP 1
    #else
    #define FASTCONV_OPENMP 0
    #endif
    """
    int FASTCONV_OPENMP
    const char *__VERSION__

cdef extern from "openmp_library.h":
    int fc_openmp_threads()
    bint fc_openmp_before_fork()

cdef extern from "../interface/interface.h" nogil:
    ctypedef struct fastconv_api:
        pass
    const fastconv_api *fc_interface()
    void fc_set_host(const fc_host *)

cnp.import_array()

cdef int initial_openmp_threads = fc_openmp_threads()

schedule = &fc_schedules
operations = &fc_operations

networks = &fc_networks

cdef int selected = 0, selected_dot = 0

_PREFERENCE = ("avx512", "avx2", "neon", "scalar")
# With these, the targets of narrow elements, best first.
_DOT_PREFERENCE = (
    "avx512_bf16", "avx512_vnni", "avx512", "avx_vnni", "avx2", "neon_dotprod", "neon", "scalar"
)


def _number(name):
    for isa in range(FC_ISA_COUNT):
        if fc_isa_name(isa).decode() == name:
            return isa
    return None


def compiled_isas():
    """The targets in this build, best first."""
    return tuple(name for name in _PREFERENCE if fc_isa_compiled(_number(name)))


def available_isas():
    """The targets in this build that this machine can run, best first."""
    return tuple(name for name in compiled_isas() if fc_isa_supported(_number(name)))


def dot_isas():
    """The targets of narrow elements in this build that this machine can run, best first."""
    numbers = map(_number, _DOT_PREFERENCE)
    return tuple(
        fc_isa_name(n).decode() for n in numbers if fc_isa_compiled(n) and fc_isa_supported(n)
    )


def isa():
    """The name of the target in use."""
    return fc_isa_name(selected).decode()


def bfloat16_isa():
    """The name of the target in use for bfloat16."""
    return current_dot_table(FC_BF16).isa.decode()


def dot_isa():
    """The name of the target in use for narrow elements."""
    return fc_isa_name(selected_dot).decode()


def set_isa(name):
    """Use target `name` for every op constructed from now on.

    For narrow elements: the best target that adds to `name`; a name of such a target sets both.
    Raises ValueError for an unknown name, and RuntimeError for a target that this build or this
    machine does not have.
    """
    global selected, selected_dot
    _check_isa(name)
    selected_dot = _number(name)
    if name in _PREFERENCE:
        selected = selected_dot
        selected_dot = next(n for n in map(_number, dot_isas()) if _base(n) == selected)
    else:
        selected = _base(selected_dot)


def set_dot_isa(name):
    """Use target `name` for every op on narrow elements constructed from now on.

    Raises as `set_isa`.
    """
    global selected_dot
    _check_isa(name)
    selected_dot = _number(name)


cdef int _base(int isa) noexcept:
    """The target of the float kernels beside those of `isa`."""
    while fc_isa_base(isa) >= 0:
        isa = fc_isa_base(isa)
    return isa


def _check_isa(name):
    valid = ", ".join(dict.fromkeys(available_isas() + dot_isas()))
    if name not in _DOT_PREFERENCE:
        raise ValueError(f"unknown instruction set {name!r}; this machine has: {valid}")
    if not fc_isa_compiled(_number(name)):
        raise RuntimeError(
            f"instruction set {name!r} is not in this build; this machine has: {valid}"
        )
    if not fc_isa_supported(_number(name)):
        raise RuntimeError(
            f"instruction set {name!r} is not supported by this CPU or operating system; "
            f"it supports: {valid}"
        )


def lanes():
    """Number of float32 elements in a vector of the target in use."""
    return current_table(False).target.lanes


def openmp_enabled():
    """Whether this build runs its loops on several threads."""
    return bool(FASTCONV_OPENMP)


def openmp_limit(int num_threads):
    """`num_threads`, or the OpenMP library's number for the calling thread,
    if that is smaller and has been changed since the import."""
    cdef int limit = fc_openmp_threads()
    return limit if limit < num_threads and limit != initial_openmp_threads else num_threads


def before_fork():
    """End the OpenMP threads of the calling thread, which is about to fork.

    Returns whether the child may start threads of its own.
    """
    return fc_openmp_before_fork()


def compiler():
    """The version string of the compiler that built this module."""
    return __VERSION__.decode()


def fma_peak(int num_threads, double seconds=0.05):
    """The rate of independent fused multiply-adds in registers, float32,
    in GFLOP/s on `num_threads` threads.

    This is the upper bound of every direct kernel on this machine;
    measure it in the same run as the kernels.
    """
    import time

    cdef const fc_table *table = current_table(False)
    cdef int64_t iterations = 20000, i, chunks = num_threads
    cdef double flops
    while True:
        start = time.perf_counter()
        flops = 0
        for i in prange(
            chunks, nogil=True, num_threads=num_threads, schedule="static", chunksize=1
        ):
            flops += table.fma_loop(iterations)
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return flops / elapsed / 1e9
        iterations *= 2


def dot_peak(int num_threads, double seconds=0.05, dtype="uint8"):
    """The rate of independent dot products of uint8 and int8, or of bfloat16, in registers, in
    10^9 additions and multiplications per second on `num_threads` threads."""
    import time

    cdef const fc_dot_table *table = current_dot_table(FC_U8 if dtype == "uint8" else FC_BF16)
    cdef int64_t iterations = 20000, i, chunks = num_threads
    cdef double count
    while True:
        start = time.perf_counter()
        count = 0
        for i in prange(
            chunks, nogil=True, num_threads=num_threads, schedule="static", chunksize=1
        ):
            count += table.dot_loop(iterations)
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return count / elapsed / 1e9
        iterations *= 2


_forced = os.environ.get("FASTCONV_ISA")
if _forced:
    try:
        set_isa(_forced)
    except (ValueError, RuntimeError) as error:
        raise type(error)(f"FASTCONV_ISA: {error}") from None
else:
    set_isa(available_isas()[0])


# ---- used by the other modules ----


cdef int _selected_isa() noexcept nogil:
    return selected


cdef void set_host(fc_host host) noexcept:
    host.isa = _selected_isa
    fc_set_host(&host)


def c_interface():
    """The capsule "fastconv._C_API": the table of functions of fastconv.h."""
    return PyCapsule_New(<void *> fc_interface(), "fastconv._C_API", NULL)


cdef const fc_table *current_table(bint is_double) noexcept:
    return fc_get_table(selected, is_double)


cdef const fc_dot_table *current_dot_table(int type) noexcept:
    return fc_get_dot_table(selected_dot, type)


cdef const fc_table *compiled_table(str name) except NULL:
    if name not in compiled_isas():
        raise ValueError(
            f"instruction set {name!r} is not in this build; it has: {', '.join(compiled_isas())}"
        )
    return fc_get_table(_number(name), False)


cdef unsigned forced_variants = 0, forbidden_variants = 0

cdef extern from *:
    """
    #include "../schedule/target.h"
    static const char *fc_variant_name(int i)
    {
    #define FC_NAME(name) #name,
        static const char *const names[] = {FC_VARIANTS(FC_NAME) 0};
    #undef FC_NAME
        return names[i];
    }
    """
    const char *fc_variant_name(int)

VARIANTS = tuple(fc_variant_name(i).decode() for i in range(FC_VARIANT_COUNT))


cdef unsigned _variant_bits(names) except? 0:
    cdef unsigned bits = 0
    for name in names:
        if name not in VARIANTS:
            raise ValueError(f"unknown variant {name!r}; expected one of {', '.join(VARIANTS)}")
        bits |= 1u << VARIANTS.index(name)
    return bits


def set_variants(forced=(), forbidden=()):
    """Make ops constructed from now on use the variants `forced` where possible,
    and none of those in `forbidden`.

    For tests: otherwise a schedule decides by estimated speed.  `Op.describe` reports
    the variant in use.
    """
    global forced_variants, forbidden_variants
    bits = _variant_bits(forced)
    forbidden_variants = _variant_bits(forbidden)
    forced_variants = bits


cdef fc_target target_of(const fc_table *table) noexcept:
    cdef fc_target target = table.target
    target.forced, target.forbidden = forced_variants, forbidden_variants
    return target


cdef int element_kind(tuple arrays) except -1:
    cdef int kind = -1, type_number
    for array in arrays:
        if array is None:
            continue
        type_number = cnp.PyArray_TYPE(<cnp.ndarray?> array)
        if type_number != cnp.NPY_FLOAT and type_number != cnp.NPY_DOUBLE:
            raise TypeError(f"expected float32 or float64 arrays, received {array.dtype}")
        if kind == -1:
            kind = type_number == cnp.NPY_DOUBLE
        elif kind != (type_number == cnp.NPY_DOUBLE):
            raise TypeError(
                "expected arrays of one dtype, received a mixture of float32 and float64"
            )
    return kind


cdef void *pointer(array) except? NULL:
    if array is None:
        return NULL
    if not cnp.PyArray_IS_C_CONTIGUOUS(<cnp.ndarray?> array):
        raise ValueError("expected a C-contiguous array")
    return cnp.PyArray_DATA(<cnp.ndarray> array)


cdef dict _activations = {
    "linear": FC_LINEAR,
    "relu": FC_RELU,
    "leaky_relu": FC_LEAKY_RELU,
    "sigmoid": FC_SIGMOID,
    "tanh": FC_TANH,
    "clipped_relu": FC_CLIPPED_RELU,
    "elu": FC_ELU,
    "selu": FC_SELU,
    "exponential": FC_EXPONENTIAL,
    "softplus": FC_SOFTPLUS,
    "softsign": FC_SOFTSIGN,
    "hard_sigmoid": FC_HARD_SIGMOID,
    "gelu": FC_GELU,
    "gelu_tanh": FC_GELU_TANH,
    "silu": FC_SILU,
    "hard_silu": FC_HARD_SILU,
    "mish": FC_MISH,
    "bounded_relu": FC_BOUNDED_RELU,
}

# Activations that can be fused into a convolution or dense product, those that can end a
# convolution without a backward pass, and those whose gradient needs the input.
FUSIBLE = frozenset(name for name, code in _activations.items() if code <= FC_CAN_FUSE)
ONE_PARAMETER = frozenset(name for name, code in _activations.items() if code <= FC_ONE_PARAMETER)
KEEPS_INPUT = frozenset(name for name, code in _activations.items() if code >= FC_KEEPS_INPUT)


cdef int activation_code(str name) except -1:
    code = _activations.get(name)
    if code is None:
        raise ValueError(f"unknown activation {name!r}; expected one of {', '.join(_activations)}")
    return code


cdef int _code_among(str name, names) except -1:
    code = activation_code(name)
    if name not in names:
        raise ValueError(
            f"activation {name!r} cannot be fused; expected one of {', '.join(sorted(names))}"
        )
    return code


cdef int fused_activation_code(str name) except -1:
    return _code_among(name, FUSIBLE)


cdef int last_activation_code(str name, bint pools) except -1:
    """That of an activation at the end of a convolution, before its pooling if it `pools`."""
    return _code_among(name, FUSIBLE if pools else ONE_PARAMETER)
