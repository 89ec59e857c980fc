"""The answers can be had without the rest of the watcher."""

import ast
from pathlib import Path

from watcher import api


def test_the_api_imports_nothing_of_ours_but_itself() -> None:
    for file in Path(api.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert all(name.startswith("watcher.api") for name in names if name.startswith("watcher")), file
