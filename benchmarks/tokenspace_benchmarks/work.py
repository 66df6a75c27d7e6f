"""The least work of a replicate, or of a pass over given tokens: what no program can do without.

The number of normals is that of the sampler's own `cost`, but for `collapsed`, of which chi-squares
are counted apart. The rest is counted from the mathematics,
not from how a sampler does it: triangular factors are not multiplied with their zeros, and a sum of
tokens takes one addition a number, not a row of a matrix.
"""

from __future__ import annotations

from tokenspace.errors import InputError
from tokenspace.sampling import Choice
from tokenspace_benchmarks.limits import Work
from tokenspace_benchmarks.operations import chi_square, multiply_adds, normal, on_accelerator

# A feature of a pair of given tokens: a - b added to a sum (2 additions); for the psi's two
# squares, a product and two sums of unit vectors (5 multiply-adds).
DIFFERENCE = Work(others=2)
UNIT_VECTORS = Work(multiplications=5)
SQUARE = Work(multiplications=1)
KNOWN = ("collapsed", "partial_sums", "tokens")


def replicate(choice: Choice) -> Work:
    """The least work of one replicate, of the samplers that are benchmarked."""
    if choice.name not in KNOWN:
        raise InputError(f"the least work of the sampler {choice.name!r} has not been counted")
    if choice.name == "collapsed":
        return _collapsed(choice)
    return _drawn(choice)


def _drawn(choice: Choice) -> Work:
    """Every normal drawn, and the least that is done with it."""
    accelerator, request = on_accelerator(), choice.request
    normals = choice.cost.normals
    drawn = normals * normal(accelerator)
    if choice.name == "partial_sums":  # rows of a triangle, and a square each
        rows = len(request.grid)
        return drawn + multiply_adds(normals * (rows + 1) / 2, accelerator) + normals * SQUARE
    if request.divergence_only and request.difference_alone:
        return drawn + normals * Work(others=1)
    # s + m and s - m make the tokens of both branches; m is the difference already
    pair = Work(others=3) + UNIT_VECTORS
    return drawn + normals / 2 * pair


def _collapsed(choice: Choice) -> Work:
    """L A of two triangles for each group: normals below the diagonal of A, chi-squares on it."""
    accelerator, m = on_accelerator(), len(choice.request.grid)
    total = Work()
    for freedom in choice.request.feature_groups[1]:
        columns = range(min(m, int(freedom)))
        below = sum(m - 1 - j for j in columns)
        product = sum((m - j) * (m - j + 1) / 2 for j in columns)
        total += below * normal(accelerator) + len(columns) * chi_square(accelerator)
        total += multiply_adds(product, accelerator) + (below + len(columns)) * SQUARE
    return total


def given_tokens(tokens: int, dim: int, psi: bool) -> Work:
    """One pass over both branches: every float32 read once."""
    features = tokens * dim
    return Work(bytes=8.0 * features) + features * (DIFFERENCE + (UNIT_VECTORS if psi else Work()))
