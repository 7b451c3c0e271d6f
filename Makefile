# The short way around the project:
#
#   make demo     trains the MNIST network of the README and tests it
#   make test     builds and runs the whole test suite
#   make test-sanitizers runs every kernel under GCC's sanitizers (some minutes; before a release)
#   make bench    measures speed
#   make bench-peers     measures PyTorch and others beside it, into benchmarks/results (takes long)
#                        and docs/benchmarks.md
#   make docs     draws the pictures of the guide (make pictures), builds it into build/guide and
#                 checks its links
#   make lint     checks style with ruff, types with pyright and mypy, and the wording of comments
#   make wheel    builds dist/*.whl       make sdist    builds dist/*.tar.gz
#   make wheels   builds the wheels of a release, for several platforms (Debian only)
#   make check-wheels   audits them, and runs each with every Python that is here
#   make build    only compiles, in place
#   make clean    removes what was built   make distclean  removes the environments too
#
# All it needs is Python >= 3.10, make and a C compiler: everything else is installed into .venv.
# Stamp files make repeated calls quick; a changed source or requirement makes again what it must.
# `make PYTHON=/path/to/python3` chooses the interpreter for a new .venv.

VENV := .venv
PEERS := .venv-peers
DOCS := .venv-docs
WHEELS := .venv-wheels
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install -q

# The newest Python that has all the build needs; failing that, one that is new enough, so that what
# it lacks can be named.
CANDIDATES := python3.14 python3.13 python3.12 python3.11 python3.10 python3
RECENT := import sys; assert sys.version_info >= (3, 10)
COMPLETE := $(RECENT); import ensurepip, os, sysconfig; \
	assert os.path.exists(sysconfig.get_path("include") + "/Python.h")
first_that_runs = $(firstword $(foreach p,$(CANDIDATES),$(shell $(p) -c '$(1)' 2>/dev/null && echo $(p))))
PYTHON ?= $(or $(call first_that_runs,$(COMPLETE)),$(call first_that_runs,$(RECENT)))

# Lists in pyproject.toml, as quoted names for the shell.
listed = $(shell sed -n 's/^$(1) = \[\(".*"\)\].*$$/\1/p' pyproject.toml | sed 's/", "/" "/g')
BUILD_REQUIRES = $(call listed,requires)
SOURCES := setup.py $(wildcard fastconv/_ext/*.py* fastconv/_ext/*/*)

.PHONY: demo test test-sanitizers bench bench-peers docs pictures lint build wheel wheels check-wheels sdist clean distclean

demo: build
	$(PY) examples/mnist_cnn.py

test: build
	$(PY) -m pytest

# Builds of their own in build/; `make test-sanitizers OPTIONS="--rounds 10 --isa avx2"` runs more or less.
test-sanitizers: build
	$(PY) -m tests.sanitizers $(OPTIONS)

bench: build
	$(PY) -m pytest benchmarks --benchmark-only

bench-peers: build $(PEERS)/.installed
	$(PEERS)/bin/python -m benchmarks.report $(OPTIONS)

# --strict: warnings are errors.  The variable silences an advertisement for another program.
docs: pictures $(DOCS)/.installed
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/python -m mkdocs build --quiet --strict
	$(PY) docs/check.py build/guide
	@echo "build/guide/index.html"

pictures: build
	$(PY) docs/gallery.py

lint: $(VENV)/.linters
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(VENV)/bin/basedpyright --level error --pythonpath $(PY)
	$(PY) -m mypy
	$(PY) -m tests.support.lint_types
	$(PY) -m tests.support.lint_prose

build: $(VENV)/.installed $(VENV)/.built

wheel: $(VENV)/.ready
	rm -rf build/lib.* build/bdist.* fastconv.egg-info
	$(PY) setup.py -q bdist_wheel
	@ls -l dist/*.whl

# `make wheels OPTIONS="--platform musllinux_x86_64 --abi stable"` builds (and checks) a part.
wheels: $(WHEELS)/.installed
	$(WHEELS)/bin/python -m wheels build $(OPTIONS)

check-wheels: $(WHEELS)/.installed
	$(WHEELS)/bin/python -m wheels check $(OPTIONS)

sdist: $(VENV)/.ready
	rm -rf fastconv.egg-info
	$(PY) setup.py -q sdist
	@ls -l dist/*.tar.gz

# .ready: an environment with the build requirements.
$(VENV)/.ready: pyproject.toml
	@set -e; python=$$(command -v '$(PYTHON)' || true); \
	if [ -z "$$python" ] || ! "$$python" -c '$(RECENT)' 2>/dev/null; then \
	  echo "fastconv: Python 3.10 or newer was not found: install it (Debian/Ubuntu: apt install" \
	    "python3 python3-venv python3-dev) or name it with make PYTHON=/path/to/python3." >&2; \
	  exit 1; \
	elif ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "fastconv: $$python cannot make virtual environments: install its venv module" \
	    "(Debian/Ubuntu: apt install python3-venv)." >&2; \
	  exit 1; \
	fi; \
	if ! $(PY) -m pip --version >/dev/null 2>&1; then \
	  echo "fastconv: creating $(VENV) with $$("$$python" --version)"; \
	  "$$python" -m venv --clear $(VENV); \
	fi
	$(PIP) $(BUILD_REQUIRES)
	@touch $@

# .built: the extension modules, compiled in place.  setup.py itself sees what is out of date.
$(VENV)/.built: $(VENV)/.ready $(SOURCES)
	$(PY) setup.py -q build_ext --inplace
	@touch $@

# .installed: the checkout itself as an editable package, with what it and its tests depend on.
$(VENV)/.installed: pyproject.toml | $(VENV)/.built
	$(PIP) --no-build-isolation -e '.[test]'
	@touch $@

# .linters: what `make lint` runs.
$(VENV)/.linters: $(VENV)/.installed
	$(PIP) --no-build-isolation -e '.[lint]'
	@touch $@

# The libraries fastconv is compared with, in an environment of the same Python: fastconv itself is
# what `build` left in this folder, from where the benchmarks run.
$(PEERS)/.installed: benchmarks/requirements-peers.txt | $(VENV)/.ready
	$(PY) -m venv --clear $(PEERS)
	$(PEERS)/bin/python -m pip --disable-pip-version-check install -q -r $< || { \
	  echo "fastconv: the libraries to compare with could not be installed; $< says what pip needs" \
	    "to find the CPU build of PyTorch." >&2; exit 1; }
	@touch $@

# What the guide is built with, in an environment of its own; and what fastconv itself needs: some
# names of the reference exist only at run time.
$(DOCS)/.installed: pyproject.toml | $(VENV)/.ready
	$(PY) -m venv --clear $(DOCS)
	$(DOCS)/bin/python -m pip --disable-pip-version-check install -q \
	  $(call listed,docs) $(call listed,dependencies)
	@touch $@

# What builds and audits wheels.
$(WHEELS)/.installed: wheels/requirements.txt pyproject.toml | $(VENV)/.ready
	$(PY) -m venv --clear $(WHEELS)
	$(WHEELS)/bin/python -m pip --disable-pip-version-check install -q $(BUILD_REQUIRES) -r $<
	@touch $@

clean:
	rm -rf build dist fastconv.egg-info fastconv/_ext/*.so $(VENV)/.built
	rm -rf .pytest_cache .ruff_cache .hypothesis .benchmarks __pycache__
	find fastconv tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV) $(PEERS) $(DOCS) $(WHEELS)
