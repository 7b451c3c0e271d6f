"""The multiply-add peak of this machine by itself: see `fastconv.bench.peak`.

python -m benchmarks.peak --threads 1
"""

from __future__ import annotations

from benchmarks import command


def main(arguments: list[str] | None = None) -> None:
    options = command.parse(command.parser(__doc__, peers=False), arguments)
    from fastconv import runtime
    from fastconv.bench.peak import Peak

    peak = Peak(options.threads).measure(options.rounds)
    print(f"{peak:.0f} GFLOP/s on {options.threads} threads, {runtime.isa()}")


if __name__ == "__main__":
    main()
