"""Memory: blocks fit what is free or allowed, running out is survived, and results say so."""

import jax
import numpy as np
import pytest

import tokenspace as ts
from tokenspace.errors import InputError
from tokenspace.experiments import devices, draw
from tokenspace.experiments.placement import Placement
from tokenspace.sampling import plan

MODEL = ts.TokenModel(ts.Branches(ts.PowerLaw(0.4)), ts.Isotropic(32))
GRID = ts.log_grid(128, 7)


def simulate(**more):
    return ts.simulate(MODEL, GRID, 100, 5, "tokens", **more)


def test_a_cap_makes_blocks_smaller_and_says_so():
    whole = simulate()
    prepared = plan(MODEL, GRID, "tokens")
    assert prepared.block > 4 and whole.notes == ()
    capped = simulate(max_memory=3 * prepared.bytes_of_block / prepared.block)
    assert capped.notes == (f"blocks of 2 replicates instead of {prepared.block}, for memory",)
    np.testing.assert_allclose(capped.mean, whole.mean, rtol=1e-6)  # float32 rounding of a block
    with pytest.raises(InputError, match=r"needs about .* for a single replicate"):
        simulate(max_memory=1000)
    for bad in (0, -1, float("nan"), "4GB", True):
        with pytest.raises(InputError, match="max_memory"):
            simulate(max_memory=bad)


def test_little_free_memory_makes_blocks_smaller(monkeypatch):
    monkeypatch.setattr(devices, "free_memory", lambda device: 2_000_000)
    assert "instead of" in simulate().notes[0]


def test_running_out_halves_the_block_and_goes_on(monkeypatch):
    whole, sample = simulate(), Placement.sample

    def scarce(self, seed, first, blocks):
        if self.plan.block > 2 or blocks > 1:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating")
        return sample(self, seed, first, blocks)

    monkeypatch.setattr(Placement, "sample", scarce)
    monkeypatch.setattr(draw, "SECONDS_PER_CALL", 0.0)  # one block a call
    scarcely = simulate()
    assert scarcely.notes[-1] == "memory ran out: blocks of 2 replicates from 0 on"
    np.testing.assert_allclose(scarcely.mean, whole.mean, rtol=1e-6)
    assert scarcely.replicates == 100


def test_nothing_left_to_halve(monkeypatch):
    def never(*a, **k):
        raise MemoryError

    monkeypatch.setattr(Placement, "sample", never)
    with pytest.raises(InputError, match=r"runs out of memory .* 'partial_sums', 'collapsed'"):
        simulate()


def test_other_errors_are_not_taken_for_it(monkeypatch):
    def broken(*a, **k):
        raise jax.errors.JaxRuntimeError("INVALID_ARGUMENT: no")

    monkeypatch.setattr(Placement, "sample", broken)
    with pytest.raises(jax.errors.JaxRuntimeError, match="INVALID_ARGUMENT"):
        simulate()


def test_covariances_across_n_must_fit_the_host():
    with pytest.raises(InputError, match=r"covariances across 99,999 n take .* GiB"):
        ts.simulate(MODEL, np.arange(1, 100_000), 2)


def test_devices_are_checked():
    for bad in (0, 10_000, True, 1.5):
        with pytest.raises(InputError, match=r"devices = .* must be an integer from 1 to"):
            simulate(devices=bad)
