/* depthwise.h: schedules of depthwise convolution, which conv.c and filter_gradient.c call. */
#ifndef FASTCONV_DEPTHWISE_H
#define FASTCONV_DEPTHWISE_H

#include "problems.h"
#include "target.h"

void fc_plan_depthwise(const fc_target *, fc_conv *);
void fc_plan_depthwise_gradient(const fc_target *, fc_filter_gradient *);

#endif
