"""Words and numbers as people are shown them."""

import math

import pytest

from tokenspace.printable import (
    between,
    bounded,
    brief,
    counted,
    known,
    number,
    percent,
    ten_of,
    to_error,
)


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 pairs"), (1, "1 pair"), (2, "2 pairs"), (1024, "1,024 pairs")]
)
def test_one_is_no_plural(count, said):
    assert counted(count, "pair") == said
    assert counted(1, "entry", "entries") == "1 entry" and counted(2, "entry", "entries")[2:] == (
        "entries"
    )


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        ((12.0, 80.123), "12 to 80.12"),
        ((12.0, math.inf), "at least 12"),
        ((0.0, 80.123), "at most 80.12"),
        ((0.0, math.inf), "not bounded"),
    ],
)
def test_an_end_that_reaches_what_is_possible_bounds_nothing(interval, said):
    assert bounded(interval, (0.0, math.inf)) == said


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
    assert number(0.5) == number(0.5, 0.0) == "0.5" and to_error(45.1234, math.nan) == "45.1"
    assert number(2.0, math.nan) == number(2.0, math.inf) == "2"
    assert number(math.nan, 1.0) == known(math.inf, ".3g") == "-"
    assert known(-1e-9, ".4f") == "0.0000" and known(-0.1, ".1f") == "-0.1"
    assert known(0.12345, ".4f") == "0.1235" and known(1234.0, ".3g") == "1230"


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (123_456.7, 0.4, "123456.70 ± 0.40"),
        (0.9987654, 2.1e-5, "0.998765 ± 2.1e-05"),
        (1.404, 0.00012, "1.40400 ± 0.00012"),
        (1234.56, 123.4, "1230 ± 120"),
        (6.8, 15.0, "7 ± 15"),
        (1.0, 0.0996, "1.00 ± 0.10"),
        (12.3, 9.97, "12 ± 10"),
        (-1e-5, 0.012, "0.000 ± 0.012"),
        (4.5123e10, 1.2e9, "4.51e+10 ± 1.2e+09"),
        (1.2341e-8, 1.3e-10, "1.234e-08 ± 1.3e-10"),
        (3.1e-16, 2.5e-6, "0 ± 2.5e-06"),
        (1.26e-7, 2.5e-6, "1e-07 ± 2.5e-06"),
        (1.0, 1e-14, "1.00000000000 ± 1.0e-14"),
    ],
)
def test_a_value_and_its_error_end_at_the_same_digit(value, error, said):
    assert number(value, error) == said and to_error(value, error) == said.split()[0]


@pytest.mark.parametrize(
    ("low", "high", "error", "said"),
    [
        (6.9962, 7.0038, 0.0019, "6.9962 to 7.0038"),
        (1000.0, 1000.0, 0.0, "1000 to 1000"),
        (0.3, 4500.4, 15.0, "0.30 to 4500"),
        (0.0, math.inf, 2.0, "0.0 to inf"),
        (math.nan, math.nan, math.nan, "-"),
    ],
)
def test_ends_of_an_interval_have_the_digits_of_the_error(low, high, error, said):
    assert between((low, high), error) == said


def test_of_many_names_ten_are_said():
    names = [str(k) for k in range(12)]
    assert ten_of(names[:2]) == "0, 1" and ten_of(names[:10]).endswith("8, 9")
    assert ten_of(names).endswith("8, 9 and 2 more")


def test_small_shares_keep_two_digits():
    assert [percent(s) for s in (0, 0.00218, 0.0949, 0.096, 0.5, 1)] == [
        "0 %",
        "0.22 %",
        "9.5 %",
        "10 %",
        "50 %",
        "100 %",
    ]
    assert percent(-0.0123, "+.1f") == "-1.2 %" and percent(float("nan"), ".1f") == "-"
