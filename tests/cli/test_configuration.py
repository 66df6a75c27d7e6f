"""Mistakes in configurations, each with its place and the way out; and any junk."""

import pytest
from commands import CONFIG, SWEPT, call
from hypothesis import given, settings
from hypothesis import strategies as st

import tokenspace as ts
from tokenspace.experiments.config import ConfigError, points_of

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2**70),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["exponential", "isotropic", "equicorrelated"]),
)
junk = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["model", "sweep", "sum", "length", "x"]), inner, max_size=3
        ),
    ),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("psi_within = 0.3", "psi_within = 3.0", "branches.psi_within: 3.0 is not allowed"),
        ("psi_within", "psi_witin", "did you mean 'psi_within'?"),
        ("psi_within = 0.3", "", "branches.psi_within: missing"),
        ("psi_within = 0.3", "psi_within = 0.05", "valid up to n = "),
        ('"equicorrelated"', '"equicorelated"', "did you mean 'equicorrelated'?"),
        ('"equicorrelated"', '"nowhere:Thing"', "--plugin MODULE"),
        ('"equicorrelated"', "3", "branches.model: 3 is no name; one of "),
        ("dim = 64", "dim = 64.5", "features.dim: 64.5 is not allowed; it must be an integer >= 1"),
        ("dim = 64", 'dim = "many"', "features.dim: 'many'"),
        ("count = 256", "count = 0", "tokens.count: 0 is not allowed"),
        ("replicates = 3000", "replicates = true", "run.replicates"),
        ("replicates = 3000", "replicates = 3000\nsampler = 'fast'", "run.sampler"),
        ("[run]", "[runs]", "did you mean 'run'?"),
        ("count = 256", "count = 256\ngrid = [5, 3]", "tokens.grid"),
        ("[tokens]", "[tokens", "not valid TOML"),
        ("psi_within = 0.3", "psi_within = { sweep = [] }", "at least one value"),
    ],
)
def test_bad_configuration(capfd, write, old, new, words):
    path = write(CONFIG.replace(old, new, 1))
    status, out, err = call(capfd, "run", path)
    assert status == 2 and out == ""
    assert str(path) in err.replace("\n", "") and words in err


def test_all_problems_are_listed_at_once(capfd, write):
    bad = CONFIG.replace("dim = 64", "dim = 0").replace("psi_cross = 0.1", "psi_cross = 2")
    _, _, err = call(capfd, "run", write(bad))
    assert "features.dim" in err and "branches.psi_cross" in err


def test_zip_cases_and_algebra(write):
    import tomllib

    raw = tomllib.loads(SWEPT.replace("dim = 64", "dim = { sweep = [2, 3, 4] }"))
    assert len(points_of(raw)) == 9
    assert len(points_of(raw | {"sweep": {"mode": "zip"}})) == 3
    with pytest.raises(ConfigError, match="one length"):
        points_of(raw | {"sweep": {"mode": "zip"}, "run": {"replicates": {"sweep": [1, 2]}}})
    within = {
        "sum": [
            {"model": "exponential", "length": 4, "scale": 0.5},
            {"model": "block", "size": 2, "scale": 0.5},
        ]
    }
    case = {"name": "both", "branches": {"model": "branches", "within": within}}
    (point,) = points_of(tomllib.loads(CONFIG) | {"case": [case]})
    assert point.label == "both"
    assert point.experiment.model.branches.within == 0.5 * ts.Exponential(4) + 0.5 * ts.Block(2)


@settings(max_examples=300)
@given(
    st.sampled_from(["tokens", "features", "branches", "law", "run", "sweep", "case", "x"]),
    st.sampled_from(
        [None, "count", "model", "dim", "psi_equal", "psi_within", "replicates", "mode"]
    ),
    junk,
)
def test_any_junk_gives_a_config_error_or_points(table, key, value):
    import tomllib

    raw = tomllib.loads(CONFIG)
    if key is None:
        raw[table] = value
    else:
        raw.setdefault(table, {})[key] = value
    try:
        points_of(raw)
    except ConfigError as error:
        assert error.problems


def test_a_mark_of_byte_order_is_read_over(capfd, write):
    assert call(capfd, "plan", write("\ufeff" + CONFIG.replace("\n", "\r\n")))[0] == 0
