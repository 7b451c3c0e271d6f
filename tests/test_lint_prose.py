"""`make lint` refuses unidiomatic phrases in prose, and leaves code and good English alone."""

from __future__ import annotations

import pytest

from tests.support.lint_prose import READERS, findings, long_lines


def phrases(text, suffix=".md"):
    return [phrase for _, phrase, _ in findings(text, suffix)]


@pytest.mark.parametrize(
    "sentence, phrase",
    [
        ("A machine that has not the memory.", "has not the"),
        ("Options that Keras has not are refused.", "has not are"),
        ("ValueError if it is no matrix.", "is no matrix"),
        ("The buffer is to be filled.", "is to be filled"),
        ("An array that Nobody reads.", "Nobody"),
        ("The thread who waits.", "who"),
        ("What it costs to wait.", "What it costs"),
        ("From what goes in to the end.", "what goes in"),
        ("The block, and what follows.", "what follows"),
        ("On the machine at hand.", "at hand"),
        ("Rows fall upon each other.", "fall upon"),
        ("No memory to speak of.", "to speak of"),
        ("An idle thread helps out.", "helps out"),
        ("The remainder wanders.", "wanders"),
        ("The kernel knows nothing.", "knows nothing"),
        ("No nodes make nothing of it.", "make nothing of"),
    ],
)
def test_a_phrase_is_found_also_across_lines_and_with_advice(sentence, phrase):
    ((line, found, advice),) = findings(f"Title\n\n{sentence}\n", ".md")
    assert (line, found) == (3, phrase)
    assert advice
    broken = sentence.replace(" ", "\n")
    ((line, found, _),) = findings(f"Title\n\n{broken}\n", ".md")
    assert line == 3 + sentence[: sentence.index(phrase)].count(" ")
    assert found == phrase


@pytest.mark.parametrize(
    "sentence",
    [
        "There is no layer, and it is no longer than a line.",
        "A model that has not been built, or has not yet changed, has not run.",
        "For those who write layers, and a user who saves them.",
        "The processor has no vector unit; what the step costs is measured.",
        "It falls into the cache, at the hand-written address.",
    ],
)
def test_good_english_passes(sentence):
    assert phrases(sentence) == []


def test_prose_of_python():
    text = '''"""Is no module."""
TEXT = "nobody"  # somebody
"""Not a docstring: nobody."""


def f():
    """Text.

    >>> print("nobody")
    nobody

    Everybody.
    """
    return "is to be done"
'''
    assert [(n, p) for n, p, _ in findings(text, ".py")] == [
        (1, "Is no module"),
        (2, "somebody"),
        (12, "Everybody"),
    ]


@pytest.mark.parametrize(
    "suffix, text",
    [
        (".pyx", '"""Whoever reads."""\ncdef int who = 1  # nobody\n'),
        (".pxd", "cdef int who  # Whoever reads\n# nobody\n"),
        (".c", "/* Whoever\n * reads */\nint who; // nobody\n"),
        (".h", "int who; /* Whoever */\n/* nobody */\n"),
        (".inc", 'f("somebody"); // Whoever\n/* nobody */\n'),
        (".md", "Whoever reads `who`.\n\n    who = 1\n\n```python\nwho = 1\n```\nnobody\n"),
    ],
)
def test_prose_of_other_files(suffix, text):
    assert phrases(text, suffix) == ["Whoever", "nobody"]
    assert suffix in READERS


@pytest.mark.parametrize("suffix", [".c", ".h", ".inc", ".pyx", ".pxd", ".pyi"])
def test_lines_above_100_columns_are_found(suffix):
    text = "a" * 100 + "\n" + "a" * 101 + "\n" + "µ" * 100
    assert list(long_lines(text, suffix)) == [(2, 101)]


@pytest.mark.parametrize("suffix", [".py", ".md"])
def test_the_width_of_python_and_markdown_is_not_checked_here(suffix):
    assert list(long_lines("a" * 101, suffix)) == []
