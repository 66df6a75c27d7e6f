"""Many points: run what is missing, store each as it finishes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tokenspace.config import Point, load, points_of
from tokenspace.experiment import simulate
from tokenspace.result import Result
from tokenspace.store import begin, load_point, save_point


def run_point(point: Point, progress: Callable[[int, int], Any] | None = None) -> Result:
    """Simulate one point of a configuration."""
    run = point.run()
    return simulate(
        point.model(),
        point.grid(),
        run.replicates,
        run.seed,
        run.sampler,
        run.statistics,
        run.target_relative_error,
        progress=progress,
    )


def run_sweep(
    config: str | Path | dict[str, Any],
    folder: str | Path,
    progress: Callable[[int, int, Point], Any] | None = None,
) -> tuple[int, int]:
    """Run the points that the folder does not hold yet; returns (computed now, points in all).

    Args:
        config: a TOML file, or the same as a dictionary.
        folder: where results are kept; created when missing.
        progress: called with (points finished, points in all, next or last point).

    Raises:
        ConfigError: the configuration cannot be used; every problem is listed.
        InputError: the folder holds another configuration or a corrupt file.
    """
    points, raw = (points_of(config), config) if isinstance(config, dict) else load(config)
    folder = Path(folder)
    begin(folder, raw)
    computed = 0
    for k, point in enumerate(points):
        if progress is not None:
            progress(k, len(points), point)
        path = folder / "points" / f"{point.key}.npz"
        if path.exists():
            load_point(path)  # nothing wrong is passed over in silence
            continue
        save_point(folder, point, run_point(point))
        computed += 1
    if progress is not None and points:
        progress(len(points), len(points), points[-1])
    return computed, len(points)
