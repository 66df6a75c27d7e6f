# %% [markdown]
# # Kernel benchmarks
#
# What `tokenspace bench` recorded, by device: speed against what one would write by hand, share of
# the machine's limit, growth with size. Results of your own machine land in
# `benchmarks/results/DEVICE/latest.json`; `tokenspace bench --compare OLD.json` flags slowdowns.

# %%
import pandas as pd

from tokenspace_benchmarks import plots
from tokenspace_benchmarks.harness import recorded

files = recorded()
for device, document in files.items():
    limits = ", ".join(f"{name} {value:.3g}" for name, value in document["limits"].items())
    print(f"{device}: commit {document['commit']}, jax {document['versions']['jax']}; {limits}")
    print(*document["skipped"], sep="\n")

# %% [markdown]
# **Speed.** Seconds per replicate of D(n) at 33 token counts, N = d = 1024. "Dense" is the naive way
# (Cholesky factor of the joint covariance, hoisted); "structured" the best that one would write by
# hand for that model. Medians of interleaved calls, with quartiles.

# %%
tables = []
for device, document in files.items():
    timings = pd.DataFrame(document["timings"]).assign(device=device)
    tables.append(timings[timings["case"].str.startswith("D(n), ")])
speed = pd.concat(tables)[["device", "case", "contestant", "median", "low", "high", "peak_mib"]]
speed.style.format({k: "{:.3g}" for k in ("median", "low", "high", "peak_mib")}).hide()

# %% [markdown]
# How many times faster than the best dense and the best structured peer:

# %%
ours = ("tokens", "partial_sums", "collapsed")
rows = []
for (device, case), group in speed.groupby(["device", "case"], sort=False):
    median = group.set_index("contestant")["median"]
    for name in ours:
        row = {"device": device, "case": case, "sampler": name}
        for kind in ("dense", "structured"):
            row[f"against best {kind}"] = median.filter(like=kind).min() / median[name]
        rows.append(row)
pd.DataFrame(rows).style.format(precision=1, thousands=",").hide()

# %% [markdown]
# **Roofline.** Each case as a share of its own floor: the bytes and the operations that no program of
# the same mathematics does without, over the rates that loops of nothing else reach on this machine
# (`tokenspace_benchmarks.limits`, `.operations`).

# %%
for document in files.values():
    plots.roofline(document)

# %% [markdown]
# **Growth with size.** Throughput counts the tokens x features that a sampler stands for: `tokens`
# draws every one and stays below the most normals that the machine can make, the others never form
# them.

# %%
for document in files.values():
    plots.growth(document)
