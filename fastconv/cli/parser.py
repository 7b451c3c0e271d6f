"""The parser of the command line: suggestions for mistyped words, and the layout of help.

An error message is one line. The message for an unknown word suggests the nearest known one.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from typing import Any, NoReturn

from fastconv.common.keywords import OLD_NAMES
from fastconv.common.suggestions import did_you_mean, did_you_mean_one_of


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line and suggest the right word."""

    def __init__(self, **options: Any):
        super().__init__(**{"formatter_class": HelpFormatter, **options})
        self.register("type", int, _whole_number)
        self.register("type", float, _decimal_number)

    def error(self, message: str) -> NoReturn:
        missing = message.partition("are required: ")[2]
        if missing:
            message = f"{missing} must be given"
        message = message.removeprefix("argument ").replace(
            "expected one argument", "needs a value"
        )
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        # Before argparse, which would report a mistyped argument as a missing one.
        for word in args or ():
            if word == "--" or (self._subparsers is not None and not word.startswith("-")):
                break
            if word.startswith("--"):
                self._check_option(word.partition("=")[0])
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            what = "option" if unknown[0].startswith("-") else "argument"
            self.error(f"unknown {what} {unknown[0]!r}")
        return parsed, unknown

    def _check_option(self, word: str) -> None:
        known = [name for name in self._option_string_actions if name.startswith("--")]
        if not any(name.startswith(word) for name in known):
            old = OLD_NAMES.get(word[2:].replace("-", "_"), ())
            now = [f"--{name.replace('_', '-')}" for name in old]
            meant = next((name for name in now if name in known), None)
            words = f"; did you mean {meant!r}?" if meant else did_you_mean(word, known)
            self.error(f"unknown option {word!r}{words}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        what = "/".join(action.option_strings) or action.dest
        known = list(action.choices)
        raise argparse.ArgumentError(
            None, f"unknown {what} {value!r}; {did_you_mean_one_of(str(value), known)}"
        )


class HelpFormatter(argparse.HelpFormatter):
    """Fits help into the width of the terminal; examples are continued as a shell reads them."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if not text.startswith("examples:"):
            return super()._fill_text(text, width, indent)
        return "\n".join(_continued(line, width) for line in text.splitlines())


def _continued(line: str, width: int) -> str:
    lines = textwrap.wrap(
        line.strip(),
        width - 2,
        initial_indent=line[: len(line) - len(line.lstrip())],
        subsequent_indent="      ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return " \\\n".join(lines)


def option_name(argument: str) -> str:
    """`batch_size` -> `--batch-size`"""
    return f"--{argument.replace('_', '-')}"


def as_options(message: str, options: argparse.Namespace) -> str:
    """`message` with the names of Python's arguments as those of the options that set them."""
    for name in vars(options):
        message = message.replace(f"`{name}`", option_name(name))
    return message


def _whole_number(text: str) -> int:
    return _number(text, int, "a whole number")


def _decimal_number(text: str) -> float:
    return _number(text, float, "a number")


def _number(text: str, kind: type, what: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be {what}, received {text!r}") from None


__all__: Sequence[str] = ["HelpFormatter", "Parser", "as_options", "option_name"]
