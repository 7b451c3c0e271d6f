"""Docstrings in the form that the pages of the reference show.

Docstrings are written to be read in a terminal: bare `>>>` examples, which the tests
run, one line for several arguments, errors in a sentence. The pages show the same as fenced
examples, as one row per argument and as a table of errors.
"""

from __future__ import annotations

import re

ERRORS = re.compile(
    r"(?<!\w)Raises (?P<rest>(?:\w+Error|\w+Warning)\b(?:[^.]|\.(?=\S))*)\.(?=\s|$)", re.DOTALL
)
ERROR = re.compile(
    r"(?:^|,? and |, |; )(?P<names>\w+Error(?:(?:, | or )\w+Error)*),? "
    r"(?=for |if |when |where |without |as |from |at |on |naming |with |after |before )"
)
ARGUMENT = re.compile(r"^    (?P<names>\*{0,2}\w+(?:, \*{0,2}\w+)*): ?")


def readable(text: str, parameters: set[str]) -> str:
    """Return the docstring `text` in the form that the pages show."""
    lines = one_argument_per_row(text.split("\n"), parameters)
    text = "\n".join(fenced_examples(lines))
    return errors_as_a_table(text)


def one_argument_per_row(lines: list[str], parameters: set[str]) -> list[str]:
    """Split `a, b: meaning` below "Args:" into one entry for each name.

    Names that the signature does not have, because it passes them on as `**common`, become a
    sentence below the entries: a table would call them required.
    """
    result: list[str] = []
    others: list[str] = []
    entry: list[str] = []
    inside = False

    def finish() -> None:
        found = ARGUMENT.match(entry[0]) if entry else None
        if found is None:
            result.extend(entry)
        else:
            names = found["names"].split(", ")
            meaning = [entry[0][found.end() :], *entry[1:]]
            for name in names:
                if not parameters or name.lstrip("*") in parameters:
                    result.extend([f"    {name}: {meaning[0]}", *meaning[1:]])
            absent = [n for n in names if parameters and n.lstrip("*") not in parameters]
            if absent:
                text = " ".join(line.strip() for line in meaning)
                others.append(f"Also {', '.join(f'`{n}`' for n in absent)}: {text}")
        entry.clear()

    for line in lines:
        if line and not line.startswith(" "):
            finish()
            if inside and others:
                result.extend([*"\n".join(others).split("\n"), ""])
                others.clear()
            inside = line == "Args:"
        elif inside and (not line or re.match(r"    \S", line)):
            finish()
        (entry if inside and line and line != "Args:" else result).append(line)
    finish()
    return [*result, "", *others] if others else result


def fenced_examples(lines: list[str]) -> list[str]:
    """Put each paragraph of examples (`>>>` and its output) into a fence."""
    result: list[str] = []
    fence = ""
    for line in lines:
        indent = line[: len(line) - len(line.lstrip())]
        if not fence and line.lstrip().startswith(">>> "):
            fence = indent or "-"
            if result and result[-1].strip():
                result.append("")
            result.append(f"{indent}```pycon")
        elif fence and not line.strip():
            result.append(f"{fence.strip('-')}```")
            fence = ""
        result.append(line)
    if fence:
        result.append(f"{fence.strip('-')}```")
    return result


def errors_as_a_table(text: str) -> str:
    """Move sentences "Raises ValueError for ..." below a heading "Raises:"."""
    entries: list[str] = []

    def take(sentence: re.Match[str]) -> str:
        rest = " ".join(sentence["rest"].split())
        starts = list(ERROR.finditer(rest))
        if not starts or starts[0].start() != 0:
            return sentence[0]
        for i, start in enumerate(starts):
            end = starts[i + 1].start() if i + 1 < len(starts) else len(rest)
            for name in re.findall(r"\w+Error", start["names"]):
                entries.append(f"    {name}: {rest[start.end() : end]}.")
        return ""

    head, separator, examples = text.partition("```pycon")
    kept = ERRORS.sub(take, head)
    if not entries:
        return text
    kept = "\n".join(line.rstrip() for line in kept.split("\n")).rstrip()
    table = "\n".join(entries)
    kept += (
        f"\n{table}\n\n"
        if kept.split("\n\n")[-1].startswith("Raises:")
        else (f"\n\nRaises:\n{table}\n\n")
    )
    return kept + separator + examples
