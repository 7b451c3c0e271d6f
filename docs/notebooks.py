"""The tutorials: notebooks that are executed here, and shown as pages of the guide.

    python -m docs.notebooks        executes docs/tutorials/*.ipynb and stores their outputs

Needs nbclient and ipykernel; to show a notebook needs nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "tutorials"


def notebooks() -> list[Path]:
    return sorted(FOLDER.glob("*.ipynb"))


def executed(path: Path) -> dict[str, Any]:
    """The notebook with the outputs of a new kernel; raises CellExecutionError if a cell fails."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    folder = {"metadata": {"path": str(path.parent)}}
    # What a cell prints is one output, however many messages it arrived in.
    options = {"kernel_name": "python3", "timeout": 120, "coalesce_streams": True}
    NotebookClient(notebook, resources=folder, **options).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times of day, which would change the file
    return json.loads(nbformat.writes(notebook))


def as_page(name: str, notebook: dict[str, Any]) -> tuple[str, dict[str, bytes]]:
    """The Markdown of a notebook, and the pictures that it shows by file name."""
    parts, pictures = [], {}
    for number, cell in enumerate(notebook["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        shown = "\n".join(line for line in source.split("\n") if not line.startswith("%"))
        parts.append(f"```python\n{shown}\n```")
        for data in _outputs(cell):
            if "image/png" in data:
                file = f"{name}_{number}.png"
                pictures[file] = base64.b64decode("".join(data["image/png"]))
                title = source.strip().split("\n")[-1]
                parts.append(f"![Output of {title.translate(_PLAIN)}]({file})")
            elif "text/html" in data:
                parts.append("<div markdown='0'>\n" + "".join(data["text/html"]) + "\n</div>")
            else:
                parts.append("```text\n" + "".join(data["text/plain"]).rstrip() + "\n```")
    parts.append(f"[Download this notebook]({name}.ipynb)")
    return "\n\n".join(parts) + "\n", pictures


_PLAIN = str.maketrans("[]`", "()'")  # brackets would end the text of a picture


def _outputs(cell: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The outputs of a cell, by type; printed text is that of `text/plain`."""
    for output in cell["outputs"]:
        yield {"text/plain": output["text"]} if "text" in output else output["data"]


def main() -> None:
    for path in notebooks():
        notebook = executed(path)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")
        print(path)


if __name__ == "__main__":
    main()
