/* api.c: the table of the C interface, its messages, and the host. */
#include "interface.h"

static int best_isa(void)
{
    static const int preference[] = {FC_ISA_AVX512, FC_ISA_AVX2, FC_ISA_NEON};
    for (size_t i = 0; i < sizeof preference / sizeof *preference; i++)
        if (fc_isa_compiled(preference[i]) && fc_isa_supported(preference[i]))
            return preference[i];
    return FC_ISA_SCALAR;
}

static int no(void) { return 0; }

static fc_host host = {best_isa, no, NULL};

void fc_set_host(const fc_host *to) { host = *to; }
const fc_host *fc_get_host(void) { return &host; }

static const char *isa(void) { return fc_isa_name(host.isa()); }

static const char *message(fastconv_status status)
{
    switch (status) {
    case FASTCONV_OK:
        return "done";
    case FASTCONV_NULL_POINTER:
        return "a pointer that this operation needs is NULL";
    case FASTCONV_WRONG_STRUCT:
        return "the member `size` of a struct is not its sizeof in a known version of fastconv.h";
    case FASTCONV_WRONG_SIZE:
        return "a size, stride or padding is out of range, or no window fits into the image";
    case FASTCONV_WRONG_OPTION:
        return "an option is unknown, or not possible for this operation and pass";
    case FASTCONV_TOO_LARGE:
        return "an array would have 2**60 bytes or more";
    case FASTCONV_NO_MEMORY:
        return "memory could not be allocated";
    case FASTCONV_SMALL_WORKSPACE:
        return "the workspace is smaller than `query` requires for this number of threads";
    case FASTCONV_UNALIGNED:
        return "a workspace or packed filters are not aligned to 64 bytes";
    case FASTCONV_NO_THREADS:
        return "this program has one thread: use `run_with`, or 1 thread";
    case FASTCONV_NO_FILTERS:
        return "this operation does not pack filters";
    case FASTCONV_NO_FILE:
        return "a file cannot be read or written";
    case FASTCONV_DAMAGED:
        return "this is not a network that this version of fastconv can run, or it is damaged";
    case FASTCONV_NO_TRAINING:
        return "the network was exported without a training step";
    }
    return "an unknown status";
}

static const fastconv_api table = {
    .abi = FASTCONV_ABI,
    .size = sizeof table,
    .version = "3",
    .isa = isa,
    .message = message,
    .create_conv2d = fc_create_conv2d,
    .create_dense = fc_create_dense,
    .create_pool2d = fc_create_pool2d,
    .create_activation = fc_create_activation,
    .create_softmax = fc_create_softmax,
    .create_cross_entropy = fc_create_cross_entropy,
    .create_batch_norm = fc_create_batch_norm,
    .create_update = fc_create_update,
    .destroy = fc_destroy,
    .query = fc_query,
    .pack = fc_pack,
    .run = fc_run_op,
    .run_with = fc_run_with,
    .network_open = fc_network_open,
    .network_open_bytes = fc_network_open_bytes,
    .network_close = fc_network_close,
    .network_query = fc_network_query,
    .network_array = fc_network_array,
    .network_forward = fc_network_forward,
    .network_train_step = fc_network_train_step,
    .network_set_learning_rate = fc_network_set_learning_rate,
    .network_save = fc_network_save,
    .create_conv2d_transpose = fc_create_conv2d_transpose,
};

const fastconv_api *fc_interface(void) { return &table; }

const fastconv_api *fastconv_get_api(uint32_t abi) { return abi <= FASTCONV_ABI ? &table : NULL; }
