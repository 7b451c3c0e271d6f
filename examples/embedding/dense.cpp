// dense.cpp: fastconv in C++: an operation as an object that frees itself, and that throws.
//
// Prints softmax(x w + b) of two rows of three numbers, as exact hexadecimal numbers.
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <vector>

#include "fastconv.h"

static const fastconv_api &api()
{
    static const fastconv_api *table = fastconv_get_api(FASTCONV_ABI);
    if (!table)
        throw std::runtime_error("fastconv is older than this program");
    return *table;
}

static void check(fastconv_status status)
{
    if (status != FASTCONV_OK)
        throw std::runtime_error(api().message(status));
}

class Operation {
public:
    template <class Sizes>
    Operation(fastconv_status (*create)(const Sizes *, fastconv_op **), Sizes sizes)
    {
        fastconv_op *made;
        sizes.size = sizeof sizes;
        check(create(&sizes, &made));
        op.reset(made);
        info.size = sizeof info;
        check(api().query(made, 1, &info));
        memory.resize(info.workspace_bytes + 64);
    }
    void operator()(fastconv_arrays arrays)
    {
        arrays.size = sizeof arrays;
        char *workspace = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64);
        check(api().run(op.get(), &arrays, workspace, info.workspace_bytes, 1));
    }

private:
    struct Free {
        void operator()(fastconv_op *op) const { api().destroy(op); }
    };
    std::unique_ptr<fastconv_op, Free> op;
    fastconv_info info{};
    std::vector<char> memory;
};

int main()
{
    const float x[2][3] = {{0.5f, -1, 2}, {3, 0.25f, -0.125f}}, bias[2] = {0.1f, -0.2f};
    const float w[3][2] = {{1, -1}, {0.5f, 0.75f}, {-2, 0.3f}};
    float logits[2][2], y[2][2];

    fastconv_dense dense{};
    dense.rows = 2, dense.inputs = 3, dense.outputs = 2, dense.has_bias = 1;
    fastconv_arrays arrays{};
    arrays.x = x, arrays.w = w, arrays.bias = bias, arrays.y = logits;
    Operation(api().create_dense, dense)(arrays);

    fastconv_softmax softmax{};
    softmax.rows = softmax.classes = 2;
    arrays.x = logits, arrays.y = y;
    Operation(api().create_softmax, softmax)(arrays);
    for (const auto &row : y)
        std::printf("%a %a\n", row[0], row[1]);
}
