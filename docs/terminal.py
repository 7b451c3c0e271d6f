"""Takes pictures of a terminal of 80 columns, for the README: `python -m docs.terminal`.

Runs `fastconv train` and `fastconv explain` in a pseudo-terminal and draws the text that is seen,
with its colours, as SVG files in docs/pictures. Training is caught in its fourth epoch.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from rich.console import Console
from rich.text import Text

FOLDER = Path(__file__).parent / "pictures"
COLUMNS = 80

# The frame of `Console.export_svg` without a font from the network; letters keep their places,
# because every piece of text states its length.
FRAME = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def output(command: list[str], folder: str) -> str:
    """What a command writes to a terminal, with its control sequences."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    outside = {key: v for key, v in os.environ.items() if key not in ("COLUMNS", "NO_COLOR")}
    arguments = [sys.executable, "-m", "fastconv", *command]
    written = b""
    with subprocess.Popen(
        arguments, stdout=theirs, stderr=theirs, cwd=folder, env=outside | {"TERM": "xterm"}
    ) as process:
        os.close(theirs)
        try:
            while more := os.read(ours, 1 << 16):
                written += more
        except OSError:  # the other end is closed
            pass
    os.close(ours)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {written.decode()}")
    return written.decode().replace("\r\n", "\n")


def draw(name: str, command: str, written: str) -> Path:
    """Write the picture of a command line and the text below it."""
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, legacy_windows=False
    )
    console.print(Text.assemble(("$ ", "green bold"), command))
    for line in [*written.split("\n"), ""]:  # the last line is clipped
        shown = line.rsplit("\r", 1)[-1]  # a line that was written again
        console.print(Text.from_ansi(shown, end=""), overflow="crop", no_wrap=True)
    path = FOLDER / f"{name}.svg"
    drawn = console.export_svg(title="", code_format=FRAME, unique_id=name)
    path.write_text(re.sub(r"[ \t]+$", "", drawn, flags=re.MULTILINE), encoding="utf-8")
    return path


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        train = "fastconv train --save digits.keras"
        written = output(train.split()[1:], folder)
        whole, _, rest = written.partition("Epoch 4/5\n")
        updates = rest.partition("\n")[0].split("\r")
        fourth = whole + "Epoch 4/5\n" + updates[-2]  # the last one is the complete epoch
        print(draw("train", train, fourth))
        explain = "fastconv explain mnist_cnn"
        written = output(explain.split()[1:], folder)
        layers = written.strip().split("\n\n")
        print(draw("explain", explain, "\n\n".join([*layers[:4], "..."])))


if __name__ == "__main__":
    main()
