"""Lines of a name and a text: a terminal shows them wrapped at words, a file gets them whole."""

from __future__ import annotations


def print_wrapped(name: str, text: str) -> None:
    """Print `name` and `text`; on a terminal, further lines are indented by the name's length."""
    import shutil
    import sys
    import textwrap

    line = name + text
    if sys.stdout.isatty():
        line = textwrap.fill(
            line,
            max(shutil.get_terminal_size().columns - 1, len(name) + 1),
            subsequent_indent=" " * len(name),
            break_on_hyphens=False,
            break_long_words=False,
        )
    print(line)
