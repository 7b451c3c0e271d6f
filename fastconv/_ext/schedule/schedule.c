/* schedule.c: the table of schedule.h. */
#include "schedule.h"

#define FC_ENTRY(type, name, arguments) .name = fc_##name,
const fc_schedule fc_schedules = {FC_SCHEDULES(FC_ENTRY)};
