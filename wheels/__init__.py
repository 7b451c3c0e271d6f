"""Builds the binary wheels of a release on one Debian machine, without containers, and proves them.

    platforms     the platforms: compiler, symbol versions, tag
    debian        packages of other releases and architectures, unpacked into folders
    libc          the C libraries that are linked with: musl, an old glibc
    openmp        the OpenMP library that a wheel bundles, compiled
    build         sdist -> wheel, once per platform and Python ABI
    repair        bundles the library and its licence, writes the platform tag
    compress      writes the archive smaller
    audit         static checks: tags, symbols, metadata, contents, size
    kernels       compares the kernels with the scalar ones, without a Python
    musl          loads the musllinux wheels without a Python
    cpython       a Python for musl, compiled
    interpreters  the Pythons that a wheel can be run with here, emulated ones included
    exported      a network as C, exported by an installed wheel
    prove         installs a wheel, trains a network and runs tests

`make wheels` builds, `make check-wheels` audits and proves.  Cross compilation needs no
interpreter of the target: CPython's headers depend on the word size alone, and a wheel of the
stable ABI serves every CPython from 3.10 on.

GCC compiles every wheel, so that their results are the bits of `make build`.
"""
