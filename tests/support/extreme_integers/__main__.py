"""The program that works through one table with little memory: its name is the argument."""

import faulthandler
import resource
import sys
import warnings

from tests.support.extreme_integers.layers import every_layer
from tests.support.extreme_integers.operations import operations, pairs
from tests.support.extreme_integers.others import others

MEMORY = 3 << 30  # bytes of address space: nothing legal here needs more

TABLES = {"operations": operations, "pairs": pairs, "layers": every_layer, "others": others}

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")
    TABLES[sys.argv[1]]()
    faulthandler.cancel_dump_traceback_later()
