"""The models that are benchmarked, measured and compiled alike, by the names of their rows."""

from __future__ import annotations

from tokenspace.covariance import (
    Block,
    Branches,
    Exponential,
    Gaussian,
    StudentT,
    TokenLaw,
    UnitNorm,
    White,
    equicorrelated,
)

PSI = (0.2, 0.3, 0.1)  # psi_equal, psi_within, psi_cross
LENGTH = 32.0
BRANCHES: dict[str, Branches] = {  # without memory, exchangeable, Markov, in blocks
    "white": Branches(White()),
    "equicorrelated": equicorrelated(*PSI),
    "AR(1)": Branches(Exponential(LENGTH)),
    "blocks": Branches(Block(64)),
}
MEASURED = ("equicorrelated", "AR(1)")  # against peers
LAWS: dict[str, TokenLaw] = {
    "Gaussian": Gaussian(),
    "unit norm": UnitNorm(),
    "Student-t": StudentT(5.0, "token"),
}
