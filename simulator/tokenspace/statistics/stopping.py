"""When a run may stop at a target error: looks at fixed counts, after a pilot.

Error bars from few replicates are noise, and a run that stops at the first small one stops too
early. So nothing is judged before a pilot, and looks lie so far apart that few chances are given.
The counts do not depend on the speed of the machine: the same experiment stops at the same count.
"""

from __future__ import annotations

import numpy as np

from tokenspace.statistics.control import control
from tokenspace.statistics.streaming import Accumulator, summary

PILOT = 128  # replicates before the first look
GROWTH = 1.25  # of the count from look to look


def is_look(count: int) -> bool:
    """Whether a run is judged at this number of replicates."""
    return count == next_look(count - 1)


def next_look(count: int) -> int:
    """The smallest count above `count` at which a run is judged."""
    look = PILOT
    while look <= count:
        look = int(look * GROWTH)
    return look


def enough(seen: Accumulator, target: float, exact: np.ndarray | None = None) -> bool:
    """Whether a run with a target stops here: this is a look, and the error is below the target.

    Args:
        seen: the replicates so far.
        target: of `relative_error`.
        exact: as in `relative_error`.
    """
    return is_look(seen.count) and relative_error(seen, exact) < target


def relative_error(seen: Accumulator, exact: np.ndarray | None = None) -> float:
    """The largest standard error of an estimate of E[D(n)], relative to it; NaN from one replicate.

    Args:
        seen: the replicates so far.
        exact: E[D^2] at each n (m,) where the estimator is the control variate.
    """
    joint = summary(seen).joint
    found = None if exact is None else control(joint, exact)
    expected = joint.select(slice(len(seen.n))) if found is None else found.divergence
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.max(expected.standard_error / expected.mean))
