# %% [markdown]
# # The paper's measurement on a model of yours
#
# The paper takes hidden states of two branches, and shows psi's, D(n), lambda sqrt(Upsilon(n)) and the
# balance point for each layer. With a model at hand that is three commands:
#
# ```
# pip install 'tokenspace[models]'
# tokenspace collect MODEL --pictures photographs/ --layers 3,9,12 --out tokens
# tokenspace measure tokens
# tokenspace figures --tokens tokens --out figures
# ```
#
# (`--text pairs.jsonl` for prompts with two answers each.) No model ships with this repository; the
# tokens of one do: DINOv2 ViT-S/14 for eight photographs, after layers 3, 9 and 12. They are written
# into a folder of the form that `collect` writes, and everything below reads that folder.

# %%
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import save_file

from tokenspace import figures
from tokenspace.tokens.folders import measure_groups, token_groups

data = np.load(Path("../tests/data/picture_tokens.npz"))
LAYERS = {3: "layer_3", 9: "layer_9", 12: "final"}
names = [str(name) for name in data["names"]]
folder = Path(tempfile.mkdtemp()) / "dinov2"
folder.mkdir()
groups = []
for layer, key in LAYERS.items():
    file = f"vision.{layer:02d}.safetensors"
    save_file(
        {n: np.ascontiguousarray(h) for n, h in zip(names, data[key], strict=True)}, folder / file
    )
    groups.append(
        {"name": file[:9], "layer": layer, "part": "vision", "file": file, "features": 384}
        | {"tokens": "patches, row by row"}
    )
sequences = [{"id": n, "picture": n, "length": 256, "group_label": n} for n in names]
about = {
    "format": 1,
    "kind": "pictures",
    "model": "DINOv2 ViT-S/14",
    "revision": None,
    "versions": {},
}
manifest = about | {"dtype": str(data["final"].dtype), "layers": list(LAYERS)}
_ = (folder / "manifest.json").write_text(
    json.dumps(manifest | {"groups": groups, "sequences": sequences})
)

# %% [markdown]
# **Measure.** In random order, as the paper's law knows no distance between tokens. Every two of the
# eight pictures are a pair, and errors come from leaving one picture at a time out.

# %%
loaded = [(m, m.result) for m in measure_groups(token_groups(folder), order="random")]


def row(group, result):
    balance, upsilon = result.n_balance(), result.scale_fit()
    plain = result.scale_fit(by="plain")
    last = {k: result.correlations[k] for k in ("psi_equal", "psi_within", "psi_cross")}
    return {
        "layer": group.layer,
        **{k: f"{e.mean[-1]:.3f} ± {e.standard_error[-1]:.3f}" for k, e in last.items()},
        "n_balance": f"{balance.mean:.1f} ({balance.interval[0]:.1f} to {balance.interval[1]:.1f})",
        "lambda": f"{upsilon.mean:.2f} ± {upsilon.standard_error:.2f}",
        "lambda, as the paper fits it": f"{plain.mean:.2f} ± {plain.standard_error:.2f}",
    }


pd.DataFrame([row(group, result) for group, result in loaded]).set_index("layer")

# %% [markdown]
# With depth patches of one picture come to resemble each other more (psi_within grows), those of
# different pictures hardly; the balance point falls from some seven tokens to one or two, and the
# exponent over all n rises towards 1. Eight pictures bound n_balance by a factor of two or three only.
# Both lambdas agree within their errors; their size is that of the tokens' norms.
#
# **psi's within and across branches**, panel by panel a layer.

# %%
figures.draw("tokens_within", loaded)

# %%
figures.draw("tokens_across", loaded)

# %% [markdown]
# **E[D(n)] with its bands** and lambda sqrt(Upsilon(n)), fitted in the logarithm at the counts shown
# and as the paper does, unweighted over every n: the large n decide the latter.

# %%
figures.draw("tokens_divergence", loaded)

# %% [markdown]
# **Where the balance curve meets n**, the paper's construction of n_balance:

# %%
figures.draw("tokens_balance", loaded)

# %% [markdown]
# **What the paper does not show: depth.** Exponent and n_balance against the layer, with errors.

# %%
figures.draw("tokens_exponent_depth", loaded)

# %%
figures.draw("tokens_balance_depth", loaded)

# %% [markdown]
# **Norms.** The paper's Upsilon knows cosines only; where norms of tokens differ, lambda takes up what
# it cannot say. The same D with every token brought to norm 1, at the last n:

# %%
for group, result in loaded:
    raw, unit = result.scale_fit(), result.scale_fit(unit=True)
    print(
        f"layer {group.layer:2d}: lambda {raw.mean:6.3f} ± {raw.standard_error:.3f}, "
        f"of unit-norm tokens {unit.mean:.4f} ± {unit.standard_error:.4f}"
    )
