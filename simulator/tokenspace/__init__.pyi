# Public names: `__init__.py` loads each when it is first used; editors and type checkers look here.
from . import covariance, errors, kernels, theory
from .covariance import (
    Block,
    Branches,
    Combination,
    Constant,
    Covariance,
    Empirical,
    Exponential,
    Features,
    FractionalGaussianNoise,
    Gaussian,
    Isotropic,
    Laplace,
    Markov,
    Matern,
    PatchDistance,
    PatchGrid,
    PowerLaw,
    PowerLawSpectrum,
    Product,
    RationalQuadratic,
    Spectrum,
    Spiked,
    SquaredExponential,
    Stationary,
    Structure,
    StudentT,
    SumModel,
    TokenLaw,
    TokenModel,
    UnitNorm,
    White,
    equicorrelated,
    shared_context,
)
from .errors import TokenspaceError
from .experiments.dataset import open_results
from .experiments.experiment import Execution, Experiment
from .experiments.results import load_results
from .experiments.simulate import simulate
from .experiments.sweep import run_sweep
from .figures.plot import plot
from .grids import log_grid
from .parameters import model, parameter
from .provenance import __version__
from .registry import register
from .sampling.choose import choose
from .scaling.ahead import forecast_at
from .scaling.cost import TransformerCost
from .scaling.curves import read_curves
from .scaling.fit import fit_scaling
from .scaling.forecast import forecast
from .scaling.joint.fit import fit_joint
from .scaling.plan import plan_tokens
from .scaling.predict import predict_scores
from .scaling.scales import Logit
from .statistics.estimate import Estimate
from .statistics.result import Result
from .tokens.describe import TokenDescription, describe_tokens
from .tokens.fit import TokenFit, fit_tokens
from .tokens.measure import correlations, divergence, measure

__all__ = [
    "Block",
    "Branches",
    "Combination",
    "Constant",
    "Covariance",
    "Empirical",
    "Estimate",
    "Execution",
    "Experiment",
    "Exponential",
    "Features",
    "FractionalGaussianNoise",
    "Gaussian",
    "Isotropic",
    "Laplace",
    "Logit",
    "Markov",
    "Matern",
    "PatchDistance",
    "PatchGrid",
    "PowerLaw",
    "PowerLawSpectrum",
    "Product",
    "RationalQuadratic",
    "Result",
    "Spectrum",
    "Spiked",
    "SquaredExponential",
    "Stationary",
    "Structure",
    "StudentT",
    "SumModel",
    "TokenDescription",
    "TokenFit",
    "TokenLaw",
    "TokenModel",
    "TokenspaceError",
    "TransformerCost",
    "UnitNorm",
    "White",
    "__version__",
    "choose",
    "correlations",
    "covariance",
    "describe_tokens",
    "divergence",
    "equicorrelated",
    "errors",
    "fit_joint",
    "fit_scaling",
    "fit_tokens",
    "forecast",
    "forecast_at",
    "kernels",
    "load_results",
    "log_grid",
    "measure",
    "model",
    "open_results",
    "parameter",
    "plan_tokens",
    "plot",
    "predict_scores",
    "read_curves",
    "register",
    "run_sweep",
    "shared_context",
    "simulate",
    "theory",
]
