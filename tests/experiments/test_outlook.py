"""What a sweep will take is said before it runs."""

from folders import CONFIG

import tokenspace as ts
from tokenspace.experiments.config import points_of
from tokenspace.experiments.outlook import outlook

TWO = CONFIG | {
    "case": [
        {"name": "once"},
        {"name": "again"},
        {"name": "psi", "run": {"statistics": ["correlations"], "replicates": 3000}},
    ]
}


def test_kinds_count_what_is_computed_and_their_bytes_are_those_on_disk(tmp_path):
    kinds = {k.sampler: k for k in outlook(points_of(TWO))}
    points = points_of(TWO)
    assert sum(k.points for k in kinds.values()) == 2  # "again" is the same experiment
    assert kinds["tokens"].replicates == 3000
    assert kinds["tokens"].statistics == ("divergence", "correlations")
    ts.run_sweep(TWO, tmp_path / "r")
    on_disk = sum(p.stat().st_size for p in (tmp_path / "r" / "points").glob("*.npz"))
    assert abs(sum(k.bytes for k in kinds.values()) / on_disk - 1) < 0.05
    assert all(k.seconds > 0 for k in kinds.values()) and len(points) == 3


def test_time_grows_with_the_replicates_that_are_asked_for():
    def seconds(replicates):
        many = CONFIG | {"run": CONFIG["run"] | {"replicates": replicates}}
        (kind,) = outlook(points_of(many))
        return kind.seconds

    assert seconds(10**9) > 100 * seconds(10**5)
