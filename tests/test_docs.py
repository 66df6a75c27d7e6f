"""Documentation: pages run and name things that exist; every public name says what it does."""

import importlib.util
import inspect
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import tokenspace as ts

DOCS = Path(__file__).parent.parent / "docs"
ROOMS = {"tokenspace": ts, "theory": ts.theory, "kernels": ts.kernels, "errors": ts.errors}
PUBLIC = [
    (f"{room}.{name}", getattr(module, name))
    for room, module in ROOMS.items()
    for name in getattr(module, "__all__", [n for n in vars(module) if n[0].isupper()])
    if not inspect.ismodule(getattr(module, name)) and name != "REGIMES"
]
FUNCTIONS = [(name, thing) for name, thing in PUBLIC if inspect.isfunction(thing)]


def test_own_covariance_page_runs(capsys):
    code = re.findall(r"```python\n(.*?)```", (DOCS / "your_own_covariance.md").read_text(), re.S)
    names = {}
    for block in code:
        exec(block, names)
    assert capsys.readouterr().out.count("PASS") == 2


def test_own_curves_page_runs_and_says_what_comes_out(capsys, tmp_path, monkeypatch):
    page = (DOCS / "your_own_curves.md").read_text()
    monkeypatch.chdir(tmp_path)
    (text,) = re.findall(r"```csv\n(.*?)```", page, re.S)
    Path("my.csv").write_text(text)
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    names = {}
    exec(code, names)
    printed, said = capsys.readouterr().out, " ".join(page.split())
    assert [c.name for c in names["curves"]] == ["made-7B / VQA", "made-7B / Caption"]
    fit, plan = names["fit"], ts.plan_tokens(names["vqa"].n, names["vqa"].score)
    assert printed.count("residuals") == 6 and "1152.0" in printed and repr(plan) in printed
    assert fit.winner == "logarithm" and not fit.decisive
    assert "fit` prefers the logarithm, *not decisively*" in said
    assert plan.weights["spline"] + plan.weights["broken"] > 0.95
    assert min(plan.weights["spline"], plan.weights["broken"]) > 0.3
    slope, ends = -fit.fits["power"].parameters["alpha"], fit.fits["power"].intervals["alpha"]
    assert f"n^{slope:.2f} (95 % interval {-ends[1]:.2f} to {-ends[0]:.2f}, 6 counts" in said
    assert f"{plan.n:.2g} tokens ({plan.low:.2g} to {float(f'{plan.high:.2g}'):g}," in said


def test_symbols_page_names_what_exists():
    page = (DOCS / "symbols.md").read_text()
    named = set(re.findall(r"\bts\.((?:theory\.)?\w+)", page))
    assert len(named) > 10
    for name in named:
        thing = ts
        for part in name.split("."):
            thing = getattr(thing, part)
    model = ts.TokenModel(ts.equicorrelated(0.2, 0.3, 0.1), ts.Isotropic(4))
    result = ts.simulate(model, 8, 20, statistics=["correlations"])
    for name in set(re.findall(r"\bresult\.(\w+)", page)):
        assert hasattr(result, name), name
    for name in set(re.findall(r'correlations\["(\w+)"\]', page)):
        assert name in result.correlations


def test_coverage_page_is_made_of_its_numbers():
    from tokenspace.experiments.coverage import tasks
    from tokenspace.report.coverage import from_csv, page

    rows = from_csv((DOCS / "coverage.csv").read_text())
    assert (DOCS / "coverage.md").read_text() == page(rows)
    assert {(r.law, r.d) for r in rows} == {(case.law, case.d) for _, case, _ in tasks()}
    assert all(r.runs >= 200 for r in rows)


def test_families_page_is_made_of_its_numbers():
    spec = importlib.util.spec_from_file_location("families", DOCS / "token_families.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    files = [DOCS / f"token_families_{name}.csv" for name in ("ranking", "coverage", "prediction")]
    assert (DOCS / "token_families.md").read_text() == module.page(*files)


@pytest.mark.parametrize(("name", "thing"), PUBLIC, ids=[n for n, _ in PUBLIC])
def test_every_public_name_has_a_line(name, thing):
    first = (inspect.getdoc(thing) or "").splitlines()[0]
    assert first and not first.startswith(f"{name.split('.')[-1]}("), "no docstring of its own"


@pytest.mark.parametrize(("name", "thing"), FUNCTIONS, ids=[n for n, _ in FUNCTIONS])
def test_every_public_function_describes_and_types_its_arguments(name, thing):
    doc, hints = inspect.getdoc(thing), typing.get_type_hints(thing)
    parameters = list(inspect.signature(thing).parameters)
    assert "return" in hints and set(parameters) <= set(hints), "not typed"
    if name == "tokenspace.model":  # a class decorator
        return
    assert "Args:" in doc or not parameters
    described = doc.split("Args:")[-1]
    for parameter in parameters:
        assert re.search(rf"\b{parameter}\b", described), f"{parameter} is not described"


def test_api_page_is_made_from_docstrings(tmp_path):
    command = [sys.executable, "-m", "pdoc", "--docformat", "google", "-o", tmp_path, "tokenspace"]
    subprocess.run(command, check=True, capture_output=True)
    pages = {p.stem: p.read_text() for p in tmp_path.rglob("*.html")}
    assert all(name in pages["tokenspace"] for name in ts.__all__)
    assert "expected_divergence" in pages["theory"]
