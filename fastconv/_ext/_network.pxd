# C declarations of network/network.h, which documents every field.
from libc.stdint cimport int64_t

from fastconv._ext._tables cimport fc_table

cdef extern from "../network/network.h" nogil:
    const int64_t FC_NETWORK_MAGIC, FC_NO_ARRAY
    enum:
        FC_IN_VALUES, FC_IN_WEIGHTS, FC_IN_STATE, FC_BLOCKS
        FC_WORD_WORDS, FC_WORD_WEIGHTS, FC_WORD_STATE, FC_WORD_INPUTS, FC_WORD_OUTPUTS, FC_WORDS
        FC_NETWORK_OK
        FC_SETTINGS

    ctypedef void (*fc_task)(void *, int, int) noexcept nogil
    ctypedef void (*fc_parallel)(void *, fc_task, void *, int) noexcept nogil
    ctypedef struct fc_network:
        pass
    ctypedef struct fc_network_functions:
        int64_t (*head_bytes)(const int64_t *, int64_t) noexcept nogil
        int (*build)(
            void *, const int64_t *, int64_t, const void *, void *, const fc_table *, int, int64_t *
        ) noexcept nogil
        void (*run)(fc_network *, const void **, void **, fc_parallel, void *) noexcept nogil
        void (*invalidate)(fc_network *) noexcept nogil
    const fc_network_functions fc_networks
