"""tokenspace: Monte Carlo simulation of token correlation structure, and its exact theory.

Start with `simulate(TokenModel(equicorrelated(0.2, 0.3, 0.1), Isotropic(1024)), 4096, 4096)` and
`.check()` on what it returns. Theory: `tokenspace.theory`; compiled loops: `tokenspace.kernels`.

`__init__.pyi` lists the public names and where they live; each is loaded when first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
