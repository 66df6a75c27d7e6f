# %% [markdown]
# # The theory figures
#
# Every theory figure of the paper, and a diagram of which exponent each family of covariances forces.
# They are drawn from stored results: the demo sweep, which is run once and found again after that.
# On the command line: `tokenspace figures --results DIR --out DIR`.

# %%
from pathlib import Path

import tokenspace as ts
from tokenspace import figures
from tokenspace.experiments.config import demo_file

folder = Path("results/demo")
computed, points = ts.run_sweep(demo_file(), folder)
loaded = ts.load_results(folder)
print(f"{points} points stored, {sum(r.check().passed for _, r in loaded)} agree with the theory")

# %% [markdown]
# **The exponent diagram.** Points are simulated, lines exact slopes between the same n. Equicorrelated
# tokens go from 1/2 to 1; tokens that forget go the other way; fractional Gaussian noise stays where
# its Hurst exponent puts it; a patch grid depends on the order in which patches are read.

# %%
figures.draw("exponent_diagram", loaded)

# %% [markdown]
# **E[D(n)] and lambda sqrt(Upsilon(n)).** One constant lambda fits at every n, for every Gaussian
# model: it is sqrt(2) E||Sigma^(1/2) z|| and depends on the features only. Bands: 1 and 2 sigma of D
# itself, not errors of the mean.

# %%
figures.draw("divergence", loaded)

# %% [markdown]
# **sqrt(Upsilon(n))** for several psi_cross: the closer it comes to psi_within, the later the linear
# regime begins.

# %%
figures.draw("upsilon", loaded)

# %% [markdown]
# **alpha(n)** of S(n) = c / n^alpha(n), a secant exponent (solid) and the local one (dotted): both run
# from -beta/2 to -beta.

# %%
figures.draw("alpha", loaded)

# %% [markdown]
# **psi's of simulated tokens** on the exact expectation of the realised cosine.

# %%
figures.draw("correlations", loaded)

# %% [markdown]
# **The balance curve** meets n at n_balance.

# %%
figures.draw("balance", loaded)
