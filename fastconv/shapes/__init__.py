"""The integer rules of convolution and pooling: output sizes and validity of arguments.

    arguments     paddings and shapes of arguments
    windows       output sizes and "same" padding
    convolution   the record of a convolution
    pooling       the record of a pooling
    sparse_axis   the record with numbers no larger than the image requires
    volumes       the convolution of a volume as one of an image
    slopes        the slopes of a PReLU that neighbouring elements share

All functions are arithmetic on Python integers, without arrays: a layer can compute the shape of an
output without computing the output, and an invalid request is refused before memory is allocated.

A window of k taps slides over an axis of n elements with stride s. With dilation d, taps are d
elements apart, so the window spans k' = (k - 1) d + 1 elements; padding adds `before` and `after`
elements at the ends:

    before = 1        n = 7                  after = 1        k = 3, d = 1, s = 2
       .   [ a   b   c   d   e   f   g ]   .
      |--- y0 ---|
               |--- y1 ---|
                       |--- y2 ---|
                               |--- y3 ---|

    out = floor((before + n + after - k') / s) + 1      the window must fit at least once

`padding` is one of

    "valid"                          before = after = 0
    "same"                           out = ceil(n / s), total = max((out - 1) s + k' - n, 0),
                                     before = total // 2, after = total - before: an odd total
                                     puts the extra element at the end
    p                                p elements on all four sides
    (ph, pw)                         ph rows above and below, pw columns left and right
    ((top, bottom), (left, right))   each side separately

`conv2d_geometry` and `pool2d_geometry` convert the arguments of an operation into one validated
record of plain integers, which is the only input of the kernels. It satisfies the following
conditions:

- every size and every hyper-parameter is an integer that fits in 64 bits (a bool or a float is a
  TypeError);
- every dimension but the batch is at least 1;
- the bytes of the input, the padded image, the filters and the output fit in 64 bits, at 8 bytes
  per element;
- the rows of the padded image under one window fit in 64 bits as well, with room for a few more;
- a pooling window always covers at least one element of the image.

The record contains the numbers as given. `compact` returns the record that the kernels use:
strides, dilations and paddings beyond the size of the image are reduced to equivalent smaller ones.

The formulas are those of Keras (`same` is asymmetric when strides make it so) and of Dumoulin &
Visin, *A guide to convolution arithmetic for deep learning* (arXiv 1603.07285).
"""

from __future__ import annotations

from fastconv.common.arguments import normalize_int, normalize_pair
from fastconv.shapes.arguments import (
    Shape,
    Sides,
    channels_of,
    checked_product,
    normalize_padding,
    normalize_shape,
    sample_sizes,
)
from fastconv.shapes.convolution import PADDING_MODES, Conv2DGeometry, conv2d_geometry
from fastconv.shapes.pooling import Pool2DGeometry, pool2d_geometry
from fastconv.shapes.slopes import shared_slopes
from fastconv.shapes.volumes import Folding, folding
from fastconv.shapes.windows import conv_output_length, effective_kernel, same_padding

__all__ = [
    "PADDING_MODES",
    "Conv2DGeometry",
    "Folding",
    "Pool2DGeometry",
    "Shape",
    "Sides",
    "channels_of",
    "checked_product",
    "conv2d_geometry",
    "conv_output_length",
    "effective_kernel",
    "folding",
    "normalize_int",
    "normalize_padding",
    "normalize_pair",
    "normalize_shape",
    "pool2d_geometry",
    "same_padding",
    "sample_sizes",
    "shared_slopes",
]
