"""Draws the chart of the first page from the table of training steps in docs/benchmarks.md.

    python docs/chart.py        writes docs/pictures/training_step.svg

Each bar is the time of a library over the time of fastconv, from one table of one machine.
"""

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).parent
PICTURE = DOCS / "pictures" / "training_step.svg"
HEADING = "### One training step"
LIBRARIES = {"torch": "PyTorch", "keras": "Keras on TensorFlow", "fastconv": "fastconv"}
# Blue, orange and grey of different lightness: they differ in grey, too.
COLOURS = {"fastconv": "#00507a", "torch": "#e69f00", "keras": "#a6a6a6"}
LEFT, BAR, UNIT = 92, 13, 78  # pixels: width of the names, height of a bar, length of "1 x"


def training_steps(text: str) -> dict[str, dict[str, float]]:
    """Return {network: {library: milliseconds}} of the table below `HEADING`."""
    lines = text[text.index(HEADING) :].split("\n")[2:]
    columns = [cell.strip().removesuffix(" ms") for cell in lines[0].strip("|").split("|")]
    table: dict[str, dict[str, float]] = {}
    for line in lines[2:]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        row = dict(zip(columns, cells, strict=True))
        network = cells[0].split(",")[0]
        table[network] = {name: float(row[name]) for name in LIBRARIES if name in row}
    return table


def chart(table: dict[str, dict[str, float]]) -> str:
    """Return the SVG: a group of bars per network, the shortest library first."""
    most = max(time / row["fastconv"] for row in table.values() for time in row.values())
    width = LEFT + UNIT * most + 60
    parts, y = [], 54
    x = LEFT
    for library in reversed(LIBRARIES):
        parts.append(f'<rect x="{x}" y="29" width="10" height="10" fill="{COLOURS[library]}"/>')
        parts.append(f'<text x="{x + 15}" y="38">{LIBRARIES[library]}</text>')
        x += 40 + 7 * len(LIBRARIES[library])
    for network, row in table.items():
        centre = y + BAR * len(row) / 2 + 4
        parts.append(f'<text x="{LEFT - 8}" y="{centre:g}" text-anchor="end">{network}</text>')
        for library in sorted(row, key=row.__getitem__):
            ratio = row[library] / row["fastconv"]
            parts.append(
                f'<rect x="{LEFT}" y="{y}" width="{UNIT * ratio:.1f}" height="{BAR - 2}" '
                f'fill="{COLOURS[library]}"/>'
            )
            label = f"{row[library]:g} ms" if library == "fastconv" else f"{ratio:.1f} ×"
            parts.append(f'<text x="{LEFT + UNIT * ratio + 5:.1f}" y="{y + 10}">{label}</text>')
            y += BAR
        y += 9
    times = "; ".join(
        f"{network}: " + ", ".join(f"{LIBRARIES[name]} {ms:g} ms" for name, ms in row.items())
        for network, row in table.items()
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {y}" role="img" '
        'font-family="sans-serif" font-size="12" fill="#222">\n'
        f"<title>Time of one training step. {times}</title>\n"
        f'<rect width="{width:.0f}" height="{y}" rx="6" fill="#fff"/>\n'
        f'<text x="{LEFT}" y="18" font-weight="bold">Time of a training step on two cores</text>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def main() -> None:
    table = training_steps((DOCS / "benchmarks.md").read_text(encoding="utf-8"))
    PICTURE.write_text(chart(table), encoding="utf-8")
    print(PICTURE)


if __name__ == "__main__":
    main()
