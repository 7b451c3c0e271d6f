"""The word that a mistyped one is meant to be."""

from __future__ import annotations

from collections.abc import Iterable

_SURE = 0.85  # the likeness, from 0 to 1, of words that differ by a typing error
_LONGEST = 100  # characters of a word that may be a mistyped name; files may hold longer ones


def nearest(word: str, names: Iterable[str | None], cutoff: float = 0.6) -> str | None:
    """The one of `names` most like `word`, whatever the case; None if none is like it.

    Spelling counts first, then whether a name has all words of `word`, then faint likeness of at
    least `cutoff`, from 0 to 1. What is not a string among `names` is left out.

    >>> nearest("Rellu", ["relu", "selu", "tanh"])
    'relu'
    >>> nearest("sparse_crossentropy", ["binary_crossentropy", "sparse_categorical_crossentropy"])
    'sparse_categorical_crossentropy'
    """
    from difflib import get_close_matches  # not needed where nothing is mistyped

    if len(word) > _LONGEST:
        return None
    word = word.lower()
    strings = sorted((name for name in names if isinstance(name, str)), reverse=True)
    by_lower_case = {name.lower(): name for name in strings}
    found = get_close_matches(word, by_lower_case, n=1, cutoff=max(cutoff, _SURE))
    if not found and cutoff < _SURE:
        parts = set(word.split("_"))
        found = sorted((n for n in by_lower_case if parts <= set(n.split("_"))), key=len)
        found = found or get_close_matches(word, by_lower_case, n=1, cutoff=cutoff)
    return by_lower_case[found[0]] if found else None


def did_you_mean(word: object, names: Iterable[str | None]) -> str:
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
