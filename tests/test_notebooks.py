"""Every notebook runs in a temporary folder, and is in step with its source."""

import importlib.util
import shutil
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
spec = importlib.util.spec_from_file_location("build", ROOT / "notebooks" / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)


def code_and_text(notebook):
    return [(c.cell_type, c.source) for c in notebook.cells]


@pytest.fixture
def folder(tmp_path):
    """A copy of what notebooks read besides the package."""
    (tmp_path / "tests").mkdir()
    shutil.copytree(ROOT / "tests" / "data", tmp_path / "tests" / "data")
    (tmp_path / "notebooks").mkdir()
    return tmp_path / "notebooks"


@pytest.mark.parametrize("source", build.SOURCES, ids=lambda p: p.stem)
def test_runs_and_is_in_step(source, folder):
    stored = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert code_and_text(stored) == code_and_text(build.notebook_of(source)), "run `make notebooks`"
    executed = build.execute(source, folder)
    for fresh, kept in zip(executed.cells, stored.cells, strict=True):
        kinds = [[o.output_type for o in c.get("outputs", [])] for c in (fresh, kept)]
        assert "error" not in kinds[0] + kinds[1]
    pictures = [
        sum("image/png" in o.get("data", {}) for c in n.cells for o in c.get("outputs", []))
        for n in (executed, stored)
    ]
    assert pictures[0] == pictures[1] >= 1
