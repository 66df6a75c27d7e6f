# %% [markdown]
# # Sweeps and regimes
#
# Design a sweep, stop it half way, resume it, read the verdicts, and see where the regime changes.
# On the command line: `tokenspace sweep FILE --out DIR`, `tokenspace check DIR`,
# `tokenspace report DIR`.

# %%
import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tokenspace as ts

# %% [markdown]
# A configuration is a TOML file. Any value may be an axis, `{ sweep = [..] }`; axes form a grid.

# %%
CONFIG = """
[tokens]
count = 4096
points = 25

[features]
model = "isotropic"
dim = 256

[branches]
model = "equicorrelated"
psi_equal = 0.1
psi_within = { sweep = [0.101, 0.11, 0.15, 0.3, 0.6] }
psi_cross = 0.1

[run]
replicates = { sweep = [200, 5000] }
"""
file, folder = Path("results/balance.toml"), Path("results/balance")
shutil.rmtree(folder, ignore_errors=True)
file.parent.mkdir(parents=True, exist_ok=True)
_ = file.write_text(CONFIG)

# %% [markdown]
# Each point is stored the moment it is finished. Here the sweep is interrupted after the fourth:


# %%
class Stop(Exception):
    pass


def stop_after_four(done, total, point):
    if done == 4:
        raise Stop


try:
    ts.run_sweep(file, folder, stop_after_four)
except Stop:
    print("stopped with", len(list(folder.glob("points/*.npz"))), "points stored")
computed, points = ts.run_sweep(file, folder)
print(f"resumed: {computed} of {points} points computed now, {points - computed} were there")

# %% [markdown]
# **Verdicts.** With 200 replicates the errors are too large to say anything within 2 %, and the
# verdict says so, with how many would do; with 5,000 every point passes.

# %%
for point, result in ts.load_results(folder):
    check = result.check()
    print(f"{point.label:44s} {check.verdict:9s} {check.reason}")

# %% [markdown]
# **All results as one labelled array** (xarray), with the theory beside them:

# %%
data = ts.open_results(folder)
data

# %% [markdown]
# **n_balance** from the simulated distances alone, against (1 - psi_equal) / (psi_within - psi_cross) - 1:

# %%
for _, result in ts.load_results(folder):
    if result.replicates == 5000:
        print(f"theory {ts.theory.n_balance(result.model):8.2f}   measured {result.n_balance()}")

# %% [markdown]
# **Regimes.** In units of its own n_balance every model follows the same curve.

# %%
figure, axes = plt.subplots(figsize=(8, 4.5))
for _, result in ts.load_results(folder):
    if result.replicates == 5000:
        balance = ts.theory.n_balance(result.model)
        slope = result.local_exponent()
        axes.errorbar(
            slope.n / balance,
            slope.mean,
            2 * slope.standard_error,
            fmt="o",
            markersize=4,
            label=f"n_balance = {balance:.3g}",
        )
x = np.geomspace(1e-3, 1e4, 200)
axes.semilogx(x, 0.5 * (1 + x / (x + 1)), "k-", linewidth=1, label="(1 + x / (x + 1)) / 2")
axes.set(xlabel="x = n / n_balance", ylabel="local exponent of E[D]")
_ = axes.legend()
