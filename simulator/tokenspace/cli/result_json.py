"""A result as the commands' JSON documents have it."""

from __future__ import annotations

from typing import Any


def summary(label: str, result: Any, check: Any) -> dict[str, Any]:
    """All numbers of a result; check: its verdict, None where it has none."""
    balance = None
    if result.enough_for_balance and result.reached().mean.all():
        balance = with_errors(result.n_balance())
    out = {
        "label": label,
        "n": result.n,
        "mean": result.mean,
        "standard_error": result.standard_error,
        "interval": result.interval(),
        "estimator": result.estimator,
        "gain": None if result.control is None else result.control.gain,
        "std": result.std,
        "quantile_levels": result.quantile_levels,
        "quantiles": result.quantiles,
        "quantile_intervals": result.quantile_intervals,
        "replicates": result.replicates,
        "sampler": result.sampler,
        "method": result.method,
        "reason": result.reason,
        "kernels": result.kernels,
        "device": result.device,
        "seed": result.seed,
        "seconds": result.seconds,
        "effective_dimension": None
        if (model := result.known_model) is None
        else [t.features.effective_dimension for t in model.terms],
        "versions": result.versions,
        "notes": list(result.notes),
        "n_balance": balance,
    }
    if result.correlations:
        out["correlations"] = {k: on_grid(e) for k, e in result.correlations.items()}
    if check is not None:
        out["check"] = check.to_dict()
    return out


def on_grid(estimate: Any) -> dict[str, Any]:
    """Numbers at each n with their errors."""
    return {
        "mean": estimate.mean,
        "standard_error": estimate.standard_error,
        "interval": estimate.interval(),
    }


def with_errors(estimate: Any) -> dict[str, Any] | None:
    """One number with its errors, n_balance or lambda; None where there is none."""
    if estimate is None:
        return None
    return {
        "mean": estimate.mean,
        "standard_error": estimate.standard_error,
        "interval": list(estimate.interval),
        "lack_of_fit": estimate.lack_of_fit,
    }
