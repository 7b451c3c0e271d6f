# Declarations shared by the extension modules: the kernel table in use,
# and what converts arrays and names for it.
from fastconv._ext._kernels cimport fc_target
from fastconv._ext._network cimport fc_network_functions
from fastconv._ext._operation_table cimport fc_operation_table
from fastconv._ext._operations cimport fc_run
from fastconv._ext._tables cimport fc_dot_table, fc_schedule, fc_table

# The table for float32 or float64 of the selected instruction set.
cdef const fc_table *current_table(bint is_double) noexcept

# The table for narrow elements, FC_U8 or FC_BF16, of the selected instruction set.
cdef const fc_dot_table *current_dot_table(int type) noexcept

# The table for float32 of an instruction set of this build, which the machine may lack;
# raises for any other name.
cdef const fc_table *compiled_table(str name) except NULL

# The properties of a table's target, with the variants that tests force or forbid.
cdef fc_target target_of(const fc_table *table) noexcept

# The schedules (schedule/schedule.h) and the operations (operations/operations.h);
# `_core` links them for all modules.
cdef const fc_schedule *schedule
cdef const fc_operation_table *operations

# Whole networks as data (network/network.h).
cdef const fc_network_functions *networks

# What the C interface (interface/interface.h) needs from the modules: `_program` provides threads.
cdef extern from "../interface/interface.h" nogil:
    ctypedef struct fc_host:
        int (*isa)() noexcept nogil
        int (*flushes_denormals)() noexcept nogil
        void (*team)(const fc_run *) noexcept nogil
cdef void set_host(fc_host host) noexcept

# float32 -> 0, float64 -> 1; raises for any other dtype, and for arrays of different dtypes.
cdef int element_kind(tuple arrays) except -1

# The data pointer of a C-contiguous array; NULL for None.
cdef void *pointer(array) except? NULL

# The code of an activation; `fused_` raises if it cannot be fused into a
# convolution or dense product.
cdef int activation_code(str name) except -1
cdef int fused_activation_code(str name) except -1
cdef int last_activation_code(str name, bint pools) except -1
