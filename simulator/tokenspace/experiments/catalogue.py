"""Every model under the name that configuration files and the command line use for it."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from tokenspace import covariance as cov
from tokenspace.errors import InputError
from tokenspace.parameters import Parameter, parameters_of

_PSI = "correlation, see theory: "

POSITIONS: dict[str, Callable[..., Any]] = {
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
}
BRANCHES: dict[str, Callable[..., Any]] = {
    "equicorrelated": cov.equicorrelated,
    "branches": cov.Branches,
    "shared_context": cov.shared_context,
}
FEATURES: dict[str, Callable[..., Any]] = {
    "isotropic": cov.Isotropic,
    "power_law": cov.PowerLawSpectrum,
    "spiked": cov.Spiked,
    "spectrum": cov.Spectrum,
}
LAWS: dict[str, Callable[..., Any]] = {
    "gaussian": cov.Gaussian,
    "student_t": cov.StudentT,
    "unit_norm": cov.UnitNorm,
}
ROOMS = {"position": POSITIONS, "branches": BRANCHES, "features": FEATURES, "law": LAWS}

_COVARIANCE = Parameter(
    'a position covariance, e.g. { model = "exponential", length = 16 }', number=False
)
_FUNCTIONS: dict[Any, dict[str, Parameter]] = {
    cov.equicorrelated: {
        "psi_equal": Parameter("correlation of the branches at one position", at_least=-1, below=1),
        "psi_within": Parameter("correlation of two tokens of a branch", at_least=-1, at_most=1),
        "psi_cross": Parameter("correlation across branches and positions", at_least=-1, at_most=1),
    },
    cov.shared_context: {
        "shared": _COVARIANCE,
        "private": _COVARIANCE,
        "share": Parameter("share of the variance in common", at_least=0, below=1),
    },
}


def describe(make: Callable[..., Any]) -> dict[str, tuple[Parameter, bool]]:
    """Name in files -> (meaning and range, whether it must be given) of a model's parameters."""
    if make in _FUNCTIONS:
        return {k: (p, True) for k, p in _FUNCTIONS[make].items()}
    if not isinstance(make, type):
        return {}
    if not dataclasses.is_dataclass(make):
        return {}
    return {
        k: (p, default is dataclasses.MISSING) for k, (p, default) in parameters_of(make).items()
    }


def find(room: str, name: str) -> Callable[..., Any]:
    """The model of that name, or a user's own as "module:Class".

    Raises:
        InputError: no such model, naming the nearest; or the module cannot be imported.
    """
    known = ROOMS[room]
    if name in known:
        return known[name]
    if ":" in name:
        module, _, attribute = name.partition(":")
        if os.getcwd() not in sys.path:  # a user's module lies where the command is given
            sys.path.insert(0, os.getcwd())
        try:
            return getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError, ValueError) as error:
            raise InputError(f"{name!r} cannot be imported: {error}") from None
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InputError(
        f"{name!r} is not a {room} model{hint} Allowed: {', '.join(known)}, or module:Class"
    )
