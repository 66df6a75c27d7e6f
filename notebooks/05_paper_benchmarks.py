# %% [markdown]
# # The paper's measured benchmarks
#
# 36 curves of score against number of vision tokens (18 metrics, with and without the question as an
# input of the fusion module), read off the figures of Li et al. 2025 (CC BY 4.0). Which law do they
# follow: the paper's power law, the crossover of its theory, or one that saturates? A law that holds
# must foretell scores that it has not seen. On the command line: `tokenspace fit` and
# `tokenspace forecast`.

# %%
import pandas as pd

import tokenspace as ts
from tokenspace import figures
from tokenspace.scaling.curves import compare_with_least_squares, fit_curves, read_curves
from tokenspace.scaling.fit import chosen_method
from tokenspace.scaling.outcome import judge
from tokenspace.scaling.subsets import subsets

curves = read_curves()
print(len(curves), "curves of", len(curves[0].n), "points")

# %% [markdown]
# **What the paper draws** is the power law by least squares in log-log. Ours is found by another
# method and must agree with the closed form of least squares:

# %%
power = fit_curves(curves, "power")
table = compare_with_least_squares(curves, power)
print(
    "largest difference: c", f"{table['c off'].max():.1e},", f"alpha {table['alpha off'].max():.1e}"
)
table.head(6)

# %% [markdown]
# **One curve.** Every law is fitted to the first seven scores and asked for the last three; errors
# are of log S. `held` says whether the 95 % interval, scatter included, held each score.

# %%
one = next(c for c in curves if c.labels["benchmark"] == "TextVQA_VAL")
ts.forecast(one.n, one.score)[["law", "rms error", "bias", "log score", "held"]].round(3)

# %% [markdown]
# **All curves.** Full marks were seen, hollow ones foretold.

# %%
figures.draw("measured_curves", [])

# %% [markdown]
# **Who is nearest?** Skill is 1 less the ratio of errors, pooled over curves. p flips the signs of all
# curves of a benchmark, or of a series, at once: with two series nothing can be said of a third. "No
# change" says the last score that it has seen; "stacked" mixes the laws.

# %%
parts = subsets(curves)
method = chosen_method("auto", 0.95)
found = {name: judge(part, method) for name, part in parts.items()}
columns = ["law", "rms error", "median error", "bias", "held", "best"]
columns += ["skill over power", "p over power by benchmark", "p over power by series"]
found["all points"].skill[columns].round(3)

# %% [markdown]
# **What does that rest on?** n = 1 is another set-up than the rest, and RealWorldQA at 384 and 512
# suffers from answer formats. Median errors with and without:

# %%
rows = {name: outcome.skill.set_index("law")["median error"] for name, outcome in found.items()}
print((100 * pd.DataFrame(rows)).round(1).to_string())
for name, outcome in found.items():
    print(f"\n{name}:", *outcome.words(), sep="\n  ")

# %% [markdown]
# With seven forecasters compared, a small p of one of them says little: what is called beyond chance
# has its p raised by Holm's method. Then no law beats the power law, and "they stay as they are" does
# so only as long as n = 1 counts as a measurement like the others. No law beats that either. The same
# for curves of other papers:

# %%
figures.draw("forecast_skill", [])
