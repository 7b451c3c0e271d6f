"""The imports within a package, read from its sources: which module imports which, and where.

Imports under `TYPE_CHECKING` and inside functions count like any other.
"""

from __future__ import annotations

import ast
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class ImportGraph:
    """`lines[a][b]` is the line of module `a` that imports module `b`; files lie below `root`."""

    root: Path
    files: dict[str, Path]
    lines: dict[str, dict[str, int]] = field(default_factory=dict)

    def describe(self, importer: str, imported: str) -> str:
        """One import as a line of a message."""
        path = self.files[importer].relative_to(self.root)
        return f"{path}:{self.lines[importer][imported]} imports {imported}"

    def circles(self) -> list[list[str]]:
        """Circles of imports: for each module that is in one, a shortest, none of them twice."""
        found: dict[frozenset[str], list[str]] = {}
        for module in sorted(self.lines):
            circle = self._shortest_circle(module)
            if circle:
                found.setdefault(frozenset(circle), circle)
        return list(found.values())

    def describe_circle(self, circle: list[str]) -> str:
        """The imports of a circle, one per line."""
        following = [*circle[1:], circle[0]]
        return "\n".join(self.describe(a, b) for a, b in zip(circle, following, strict=True))

    def _shortest_circle(self, start: str) -> list[str] | None:
        previous: dict[str, str] = {}
        waiting = deque([start])
        while waiting:
            module = waiting.popleft()
            for imported in self.lines.get(module, ()):
                if imported == start:
                    path = [module]
                    while path[-1] != start:
                        path.append(previous[path[-1]])
                    return path[::-1]
                if imported not in previous:
                    previous[imported] = module
                    waiting.append(imported)
        return None


def read_imports(package: Path) -> ImportGraph:
    """The graph of the imports within `package`, a folder with the package's name.

    `from package import module` is an import of the module, and `from package import name` one of
    the package. Modules of the package that are not Python files count as imported, by name.
    """
    files = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    graph = ImportGraph(package.parent, files)
    for module, path in files.items():
        graph.lines[module] = {}
        for name, line in _imported_names(path, files):
            if name.split(".")[0] == package.name and name != module:
                graph.lines[module].setdefault(name, line)
    return graph


def _imported_names(path: Path, files: dict[str, Path]) -> list[tuple[str, int]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path}:{node.lineno}: imports must be absolute")
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.append((full if full in files else node.module, node.lineno))
    return found
