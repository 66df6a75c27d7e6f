"""Which rows of an encoder are patches: what is padded, last, merged or of another shape."""

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="needs the extra [models]")

from tokenspace.tokens.collect.arrange import RASTER, UNKNOWN, arranged  # noqa: E402
from tokenspace.tokens.collect.batches import OneAtATime  # noqa: E402

PIXELS = {"pixel_values": torch.zeros(2, 3, 28, 28)}  # 16 patches of 7 x 7


def encoder(**more):
    return SimpleNamespace(**({"patch_size": 7, "model_type": "vit", "hidden_size": 5} | more))


def numbered(*shape):
    """Hidden states whose every value is different."""
    size = int(torch.tensor(shape).prod())
    return torch.arange(size, dtype=torch.float32).reshape(shape)


def test_padded_patches_are_left_out():
    h = numbered(2, 16, 5)
    mask = torch.ones(2, 16, dtype=torch.int64)
    mask[1, 12:] = 0
    inputs = {"pixel_values": torch.zeros(2, 16, 147), "pixel_attention_mask": mask}
    found, words = arranged([h], inputs, encoder(), 2)
    assert torch.equal(found[0][0], h[0]) and torch.equal(found[1][0], h[1, :12])
    assert words == RASTER


def test_pictures_padded_to_the_largest_go_one_at_a_time():
    mask = torch.ones(2, 1, 28, 28)
    inputs = PIXELS | {"pixel_attention_mask": mask}
    assert arranged([numbered(2, 16, 5)], inputs, encoder(), 2)[1] == RASTER
    mask[1, :, 14:] = 0
    with pytest.raises(OneAtATime):
        arranged([numbered(2, 16, 5)], inputs, encoder(), 2)


@pytest.mark.parametrize(
    ("more", "tokens", "first"),
    [
        ({}, 16, 0),
        ({}, 17, 1),
        ({"num_register_tokens": 4}, 21, 5),
        ({"n_cls_tokens": 8}, 24, 8),
        ({"model_type": "llama4_vision_model"}, 17, 0),
    ],
)
def test_class_and_register_tokens_are_left_out(more, tokens, first):
    h = numbered(2, tokens, 5)
    found, words = arranged([h], PIXELS, encoder(**more), 2)
    assert words == RASTER and torch.equal(found[1][0], h[1, first : first + 16])


def test_tokens_of_an_unknown_kind_are_not_called_patches():
    """As the detection tokens that YOLOS has after its patches."""
    h = numbered(2, 22, 5)
    found, words = arranged([h], PIXELS, encoder(), 2)
    assert words == UNKNOWN and torch.equal(found[0][0], h[0])


@pytest.mark.parametrize("features_last", [True, False])
def test_features_are_the_last_axis_or_the_second(features_last):
    h = numbered(2, 4, 4, 5)
    given = h if features_last else h.permute(0, 3, 1, 2)
    size = {"hidden_size": 5} if features_last else {"hidden_size": None}
    found, words = arranged([given], PIXELS, encoder(**size), 2)
    assert words == RASTER and torch.equal(found[1][0], h[1].reshape(16, 5))


def test_a_last_layer_of_merged_patches():
    """As GLM-4V has it: the last layer holds one token for 2 x 2 patches, picture after picture."""
    grid = torch.tensor([[1, 2, 4], [1, 4, 4]])
    patches, merged = numbered(24, 5), numbered(6, 7)
    config = encoder(spatial_merge_size=2)
    found, _ = arranged([patches, merged], {"image_grid_thw": grid}, config, 2)
    assert torch.equal(found[0][0], patches[[0, 1, 4, 5, 2, 3, 6, 7]])
    assert torch.equal(found[0][1], merged[:2]) and torch.equal(found[1][1], merged[2:])
