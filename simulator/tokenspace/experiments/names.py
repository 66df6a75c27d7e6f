"""Models by name, for configurations, stored results and listings: the registry, and nothing else.

Until the rooms register their own classes, the built-in ones are registered here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tokenspace import covariance as cov
from tokenspace.parameters import Parameter, described
from tokenspace.registry import ROOMS
from tokenspace.sampling import SAMPLERS
from tokenspace.sampling.dispatch import STATISTICS as STATISTICS

MODEL_ROOMS = ("position", "branches", "features", "law")


def find(room: str, name: str) -> Callable[..., Any]:
    """The model of that name; raises `InputError` with the nearest and all that are known."""
    return ROOMS[room].find(name)


def names(room: str) -> tuple[str, ...]:
    """The names of a room's models."""
    return ROOMS[room].names()


def name_of(room: str, make: Callable[..., Any]) -> str | None:
    """The name of a model's class, None when it is not registered."""
    return ROOMS[room].name_of(make)


def sampler_names() -> tuple[str, ...]:
    """Every sampler that can be asked for, "auto" first."""
    return SAMPLERS


def is_sampler(name: object) -> bool:
    """Whether there is a sampler of that name, without a list of all that are installed."""
    return isinstance(name, str) and name in SAMPLERS


# Temporary, from here on: goes when the rooms' packages register their own classes.
_OURS: dict[str, dict[str, Callable[..., Any]]] = {
    "position": {
        "white": cov.White,
        "constant": cov.Constant,
        "exponential": cov.Exponential,
        "matern": cov.Matern,
        "squared_exponential": cov.SquaredExponential,
        "rational_quadratic": cov.RationalQuadratic,
        "power_law": cov.PowerLaw,
        "fractional_gaussian_noise": cov.FractionalGaussianNoise,
        "block": cov.Block,
        "patch_grid": cov.PatchGrid,
        "empirical": cov.Empirical,
    },
    "branches": {
        "equicorrelated": cov.equicorrelated,
        "branches": cov.Branches,
        "shared_context": cov.shared_context,
    },
    "features": {
        "isotropic": cov.Isotropic,
        "power_law": cov.PowerLawSpectrum,
        "spiked": cov.Spiked,
        "spectrum": cov.Spectrum,
    },
    "law": {"gaussian": cov.Gaussian, "student_t": cov.StudentT, "unit_norm": cov.UnitNorm},
}
_COVARIANCE = Parameter(
    'a position covariance, e.g. { model = "exponential", length = 16 }', number=False
)
described(
    psi_equal=Parameter("correlation of the branches at one position", at_least=-1, below=1),
    psi_within=Parameter("correlation of two tokens of a branch", at_least=-1, at_most=1),
    psi_cross=Parameter("correlation across branches and positions", at_least=-1, at_most=1),
)(cov.equicorrelated)
described(
    shared=_COVARIANCE,
    private=_COVARIANCE,
    share=Parameter("share of the variance in common", at_least=0, below=1),
)(cov.shared_context)
for _room, _known in _OURS.items():
    ROOMS[_room]._complete = True
    for _name, _make in _known.items():
        ROOMS[_room].add(_name, _make)
for _base, _room in (
    (cov.Covariance, "position"),
    (cov.Features, "features"),
    (cov.TokenLaw, "law"),
):
    if not hasattr(_base, "room"):
        _base.room = _room  # type: ignore[union-attr]
