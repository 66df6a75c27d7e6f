"""Quality of the random numbers at 1e9 draws: `python -m` this module [DRAWS [FOLDER]].

Moments to order 4, tails, and correlations of neighbours along replicates, tokens, features,
branches and the two words of a counter, each as a z-score against its exact standard error under
independent normals. Writes random_quality.json beside the benchmark results of the device; exit
status 1 when any p-value, corrected for their number, is below 0.001.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from tokenspace.provenance import device_name, versions
from tokenspace_benchmarks.harness import commit, device_folder
from tokenspace_kernels.random_bits import normals, replicate_keys, substream
from tokenspace_kernels.streams import TOTAL

TOKENS, DIM, BATCH = 256, 1024, 16
TAILS = (1.0, 2.0, 3.0, 4.0, 5.0)
LEVEL = 1e-3


@jax.jit
def sums(keys: jax.Array) -> dict[str, jax.Array]:
    """Sums over a batch of replicates; each is of float32 numbers, added up in float32 by rows."""
    z = jax.vmap(lambda k: normals(k, 0, TOKENS, DIM))(keys)
    other = jax.vmap(lambda k: normals(substream(k, TOTAL), 0, TOKENS, DIM))(keys)

    def total(x: jax.Array) -> jax.Array:
        return jnp.sum(x, axis=-1).reshape(-1)

    out = {f"moment {k}": total(z**k) for k in (1, 2, 3, 4)}
    out |= {f"|z| > {t:g}": total((jnp.abs(z) > t).astype(jnp.float32)) for t in TAILS}
    out["replicates"] = total(z[:-1] * z[1:])
    out["tokens"] = total(z[:, :-1] * z[:, 1:])
    out["features"] = total(z[..., :-1] * z[..., 1:])
    out["branches"] = total(z * other)
    out["squares of replicates"] = total((z[:-1] ** 2 - 1) * (z[1:] ** 2 - 1))
    out["squares of tokens"] = total((z[:, :-1] ** 2 - 1) * (z[:, 1:] ** 2 - 1))
    out["squares of branches"] = total((z**2 - 1) * (other**2 - 1))
    return out


def expected(name: str) -> tuple[float, float]:
    """Mean and variance of one term under independent standard normals."""
    if name.startswith("moment"):
        k = int(name.split()[1])
        moment = {1: 0, 2: 1, 3: 0, 4: 3}[k]
        return moment, {1: 1, 2: 3, 3: 15, 4: 105}[k] - moment**2
    if name.startswith("|z|"):
        p = 2 * stats.norm.sf(float(name.split()[-1]))
        return p, p * (1 - p)
    return 0.0, 4.0 if name.startswith("squares") else 1.0


def count(name: str) -> int:
    """Terms of one batch."""
    sizes = {"replicates": (BATCH - 1) / BATCH, "tokens": 1 - 1 / TOKENS, "features": 1 - 1 / DIM}
    return round(BATCH * TOKENS * DIM * sizes.get(name.removeprefix("squares of "), 1.0))


def check(draws: int, seed: int = 0) -> list[dict[str, Any]]:
    """Every statistic with its z-score and two-sided p-value."""
    batches = -(-draws // (BATCH * TOKENS * DIM))
    totals: dict[str, float] = {}
    for batch in range(batches):
        for name, rows in sums(replicate_keys(seed, batch * BATCH, BATCH)).items():
            totals[name] = totals.get(name, 0.0) + float(np.asarray(rows, np.float64).sum())
    out = []
    for name, total in totals.items():
        mean, variance = expected(name)
        terms = count(name) * batches
        z = (total / terms - mean) / np.sqrt(variance / terms)
        p = 2 * float(stats.norm.sf(abs(z)))
        out.append({"what": name, "terms": terms, "mean": total / terms, "z": z, "p": p})
    return out


def main(draws: int, folder: Path) -> int:
    """Run, print and save; returns the exit status."""
    started = time.perf_counter()
    rows = check(draws)
    passed = all(r["p"] * len(rows) > LEVEL for r in rows)
    for r in rows:
        print(f"{r['what']:24s} mean {r['mean']: .3e}  z {r['z']:+.2f}  p {r['p']:.3f}")
    document = {
        "device": device_name(),
        "versions": versions(),
        "commit": commit(),
        "draws": rows[0]["terms"],
        "seconds": time.perf_counter() - started,
        "passed": passed,
        "statistics": rows,
    }
    path = device_folder(folder) / "random_quality.json"
    path.write_text(json.dumps(document, indent=1) + "\n")
    print(f"{'PASS' if passed else 'FAIL'}: {rows[0]['terms']:,} draws; {path}")
    return 0 if passed else 1


if __name__ == "__main__":
    draws, folder = (*sys.argv[1:], *("1000000000", "benchmarks/results")[len(sys.argv) - 1 :])
    sys.exit(main(int(draws), Path(folder)))
