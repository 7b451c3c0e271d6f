"""Compiles fastconv's extension modules; everything declarative is in pyproject.toml.

Each `fastconv/_ext/*.pyx` becomes a module; one more holds what Cython writes for all of them.
One file, `_core`, contains all modules and the C kernels, which makes a wheel a twentieth smaller
than a file for each: `fastconv/_ext/__init__.py` finds the modules in it.  The kernels in
`target_<isa>.c`, `dot_<isa>.c` and `bf16_<isa>.c` are compiled once per instruction set, with that
set's flags and no others.  `kernels/dispatch.c`, which decides *before* any of the targets may run
which of them the CPU supports, `schedule/*.c`, which cut the passes into items for all of them,
`operations/*.c`, which run the items, and `interface/*.c`, which offer them to C programs, are
compiled with the baseline flags.

setuptools gives one set of flags to a whole extension and recompiles nothing when a header
changes, so `build_ext` below compiles every unit itself: in parallel, and only when the command
line or one of the files the compiler read last time (its own dependency output) has changed.
`CC`, `CFLAGS` and `LDFLAGS` are honoured.  FASTCONV_SANITIZE, FASTCONV_LIMITED_API,
FASTCONV_REPOSITORY and FASTCONV_CONTACT are explained below.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext as setuptools_build_ext
from setuptools.command.build_py import build_py as setuptools_build_py

EXTENSIONS = Path("fastconv/_ext")
KERNELS = EXTENSIONS / "kernels"
PLAIN_C = [EXTENSIONS / part for part in ("schedule", "operations", "network", "interface")]
SHIPPED = [KERNELS, *PLAIN_C]  # their C sources are in the wheel
GENERATED = Path("build/cython")  # Cython's C files: beside no source, in no sdist
# The module of what Cython would write into each module again: types of functions and generators,
# conversions. Its memoryviews, which no module uses, do not compile for the limited API of 3.10.
UTILITY = "fastconv._ext._cython_utility"
LEFT_OUT_OF_UTILITY = ["MemoryView"]

# The flags that results and speed depend on, which networks exported as C are compiled with, too.
SHARED = json.loads((KERNELS / "flags.json").read_text())

# Flags after the user's, so that they win: results must be the same bits whatever CFLAGS says.
# No contraction (a kernel fuses multiply and add where it says so, nowhere else), no value-changing
# arithmetic, and no link-time optimisation, which would let code move between instruction sets.
# The kernels are unrolled by hand: -O3 would make them a third larger and no faster. Python's and
# Cython's headers assert unless NDEBUG is defined, which CFLAGS of the user's would leave out. No
# exception passes through C: the tables that unwind its frames would be for debuggers only.
FLAGS = [
    "-O2", "-g0", "-fno-lto", *SHARED["arithmetic"], "-fvisibility=hidden", "-DNDEBUG",
    "-fno-asynchronous-unwind-tables",
]  # fmt: skip

# The kernels are vectorized by hand. GCC 12's own vectorizer reads past the end of strided groups
# (found with guard pages), and the scalar target is the better oracle when it is scalar. Where a
# loop lies within its cache lines is worth some percent, so functions begin with one, and loops
# with half of one: what is written elsewhere in the file then makes no difference. Threads may have
# small stacks (128 KiB with musl, less if OMP_STACKSIZE says so), of which a call from a parallel
# region takes at most 32 KiB: two kernels of the largest frame and what is above them. The compiler
# warns of a larger frame and lists all of them beside the object, which tests/test_build.py reads.
LARGEST_FRAME = 12 * 1024
KERNEL_FLAGS = [
    "-std=gnu11", "-Wall", *SHARED["kernels"],
    f"-Wframe-larger-than={LARGEST_FRAME}", "-fstack-usage", "-ffunction-sections",
]  # fmt: skip

# The kernels of float64, which few programs use, may be small rather than fast: convolutions are as
# fast with these flags as without. Dense layers and activations take a fifth longer with AVX2. With
# AVX-512 -Os would make convolutions a quarter slower.
SMALL = ["-fno-tree-ch", "-fno-thread-jumps"]
DOUBLE_FLAGS = {"scalar": [], "avx2": ["-Os"], "avx512": SMALL, "neon": SMALL}

# For schedules, operations and the C interface, which are ordinary C: integer arithmetic that must
# not lose bits unnoticed.
PLAIN_C_FLAGS = ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Wconversion"]

# For the C that Cython writes: it reads objects through casts, hence no strict aliasing; and it
# only hands out work, so it may be small rather than fast (the kernels are another matter).
CYTHON_FLAGS = [
    "-Os", "-fno-strict-aliasing", "-Wno-unused",
    "-DCYTHON_COMPRESS_STRINGS=0",  # a wheel compresses them better
    "-DNPY_NO_DEPRECATED_API=NPY_1_7_API_VERSION",
]  # fmt: skip

# instruction set: (preprocessor condition under which it belongs to this machine, flags, probe)
# Without vector registers the tiles do not fit: optimized for size, the scalar kernels are a third
# smaller, and convolutions take 3.1 instead of 3.6 ms (float32) and 6.9 instead of 12.2 (float64).
TARGETS = {isa: tuple(target.values()) for isa, target in SHARED["targets"].items()}
# instruction set: (the one that it adds to, flags beside that one's, probe)
ADDED = {isa: tuple(target.values()) for isa, target in SHARED["extensions"].items()}

# FASTCONV_SANITIZE=address or =thread makes a build that checks itself, with objects in a folder of
# their own: AddressSanitizer and UndefinedBehaviorSanitizer, or ThreadSanitizer. tests/sanitizers
# runs it.
SANITIZERS = {
    "address": ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    "thread": ["-fsanitize=thread"],
}
SANITIZER = os.environ.get("FASTCONV_SANITIZE", "")
if SANITIZER:
    if SANITIZER not in SANITIZERS:
        raise SystemExit(
            f"fastconv: FASTCONV_SANITIZE must be one of {', '.join(SANITIZERS)}, received "
            f"{SANITIZER!r}"
        )
    FLAGS += [*SANITIZERS[SANITIZER], "-O1", "-g1", "-fno-omit-frame-pointer", "-UNDEBUG"]
    KERNEL_FLAGS += ["-Wno-frame-larger-than"]  # sanitizers put red zones into frames, too

# FASTCONV_LIMITED_API=1 builds modules of the stable ABI: one wheel for every CPython from 3.10
# on. Free-threaded CPython 3.14 does not have that ABI.
OLDEST_PYTHON = (3, 10)
LIMITED_API = os.environ.get("FASTCONV_LIMITED_API", "0")
if LIMITED_API not in ("0", "1"):
    raise SystemExit(f"fastconv: FASTCONV_LIMITED_API must be 0 or 1, received {LIMITED_API!r}")
LIMITED_API = LIMITED_API == "1"
if LIMITED_API:
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise SystemExit(
            "fastconv: free-threaded CPython has no stable ABI: unset FASTCONV_LIMITED_API"
        )
    CYTHON_FLAGS += ["-DPy_LIMITED_API=0x{:02X}{:02X}0000".format(*OLDEST_PYTHON)]

DIRECTIVES = {
    "language_level": "3",
    # Threads of a free-threaded Python may enter the modules at the same time: what they share is
    # set once at import, and `fastconv.plan.cache` gives each caller a program of its own.
    "freethreading_compatible": True,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "embedsignature": True,
    "binding": False,  # methods as those of types in C: smaller, and called faster
    "auto_pickle": False,  # an op holds pointers: pickle refuses it without generated code, too
}


def say(text: str) -> None:
    print(f"fastconv: {text}", file=sys.stderr, flush=True)


def stop(text: str) -> None:
    """Ends the build with one sentence instead of a traceback."""
    raise SystemExit(f"fastconv: {text}")


class Compiler:
    """The C compiler that setuptools chose, called directly, with per-unit flags."""

    def __init__(self, command: list[str], include_dirs: list[str]) -> None:
        self.command = command
        self.includes = [f"-I{path}" for path in include_dirs]

    def accepts(self, source: str, flags: list[str], *, link: bool = False) -> bool:
        """Whether a small program compiles (and links)."""
        with tempfile.TemporaryDirectory(prefix="fastconv-probe-") as folder:
            path = Path(folder, "probe.c")
            path.write_text(source + "\n")
            stage = [] if link else ["-c"]
            command = [*self.command, *self.includes, *flags, *stage, str(path)]
            try:
                result = subprocess.run(
                    [*command, "-o", str(Path(folder, "probe.out"))], capture_output=True
                )
            except OSError:
                return False
            return result.returncode == 0

    def compile(self, source: Path, target: Path, flags: list[str]) -> None:
        """Compiles one unit unless it is up to date."""
        read, made = target.with_suffix(".d"), target.with_suffix(".cmd")
        command = [*self.command, *self.includes, *flags, "-c", str(source), "-o", str(target)]
        if is_current(target, dependencies(read), command, made):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        say(f"compiling {source}")
        run([*command, "-MMD", "-MF", str(read)])
        made.write_text(shlex.join(command))


def run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True)
    sys.stderr.write(result.stderr)
    if result.returncode != 0:
        stop(f"this command failed with exit code {result.returncode}: {shlex.join(command)}")


def dependencies(record: Path) -> list[Path] | None:
    """The files the compiler read when it last made this unit; None when that is not known."""
    try:
        text = record.read_text()
    except OSError:
        return None
    _, _, names = text.replace("\\\n", " ").partition(": ")
    # The compiler writes a space inside a name as "\ ".
    return [Path(name.replace("\0", " ")) for name in names.replace("\\ ", "\0").split()]


def is_current(target: Path, read: list[Path] | None, command: list[str], record: Path) -> bool:
    """Whether `target` was made by this very command from files that have not changed since."""
    if read is None:
        return False
    try:
        made = target.stat().st_mtime_ns
        unchanged = all(path.stat().st_mtime_ns <= made for path in read)
        return unchanged and record.read_text() == shlex.join(command)
    except OSError:
        return False


class build_ext(setuptools_build_ext):
    def finalize_options(self) -> None:
        super().finalize_options()
        # An editable install would otherwise compile into a throw-away folder, from nothing, and
        # two interpreters sharing one checkout must not overwrite each other's objects.
        tag = f"{sysconfig.get_platform()}-{sys.implementation.cache_tag}"
        suffix = f"-{SANITIZER}" if SANITIZER else "-limited" if LIMITED_API else ""
        self.build_temp = str(Path("build") / f"objects-{tag}{suffix}")

    def build_extensions(self) -> None:
        if not hasattr(self.compiler, "compiler_so") or os.name != "posix":
            stop("only GCC and Clang on a POSIX system can build the kernels.")
        compiler = self.checked_compiler()
        openmp = openmp_flags(compiler)
        jobs = self.parallel if isinstance(self.parallel, int) else os.cpu_count() or 1

        units = {}  # object file: (source, flags)
        objects = Path(self.build_temp)
        flags = [*FLAGS, *CYTHON_FLAGS, *supported(compiler, ["-Oz"]), *openmp]
        for source in cythonized(jobs):
            units[objects / f"{source.stem}.o"] = (source, flags)
        units.update(kernel_units(compiler, objects / "kernels"))
        for source in (path for folder in PLAIN_C for path in sorted(folder.glob("*.c"))):
            target = objects / source.parent.name / f"{source.stem}.o"
            units[target] = (source, [*FLAGS, *PLAIN_C_FLAGS])

        with ThreadPoolExecutor(max(jobs, 1)) as pool:
            # The longest first: the generated files, then the widest instruction sets.
            futures = [
                pool.submit(compiler.compile, source, target, flags)
                for target, (source, flags) in reversed(units.items())
            ]
            for future in futures:
                future.result()
        (core,) = self.extensions
        self.link(core, list(units), openmp)

    def checked_compiler(self) -> Compiler:
        """The compiler, once it is known to work and to find Python's headers."""
        command = list(self.compiler.compiler_so)
        bare = Compiler(command, [])
        if not bare.accepts("int probe(void) { return 0; }", []):
            stop(
                f"the C compiler `{command[0]}` is missing or does not work: install gcc "
                "(Debian/Ubuntu: apt install build-essential; Fedora: dnf install gcc) or name "
                "another one in the environment variable CC."
            )
        python = sysconfig.get_paths()
        folders = list(dict.fromkeys([python["include"], python["platinclude"]]))
        if not Compiler(command, folders).accepts("#include <Python.h>\nint probe;", []):
            stop(
                f"the header Python.h of {sys.executable} was not found in {folders[0]}: install "
                "Python's development files (Debian/Ubuntu: apt install python3-dev; Fedora: dnf "
                "install python3-devel)."
            )
        import numpy

        return Compiler(command, [*folders, numpy.get_include(), str(KERNELS)])

    def link(self, extension: Extension, objects: list[Path], openmp: list[str]) -> None:
        target = Path(self.get_ext_fullpath(extension.name))
        command = [*self.compiler.linker_so, *map(str, objects), "-fno-lto", *openmp]
        strip = ["-Wl,-s"] if sys.platform == "linux" else []  # an option of GNU's linker
        command += SANITIZERS[SANITIZER] if SANITIZER else strip
        command += ["-lm", "-o", str(target)]
        if sys.platform == "linux":
            command.append(f"-Wl,-T,{ordered(objects, Path(self.build_temp) / 'order.ld')}")
        record = Path(self.build_temp) / "_core.link"
        if is_current(target, objects, command, record):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # never write into a file that a process has mapped
        run(command)
        record.write_text(shlex.join(command))

    def copy_extensions_to_source(self) -> None:
        super().copy_extensions_to_source()
        for path in EXTENSIONS.glob("_*.so"):
            if not path.name.startswith("_core."):  # of a build that gave each module a file
                path.unlink()


ELEMENTS = ["f32", "f64", "u8", "bf16"]  # in the names of kernels


def ordered(objects: list[Path], script: Path) -> Path:
    """Writes a script of GNU's linker that puts the variants of a kernel beside each other.

    The compression of a wheel finds what they have in common within 32 KB only: a wheel is 40 KB
    smaller.
    """
    functions = {
        line.partition("\t")[0].rpartition(":")[2]
        for path in objects
        if path.parent.name == "kernels" and path.with_suffix(".su").exists()
        for line in path.with_suffix(".su").read_text().splitlines()
    }
    kernels = {re.sub(f"^fc_({'|'.join(ELEMENTS)})_|_[a-z0-9]+$", "", name) for name in functions}
    sections = "".join(
        f"    *({' '.join(f'.text.fc_{element}_{name}_*' for element in ELEMENTS)})\n"
        for name in sorted(kernels)
    )
    text = f"SECTIONS\n{{\n  .text.kernels : {{\n{sections}  }}\n}}\nINSERT AFTER .text;\n"
    if not script.exists() or script.read_text() != text:
        script.write_text(text)
    return script


# Apple's clang understands OpenMP but has no option for it, and no library of its own.
OPENMP_FLAGS = [["-fopenmp"], ["-Xpreprocessor", "-fopenmp", "-lomp"]]


def openmp_flags(compiler: Compiler) -> list[str]:
    libraries = shlex.split(os.environ.get("LDFLAGS", ""))
    program = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }"
    for flags in OPENMP_FLAGS:
        if compiler.accepts(program, [*libraries, *flags], link=True):
            return flags
    say(
        f"WARNING: `{compiler.command[0]}` cannot build OpenMP programs, so fastconv is built to "
        "run on one thread; for all cores install gcc, or OpenMP for clang (Debian/Ubuntu: apt "
        "install libomp-dev), and build again."
    )
    return []


def cythonized(jobs: int) -> list[Path]:
    """The C file of every module, made again where its `.pyx` or a `.pxd` has changed."""
    import Cython
    from Cython.Build import cythonize

    # Cython compares times of its sources only; what else shapes its output stands in this file.
    stamp, now = GENERATED / "made-with.txt", f"{Cython.__version__} {DIRECTIVES}\n"
    changed = not stamp.exists() or stamp.read_text() != now
    modules = [Extension(f"fastconv._ext.{path.stem}", [str(path)]) for path in cython_sources()]
    results = cythonize(
        [*modules, Extension(UTILITY, [])],
        build_dir=str(GENERATED),
        compiler_directives=DIRECTIVES,
        nthreads=jobs if jobs > 1 else 0,
        force=changed,
        quiet=True,
        shared_utility_qualified_name=UTILITY,
        shared_utility_features_disabled=LEFT_OUT_OF_UTILITY,
    )
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(now)
    return [Path(module.sources[0]) for module in results]


def cython_sources() -> list[Path]:
    return sorted(EXTENSIONS.glob("*.pyx"))


def kernel_units(compiler: Compiler, folder: Path) -> dict[Path, tuple[Path, list[str]]]:
    """The kernels' object files with their source and flags: up to three per target, for float32,
    float64 and narrow elements, and the dispatcher."""
    flags = [*FLAGS, *KERNEL_FLAGS]
    units, have, compiled = {}, [], {}
    for isa, (condition, isa_flags, probe) in TARGETS.items():
        if not compiler.accepts(f"#if !({condition})\n#error\n#endif", []):
            continue
        if not compiler.accepts(probe, isa_flags):
            say(f"note: `{compiler.command[0]}` cannot compile for {isa}; that target is left out.")
            continue
        source = KERNELS / f"target_{isa}.c"
        units[folder / f"target_{isa}.o"] = (source, [*flags, *isa_flags, "-DFC_FLOAT_ONLY"])
        small = supported(compiler, DOUBLE_FLAGS[isa])
        double = [*flags, *isa_flags, *small, "-DFC_DOUBLE_ONLY"]
        units[folder / f"target_{isa}_double.o"] = (source, double)
        have.append(f"-DFASTCONV_HAVE_{isa.upper()}=1")
        compiled[isa] = isa_flags
    for isa, (base, isa_flags, probe) in ADDED.items():
        if base not in compiled:
            continue
        if not compiler.accepts(probe, [*compiled[base], *isa_flags]):
            say(f"note: `{compiler.command[0]}` cannot compile for {isa}; that target is left out.")
            continue
        compiled[isa] = [*compiled[base], *isa_flags]
    for isa, isa_flags in compiled.items():
        for source in (KERNELS / f"dot_{isa}.c", KERNELS / f"bf16_{isa}.c"):
            if source.exists():
                units[folder / f"{source.stem}.o"] = (source, [*flags, *isa_flags])
        have.append(f"-DFASTCONV_HAVE_DOT_{isa.upper()}=1")
    units[folder / "dispatch.o"] = (KERNELS / "dispatch.c", [*flags, *have])
    return units


def supported(compiler: Compiler, flags: list[str]) -> list[str]:
    """Flags that make code smaller, or none where the compiler does not have them."""
    return flags if compiler.accepts("int probe;", flags) else []


class build_py(setuptools_build_py):
    """Adds sources.tar.bz2: the C sources, some of which `fastconv.export` copies beside a network,
    and which the package for CMake compiles.

    Together they compress better than one by one, and by a fifth better than a wheel would.  In a
    checkout, both read the folders.
    """

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        path = Path(self.build_lib) / EXTENSIONS / "sources.tar.bz2"
        with tarfile.open(path, "w:bz2") as archive:
            for source in (path for folder in SHIPPED for path in sorted(folder.iterdir())):
                if source.suffix in (".c", ".h", ".inc"):
                    member = tarfile.TarInfo(
                        str(source.relative_to(EXTENSIONS))
                    )  # no owner, no time
                    member.size = source.stat().st_size
                    with source.open("rb") as file:
                        archive.addfile(member, file)


def release_setting(variable: str, line: str) -> str:
    """A setting of a release: an environment variable, or what the sdist was made with."""
    record = Path("PKG-INFO")
    if variable in os.environ or not record.exists():
        return os.environ.get(variable, "")
    found = re.search(f"^{line}(.+)$", record.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else ""


# A release is built with the address of its repository on GitHub, for the links of the package page
# and of the guide (mkdocs.yml), and with the mail address of its maintainers. Without the former
# the links of the README stay relative.
REPOSITORY = release_setting("FASTCONV_REPOSITORY", "Project-URL: Source, ").rstrip("/")
CONTACT = release_setting("FASTCONV_CONTACT", "Author-email: ")


def package_page(readme: str, repository: str) -> str:
    """The README with links and pictures of the checkout as addresses in its repository."""
    if not repository:
        return readme

    def absolute(found: re.Match[str]) -> str:
        folder = "raw" if found["picture"] else "blob"
        return f"{found[0][: -len(found['path'])]}{repository}/{folder}/main/{found['path']}"

    return re.sub(r"(?P<picture>!?)\[[^\[\]]*\]\((?P<path>(?!\w+:|#)[^\s()]+)", absolute, readme)


def project_urls(repository: str) -> dict[str, str]:
    if not repository:
        return {}
    return {
        "Homepage": repository,
        "Documentation": f"{repository}/blob/main/docs/index.md",
        "Source": repository,
        "Issues": f"{repository}/issues",
        "Changelog": f"{repository}/blob/main/CHANGELOG.md",
    }


if __name__ == "__main__":
    tag = {"py_limited_api": "cp{}{}".format(*OLDEST_PYTHON)} if LIMITED_API else {}
    sources = [str(path) for path in cython_sources()]
    core = Extension("fastconv._ext._core", sources, py_limited_api=LIMITED_API)
    setup(
        author="The fastconv developers",
        author_email=CONTACT or None,
        long_description=package_page(Path("README.md").read_text(encoding="utf-8"), REPOSITORY),
        long_description_content_type="text/markdown",
        project_urls=project_urls(REPOSITORY),
        ext_modules=[core],
        cmdclass={"build_ext": build_ext, "build_py": build_py},
        options={"bdist_wheel": tag},
    )
