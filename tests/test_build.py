"""The build: what objects export and contain, what an edit recompiles, what sdist and wheel hold.

The first part looks at the objects of the build in this checkout (`make build`); the second calls
pieces of `setup.py` on toy sources; the third packs the project as it is.
"""

from __future__ import annotations

import ast
import filecmp
import importlib
import importlib.util
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

import fastconv
from fastconv import runtime
from fastconv.export import library

CHECKOUT = Path(__file__).resolve().parents[1]
TAG = f"{sysconfig.get_platform()}-{sys.implementation.cache_tag}"
OBJECTS = CHECKOUT / "build" / f"objects-{TAG}"


def run(*command, cwd=CHECKOUT, **environment) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )


def output(*command, **arguments) -> str:
    result = run(*command, **arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


# ---- the objects of this build ----


def test_there_is_an_object_for_every_target():
    built = {path.stem for path in (OBJECTS / "kernels").glob("*.o")}
    floats = {f"target_{isa}{x}" for isa in runtime.compiled_isas() for x in ("", "_double")}
    narrow = {name for name in built if name.startswith(("dot_", "bf16_"))}
    assert built == {"dispatch"} | floats | narrow
    assert narrow >= {
        f"{kind}_{isa}" for isa in runtime.compiled_isas() for kind in ("dot", "bf16")
    }
    for isa in runtime.dot_isas():
        assert {f"dot_{isa}", f"bf16_{isa}"} & narrow
    expected = {"x86_64": {"avx512", "avx2", "scalar"}, "aarch64": {"neon", "scalar"}}
    machine = os.uname().machine
    assert set(runtime.compiled_isas()) == expected.get(machine, {"scalar"})


@pytest.mark.parametrize("name", runtime.compiled_isas())
@pytest.mark.parametrize("suffix, element", [("", "f32"), ("_double", "f64")])
def test_a_target_exports_nothing_but_its_table(name, suffix, element):
    """A second copy of a helper, compiled for another instruction set, could win at link time."""
    path = OBJECTS / f"kernels/target_{name}{suffix}.o"
    listed = output("nm", "--defined-only", "--extern-only", path)
    assert [line.split()[-1] for line in listed.splitlines()] == [f"fc_table_{element}_{name}"]


@pytest.mark.parametrize("name", runtime.dot_isas())
def test_a_target_of_narrow_elements_exports_nothing_but_its_table(name):
    for file, element in (("dot", "u8"), ("bf16", "bf16")):
        path = OBJECTS / f"kernels/{file}_{name}.o"
        if path.exists():
            listed = output("nm", "--defined-only", "--extern-only", path)
            symbols = [line.split()[-1] for line in listed.splitlines()]
            assert symbols == [f"fc_dot_table_{element}_{name}"]


EXT = CHECKOUT / "fastconv/_ext"
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
CORE = EXT / f"_core{SUFFIX}"
MODULES = ["_cython_utility", *sorted(path.stem for path in EXT.glob("*.pyx"))]


def test_the_modules_are_one_file_that_exports_nothing_but_their_entries():
    assert list(EXT.glob(f"*{SUFFIX}")) == [CORE]
    listed = output("nm", "--dynamic", "--defined-only", CORE)
    symbols = {line.split()[-1] for line in listed.splitlines()}
    assert symbols == {f"PyInit_{name}" for name in MODULES}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_found_in_the_file_of_the_core(name):
    module = importlib.import_module(f"fastconv._ext.{name}")
    assert Path(module.__file__) == CORE
    assert importlib.import_module(f"fastconv._ext.{name}") is module


def test_a_module_that_is_not_there_is_named():
    with pytest.raises(ImportError, match="PyInit__nothing"):
        importlib.import_module("fastconv._ext._nothing")
    with pytest.raises(ModuleNotFoundError, match="fastconv._ext.nothing"):
        importlib.import_module("fastconv._ext.nothing")


FOLDERS = ("schedule", "operations", "network", "interface")  # of plain C


def plain_c(folder: str) -> list[str]:
    return sorted(path.stem for path in (CHECKOUT / "fastconv/_ext" / folder).glob("*.c"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_plain_c_is_compiled_once_for_all_targets(folder):
    """With the baseline's flags; the compiler checks its conversions."""
    assert sorted(path.stem for path in (OBJECTS / folder).glob("*.o")) == plain_c(folder)
    for path in (OBJECTS / folder).glob("*.cmd"):
        command = path.read_text().split()
        assert "-Wconversion" in command
        assert not any(flag.startswith("-m") for flag in command if flag != "-march=x86-64")


def test_plain_c_needs_nothing_but_the_c_library():
    """Neither Python nor OpenMP: other programs can link it."""
    objects = [path for folder in FOLDERS for path in (OBJECTS / folder).glob("*.o")]
    symbols = {
        line.split()[-1]
        for line in output("nm", "--undefined-only", *objects).splitlines()
        if " U " in line
    }
    allowed = {
        "memcpy",
        "memset",
        "calloc",
        "malloc",
        "aligned_alloc",
        "free",
        "__stack_chk_fail",
        "sched_yield",
        "syscall",
        "clock_gettime",
        "sqrt",
        "pow",
        "strlen",
        *("fopen", "fclose", "fread", "fwrite", "fseek", "ftell", "rename", "remove"),
        "_GLOBAL_OFFSET_TABLE_",
    }
    assert {name for name in symbols if not name.startswith(("fc_", "fastconv_"))} <= allowed


WIDE = re.compile(r"%[yz]mm|%k[0-7]\b|\bvfn?m(add|sub)")


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="wide registers are x86-64's")
@pytest.mark.parametrize(
    "name",
    [
        "kernels/dispatch",
        "kernels/target_scalar",
        "kernels/target_scalar_double",
        *(
            f"{folder}/{name}"
            for folder in FOLDERS
            for name in plain_c(folder)
            if name not in ("schedule", "operations")  # which are data
        ),
        *MODULES,
    ],
)
def test_baseline_code_runs_on_any_x86_64(name):
    code = output("objdump", "--disassemble", "--no-show-raw-insn", OBJECTS / f"{name}.o")
    assert "ret" in code
    assert not WIDE.search(code)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="wide registers are x86-64's")
@pytest.mark.parametrize("name", ["target_avx2", "target_avx2_double", "dot_avx2"])
def test_avx2_code_holds_no_avx512(name):
    path = OBJECTS / f"kernels/{name}.o"
    code = output("objdump", "--disassemble", "--no-show-raw-insn", path)
    assert "%ymm" in code
    assert not re.search(r"%zmm|%k[0-7]\b|%[xy]mm(1[6-9]|2\d|3[01])\b", code)


def test_no_flag_changes_values_or_asks_for_this_machine():
    commands = list(OBJECTS.rglob("*.cmd"))
    assert len(commands) > len(MODULES)
    for path in commands:
        command = path.read_text()
        assert "-march=native" not in command
        assert command.rfind("-fno-fast-math") > command.rfind("-ffast-math")
        assert command.rfind("-fno-lto") > command.rfind("-flto")
        assert "-ffp-contract=off" in command


@pytest.mark.parametrize("name", runtime.compiled_isas())
@pytest.mark.parametrize("suffix", ["", "_double"])
def test_no_kernel_needs_much_of_the_stack(name, suffix, setup_py):
    """Threads with small stacks run every kernel (tests/test_small_stacks.py)."""
    frames = {}
    for line in (OBJECTS / f"kernels/target_{name}{suffix}.su").read_text().splitlines():
        place, size, _ = line.split("\t")
        frames[place.rpartition(":")[2]] = int(size)
    assert len(frames) > 100
    assert {name: size for name, size in frames.items() if size > setup_py.LARGEST_FRAME} == {}


# ---- setup.py: what is compiled again, and what the build says ----


@pytest.fixture(scope="module")
def setup_py():
    spec = importlib.util.spec_from_file_location("fastconv_setup", CHECKOUT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def unit(setup_py, tmp_path):
    """A toy unit: a source that includes a header in a folder with a space in its name."""
    folder = tmp_path / "with space"
    folder.mkdir()
    (folder / "value.h").write_text("#define VALUE 1\n")
    (folder / "unit.c").write_text('#include "value.h"\nint value(void) { return VALUE; }\n')
    target = tmp_path / "objects/unit.o"
    compiler = setup_py.Compiler(["cc"], [])

    def compiled(*flags: str) -> bool:
        before = target.stat().st_mtime_ns if target.exists() else None
        time.sleep(0.01)
        compiler.compile(folder / "unit.c", target, list(flags))
        return target.stat().st_mtime_ns != before

    compiled.folder = folder
    return compiled


def test_nothing_is_compiled_twice(unit):
    assert unit()
    assert not unit()


@pytest.mark.parametrize("name", ["value.h", "unit.c"])
def test_an_edit_recompiles(unit, name):
    unit()
    path = unit.folder / name
    path.write_text(path.read_text() + "/* edited */\n")
    assert unit()
    assert not unit()


def test_other_flags_recompile(unit):
    unit()
    assert unit("-O1")
    assert not unit("-O1")


def test_a_lost_header_or_record_recompiles(unit, tmp_path):
    unit()
    (tmp_path / "objects/unit.d").unlink()
    assert unit()
    (unit.folder / "value.h").rename(unit.folder / "other.h")
    (unit.folder / "unit.c").write_text('#include "other.h"\nint value(void) { return VALUE; }\n')
    assert unit()
    assert not unit()


def test_a_failed_compilation_is_tried_again(unit, capfd):
    unit()
    path = unit.folder / "unit.c"
    good = path.read_text()
    path.write_text("int value(void) { return }\n")
    with pytest.raises(SystemExit, match="this command failed with exit code 1: cc "):
        unit()
    assert "error:" in capfd.readouterr().err
    path.write_text(good)
    assert unit()


def fake_compiler(folder: Path, refuses: str) -> str:
    """A compiler that fails when an argument, or the source, holds a word; else the real one."""
    path = folder / "fake-cc"
    path.write_text(
        "#!/bin/sh\n"
        f'for word in "$@"; do case "$word" in {refuses}) exit 1;; *.c) '
        f'grep -q "{refuses}" "$word" && exit 1;; esac; done\n'
        'exec cc "$@"\n'
    )
    path.chmod(0o755)
    return str(path)


def test_a_missing_compiler_is_one_sentence():
    result = run(sys.executable, "setup.py", "-q", "build_ext", CC="/no/such/compiler")
    assert result.returncode == 1
    assert result.stderr.startswith("fastconv: the C compiler `/no/such/compiler` is missing")
    assert "apt install build-essential" in result.stderr
    assert result.stderr.count("\n") == 1


def test_missing_python_headers_are_one_sentence(tmp_path):
    compiler = fake_compiler(tmp_path, "Python.h")
    result = run(sys.executable, "setup.py", "-q", "build_ext", CC=compiler)
    assert result.returncode == 1
    assert result.stderr.startswith("fastconv: the header Python.h of ")
    assert "apt install python3-dev" in result.stderr
    assert result.stderr.count("\n") == 1


def test_without_openmp_the_build_goes_on_with_a_warning(setup_py, tmp_path, capsys):
    compiler = setup_py.Compiler([fake_compiler(tmp_path, "-fopenmp")], [])
    assert setup_py.openmp_flags(compiler) == []
    said = capsys.readouterr().err
    assert said.startswith("fastconv: WARNING: ")
    assert "one thread" in said
    assert "libomp-dev" in said
    assert said.count("\n") == 1


def test_with_openmp_there_is_no_warning(setup_py, capsys):
    assert setup_py.openmp_flags(setup_py.Compiler(["cc"], [])) == ["-fopenmp"]
    assert capsys.readouterr().err == ""


def test_a_compiler_without_the_option_may_still_have_openmp(setup_py, tmp_path, capsys):
    """As Apple's clang: the preprocessor is told, and the library is named."""
    path = tmp_path / "fake-clang"
    path.write_text(
        "#!/bin/sh\n"
        'case " $* " in\n'
        '*" -Xpreprocessor -fopenmp -lomp "*) ;;\n'
        "*) exit 1;;\n"
        "esac\n"
        "while [ $# -gt 1 ]; do shift; done\n"
        'touch "$1"\n'
    )
    path.chmod(0o755)
    compiler = setup_py.Compiler([str(path)], [])
    assert setup_py.openmp_flags(compiler) == ["-Xpreprocessor", "-fopenmp", "-lomp"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", MODULES)
def test_a_module_declares_that_it_needs_no_gil(name):
    text = (CHECKOUT / f"build/cython/fastconv/_ext/{name}.c").read_text()
    # The first two definitions are for those who override the last one, the module's own.
    declared = re.findall(r"#define __Pyx_FREETHREADING_COMPATIBLE (\w+)", text)
    assert declared[-1] == "Py_MOD_GIL_NOT_USED"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the targets of x86-64")
def test_a_target_the_compiler_cannot_make_is_left_out(setup_py, tmp_path, capsys):
    compiler = setup_py.Compiler([fake_compiler(tmp_path, "-mavx512f")], [])
    units = setup_py.kernel_units(compiler, Path("folder"))
    assert {path.stem for path in units} == {
        "target_scalar", "target_scalar_double", "target_avx2", "target_avx2_double",
        "dot_scalar", "dot_avx2", "dot_avx_vnni", "bf16_scalar", "bf16_avx2", "dispatch",
    }  # fmt: skip
    flags = units[Path("folder/dispatch.o")][1]
    assert "-DFASTCONV_HAVE_AVX2=1" in flags
    assert "-DFASTCONV_HAVE_AVX512=1" not in flags
    assert not [flag for flag in flags if flag.startswith("-m")]
    said = capsys.readouterr().err
    assert "cannot compile for avx512; that target is left out" in said
    assert said.count("\n") == 1


# ---- sdist and wheel ----


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    output(
        sys.executable, "setup.py", "-q", "egg_info", "--egg-base", folder, "sdist", "-d", folder
    )  # fmt: skip
    return next(folder.glob("*.tar.gz"))


def test_sdist_holds_the_sources_and_no_mnist(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames() if "/" in name}
    sources = {
        str(path.relative_to(CHECKOUT))
        for folder, pattern in [
            ("fastconv", "*.py"),
            ("fastconv", "*.p[yx][xd]"),
            ("fastconv/_ext", "*.[ch]"),
            ("fastconv/_ext/kernels", "*.inc"),
            ("fastconv/datasets/data", "*"),
            ("tests", "*.py"),
            ("examples", "*.py"),
        ]
        for path in (CHECKOUT / folder).rglob(pattern)
    }
    assert "fastconv/_ext/_core.pyx" in sources
    assert "fastconv/_ext/kernels/dispatch.c" in sources
    top = {"setup.py", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "Makefile"}
    assert (sources | top | {"fastconv/py.typed"}) - names == set()
    assert not [name for name in names if name.startswith(("data/", "build/"))]
    assert not [name for name in names if name.endswith((".so", ".pyc"))]
    assert sdist.stat().st_size < 5_000_000  # MNIST alone has 11 MB


@pytest.mark.skipif(not (CHECKOUT / ".git").exists(), reason="git lists the files of a checkout")
def test_sdist_holds_every_file_of_the_repository_but_mnist_and_those_of_its_host(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    listed = output("git", "ls-files", "--cached", "--deduplicate").split("\n")
    wanted = {name for name in listed if name and (CHECKOUT / name).exists()}
    missing = wanted - names - {".gitignore"}
    apart = (".ci/", ".github/", "data/")
    assert [name for name in sorted(missing) if not name.startswith(apart)] == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    output(
        sys.executable, "setup.py", "-q", "egg_info", "--egg-base", folder,
        "build", "--build-base", folder / "build",
        "bdist_wheel", "-d", folder, "--bdist-dir", folder / "bdist",
    )  # fmt: skip
    return next(folder.glob("*.whl"))


def test_wheel_holds_the_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    assert {name.split("/")[0] for name in names} == {"fastconv"}
    kinds = {"".join(Path(name).suffixes[-1:]) for name in names}
    modules_and_data = {".py", ".pyi", ".pxd", ".so", ".typed", ".gz", ".bz2", ".json"}
    page = {".html", ".css", ".js"}  # of `fastconv play`
    c_library = {".h", ".cmake", ".txt", ".pc"}
    assert kinds == modules_and_data | page | c_library
    assert len([name for name in names if name.endswith(".so")]) == 1
    assert [name for name in names if name.endswith(".pxd")] == ["fastconv/__init__.pxd"]
    assert wheel.stat().st_size < 3_000_000


def test_a_wheel_exports_the_sources_of_the_checkout(wheel, tmp_path, monkeypatch):
    with zipfile.ZipFile(wheel) as archive:
        packed = Path(archive.extract("fastconv/_ext/sources.tar.bz2", tmp_path))
    compiled_files = library.copy_sources(tmp_path / "checkout")
    monkeypatch.setattr(library, "ARCHIVE", packed)
    assert library.copy_sources(tmp_path / "wheel") == compiled_files
    compared = filecmp.dircmp(tmp_path / "checkout", tmp_path / "wheel")
    assert set(compared.subdirs) == {"kernels", "schedule", "operations", "network"}
    for part, files in compared.subdirs.items():
        assert not files.left_only + files.right_only + files.diff_files, part


@pytest.mark.skipif(not (shutil.which("cmake") and shutil.which("cc")), reason="needs cmake and cc")
def test_cmake_unpacks_the_c_library_of_a_wheel(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    package = tmp_path / "site/fastconv/_ext/cmake"
    output("cmake", "-S", package, "-B", tmp_path / "build")

    def sources(root: Path) -> set[str]:
        folders = ("kernels", "schedule", "operations", "network", "interface", "include")
        paths = (path for folder in folders for path in (root / folder).iterdir())
        return {
            str(path.relative_to(root)) for path in paths if path.suffix in (".c", ".h", ".inc")
        }

    assert sources(tmp_path / "build/sources") == sources(CHECKOUT / "fastconv/_ext")


def test_wheel_runs_away_from_the_checkout(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    program = """
import fastconv, numpy as np
from fastconv import ops, runtime
from fastconv.datasets import digits
(x, _), _ = digits.load_data()
y = ops.conv2d(x[..., None].astype(np.float32), np.ones((3, 3, 1, 1), np.float32))
assert y[0, 0, 0, 0] == x[0, :3, :3].sum()
print(fastconv.__version__, fastconv.__file__)
"""
    said = output(sys.executable, "-c", program, cwd=tmp_path, PYTHONPATH=str(tmp_path / "site"))
    assert said.split() == [fastconv.__version__, str(tmp_path / "site/fastconv/__init__.py")]


# ---- the package as a whole ----


def test_every_public_name_can_be_imported():
    for name in fastconv.__all__:
        assert getattr(fastconv, name) is not None
    assert set(fastconv.__all__) <= set(dir(fastconv))
    with pytest.raises(AttributeError, match="no attribute 'no_such_thing'"):
        _ = fastconv.no_such_thing


def test_every_submodule_is_there_after_importing_the_package(monkeypatch):
    """`import fastconv; fastconv.testing` needs no import of its own, as no other does."""
    names = [module.name for module in pkgutil.iter_modules(fastconv.__path__)]
    public = [name for name in names if not name.startswith("_")]
    assert {"testing", "state", "bench"} <= set(public)
    for name in public:
        monkeypatch.delattr(fastconv, name, raising=False)
        assert getattr(fastconv, name) is sys.modules[f"fastconv.{name}"]
    program = "import fastconv; fastconv.testing.check_layer(fastconv.layers.ReLU(), (2, 3))"
    output(sys.executable, "-c", program, PYTHONPATH=str(CHECKOUT))


def test_import_is_cheap():
    program = (
        "import time, numpy; start = time.perf_counter(); import fastconv; "
        "print(time.perf_counter() - start)"
    )
    assert min(float(output(sys.executable, "-c", program)) for _ in range(3)) < 0.060


def test_the_version_is_the_one_of_the_changelog():
    text = (CHECKOUT / "CHANGELOG.md").read_text()
    assert re.search(rf"^## (Unreleased|{re.escape(fastconv.__version__)}\b)", text, re.MULTILINE)


def test_make_reads_every_build_requirement():
    text = (CHECKOUT / "pyproject.toml").read_text()
    requires = ast.literal_eval(re.search(r"^requires = (\[.*?\])", text, re.M | re.S)[1])
    assert {re.match(r"\w+", name)[0] for name in requires} == {"setuptools", "cython", "numpy"}
    words = output("make", "-s", "--eval", "words:; @echo '$(BUILD_REQUIRES)'", "words").split()
    assert [word.strip('"') for word in words] == requires


@pytest.mark.parametrize(
    ("interpreter", "sentence"),
    [
        ("#!/bin/sh\nexit 1\n", "Python 3.10 or newer was not found: install it"),
        (
            '#!/bin/sh\ncase "$*" in *ensurepip*) exit 1;; esac\n',
            "cannot make virtual environments: install its venv module (Debian/Ubuntu: apt install "
            "python3-venv)",
        ),
    ],
)
def test_make_says_what_an_interpreter_lacks(tmp_path, interpreter, sentence):
    shutil.copy(CHECKOUT / "Makefile", tmp_path)
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    path = tmp_path / "fake-python"
    path.write_text(interpreter)
    path.chmod(0o755)
    result = run(
        "make", "-s", f"PYTHON={path}", ".venv/.ready", cwd=tmp_path, MAKEFLAGS="", MAKELEVEL=""
    )
    assert result.returncode == 2
    said = result.stderr.splitlines()
    assert said[0].startswith("fastconv: ")
    assert sentence in said[0]
    assert said[1].startswith("make: ")
    assert len(said) == 2
