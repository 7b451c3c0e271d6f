"""The folder of an exported network, with what builds it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from fastconv import runtime
from fastconv.common.arguments import normalize_int
from fastconv.common.arrays import ALIGNMENT
from fastconv.export import c_source, library
from fastconv.export.program import Program, make_program
from fastconv.export.training import make_trained_programs
from fastconv.ops import compiled

if TYPE_CHECKING:
    from fastconv.models import Model

INLINE_BYTES = 10 * 2**20  # most bytes of weights that are written into NAME.c
_FLAGS = " ".join([*library.FLAGS, "-ffunction-sections", "-fdata-sections"])
_DEFINED = [isa for isa in library.TARGETS if isa != "scalar"]  # always compiled


def c_network(
    model: Model,
    folder: str | os.PathLike[str],
    *,
    name: str = "net",
    batch_size: int = 1,
    threads: int = 1,
    train_batch_size: int | None = None,
) -> Path:
    """Write `model` as C sources that need neither Python nor fastconv.

    Args:
        model: a built model, all of whose operations are compiled ones.
        folder: where the files go; it is created. Files of the same names are replaced.
        name: the beginning of all names in C and of the files NAME.h, NAME.c.
        batch_size: the number of samples of one call, N >= 1.
        threads: the largest number of threads that a call may use.
        train_batch_size: also write a training step for batches of so many samples, with the loss
            and the optimizer that `compile` was given, which continues where `fit` has ended; None
            for inference only.

    Returns the folder: `make` there, or CMake's `add_subdirectory`, builds libNAME.a. Weights of
    more than 10 MiB are written to NAME.bin, which the program has to load. `NAME_run` computes
    the same bits as `model.predict` of `batch_size` samples on the same instruction set, and
    `NAME_train_step` changes weights as `model.train_on_batch` does, to the bit.

    Raises:
        ValueError: if `name` is not an identifier of C, a number is less than 1, or the network
            contains operations that only Python can compute; for training, also if the learning
            rate follows a schedule, or there is no loss.
        RuntimeError: if there is no optimizer for training: `compile` was not called.

    >>> import tempfile
    >>> from fastconv import export, layers, models
    >>> model = models.Sequential([layers.Input((8, 8, 1)), layers.Conv2D(4, 3), layers.Flatten()])
    >>> folder = export.c_network(model, tempfile.mkdtemp(), name="edges")
    >>> sorted(path.name for path in folder.iterdir())
    ['CMakeLists.txt', 'Makefile', 'edges.c', 'edges.h', 'kernels', 'network', 'operations', \
'schedule', 'used.h']
    """
    if not (name.isidentifier() and name.isascii()):
        raise ValueError(f"`name` must be an identifier of C, received {name!r}")
    batch_size = normalize_int(batch_size, "batch_size")
    threads = normalize_int(threads, "threads")
    if train_batch_size is None:
        inference, training = make_program(model, batch_size), None
    else:
        train_batch_size = normalize_int(train_batch_size, "train_batch_size")
        inference, training = make_trained_programs(model, batch_size, train_batch_size)
    net = c_source.Exported(
        name,
        inference,
        training,
        threads,
        network_bytes(inference, threads),
        network_bytes(training, threads) if training else 0,
        inference.weights.nbytes + inference.state.nbytes > INLINE_BYTES,
    )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    sources = library.copy_sources(folder)
    records = [record for program in net.programs for record in program.records]
    (folder / "used.h").write_text(library.used_header(records))
    (folder / f"{name}.h").write_text(c_source.header(net))
    with (folder / f"{name}.c").open("w") as file:
        file.writelines(c_source.source(net))
    if net.external:
        constants = inference.weights.tobytes() + inference.state.tobytes()
        (folder / f"{name}.bin").write_bytes(constants)
    (folder / "Makefile").write_text(_makefile(name, sources))
    (folder / "CMakeLists.txt").write_text(_cmake(name, sources))
    return folder


def network_bytes(program: Program, threads: int) -> int:
    """The memory that `program` needs on any instruction set of this build, in bytes: a multiple
    of 64."""
    most = max(
        compiled.network_bytes(program.words, program.weights, isa, threads, program.state.copy())
        for isa in runtime.compiled_isas()
    )
    return -(-most // ALIGNMENT) * ALIGNMENT


def _makefile(name: str, sources: list[str]) -> str:
    objects = " ".join(source[:-2] + ".o" for source in [f"{name}.c", *sources])
    flags = "\n".join(f"FLAGS_{isa} := {each}" for isa, each in library.TARGETS.items())
    have = "\n".join(f"HAVE_{isa} := -DFASTCONV_HAVE_{isa.upper()}" for isa in _DEFINED)
    return f"""# Builds lib{name}.a, which a program links with -lm.
# `make TARGETS=scalar` leaves the other instruction sets out.
CC ?= cc
FLAGS := {_FLAGS} -I. -DFC_USED='"../used.h"' -DFC_FLOAT_ONLY
KERNEL_FLAGS := {library.KERNEL_FLAGS}
MACHINE := $(shell $(CC) -dumpmachine)
ifneq (,$(findstring x86_64,$(MACHINE)))
TARGETS ?= scalar avx2 avx512
else ifneq (,$(findstring aarch64,$(MACHINE)))
TARGETS ?= scalar neon
else
TARGETS ?= scalar
endif
{flags}
{have}
OBJECTS := {objects} $(TARGETS:%=kernels/target_%.o)

lib{name}.a: $(OBJECTS)
	rm -f $@
	$(AR) rcs $@ $^

kernels/target_%.o: kernels/target_%.c used.h
	$(CC) $(CFLAGS) $(FLAGS) $(KERNEL_FLAGS) $(FLAGS_$*) -c $< -o $@

%.o: %.c {name}.h used.h
	$(CC) $(CFLAGS) $(FLAGS) $(foreach target,$(TARGETS),$(HAVE_$(target))) -c $< -o $@

.PHONY: clean
clean:
	rm -f lib{name}.a $(OBJECTS)
"""


def _cmake(name: str, sources: list[str]) -> str:
    listed = "\n  ".join([f"{name}.c", *sources])
    properties = "\n".join(
        f"set_source_files_properties(kernels/target_{isa}.c PROPERTIES COMPILE_FLAGS\n"
        f'  "{library.KERNEL_FLAGS} {flags}")'
        for isa, flags in library.TARGETS.items()
    )
    return f"""# A static library `{name}`: add_subdirectory() of this folder, then link `{name}`.
# Or install it: find_package({name}) then gives `{name}::{name}`, and pkg-config its flags.
cmake_minimum_required(VERSION 3.13)
project({name} C)
include(GNUInstallDirs)

set(FASTCONV_TARGETS "" CACHE STRING "instruction sets beside scalar; empty: all, none: no other")
if(NOT FASTCONV_TARGETS STREQUAL "")
  set(targets ${{FASTCONV_TARGETS}})
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(targets avx2 avx512)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(targets neon)
endif()
list(REMOVE_ITEM targets none)

add_library({name} STATIC
  {listed}
  kernels/target_scalar.c)
foreach(target ${{targets}})
  string(TOUPPER ${{target}} upper)
  target_sources({name} PRIVATE kernels/target_${{target}}.c)
  target_compile_definitions({name} PRIVATE FASTCONV_HAVE_${{upper}})
endforeach()
{properties}
separate_arguments(flags UNIX_COMMAND "{_FLAGS}")
target_compile_options({name} PRIVATE ${{flags}})
target_compile_definitions({name} PRIVATE FC_USED="../used.h" FC_FLOAT_ONLY)
target_include_directories({name} PRIVATE ${{CMAKE_CURRENT_SOURCE_DIR}} INTERFACE
  $<BUILD_INTERFACE:${{CMAKE_CURRENT_SOURCE_DIR}}>
  $<INSTALL_INTERFACE:${{CMAKE_INSTALL_INCLUDEDIR}}>)
target_link_libraries({name} PUBLIC m)

file(RELATIVE_PATH up ${{CMAKE_INSTALL_FULL_LIBDIR}}/pkgconfig ${{CMAKE_INSTALL_PREFIX}})
file(WRITE ${{CMAKE_CURRENT_BINARY_DIR}}/{name}.pc "prefix=\\${{pcfiledir}}/${{up}}
Name: {name}
Description: a neural network in plain C, written by fastconv
Version: 1
Cflags: -I\\${{prefix}}/${{CMAKE_INSTALL_INCLUDEDIR}}
Libs: -L\\${{prefix}}/${{CMAKE_INSTALL_LIBDIR}} -l{name} -lm
")
install(TARGETS {name} EXPORT {name} ARCHIVE DESTINATION ${{CMAKE_INSTALL_LIBDIR}})
install(FILES {name}.h DESTINATION ${{CMAKE_INSTALL_INCLUDEDIR}})
install(EXPORT {name} NAMESPACE {name}:: FILE {name}Config.cmake
  DESTINATION ${{CMAKE_INSTALL_LIBDIR}}/cmake/{name})
install(FILES ${{CMAKE_CURRENT_BINARY_DIR}}/{name}.pc
  DESTINATION ${{CMAKE_INSTALL_LIBDIR}}/pkgconfig)
"""
