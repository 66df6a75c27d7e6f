# %% [markdown]
# # Quickstart
#
# As a vision-language model sees more vision tokens, how far do two sequences drift apart, and with
# which exponent? Five minutes: a model of token correlation, its exact theory, a simulation, and a
# verdict on whether the two agree.

# %%
import matplotlib.pyplot as plt

import tokenspace as ts

# %% [markdown]
# **A model** says how tokens correlate: along the sequence and across two branches A and B (here
# constant correlations, the setting of the paper), over the features, and with which law.

# %%
branches = ts.equicorrelated(psi_equal=0.2, psi_within=0.11, psi_cross=0.1)
model = ts.TokenModel(branches, ts.PowerLawSpectrum(dim=1024, decay=1.0))
print(model)
print("n_balance:", ts.theory.n_balance(model))

# %% [markdown]
# **Simulate** D(n), the norm of the summed differences of the first n tokens. `auto` takes the
# cheapest exact sampler and says why.

# %%
result = ts.simulate(model, grid=4096, replicates=4096)
print(result.sampler, "-", result.reason)
print(f"{result.seconds:.2f} s for {result.replicates} replicates of 4,096 tokens x 1,024 features")

# %% [markdown]
# **The verdict.** Every E[D(n)] and every slope is compared with the exact value; PASS means that
# all lie within 2 % (0.02 of an exponent) *and* that the errors exclude a larger deviation.

# %%
print(result.check())

# %% [markdown]
# Points with errors on exact lines: the distance, and its local exponent, which moves from 1/2
# (**sublinear**) to 1 (**linear**) across n_balance.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
left.errorbar(result.n, result.mean, 2 * result.standard_error, fmt="o", markersize=4)
left.loglog(result.n, ts.theory.expected_divergence(model, result.n), "k-", linewidth=1)
left.set(xlabel="number of tokens n", ylabel="E[D(n)]", title="distance divergence")
slope = result.local_exponent()
right.errorbar(slope.n, slope.mean, 2 * slope.standard_error, fmt="o", markersize=4)
right.semilogx(result.n, ts.theory.local_exponent(model, result.n), "k-", linewidth=1)
right.axvline(ts.theory.n_balance(model), color="gray", linestyle=":", label="n_balance")
right.set(xlabel="number of tokens n", ylabel="local exponent", title="from 1/2 to 1")
_ = right.legend()

# %% [markdown]
# n_balance can be measured without knowing the model, with an interval:

# %%
result.n_balance()

# %% [markdown]
# Next: `02_theory_figures` draws the paper's theory figures, `03_sweeps_and_regimes` designs a sweep,
# `06_your_own_tokens` measures hidden states of a real model.
