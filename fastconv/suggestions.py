"""The word that a mistyped one is meant to be."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The one of `names` most like `word`, whatever the case; None if none is like it.

    `cutoff` is the least likeness, from 0 to 1.

    >>> nearest("Rellu", ["relu", "selu", "tanh"])
    'relu'
    """
    from difflib import get_close_matches  # not needed where nothing is mistyped

    by_lower_case = {name.lower(): name for name in sorted(names, reverse=True)}
    found = get_close_matches(str(word).lower(), by_lower_case, n=1, cutoff=cutoff)
    return by_lower_case[found[0]] if found else None


def did_you_mean(word: object, names: Iterable[str]) -> str:
    """Words for the end of a message: "; did you mean 'relu'?", empty if no name is like `word`.

    >>> "received 'rellu'" + did_you_mean("rellu", ["relu", "tanh"])
    "received 'rellu'; did you mean 'relu'?"
    """
    near = nearest(word, names) if isinstance(word, str) else None
    return "" if near is None else f"; did you mean {near!r}?"


def did_you_mean_one_of(word: str, names: Iterable[str]) -> str:
    """The nearest of `names` as a question, or all of them if none is like `word`.

    >>> did_you_mean_one_of("tan", ["relu", "tanh"]), did_you_mean_one_of("x", ["relu", "tanh"])
    ("did you mean 'tanh'?", 'there are relu, tanh')
    """
    near = nearest(word, names)
    return f"there are {', '.join(names)}" if near is None else f"did you mean {near!r}?"
