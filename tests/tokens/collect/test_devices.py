"""What is collected fits on the device, and a device changes no numbers."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra [models]")
transformers = pytest.importorskip("transformers", reason="needs the extra [models]")

from hooks import CLOSE, everything  # noqa: E402

from tokenspace.tokens.collect.run import Request, collect  # noqa: E402


def test_memory_that_runs_out_halves_the_batch(tiny, texts, tmp_path, monkeypatch):
    from tokenspace.tokens.collect import states

    sizes, widths, said = [], [], []
    forward = states._forward

    def small(loaded, inputs, module=None):
        sizes.append(len(inputs["input_ids"]))
        widths.append(inputs["input_ids"].shape[1])
        if sizes[-1] > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
        return forward(loaded, inputs, module)

    expected = everything(collect(Request(str(tiny("llama")), tmp_path / "whole", texts=texts)))
    monkeypatch.setattr(states, "_forward", small)
    request = Request(str(tiny("llama")), tmp_path / "out", texts=texts, batch=8)
    found = everything(collect(request, say=said.append))
    assert sizes == [8, 4] + [2] * 12 and len(said) == 2
    assert widths == sorted(widths, reverse=True)  # the longest first, so that it runs out early
    assert found.keys() == expected.keys()
    for key, tokens in found.items():
        np.testing.assert_allclose(tokens, expected[key], **CLOSE)


def test_memory_of_the_device_in_use_is_given_back(monkeypatch):
    """With a stand-in for the device, which is not here."""
    from types import SimpleNamespace

    from tokenspace.tokens.collect.run import _free

    freed = []
    device = SimpleNamespace(empty_cache=lambda: freed.append(True))
    monkeypatch.setattr(torch, "get_device_module", lambda device: {"cuda:1": fake}[device])
    fake = device
    _free("cuda:1")
    assert freed == [True]
    fake = SimpleNamespace()  # as a CPU's
    _free("cuda:1")


def test_convolutions_in_float32_are_not_rounded_on_a_gpu(tiny, pictures, tmp_path, monkeypatch):
    seen = []
    forward = transformers.Dinov2Model.forward

    def watched(self, *given, **named):
        seen.append(torch.backends.cudnn.allow_tf32)
        return forward(self, *given, **named)

    before = torch.backends.cudnn.allow_tf32
    monkeypatch.setattr(transformers.Dinov2Model, "forward", watched)
    collect(Request(str(tiny("dinov2")), tmp_path / "out", pictures=pictures, layers="last"))
    assert before and not any(seen) and seen and torch.backends.cudnn.allow_tf32


def test_nothing_stays_on_the_device_when_the_next_batch_runs(
    tiny, pictures, tmp_path, monkeypatch
):
    """Hidden states of a batch are let go of once they are copied into what is stored."""
    import weakref

    from tokenspace.tokens.collect import states

    kept, alive = [], []
    given = states.of_pictures

    def watched(*arguments):
        alive.append(sum(tensor() is not None for tensor in kept))
        found = given(*arguments)
        kept[:] = [weakref.ref(h) for one in found for part in one.parts.values() for h in part]
        return found

    monkeypatch.setattr(states, "of_pictures", watched)
    collect(Request(str(tiny("llava")), tmp_path / "out", pictures=pictures, batch=2))
    assert alive == [0, 0, 0] and len(kept) == 9
