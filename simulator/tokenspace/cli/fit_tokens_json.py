"""What `fit-tokens --json` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenspace.cli.fitted_tokens import FittedTokens
    from tokenspace.statistics.estimate import Estimate
    from tokenspace.tokens.describe import TokenDescription
    from tokenspace.tokens.fit import TokenFit


def as_data(found: FittedTokens) -> dict[str, Any]:
    """The fit, and what the tokens are like or why that is not known."""
    why = {"why": found.why}
    description = why if found.said is None else _description(found.said)
    return _fit_data(found.fit) | {"description": description}


def _fit_data(found: TokenFit) -> dict[str, Any]:
    from tokenspace.experiments.canonical import model_tables

    ranking = [
        {"family": r.family, "order": r.order, "aim": r.aim, "ties": r.ties, "parameters": r.size}
        | _estimates(
            {
                "score": r.score,
                "divergence": r.divergence,
                "gamma": r.gamma,
                "psi": r.psi,
                "behind": r.behind,
            }
        )
        for r in found.ranking
    ]
    return {
        "family": found.family,
        "order": found.order,
        "aim": found.aim,
        "parameters": _estimates(found.parameters),
        "compared": [
            _estimates({"tokens": c.tokens, "model": c.model, "difference": c.difference})
            | {"name": c.name, "z": c.z}
            for c in found.compared
        ],
        "ranking": ranking,
        "notes": list(found.notes),
        "fitted_model": model_tables(found.model),
    }


def _description(said: TokenDescription) -> dict[str, Any]:
    return {
        "tokens": _estimates(said.found),
        "gaussian": _estimates(said.gaussian),
        "eigenvalues": said.eigenvalues,
        "raw": _estimates(said.raw),
        "unit": _estimates(said.unit),
        "change": _estimates(said.change),
        "law": repr(said.law),
        "why": said.why,
    }


def _estimates(values: dict[str, Estimate]) -> dict[str, Any]:
    return {
        k: {
            "mean": v.mean,
            "standard_error": v.standard_error,
            "interval": list(v.interval()),
            "degrees_of_freedom": v.degrees_of_freedom,
        }
        for k, v in values.items()
    }
