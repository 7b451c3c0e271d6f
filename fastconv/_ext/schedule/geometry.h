/* geometry.h: one convolution as plain integers, and the problems that its passes are.
 *
 *     x (batch, height, width, channels), w (kernel_h, kernel_w, channels / groups, filters),
 *     y (batch, out_h, out_w, filters)
 *
 * All arrays are contiguous.  A describe function fills in the sizes and strides of a problem, and
 * how its filters lie in w; the caller adds the array pointers.  The input gradient with strides
 * falls apart into one problem per residue of the position modulo the stride, each of which reads
 * dy densely and writes every stride-th pixel of dx. */
#ifndef FASTCONV_GEOMETRY_H
#define FASTCONV_GEOMETRY_H

#include "problems.h"
#include "target.h"

enum { FC_FORWARD, FC_BACKWARD_INPUT, FC_BACKWARD_KERNEL };

typedef struct {
    int64_t batch, height, width, channels, kernel_h, kernel_w, filters, out_h, out_w;
    int64_t stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w, groups;
    int padding_mode;
} fc_geometry;

/* One input and one output channel per group. */
int fc_is_depthwise(const fc_geometry *);

/* Positions first, first + apart, ... (`count` of them) of an axis of dx, which share their taps:
 * first_tap, first_tap + tap_step, ... (`taps` of them, perhaps none).  With the taps in reverse
 * order these positions are a convolution of dy with stride 1, dilation `dilation` and padding
 * `pad`.  The next residue begins at position `next`. */
typedef struct {
    int64_t first, count, apart, taps, first_tap, tap_step, dilation, pad, next;
} fc_residue;

/* The residues of an axis are those that begin at positions 0, next, ... below this one. */
int64_t fc_residue_end(int64_t size, int64_t stride);

/* The residue that begins at position `at` of an axis with `size` inputs. */
fc_residue fc_residue_from(int64_t at, int64_t size, int64_t kernel, int64_t stride,
                           int64_t dilation, int64_t pad);

void fc_describe_forward(const fc_geometry *, fc_conv *, fc_filter_view *);

/* The problem of the input gradient whose residues begin at (row, column);
 * *first is the element of dx that its output begins with. */
void fc_describe_backward_input(const fc_geometry *, int64_t row, int64_t column, fc_conv *,
                                fc_filter_view *, int64_t *first);

void fc_describe_backward_kernel(const fc_geometry *, fc_filter_gradient *);
void fc_describe_scatter(const fc_geometry *, fc_scatter *);

/* Winograd F(tile x tile, kernel x kernel), forward or with respect to the input. */
void fc_describe_winograd(const fc_target *, const fc_geometry *, int pass, int tile, fc_winograd *,
                          fc_filter_view *);
void fc_describe_winograd_gradient(const fc_geometry *, int tile, fc_winograd_gradient *);

#endif
