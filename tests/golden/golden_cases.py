"""What `make_golden` computes: the parameters of the cases, as data."""

from __future__ import annotations

CONVOLUTIONS = [
    # name, (H, W, C), filters, kernel, strides, padding, dilation, activation
    ("valid", (7, 6, 3), 4, (3, 3), (1, 1), "valid", (1, 1), None),
    ("same_odd_kernel", (7, 6, 3), 4, (3, 3), (1, 1), "same", (1, 1), "relu"),
    ("same_even_kernel", (6, 7, 2), 5, (2, 4), (1, 1), "same", (1, 1), None),
    ("same_stride2_even_size", (8, 6, 3), 4, (3, 3), (2, 2), "same", (1, 1), None),
    ("same_stride2_odd_size", (9, 7, 3), 4, (3, 3), (2, 2), "same", (1, 1), None),
    ("same_stride2_even_kernel", (9, 8, 2), 3, (4, 2), (2, 2), "same", (1, 1), None),
    ("same_stride2_kernel5", (10, 7, 1), 6, (5, 5), (2, 2), "same", (1, 1), "tanh"),
    ("same_stride3_size8", (8, 8, 2), 3, (3, 3), (3, 3), "same", (1, 1), None),
    ("same_stride3_size9", (9, 9, 2), 3, (3, 3), (3, 3), "same", (1, 1), None),
    ("same_stride3_size10", (10, 10, 2), 3, (5, 5), (3, 3), "same", (1, 1), None),
    ("same_stride_above_kernel", (8, 9, 2), 3, (1, 2), (3, 3), "same", (1, 1), None),
    ("valid_stride2_tail", (8, 9, 3), 4, (3, 3), (2, 3), "valid", (1, 1), "sigmoid"),
    ("valid_mixed_strides", (9, 10, 2), 17, (3, 2), (2, 3), "valid", (1, 1), None),
    ("valid_dilated", (9, 9, 2), 3, (3, 3), (1, 1), "valid", (2, 3), None),
    ("same_dilated", (7, 8, 2), 3, (3, 3), (1, 1), "same", (2, 2), None),
    ("pointwise", (5, 4, 19), 18, (1, 1), (1, 1), "valid", (1, 1), "relu"),
    ("kernel_is_image", (5, 4, 3), 7, (5, 4), (1, 1), "valid", (1, 1), None),
    ("one_pixel_same", (1, 1, 3), 2, (3, 3), (2, 2), "same", (1, 1), None),
]

POOLINGS = [
    # name, kind, (H, W, C), pool, strides (None: pool), padding
    ("max_2", "max", (6, 8, 3), (2, 2), None, "valid"),
    ("max_2_tail", "max", (7, 5, 3), (2, 2), None, "valid"),
    ("max_2_same_tail", "max", (7, 5, 3), (2, 2), None, "same"),
    ("max_3_stride2", "max", (9, 8, 2), (3, 3), (2, 2), "valid"),
    ("max_3_stride2_same", "max", (9, 8, 2), (3, 3), (2, 2), "same"),
    ("max_3_stride1_same", "max", (5, 6, 2), (3, 3), (1, 1), "same"),
    ("max_mixed", "max", (8, 9, 2), (2, 3), (3, 2), "same"),
    ("average_2", "average", (6, 8, 3), (2, 2), None, "valid"),
    ("average_2_tail", "average", (7, 5, 3), (2, 2), None, "valid"),
    ("average_2_same_tail", "average", (7, 5, 3), (2, 2), None, "same"),
    ("average_3_stride2", "average", (9, 8, 2), (3, 3), (2, 2), "valid"),
    ("average_3_stride2_same", "average", (9, 8, 2), (3, 3), (2, 2), "same"),
    ("average_3_stride1_same", "average", (5, 6, 2), (3, 3), (1, 1), "same"),
]

OPTIMIZERS = {
    "sgd": ("SGD", {}),
    "sgd_large": ("SGD", {"learning_rate": 0.1}),
    "sgd_momentum": ("SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    "sgd_nesterov": ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
    "rmsprop": ("RMSprop", {}),
    "rmsprop_rho": ("RMSprop", {"learning_rate": 0.01, "rho": 0.8, "epsilon": 1e-3}),
    "rmsprop_centered": ("RMSprop", {"learning_rate": 0.01, "centered": True}),
    "rmsprop_momentum": ("RMSprop", {"learning_rate": 0.01, "momentum": 0.7}),
    "rmsprop_centered_momentum": (
        "RMSprop",
        {"learning_rate": 0.01, "momentum": 0.7, "centered": True},
    ),
    "adam": ("Adam", {}),
    "adam_betas": ("Adam", {"learning_rate": 0.01, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-4}),
}

INITIALIZERS = [
    "GlorotUniform",
    "GlorotNormal",
    "HeUniform",
    "HeNormal",
    "LecunUniform",
    "LecunNormal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
]
INITIALIZER_SHAPES = [(300, 200), (5, 5, 8, 60), (3, 3, 64, 32)]

# The ones that train the small network, for three steps.
CNN_OPTIMIZERS = [
    "sgd_large",
    "sgd_momentum",
    "sgd_nesterov",
    "rmsprop",
    "rmsprop_centered",
    "rmsprop_momentum",
    "adam",
]
