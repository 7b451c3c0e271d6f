"""The layers whose golden values `make_convolution_layers` stores, as Keras's configurations.

Each case: name, class, shape of a sample, arguments. The same arguments make the layer in Keras and
in fastconv.
"""

from __future__ import annotations

FIRST = {"data_format": "channels_first"}

CASES = [
    ("conv1d", "Conv1D", (9, 4), {"filters": 6, "kernel_size": 3, "activation": "relu"}),
    (
        "conv1d_same", "Conv1D", (9, 4),
        {"filters": 6, "kernel_size": 4, "strides": 2, "padding": "same"},
    ),
    (
        "conv1d_causal", "Conv1D", (9, 4),
        {"filters": 3, "kernel_size": 3, "padding": "causal", "dilation_rate": 2},
    ),
    (
        "conv1d_groups", "Conv1D", (9, 4),
        {"filters": 6, "kernel_size": 2, "groups": 2, "use_bias": False},
    ),
    (
        "conv2d_sigmoid", "Conv2D", (6, 7, 3),
        {"filters": 4, "kernel_size": (3, 2), "strides": (1, 2), "activation": "sigmoid"},
    ),
    ("conv2d_dilated", "Conv2D", (9, 8, 2), {"filters": 4, "kernel_size": 3, "dilation_rate": 2}),
    (
        "conv2d_softmax", "Conv2D", (5, 5, 2),
        {"filters": 4, "kernel_size": 3, "activation": "softmax"},
    ),
    ("transpose2d", "Conv2DTranspose", (4, 5, 3), {"filters": 2, "kernel_size": 3}),
    (
        "transpose2d_same", "Conv2DTranspose", (4, 5, 3),
        {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same", "activation": "relu"},
    ),
    (
        "transpose2d_wide", "Conv2DTranspose", (4, 3, 3),
        {"filters": 2, "kernel_size": (2, 3), "strides": (3, 2), "padding": "valid"},
    ),
    (
        "transpose2d_output_padding", "Conv2DTranspose", (4, 3, 3),
        {"filters": 5, "kernel_size": 3, "strides": 2, "padding": "same", "output_padding": 1},
    ),
    (
        "transpose2d_output_padding_valid", "Conv2DTranspose", (4, 3, 3),
        {"filters": 5, "kernel_size": 4, "strides": (2, 3), "output_padding": (1, 2)},
    ),
    (
        "transpose1d", "Conv1DTranspose", (6, 3),
        {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same", "use_bias": False},
    ),
    ("depthwise2d", "DepthwiseConv2D", (7, 6, 3), {"kernel_size": 3, "activation": "relu"}),
    (
        "depthwise2d_multiplier", "DepthwiseConv2D", (7, 6, 3),
        {"kernel_size": (3, 2), "strides": 2, "padding": "same", "depth_multiplier": 2},
    ),
    (
        "depthwise1d", "DepthwiseConv1D", (8, 5),
        {"kernel_size": 3, "depth_multiplier": 2, "strides": 2},
    ),
    (
        "separable2d", "SeparableConv2D", (7, 6, 3),
        {"filters": 5, "kernel_size": 3, "depth_multiplier": 2, "activation": "tanh"},
    ),
    ("separable1d", "SeparableConv1D", (8, 5), {"filters": 4, "kernel_size": 3, "padding": "same"}),
    ("max1d", "MaxPooling1D", (9, 4), {"pool_size": 3, "strides": 2, "padding": "same"}),
    ("average1d", "AveragePooling1D", (9, 4), {"pool_size": 2}),
    ("global_max2d", "GlobalMaxPooling2D", (5, 6, 4), {}),
    ("global_max1d", "GlobalMaxPooling1D", (7, 4), {"keepdims": True}),
    ("global_average2d", "GlobalAveragePooling2D", (5, 6, 4), {"keepdims": True}),
    ("global_average1d", "GlobalAveragePooling1D", (7, 4), {}),
    ("flatten", "Flatten", (3, 4, 5), {}),
    ("reshape", "Reshape", (3, 4, 5), {"target_shape": (6, -1)}),
    ("permute", "Permute", (3, 4, 5), {"dims": (2, 3, 1)}),
    ("permute_reversed", "Permute", (3, 4, 5), {"dims": (3, 2, 1)}),
    ("repeat_vector", "RepeatVector", (6,), {"n": 3}),
    ("zero_padding2d", "ZeroPadding2D", (3, 4, 2), {"padding": ((1, 2), (0, 3))}),
    ("zero_padding1d", "ZeroPadding1D", (5, 2), {"padding": (2, 1)}),
    ("cropping2d", "Cropping2D", (6, 7, 2), {"cropping": ((1, 2), (0, 3))}),
    ("cropping1d", "Cropping1D", (6, 2), {"cropping": (1, 2)}),
    ("upsampling2d", "UpSampling2D", (3, 4, 2), {"size": (2, 3)}),
    (
        "upsampling2d_bilinear", "UpSampling2D", (3, 4, 2),
        {"size": (2, 3), "interpolation": "bilinear"},
    ),
    ("upsampling1d", "UpSampling1D", (4, 3), {"size": 3}),
    ("rescaling", "Rescaling", (3, 4, 2), {"scale": 0.25, "offset": -1.5}),
    ("rescaling_channels", "Rescaling", (3, 4, 2), {"scale": [0.5, 2.0], "offset": [1.0, -1.0]}),
    ("resizing", "Resizing", (7, 5, 2), {"height": 4, "width": 9}),
    (
        "resizing_nearest", "Resizing", (7, 5, 2),
        {"height": 4, "width": 9, "interpolation": "nearest"},
    ),
    (
        "resizing_cropped", "Resizing", (7, 5, 2),
        {"height": 4, "width": 8, "crop_to_aspect_ratio": True},
    ),
    (
        "resizing_padded", "Resizing", (7, 5, 2),
        {"height": 4, "width": 8, "pad_to_aspect_ratio": True, "fill_value": 2.0},
    ),
    ("center_crop", "CenterCrop", (8, 7, 2), {"height": 3, "width": 4}),
    ("center_crop_small", "CenterCrop", (5, 7, 2), {"height": 6, "width": 4}),
    (
        "first_conv2d", "Conv2D", (3, 6, 7),
        {"filters": 4, "kernel_size": 3, "activation": "relu", **FIRST},
    ),
    ("first_conv1d", "Conv1D", (3, 8), {"filters": 4, "kernel_size": 3, **FIRST}),
    (
        "first_transpose", "Conv2DTranspose", (3, 4, 5),
        {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same", **FIRST},
    ),
    ("first_depthwise", "DepthwiseConv2D", (3, 6, 7), {"kernel_size": 3, **FIRST}),
    ("first_separable", "SeparableConv2D", (3, 6, 7), {"filters": 4, "kernel_size": 3, **FIRST}),
    ("first_max2d", "MaxPooling2D", (3, 6, 8), {"pool_size": 2, **FIRST}),
    ("first_average1d", "AveragePooling1D", (3, 6), {"pool_size": 2, **FIRST}),
    ("first_global", "GlobalAveragePooling2D", (3, 4, 5), FIRST),
    ("first_global_keepdims", "GlobalMaxPooling2D", (3, 4, 5), {"keepdims": True, **FIRST}),
    ("first_flatten", "Flatten", (3, 4, 5), FIRST),
    ("first_padding", "ZeroPadding2D", (3, 4, 5), {"padding": 1, **FIRST}),
    ("first_cropping", "Cropping2D", (3, 4, 5), {"cropping": 1, **FIRST}),
    ("first_upsampling", "UpSampling2D", (3, 4, 5), {"size": 2, **FIRST}),
    ("first_resizing", "Resizing", (3, 4, 5), {"height": 6, "width": 3, **FIRST}),
]  # fmt: skip

_VOLUME = (5, 6, 7, 4)

# The layers on volumes, whose values `make_volumes` stores.
VOLUME_CASES = [
    ("conv3d", "Conv3D", _VOLUME, {"filters": 3, "kernel_size": (2, 3, 2), "activation": "relu"}),
    (
        "conv3d_same", "Conv3D", _VOLUME,
        {"filters": 3, "kernel_size": 3, "strides": (1, 1, 2), "padding": "same"},
    ),
    (
        "conv3d_strides", "Conv3D", _VOLUME,
        {"filters": 2, "kernel_size": (2, 3, 2), "strides": 2, "padding": "same"},
    ),
    (
        "conv3d_groups", "Conv3D", (4, 4, 4, 4),
        {"filters": 4, "kernel_size": 2, "strides": (1, 2, 1), "groups": 2, "use_bias": False},
    ),
    ("conv3d_dilated", "Conv3D", _VOLUME, {"filters": 2, "kernel_size": 2, "dilation_rate": 2}),
    ("conv3d_slices", "Conv3D", _VOLUME, {"filters": 2, "kernel_size": (3, 1, 1)}),
    ("transpose3d", "Conv3DTranspose", (2, 3, 3, 3), {"filters": 2, "kernel_size": 3}),
    (
        "transpose3d_same", "Conv3DTranspose", (2, 3, 3, 3),
        {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same", "activation": "tanh"},
    ),
    (
        "transpose3d_output_padding", "Conv3DTranspose", (2, 3, 2, 3),
        {
            "filters": 2, "kernel_size": 3, "strides": (1, 2, 2), "padding": "same",
            "output_padding": (0, 1, 1), "use_bias": False,
        },
    ),
    ("max3d", "MaxPooling3D", _VOLUME, {"pool_size": (2, 3, 2), "padding": "same"}),
    ("max3d_overlapping", "MaxPooling3D", _VOLUME, {"pool_size": 3, "strides": (1, 2, 1)}),
    ("average3d", "AveragePooling3D", _VOLUME, {"pool_size": 2}),
    (
        "average3d_same", "AveragePooling3D", _VOLUME,
        {"pool_size": (3, 2, 2), "strides": (2, 1, 2), "padding": "same"},
    ),
    ("global_max3d", "GlobalMaxPooling3D", _VOLUME, {"keepdims": True}),
    ("global_average3d", "GlobalAveragePooling3D", _VOLUME, {}),
    ("adaptive_max3d", "AdaptiveMaxPooling3D", _VOLUME, {"output_size": (2, 6, 3)}),
    ("adaptive_average3d", "AdaptiveAveragePooling3D", _VOLUME, {"output_size": 3}),
    ("padding3d", "ZeroPadding3D", (2, 3, 2, 2), {"padding": ((1, 0), (0, 2), (1, 1))}),
    ("cropping3d", "Cropping3D", _VOLUME, {"cropping": ((1, 0), (0, 2), (3, 1))}),
    ("upsampling3d", "UpSampling3D", (2, 3, 2, 2), {"size": (1, 2, 3)}),
    ("first_conv3d", "Conv3D", (3, 5, 6, 4), {"filters": 2, "kernel_size": 3, **FIRST}),
    (
        "first_transpose3d", "Conv3DTranspose", (3, 2, 3, 2),
        {"filters": 2, "kernel_size": 2, "strides": 2, **FIRST},
    ),
    ("first_max3d", "MaxPooling3D", (3, 4, 6, 5), {"pool_size": 2, **FIRST}),
    ("first_padding3d", "ZeroPadding3D", (3, 2, 2, 2), {"padding": 1, **FIRST}),
]  # fmt: skip

# Random layers: class, arguments, shape of a sample; what Keras's layer is told to do.
RANDOM_CASES = [
    ("flip", "RandomFlip", {"mode": "horizontal"}, (5, 6, 2), {"flips": [True, False, True]}),
    ("flip_both", "RandomFlip", {}, (5, 6, 2), {"flips": [True, False, True]}),
    *(
        (
            f"translation_{fill}_{interpolation}",
            "RandomTranslation",
            {
                "height_factor": 1.0, "width_factor": 1.0, "fill_mode": fill,
                "interpolation": interpolation, "fill_value": 0.5,
            },
            (5, 6, 2),
            {"rows": [1.3, -2.7, 4.4], "columns": [-1.2, 3.6, 7.9]},
        )
        for fill in ("reflect", "wrap", "constant", "nearest")
        for interpolation in ("bilinear", "nearest")
    ),
    *(
        (
            f"rotation_{fill}",
            "RandomRotation",
            {"factor": 1.0, "fill_mode": fill},
            (5, 6, 2),
            {"degrees": [10.0, -75.0, 200.0]},
        )
        for fill in ("reflect", "wrap", "constant", "nearest")
    ),
    (
        "zoom", "RandomZoom", {"height_factor": 0.5, "width_factor": 0.5}, (5, 6, 2),
        {"rows": [0.7, 1.3, 1.0], "columns": [0.6, 1.45, 1.2]},
    ),
]  # fmt: skip

# Layers whose values are random: what matters is that files describe them alike.
CONFIGURED = [
    ("Dropout", {"rate": 0.25, "noise_shape": [None, 1, 3], "seed": 4}),
    ("SpatialDropout1D", {"rate": 0.25, "seed": 4}),
    ("SpatialDropout2D", {"rate": 0.25, "seed": 4, **FIRST}),
    ("GaussianNoise", {"stddev": 0.25, "seed": 4}),
    ("GaussianDropout", {"rate": 0.25, "seed": 4}),
    ("RandomFlip", {"mode": "vertical", "seed": 4}),
    (
        "RandomTranslation",
        {"height_factor": 0.5, "width_factor": [-0.25, 0.5], "fill_mode": "wrap", "seed": 4},
    ),
    ("RandomRotation", {"factor": [-0.25, 0.5], "interpolation": "nearest", "seed": 4, **FIRST}),
    ("RandomZoom", {"height_factor": 0.5, "fill_value": 2.0, "seed": 4}),
    ("RandomCrop", {"height": 3, "width": 4, "seed": 4}),
]
