"""Every notebook runs in a temporary folder, and is in step with its source."""

import ast
import importlib.util
import operator
import re
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


def pictures(notebook):
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    assert "error" not in [o.output_type for o in outputs]
    return sum("image/png" in o.get("data", {}) for o in outputs)


@pytest.mark.parametrize("source", build.SOURCES, ids=lambda p: p.stem)
def test_is_in_step_and_names_what_exists(source):
    stored = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert code_and_text(stored) == code_and_text(build.notebook_of(source)), "run `make notebooks`"
    assert pictures(stored) >= 1
    tree = ast.parse(source.read_text())
    imports = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    modules = {}
    exec(compile(ast.Module(imports, []), source, "exec"), modules)
    used = {ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    named = [chain for chain in used if re.fullmatch(r"(ts|figures|plots)\.[\w.]+", chain)]
    assert named
    for chain in named:
        assert operator.attrgetter(chain.partition(".")[2])(modules[chain.partition(".")[0]])


QUICK = ("01_quickstart",)
# Fewer points, replicates, layers, tokens and features: what is done with them stays the same, and
# numbers are not held.
SMALLER = {
    "03_sweeps_and_regimes": {
        '{"count": 512,': '{"count": 64,',
        '"replicates": 256,': '"replicates": 64,',
        '"points": 15,': '"points": 5,',
        '"points": 8}': '"points": 3}',
        '"points": 28,': '"points": 7,',
        "np.linspace(0.0, 0.25, 6), np.geomspace(0.01, 0.5, 6)": (
            "np.linspace(0.0, 0.25, 2), np.geomspace(0.01, 0.5, 3)"
        ),
    },
    "06_your_own_tokens": {
        '("layer_3", "layer_9", "final")': '("layer_9", "final")',
        "plt.subplots(1, 3,": "plt.subplots(1, 2,",
        "data[layer].astype(": "data[layer][:, :64, :48].astype(",
        "ts.log_grid(256, 17)": "ts.log_grid(64, 9)",
        "permutation(256)": "permutation(64)",
    },
}


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(s, id=s.stem, marks=() if s.stem in QUICK else pytest.mark.slow)
        for s in build.SOURCES
    ],
)
def test_runs(source, folder):
    stored = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    text = source.read_text()
    for large, small in SMALLER.get(source.stem, {}).items():
        assert large in text
        text = text.replace(large, small)
    smaller = folder / source.name
    smaller.write_text(text)
    executed = build.execute(smaller, folder)
    assert len(executed.cells) == len(stored.cells)
    assert pictures(executed) == pictures(stored)
