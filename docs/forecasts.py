"""Write forecasts.md: what the shipped curves say of each law. `python docs/forecasts.py`."""

from __future__ import annotations

from pathlib import Path

from tokenspace.scaling.curves import read_curves
from tokenspace.scaling.fit import chosen_method
from tokenspace.scaling.outcome import Outcome, judge
from tokenspace.scaling.subsets import subsets

PAGE = Path(__file__).parent / "forecasts.md"
HOLD = {"paper": 3, "published": 1, "later": 1}
TITLES = {
    "paper": "The paper's 36 curves, the last 3 of 10 counts",
    "published": "70 curves of other papers, the last count",
    "later": "33 curves that nothing was tuned on, the last count",
}


def outcomes(source: str) -> dict[str, Outcome]:
    """The forecasts of a shipped file of curves, by subset."""
    method = chosen_method("auto", 0.95)
    parts = subsets(read_curves(source))
    found = {name: judge(part, method, HOLD[source]) for name, part in parts.items()}
    return {name: outcome for name, outcome in found.items() if outcome is not None}


def skill_table(outcome: Outcome) -> str:
    """A row for each forecaster."""
    ways = list(outcome.clusters)
    by = ", ".join(ways)
    heads = ["law", "curves", "rms error", "median", "bias", "log score", "intervals that held"]
    heads += [
        "best on",
        f"skill over the power law (p by {by})",
        f"skill over no change (p by {by})",
    ]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in outcome.skill.to_dict("records"):
        cells = [row["law"], str(row["curves"])]
        cells += [f"{100 * row[k]:.1f} %" for k in ("rms error", "median error", "bias")]
        known = row["law"] != "no change"
        cells += [f"{row['log score']:.2f}" if known else "-"]
        cells += [f"{100 * row['held']:.0f} %" if known else "-", str(row["best"])]
        for other in ("power", "no change"):
            skill = row[f"skill over {other}"]
            p = ", ".join(f"{row[f'p over {other} by {way}']:.2g}" for way in ways)
            cells.append("-" if skill != skill else f"{100 * skill:.0f} % ({p})")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def subsets_table(found: dict[str, Outcome]) -> str:
    """Skill over the power law and over no change, a row for each way to look at the curves."""
    first = next(iter(found.values()))
    laws = [str(k) for k in first.skill["law"] if k not in ("power", "no change")]
    heads = ["points", "curves", "power", "no change", *laws]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for name, outcome in found.items():
        at = outcome.skill.set_index("law")["median error"]
        cells = [f"{100 * at[k]:.1f} %" if k in at else "-" for k in heads[2:]]
        lines.append("| " + " | ".join([name, str(outcome.curves), *cells]) + " |")
    return "\n".join(lines)


def words(found: dict[str, Outcome]) -> str:
    """What each subset says, a line each."""
    return "\n".join(f"- {name}: {' '.join(outcome.words())}" for name, outcome in found.items())


def sections() -> dict[str, str]:
    """The generated part of the page, by name of the file of curves."""
    made = {}
    for source, title in TITLES.items():
        found = outcomes(source)
        parts = [f"## {title}", skill_table(next(iter(found.values())))]
        parts += [
            "Median error of each law with and without what confounds it:",
            subsets_table(found),
        ]
        parts += [words(found)]
        made[source] = "\n\n".join(parts)
    return made


if __name__ == "__main__":
    text = PAGE.read_text()
    for source, made in sections().items():
        start, end = f"<!-- {source} -->\n", f"\n<!-- end of {source} -->"
        before, rest = text.split(start)
        text = before + start + made + end + rest.split(end)[1]
    PAGE.write_text(text)
