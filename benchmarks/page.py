"""Makes docs/benchmarks.md and its chart from the results of all machines.

    results/<machine>/peers.json -> the chart, and a summary below it: also in the README and on
                                    the first page of the guide;
                                    the machines side by side, and all tables of each

The text is written between marker lines; the rest of the pages is prose.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from fastconv.bench import results
from fastconv.bench.tables import Table, text

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
SUMMARIES = [PAGE, ROOT / "docs" / "index.md", ROOT / "README.md"]  # they have the summary
PICTURE = ROOT / "docs" / "pictures" / "training_step.svg"
TOP = ("<!-- summary: begin (written by benchmarks.page) -->", "<!-- summary: end -->")
BODY = ("<!-- results: begin (written by benchmarks.page) -->", "<!-- results: end -->")

PEERS = ("torch", "keras", "onnxruntime", "openvino", "mnn", "ncnn")
LIBRARIES = {"torch": "PyTorch", "keras": "Keras on TensorFlow", "fastconv": "fastconv"}
# Blue, orange and grey of different lightness: they differ in grey, too.
COLOURS = {"fastconv": "#00507a", "torch": "#e69f00", "keras": "#a6a6a6"}
LEFT, BAR, UNIT = 92, 13, 78  # pixels: width of the names, height of a bar, length of "1 x"
TRAINING, INFERENCE = "One training step", "Inference"

Steps = dict[str, dict[str, float]]  # network -> library -> milliseconds


def write() -> list[Path]:
    """Write pages and chart; return their paths. FormatError for a file that is not a result."""
    made = files(machines())
    for path, content in made.items():
        path.write_text(content, encoding="utf-8")
    return list(made)


def files(found: dict[str, dict[str, Any]]) -> dict[Path, str]:
    """The pages with the text of these results, and the chart."""
    pages = {
        path: replaced(path.read_text(encoding="utf-8"), TOP, summary(found)) for path in SUMMARIES
    }
    pages[PAGE] = replaced(pages[PAGE], BODY, body(found))
    return pages | {PICTURE: chart(found)}


def machines() -> dict[str, dict[str, Any]]:
    """The results beside other libraries of every machine, by the names of their folders."""
    return {
        path.parent.name: results.checked(json.loads(path.read_text("utf-8")), str(path))
        for path in sorted(RESULTS.glob("*/peers.json"))
    }


def replaced(page: str, markers: tuple[str, str], content: str) -> str:
    """``page`` with ``content`` between the markers; ValueError unless it has both, once each."""
    begin, end = markers
    if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
        raise ValueError(f"the page must hold the lines {begin!r} and {end!r}, in this order")
    head, rest = page.split(begin)
    _, tail = rest.split(end)
    return f"{head}{begin}\n\n{content.strip()}\n\n{end}{tail}"


def rows_of(document: dict[str, Any], title: str) -> dict[str, dict[str, Any]]:
    """{network: {column: cell}} of the table whose title begins with ``title``; empty without."""
    for table in document["tables"]:
        if table["title"].startswith(title):
            columns = table["columns"][1:]
            return {row[0]: dict(zip(columns, row[1:], strict=True)) for row in table["rows"]}
    return {}


def training_steps(document: dict[str, Any]) -> Steps:
    """The times of a training step of the libraries that the chart shows."""
    return {
        network.split(",")[0]: {
            name: row[f"{name} ms"] for name in LIBRARIES if row.get(f"{name} ms") is not None
        }
        for network, row in rows_of(document, TRAINING).items()
    }


def summary(found: dict[str, dict[str, Any]]) -> str:
    """The results in one list item per machine."""
    lines = ["Times divided by those of fastconv:", ""]
    for document in found.values():
        training = [
            time / row["fastconv"]
            for row in training_steps(document).values()
            for library, time in row.items()
            if library != "fastconv"
        ]
        inference = [
            ratio
            for row in rows_of(document, INFERENCE).values()
            if isinstance(ratio := row.get("ratio to the fastest"), (int, float))
        ]
        parts = []
        if training:
            parts.append(f"a training step of PyTorch and Keras {_span(training)}")
        if inference:
            others = sum(name in document["versions"] for name in PEERS)
            parts.append(f"inference of the fastest of {others} other libraries {_span(inference)}")
        if parts:
            item = f"- {_label(document)}: {'; '.join(parts)}"
            lines += textwrap.wrap(item, 98, subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(lines)


def _span(numbers: list[float]) -> str:
    return f"{min(numbers):.1f} to {max(numbers):.1f}"


def _label(document: dict[str, Any]) -> str:
    machine = document["machine"]
    return f"{machine['cpus']} cores of {machine['processor']}"


def body(found: dict[str, dict[str, Any]]) -> str:
    """The machines, side by side, and behind that all tables of each."""
    parts = ["## Results\n", _machine_table(found).markdown()]
    for title in (TRAINING, INFERENCE):
        parts.append(_side_by_side(found, title).markdown())
    for name, document in found.items():
        parts += [
            f'<details markdown="1">\n<summary>All tables of {name}</summary>\n',
            *(_markdown(table) for table in document["tables"]),
            "</details>\n",
        ]
    return "\n".join(parts)


def _machine_table(found: dict[str, dict[str, Any]]) -> Table:
    table = Table("Machines", ["machine", *found])
    facts = ("processor", "cpus", "instruction_set", "system")
    for fact in facts:
        cells = [document["machine"].get(fact) for document in found.values()]
        table.add(fact.replace("_", " "), *cells)
    table.add("date", *(document["date"] for document in found.values()))
    table.add("protocol", *(document.get("protocol") for document in found.values()))
    for library in dict.fromkeys(name for d in found.values() for name in d["versions"]):
        table.add(library, *(document["versions"].get(library) for document in found.values()))
    return table


def _side_by_side(found: dict[str, dict[str, Any]], title: str) -> Table:
    """fastconv's milliseconds and the ratio to the fastest peer, a pair of columns per machine."""
    heads = [f"{name}: {what}" for name in found for what in ("ms", "ratio")]
    table = Table(f"{title}, side by side", ["network, batch", *heads])
    rows = {name: rows_of(document, title) for name, document in found.items()}
    for network in dict.fromkeys(key for of_machine in rows.values() for key in of_machine):
        cells: list[Any] = []
        for name in found:
            row = rows[name].get(network, {})
            cells += [row.get("fastconv ms"), row.get("ratio to the fastest")]
        table.add(network, *cells)
    table.notes.append("ratio: time of the fastest other library over that of fastconv")
    return table


def _markdown(table: dict[str, Any]) -> str:
    made = Table(table["title"], table["columns"], table["rows"], table.get("notes", []))
    heading, rest = made.markdown().split("\n", 1)
    return (
        f"**{heading.removeprefix('### ')}**\n{rest}"  # a heading would be in the page's contents
    )


def chart(found: dict[str, dict[str, Any]]) -> str:
    """The SVG: a panel per machine, in it a group of bars per network, the shortest first."""
    panels = {
        name: steps for name, document in found.items() if (steps := training_steps(document))
    }
    most = max(
        time / row["fastconv"]
        for steps in panels.values()
        for row in steps.values()
        for time in row.values()
    )
    width = LEFT + UNIT * most + 60
    parts, titles, y, x = [], [], 48, LEFT
    for library in reversed(LIBRARIES):
        parts.append(f'<rect x="{x}" y="29" width="10" height="10" fill="{COLOURS[library]}"/>')
        parts.append(f'<text x="{x + 15}" y="38">{LIBRARIES[library]}</text>')
        x += 40 + 7 * len(LIBRARIES[library])
    for name, steps in panels.items():
        label = _label(found[name])
        parts.append(f'<text x="{LEFT}" y="{y + 14}" font-style="italic">{label}</text>')
        y += 22
        for network, row in steps.items():
            centre = y + BAR * len(row) / 2 + 4
            parts.append(f'<text x="{LEFT - 8}" y="{centre:g}" text-anchor="end">{network}</text>')
            for library in sorted(row, key=row.__getitem__):
                parts += _bar(library, row, y)
                y += BAR
            y += 9
        titles += [
            f"{label}, {network}: "
            + ", ".join(f"{LIBRARIES[library]} {text(ms)} ms" for library, ms in row.items())
            for network, row in steps.items()
        ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {y}" role="img" '
        'font-family="sans-serif" font-size="12" fill="#222">\n'
        f"<title>Time of one training step. {'; '.join(titles)}</title>\n"
        f'<rect width="{width:.0f}" height="{y}" rx="6" fill="#fff"/>\n'
        f'<text x="{LEFT}" y="18" font-weight="bold">Time of a training step</text>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _bar(library: str, row: dict[str, float], y: float) -> list[str]:
    """A bar as long as the library's time over fastconv's, and its label."""
    ratio = row[library] / row["fastconv"]
    label = f"{text(row[library])} ms" if library == "fastconv" else f"{ratio:.1f} ×"
    return [
        f'<rect x="{LEFT}" y="{y}" width="{UNIT * ratio:.1f}" height="{BAR - 2}" '
        f'fill="{COLOURS[library]}"/>',
        f'<text x="{LEFT + UNIT * ratio + 5:.1f}" y="{y + 10}">{label}</text>',
    ]
