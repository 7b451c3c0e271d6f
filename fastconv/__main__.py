"""`python -m fastconv`: see `fastconv.cli`."""

from fastconv.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
