"""A fitted model of tokens: what comes back from `fit_tokens`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tokenspace.covariance import TokenModel
from tokenspace.statistics.estimate import Estimate
from tokenspace.tokens.fit.compare import Compared
from tokenspace.tokens.fit.held_out import Ranked

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 6  # families in the text of a fit; `table()` has all


@dataclass(frozen=True)
class TokenFit:
    """A model of given tokens, and its parameters with errors.

    parameters: name -> Estimate. psi_equal, psi_within, psi_cross and psi_delta = psi_within -
    psi_cross over all N tokens; mean_square, of ||h||^2; effective_dimension of the features, too
    low unless pairs (or pictures) are many times d, so that no error is given; then the family's
    shape, such as a length, with intervals in its logarithm, and the weights of what remains when
    the branches are subtracted, which sum to 1. order: in which patches are read, "" of a family
    without rows and columns; aim: "sums" or "lags", what it was fitted to. compared: psi's,
    root mean squares of D(n) and how tokens change in size, of the tokens and of the model, with z
    of their difference. ranking: all families
    that were tried, and what no model at all misses, the least error on held-out pictures first;
    empty where one family was asked for. The family of the model has the fewest parameters of those
    within one standard error of the best. notes: what had to be changed, and
    whether no family did better than no model.
    """

    model: TokenModel
    parameters: dict[str, Estimate]
    family: str
    order: str = ""
    aim: str = ""
    compared: tuple[Compared, ...] = ()
    ranking: tuple[Ranked, ...] = ()
    notes: tuple[str, ...] = ()

    def table(self) -> pd.DataFrame:
        """The ranking, a row a family: errors on held-out pictures with their standard errors."""
        import pandas as pd

        rows = []
        for r in self.ranking:
            row: dict[str, object] = {"family": r.name, "fitted to": r.aim}
            for name in ("score", "divergence", "gamma", "psi"):
                value = getattr(r, name)
                row |= {name: float(value.mean), f"{name} s.e.": float(value.standard_error)}
            behind = {"behind": r.behind.mean, "behind s.e.": r.behind.standard_error}
            rows.append(row | behind | {"ties": r.ties, "parameters": r.size})
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        named = f"{self.family}, {self.order}" if self.order else self.family
        lines = [f"{name} = {value!r}" for name, value in self.parameters.items()]
        for row in self.compared:
            if row.z:  # the others the model has by construction
                z = f", z = {row.z:.1f}" if row.z == row.z else ""
                lines.append(f"{row.name}: tokens {row.tokens!r}, model {row.model.mean:.6g}{z}")
        if self.ranking:
            lines.append("score on held-out tokens, 1 without any model, and behind the best:")
            for r in self.ranking[:SHOWN]:
                behind = f"{r.behind.mean:.3f} ± {r.behind.standard_error:.2g}"
                here = " (this model)" * ((r.family, r.order) == (self.family, self.order))
                lines.append(f"  {r.score.mean:.3f}, {behind}: {r.name}{here}")
            if len(self.ranking) > SHOWN:
                lines.append(f"  and {len(self.ranking) - SHOWN} more, see table()")
        return "\n  ".join([f"TokenFit({named}):", *lines, *self.notes])
