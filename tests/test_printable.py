"""Words and numbers as people are shown them."""

import math

import pytest

from tokenspace.printable import brief, counted, known, number, percent


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 pairs"), (1, "1 pair"), (2, "2 pairs"), (1024, "1,024 pairs")]
)
def test_one_is_no_plural(count, said):
    assert counted(count, "pair") == said
    assert counted(1, "entry", "entries") == "1 entry" and counted(2, "entry", "entries")[2:] == (
        "entries"
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (123.4, "120"),
        (-98_765.0, "-99000"),
        (0.001234, "0.0012"),
        (1.25e-7, "1.2e-07"),
        (999_999.0, "1000000"),
        (2e6, "2e+06"),
        (math.inf, "inf"),
    ],
)
def test_numbers_below_a_million_have_no_exponent(value, said):
    assert brief(value, 2) == said


def test_what_is_not_known_is_a_dash():
    assert number(1234.56, 123.4) == "1235 ± 120" and number(0.5) == number(0.5, 0.0) == "0.5"
    assert number(2.0, math.nan) == number(2.0, math.inf) == "2"
    assert number(math.nan, 1.0) == known(math.inf, ".3g") == "-"
    assert known(-1e-9, ".4f") == "0.0000" and known(-0.1, ".1f") == "-0.1"
    assert known(0.12345, ".4f") == "0.1235" and known(1234.0, ".3g") == "1230"


def test_small_shares_keep_two_digits():
    assert [percent(s) for s in (0, 0.00218, 0.0949, 0.096, 0.5, 1)] == [
        "0%",
        "0.22%",
        "9.5%",
        "10%",
        "50%",
        "100%",
    ]
