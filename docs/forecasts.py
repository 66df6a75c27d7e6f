"""Write forecasts.md: what the shipped curves say of each law. `python docs/forecasts.py`.

Names of sections (paper, published, later, latest, coverage, intervals, plans, shares, unseen,
stated) make only those; every draw has a fixed seed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from forecast_intervals import coverage_table as coverage_of_stack
from forecast_intervals import rules_table

from tokenspace.cli.forecast_tables import of_p, skill_and_p
from tokenspace.scaling.curves import Curve, read_curves
from tokenspace.scaling.fit import chosen_method
from tokenspace.scaling.forecast import Task, cases
from tokenspace.scaling.laws import known_laws
from tokenspace.scaling.model_weights import SPLINE
from tokenspace.scaling.outcome import Outcome, judge
from tokenspace.scaling.plan import KEEP, TokenPlan, plan_curves, smallest
from tokenspace.scaling.points import Logs
from tokenspace.scaling.scales import Log, Logit
from tokenspace.scaling.subsets import subsets

PAGE = Path(__file__).parent / "forecasts.md"
HOLD = {"paper": 3, "published": 1, "later": 1, "latest": 1}
TITLES = {
    "paper": "The paper's 36 curves, the last 3 of 10 counts",
    "published": "70 curves of other papers, the last count",
    "later": "33 curves that nothing was tuned on, the last count",
    "latest": "38 curves of two more papers that nothing was tuned on, the last count",
}

N = np.array([1, 8, 16, 32, 64, 128, 256, 384, 512, 768.0])
TRUTHS = {
    "power": (12, -0.25),
    "logarithm": (20, 0.15),
    "crossover": (20, 0.1, 30),
    "saturating": (80, 0.6, 0.5),
    "offset": (20, 0.5, 0.3),
    "broken": (20, -0.3, -0.05, 32),
}
RUNS = 300  # curves of a law
SETTINGS = {  # noise of log S, loss, degrees of freedom
    "normal, 2 %": (0.02, "squares", np.inf),
    "normal, 10 %": (0.1, "squares", np.inf),
    "normal, 5 %": (0.05, "squares", np.inf),
    "heavy tails, 5 %": (0.05, "squares", 3),
    "normal, 5 %, Huber": (0.05, "huber", np.inf),
    "heavy tails, 5 %, Huber": (0.05, "huber", 3),
}

PLANS = 100  # curves of a row of plans
PLAN_NOISE = 0.02  # of their log S
ROUNDING = 1e-5  # of the true n, which a grid tells
POWERS = 2.0 ** np.arange(10)
SQUARES = np.array([1.0, 9, 36, 64, 144, 256, 400, 576])


def s_shaped(a: float, b: float, m: float, k: float) -> Callable[[np.ndarray], np.ndarray]:
    """S(n) = a + b / (1 + (m / n)^k)."""
    return lambda n: a + b / (1 + (m / n) ** k)


def meeting(c: float, first: float, second: float, m: float) -> Callable[[np.ndarray], np.ndarray]:
    """S(n) = c (n / m)^first below m, c (n / m)^second above."""
    return lambda n: c * (n / m) ** np.where(n < m, first, second)


def of_law(name: str, *values: float) -> Callable[[np.ndarray], np.ndarray]:
    """S(n) of a law with these parameters."""
    law = known_laws()[name]
    return lambda n: law.score(dict(zip(law.parameters, values, strict=True)), n)


PLANNED = {  # what a row of plans is of: S(n), and the counts
    "S: 20, 40, 30, 1.5": (s_shaped(20, 40, 30, 1.5), POWERS),
    "S: 40, 20, 30, 1": (s_shaped(40, 20, 30, 1), SQUARES),
    "S: 50, 12, 60, 1.5": (s_shaped(50, 12, 60, 1.5), SQUARES),
    "S: 5, 45, 80, 1.2": (s_shaped(5, 45, 80, 1.2), SQUARES),
    "powers that meet at 40: 0.2, 0.02": (meeting(50, 0.2, 0.02, 40), N),
    "powers that meet at 60: 0.02, 0.2": (meeting(40, 0.02, 0.2, 60), N),
    **{f"law: {name}": (of_law(name, *TRUTHS[name]), N) for name in TRUTHS},
}

STUDIED = {  # what a row of shares is of
    "power: 30, -0.08": of_law("power", 30, -0.08),
    "logarithm: 20, 0.2": of_law("logarithm", 20, 0.2),
    "crossover: 30, 0.2, 60": of_law("crossover", 30, 0.2, 60),
    "saturating: 70, 0.5, 0.5": of_law("saturating", 70, 0.5, 0.5),
    "saturating: 60, 0.7, 1": of_law("saturating", 60, 0.7, 1),
    "offset: 20, 0.5, 0.3": of_law("offset", 20, 0.5, 0.3),
    "broken: 30, -0.2, -0.02, 40": of_law("broken", 30, -0.2, -0.02, 40),
    "powers that meet at 40: 0.2, 0.02": meeting(50, 0.2, 0.02, 40),
    "powers that meet at 60: 0.02, 0.2": meeting(40, 0.02, 0.2, 60),
    "S: 20, 40, 30, 1.5": s_shaped(20, 40, 30, 1.5),
    "S: 40, 20, 30, 1": s_shaped(40, 20, 30, 1),
    "S: 50, 12, 60, 1.5": s_shaped(50, 12, 60, 1.5),
    "S: 5, 45, 80, 1.2": s_shaped(5, 45, 80, 1.2),
    "flat": lambda n: 50 + 0 * n,
}
UNSEEN = {  # of a row of unseen: shapes that nothing was chosen by
    "Hill: 25 + 35 / (1 + (50 / n)^2)": s_shaped(25, 35, 50, 2),
    "Gompertz: 30 + 30 exp(-5 e n^-0.9)": lambda n: 30 + 30 * np.exp(-5 * np.e * n**-0.9),
    "logistic: 45 + 20 / (1 + 55 / n)": s_shaped(45, 20, np.exp(4), 1),
    "Weibull: 55 - 25 exp(-(n / 60)^0.6)": lambda n: 55 - 25 * np.exp(-((n / 60) ** 0.6)),
    "straight from 30 at 1 over 36, 50 to 53": lambda n: np.exp(
        np.interp(np.log(n), np.log([1, 10, 100, 1000]), np.log([30, 36, 50, 53]))
    ),
}
FEW_TO_MANY = (  # counts of unseen
    np.array([2.0, 12, 48, 192, 768]),
    np.array([1.0, 4, 16, 49, 144, 289, 576]),
    2.0 ** np.arange(10),
)
STATED = {  # a column of stated: standard errors, as multiples of the noise
    "none": None,
    "right": 1.0,
    "half": 0.5,
    "twice": 2.0,
}
JUDGED = (  # a row of stated
    "power: 30, -0.08",
    "saturating: 70, 0.5, 0.5",
    "broken: 30, -0.2, -0.02, 40",
    "S: 40, 20, 30, 1",
    "S: 50, 12, 60, 1.5",
)
COUNTS = {  # of a column of shares
    10: N,
    7: np.array([1.0, 9, 36, 64, 144, 256, 576]),
}
KEEPS, NOISES = (0.9, 0.95), (0.003, 0.01, 0.03)


def outcomes(source: str) -> dict[str, Outcome]:
    """The forecasts of a shipped file of curves, by subset."""
    method = chosen_method("auto", 0.95)
    parts = subsets(read_curves(source))
    found = {name: judge(part, method, HOLD[source]) for name, part in parts.items()}
    return {name: outcome for name, outcome in found.items() if outcome is not None}


def skill_table(outcome: Outcome) -> str:
    """A row for each forecaster."""
    heads = ["law", "curves", "rms error", "median", "bias", "log score", "intervals that held"]
    found = outcome.skill.to_dict("records")
    others = {"power": "the power law", "no change": "no change"}
    ways = {row[f"p over {k} from"] for row in found for k in others} - {""}
    heads += ["best on", *(f"skill over {k} {of_p(ways)}" for k in others.values())]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in found:
        cells = [row["law"], str(row["curves"])]
        cells += [f"{100 * row[k]:.1f} %" for k in ("rms error", "median error", "bias")]
        known = row["law"] != "no change"
        cells += [f"{row['log score']:.2f}" if known else "-"]
        cells += [f"{100 * row['held']:.0f} %" if known else "-", str(row["best"])]
        cells += [skill_and_p(row, other, len(ways) > 1) for other in others]
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


def curves_of(name: str, setting: str) -> list[Logs]:
    """Curves of a law at ten counts, log S scattered by noise; heavy tails: Student's t.

    Each law and setting has draws of its own, so that no two cells of the table share them.
    """
    law, (noise, _, freedom) = known_laws()[name], SETTINGS[setting]
    log_score = np.log(law.score(dict(zip(law.parameters, TRUTHS[name], strict=True)), N))
    rng = np.random.default_rng([list(TRUTHS).index(name), list(SETTINGS).index(setting)])
    drawn = rng.standard_normal((RUNS, len(N)))
    if np.isfinite(freedom):
        drawn = rng.standard_t(freedom, drawn.shape) / np.sqrt(freedom / (freedom - 2))
    return [(np.log(N), log_score + noise * row, np.ones(len(N))) for row in drawn]


def held(name: str, setting: str) -> str:
    """Least and largest share of scores in 95 % intervals of forecasts from the first 5, 7, 9."""
    curves = curves_of(name, setting)
    method = chosen_method(name, 0.95, None, SETTINGS[setting][1])
    shares = []
    for origin in (5, 7, 9):
        tasks = [Task(k, origin, len(N) - origin) for k in range(RUNS)]
        table = cases(curves, tasks, method)
        if name in set(table["law"]):
            shares.append(100 * table.loc[table["law"] == name, "held"].mean())
    return f"{min(shares):.1f} to {max(shares):.1f}"


def coverage_table() -> str:
    """Shares of new scores that intervals of each law hold on curves of its own, a row a law."""
    heads = ["law", *SETTINGS]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for name in TRUTHS:
        cells = [held(name, setting) for setting in SETTINGS]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)


def on_own_curves(names: Iterable[str] = TRUTHS) -> str:
    """What intervals of the stack hold on curves of the laws, as they are and grown."""
    shares: dict[float, list[float]] = {0.0: [], Log().strays: []}
    for name in names:
        curves = curves_of(name, "normal, 2 %")[: RUNS // 2]
        tasks = [Task(k, m, len(N) - m) for k in range(len(curves)) for m in (5, 7)]
        for strays, found in shares.items():
            table = cases(curves, tasks, chosen_method("auto", 0.95, Log(strays)))
            found.append(100 * table.loc[table["law"] == "stacked", "held"].mean())
    ends = [f"{min(found):.0f} to {max(found):.0f} %" for found in shares.values()]
    return (
        f"On curves of the six laws themselves, with noise of 2 %, the stack's own interval holds "
        f"{ends[0]}, by law, and the grown one {ends[1]}."
    )


def intervals() -> str:
    """What the intervals of the stack hold where they were not set."""
    return "\n\n".join(
        [
            coverage_of_stack(Log(strays=0.0)),
            "Percentages alone, on their odds (`--top 100`), scores in units of the stack's own "
            "there:",
            coverage_of_stack(Logit(strays=0.0)),
            "Other rules, each with its number set on the other files:",
            rules_table(),
            on_own_curves(),
        ]
    )


def planned(
    score: Callable[[np.ndarray], np.ndarray],
    n: np.ndarray,
    noise: float,
    keep: float,
    seed: Sequence[int],
    stated: float | None = None,
) -> tuple[float, list[TokenPlan]]:
    """The n that keeps the share, and plans of `PLANS` curves with noise.

    stated: standard errors that the curves state, as a multiple of the noise; None: they do not.
    """
    fine = np.linspace(np.log(n[0]), np.log(n[-1]), 100_001)
    truth = smallest(fine, np.log(score(np.exp(fine)))[None], keep)[0]
    truth = max(truth, n[0])  # by rounding
    drawn = np.random.default_rng(seed).standard_normal((PLANS, len(n)))
    scores = score(n) * np.exp(noise * drawn)
    errors = [None] * PLANS if stated is None else stated * noise * scores
    curves = [Curve(str(k), n, row, error=errors[k]) for k, row in enumerate(scores)]
    return truth, [plan for _, plan in plan_curves(curves, keep)]


def holding(truth: float, found: Sequence[TokenPlan], law: str | None = None) -> np.ndarray:
    """Whether the interval of each plan, or that of one law alone, holds the true n."""
    ends = [(p.low, p.high) if law is None else p.by_law[law][1:] for p in found]
    return np.array([low <= truth * (1 + ROUNDING) and truth <= high for low, high in ends])


def shares(name: str, count: int, keep: float) -> str:
    """Shares (%) of intervals of curves of `STUDIED` that hold the true n, by noise."""
    held = []
    for noise in NOISES:
        seed = [7, list(STUDIED).index(name), count, round(noise * 1e4)]
        truth, found = planned(STUDIED[name], COUNTS[count], noise, keep, seed)
        held.append(f"{100 * holding(truth, found).mean():.0f}")
    return " ".join(held)


def shares_table() -> str:
    """`shares` of every curve, number of counts and share that is kept."""
    heads = ["truth", *(f"{count}: {keep:g}" for count in COUNTS for keep in KEEPS)]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for name in STUDIED:
        cells = [shares(name, count, keep) for count in COUNTS for keep in KEEPS]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)


def unseen(name: str, n: np.ndarray, noise: float) -> str:
    """Of curves of `UNSEEN`: intervals that hold, those without a law, those that rest on laws."""
    seed = [8, list(UNSEEN).index(name), len(n), round(noise * 1e4)]
    truth, found = planned(UNSEEN[name], n, noise, KEEP, seed)
    held, lawless = holding(truth, found).mean(), holding(truth, found, SPLINE).mean()
    resting = np.mean([p.rests_on_laws for p in found])
    return f"{100 * held:.0f}, {100 * lawless:.0f} ({100 * resting:.0f})"


def unseen_table() -> str:
    """`unseen` of every curve, number of counts and noise."""
    settings = [(n, noise) for n in FEW_TO_MANY for noise in (0.01, 0.03)]
    heads = ["truth", *(f"{len(n)}: {100 * noise:g} %" for n, noise in settings)]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for name in UNSEEN:
        cells = [unseen(name, *setting) for setting in settings]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)


def with_errors(name: str, count: int, kinds: Iterable[str] = STATED) -> list[str]:
    """Of curves of `STUDIED`: intervals that hold, and how wide they are; the first kind is 1."""
    cells, widths = [], []
    for kind in kinds:
        seed = [9, list(STUDIED).index(name), count]
        score, n = STUDIED[name], COUNTS[count]
        truth, found = planned(score, n, PLAN_NOISE, KEEP, seed, STATED[kind])
        widths.append(np.median([np.log(p.high / p.low) for p in found]))
        cells.append(f"{100 * holding(truth, found).mean():.0f} ({widths[-1] / widths[0]:.1f})")
    return cells


def stated_table() -> str:
    """`with_errors` of every curve and number of counts."""
    heads = ["truth", *(f"{count}: {kind}" for count in COUNTS for kind in STATED)]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for name in JUDGED:
        cells = [cell for count in COUNTS for cell in with_errors(name, count)]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)


def plans(name: str) -> str:
    """The row of `PLANNED` that is called so: what plans of its curves say."""
    score, n = PLANNED[name]
    truth, found = planned(score, n, PLAN_NOISE, KEEP, [list(PLANNED).index(name)])
    middle, low, high = (np.median([getattr(p, k) for p in found]) for k in ("n", "low", "high"))
    cells = [name, f"{len(n)}, to {n[-1]:g}", f"{truth:.0f}"]
    cells += [f"{middle:.0f} ({low:.0f} to {high:.0f})"]
    cells += [str(sum(p.low <= truth <= p.high for p in found))]
    cells += [str(sum(p.follows_no_law for p in found))]
    return "| " + " | ".join(cells) + " |"


def plans_table() -> str:
    """What plans say of curves of known truth, a row a truth."""
    heads = ["truth", "counts", "n that keeps 95 %", "median (interval)", "held", "no law"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    return "\n".join([*lines, *map(plans, PLANNED)])


def sections(wanted: Sequence[str] = ()) -> dict[str, str]:
    """The generated parts of the page, by name of the file of curves; all, or those wanted."""
    tables = {
        "coverage": coverage_table,
        "intervals": intervals,
        "shares": shares_table,
        "plans": plans_table,
        "unseen": unseen_table,
        "stated": stated_table,
    }
    made = {name: make() for name, make in tables.items() if not wanted or name in wanted}
    for source, title in TITLES.items():
        if wanted and source not in wanted:
            continue
        found = outcomes(source)
        parts = [f"## {title}", skill_table(next(iter(found.values())))]
        parts += [
            "Median error of each law with and without what confounds it:",
            subsets_table(found),
        ]
        parts += [words(found)]
        made[source] = "\n\n".join(parts)
    return made


def put(name: str, made: str) -> None:
    """Write this into the page in place of what stands between the marks of a name."""
    start, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
    before, rest = PAGE.read_text().split(start)
    PAGE.write_text(before + start + made + end + rest.split(end)[1])


if __name__ == "__main__":
    for source, made in sections(sys.argv[1:]).items():
        put(source, made)
