/* operations.c: the table of operations.h. */
#include "operations.h"

#define FC_ENTRY(type, name, arguments) .name = fc_##name,
const fc_operation_table fc_operations = {FC_OPERATIONS(FC_ENTRY)};
