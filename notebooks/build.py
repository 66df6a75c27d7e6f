"""Notebooks from their sources: `python notebooks/build.py [FOLDER]` executes all of them.

The source is a percent script (NN_name.py); the executed NN_name.ipynb lies beside it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
SOURCES = sorted(HERE.glob("[0-9]*_*.py"))


def notebook_of(source: Path) -> Any:
    """The notebook that a source describes, not executed."""
    notebook = jupytext.read(source)
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"{number:02d}"  # the same at every build
        cell["metadata"] = {}
    return notebook


def execute(source: Path, folder: Path) -> Any:
    """Run a source as a notebook with `folder` as working directory."""
    notebook = notebook_of(source)
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    for path in SOURCES:
        nbformat.write(execute(path, where), path.with_suffix(".ipynb"))
        print(path.with_suffix(".ipynb"))
