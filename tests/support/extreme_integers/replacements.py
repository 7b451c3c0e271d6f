"""The extreme integers, and arguments with one integer replaced by one of them."""

from __future__ import annotations

EXTREMES = (
    0, -1, -(2**63), 2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1, 2**63, 2**64, 10**30,
    True, 2.0,
)  # fmt: skip
LARGE = (2**31, 2**40, 2**62 - 1)


def replacements(value, path: str, extremes=EXTREMES):
    """(path, the same with one integer replaced, that number), for every integer and extreme."""
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, (tuple, list)):
        parts = enumerate(value)
    else:
        if isinstance(value, int) and not isinstance(value, bool):
            yield from ((path, extreme, extreme) for extreme in extremes)
        return
    for key, part in parts:
        for where, replaced, extreme in replacements(part, f"{path}[{key!r}]", extremes):
            if isinstance(value, dict):
                yield where, {**value, key: replaced}, extreme
            else:
                yield where, type(value)((*value[:key], replaced, *value[key + 1 :])), extreme
