"""Exceptions that belong to fastconv alone.

Bad arguments raise Python's own `ValueError` and `TypeError`; the one thing Python has no name for
is a *file* whose content cannot be what it claims to be.
"""

from __future__ import annotations


class FormatError(ValueError):
    """A file is truncated, damaged, hostile or of an unknown format; nothing was loaded or changed.

    It is a `ValueError`, so code that guards against bad values in general catches it too.

    >>> from fastconv.errors import FormatError
    >>> try:
    ...     raise FormatError("images.gz: IDX magic must be 0x00000803, received 0x1f8b0800")
    ... except ValueError as error:
    ...     print(error)
    images.gz: IDX magic must be 0x00000803, received 0x1f8b0800
    """
