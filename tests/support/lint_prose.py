"""Refuses wording in comments, docstrings and Markdown that a reader would have to translate.

    python -m tests.support.lint_prose      prints `file:line: "phrase": advice`; 1 if there are any

In C and Cython it also refuses lines of more than 100 columns; ruff does that in Python.

Code is not read: neither the strings of a program, error texts among them, nor examples in
docstrings and Markdown. Phrases are found across the ends of lines.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
FOLDERS = ("fastconv", "tests", "benchmarks", "docs", "examples", "wheels")
READERS = {}  # suffix -> function from the text of a file to its numbered lines of prose
WIDTH = 100  # columns of a line at most
MEASURED = (".c", ".h", ".inc", ".pyx", ".pxd", ".pyi")  # suffixes of files with that limit

Lines = Iterable[tuple[int, str]]

_PARTICIPLE = (
    r"yet|become|been|begun|come|cut|had|kept|left|made|put|read|run|set|\w+(?:ed|en|lt|nd|wn|ght)"
)
_PERSON = "".join(
    f"(?<!{word} )" for word in ("those", "people", "user", "users", "reader", "readers", "anyone")
)
_COMPARED = "longer|more|less|fewer|better|worse|other|different|larger|smaller|earlier|later"

# A pattern refuses a phrase only where it is wrong: "there is no layer", "is no longer", "has not
# been built" and "users who save" pass.
RULES = [
    (rf"\b(?:has|have|had) not (?!(?:{_PARTICIPLE})\b)\S+", 'write "does not have"'),
    (rf"(?<!there )\b(?:is|are|was|were) no (?!(?:{_COMPARED})\b)\w+", 'write "is not a"'),
    (r"\b(?:is|are) to be \w+", 'write "must be", or an active verb'),
    (
        r"\b(?:nobody|somebody|everybody|anybody|whoever)\b",
        "name the part of the program, or the user",
    ),
    (rf"{_PERSON}\bwho\b", "a program is a thing: which, that"),
    (r"\bwhat (?:it|they|this|that|each) costs?\b", "name the quantity: time, memory"),
    (r"\bwhat (?:goes|comes|went|came) (?:in|into|out)\b", "input, output"),
    (r"\bwhat follows\b", "name it"),
    (r"\bat hand\b", "name it: this machine, the given array"),
    (r"\bfalls? upon\b", "map to the same place"),
    (r"\b(?:so )?to speak(?: of)?\b", "leave it out, or give the number"),
    (r"\bhelp(?:s|ed)? out\b", "name the action"),
    (r"\bwander(?:s|ed|ing)?\b", "name the movement: changes, is passed"),
    (r"\bknows? (?:nothing|of)\b", "ignores, does not depend on"),
    (r"\bmakes? nothing of\b", "name the failure"),
]
RULES = [(re.compile(pattern, re.IGNORECASE), advice) for pattern, advice in RULES]


def findings(text: str, suffix: str) -> Iterator[tuple[int, str, str]]:
    """(line number, phrase, advice) of every refused phrase in a file's text."""
    for paragraph in _paragraphs(READERS[suffix](text)):
        starts, joined = [], ""
        for _, line in paragraph:
            starts.append(len(joined))
            joined += " ".join(line.split()) + " "
        for pattern, advice in RULES:
            for match in pattern.finditer(joined):
                number, _ = paragraph[bisect_right(starts, match.start()) - 1]
                yield number, match[0], advice


def long_lines(text: str, suffix: str) -> Iterator[tuple[int, int]]:
    """(line number, columns) of every line above the limit, in the kinds of file that have one."""
    if suffix in MEASURED:
        for number, line in enumerate(text.split("\n"), 1):
            if len(line) > WIDTH:
                yield number, len(line)


def _paragraphs(lines: Lines) -> Iterator[list[tuple[int, str]]]:
    """Runs of consecutive lines that are not blank."""
    paragraph: list[tuple[int, str]] = []
    for number, line in sorted(lines):
        if paragraph and (number > paragraph[-1][0] + 1 or not line.strip()):
            yield paragraph
            paragraph = []
        if line.strip():
            paragraph.append((number, line))
    if paragraph:
        yield paragraph


def _python(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, documented):
            docstring = ast.get_docstring(node, clean=False)
            if docstring:
                yield from _without_examples(node.body[0].lineno, docstring)


def _cython(text: str) -> Iterator[tuple[int, str]]:
    """Comments, and all strings of three quotes: Python's parser does not read Cython."""
    for match in re.finditer(r'"""(.*?)"""|#([^\n]*)', text, re.DOTALL):
        first = text.count("\n", 0, match.start()) + 1
        if match[1] is None:
            yield first, match[2].lstrip("# ")
        else:
            yield from _without_examples(first, match[1])


def _c(text: str) -> Iterator[tuple[int, str]]:
    for match in re.finditer(r"/\*(.*?)\*/|//([^\n]*)", text, re.DOTALL):
        first = text.count("\n", 0, match.start()) + 1
        for number, line in enumerate((match[1] or match[2] or "").splitlines(), first):
            yield number, line.strip().lstrip("* ")


def _markdown(text: str) -> Iterator[tuple[int, str]]:
    """Everything but code: in fences, indented after a blank line, or in back quotes."""
    fenced = indented = False
    blank = True
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            indented = line.startswith("    ") and (blank or indented)
            if not indented:
                yield number, re.sub(r"`[^`]*`", "`", line)
        blank = not line.strip()


def _without_examples(first: int, docstring: str) -> Iterator[tuple[int, str]]:
    example = False
    for number, line in enumerate(docstring.splitlines(), first):
        example = line.lstrip().startswith(">>>") or (example and bool(line.strip()))
        if not example:
            yield number, line


READERS |= {".py": _python, ".md": _markdown}
READERS |= dict.fromkeys((".pyx", ".pxd"), _cython)
READERS |= dict.fromkeys((".h", ".c", ".inc"), _c)


def main() -> int:
    kinds = {*READERS, *MEASURED}
    files = [path for path in CHECKOUT.iterdir() if path.suffix in kinds]
    for folder in FOLDERS:
        files += [path for path in (CHECKOUT / folder).rglob("*") if path.suffix in kinds]
    # Cython's C files are not written by hand; they lie beside their sources in older builds.
    files = [path for path in files if path.suffix != ".c" or not path.with_suffix(".pyx").exists()]
    count = 0
    for path in sorted(files):
        name, text = path.relative_to(CHECKOUT), path.read_text()
        for number, columns in long_lines(text, path.suffix):
            print(f"{name}:{number}: {columns} columns: break the line at {WIDTH}")
            count += 1
        if path.suffix in READERS:
            for number, phrase, advice in findings(text, path.suffix):
                print(f'{name}:{number}: "{phrase}": {advice}')
                count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
