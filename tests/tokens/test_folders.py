"""Folders of tokens: collected ones and plain files, and what is said of those that are none."""

import errno
import json

import numpy as np
import pytest
from safetensors.numpy import save_file

import tokenspace as ts
from tokenspace.errors import InputError
from tokenspace.tokens.folders import measure_groups, token_groups
from tokenspace.tokens.mapped import map_safetensors

RNG = np.random.default_rng(0)
LENGTHS = [12, 7, 9, 12, 10, 5]
TOKENS = {f"{k:06d}": RNG.standard_normal((n, 4)).astype("f2") for k, n in enumerate(LENGTHS)}


def collected(folder, kind, tokens=TOKENS, **changes):
    """A folder as `tokenspace collect` writes it, of two layers."""
    text = kind == "text"
    sequences = [
        {"id": name, "length": len(h), "group_label": str(k // 2 if text else k)}
        | ({"pair": k // 2, "branch": "AB"[k % 2]} if text else {"picture": f"{k}.png"})
        for k, (name, h) in enumerate(tokens.items())
    ]
    groups = [
        {
            "name": f"language.{k:02d}",
            "layer": k,
            "part": "language",
            "file": f"language.{k:02d}.safetensors",
            "features": 4,
        }
        for k in (0, 3)
    ]
    manifest = {"format": 1, "kind": kind, "model": "hub/some-model", "groups": groups}
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(manifest | {"sequences": sequences} | changes))
    for k, group in enumerate(groups):
        save_file({name: h + k for name, h in tokens.items()}, folder / group["file"])
    return folder


def test_pairs_of_one_prompt_are_not_taken_for_independent(tmp_path):
    folder = collected(tmp_path / "x", "text")
    manifest = json.loads((folder / "manifest.json").read_text())
    for sequence in manifest["sequences"]:
        sequence["group_label"] = "one"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for found in measure_groups(token_groups(folder)):
        assert "errors unknown: one prompt is in every pair" in found.result.reason
        assert np.isfinite(found.result.mean).all()
        assert np.isnan(found.result.standard_error).all()


def test_texts_are_pairs_with_their_prompts(tmp_path):
    groups = token_groups(collected(tmp_path / "x", "text"))
    assert [(g.label, g.layer, g.part) for g in groups] == [
        ("some-model language.00", 0, "language"),
        ("some-model language.03", 3, "language"),
    ]
    seen = []
    first, second = measure_groups(groups, progress=lambda *call: seen.append(call))
    h = list(TOKENS.values())
    for found, more in ((first, 0), (second, 1)):
        want = ts.measure([x + more for x in h[::2]], [x + more for x in h[1::2]], found.result.n)
        np.testing.assert_array_equal(found.result.mean, want.mean)
        np.testing.assert_array_equal(found.result.counts, want.counts)
    assert seen[0] == ("some-model language.00", 0, 3) and seen[-1][1:] == (3, 3)


def test_answers_that_are_there_twice_have_the_errors_of_each_once(tmp_path):
    """Under prompts of other names too: lists and arrays of the same tokens say the same."""
    many = {f"{k:06d}": list(TOKENS.values())[k % 6] for k in range(18)}
    folders = collected(tmp_path / "1", "text"), collected(tmp_path / "3", "text", many)
    once, found = (next(iter(measure_groups(token_groups(f)))).result for f in folders)
    np.testing.assert_allclose(found.mean, once.mean, rtol=1e-6)
    np.testing.assert_allclose(found.standard_error, once.standard_error, rtol=1e-5)
    assert np.isfinite(found.standard_error[0])
    assert found.notes[0].startswith("6 of 9 pairs have the tokens of another pair")


def test_pictures_are_all_pairs(tmp_path):
    first, _ = measure_groups(token_groups(collected(tmp_path / "x", "pictures")))
    want = ts.measure(list(TOKENS.values()), pairs="all", grid=first.result.n)
    np.testing.assert_array_equal(first.result.mean, want.mean)
    np.testing.assert_allclose(first.result.standard_error, want.standard_error, rtol=1e-12)
    assert first.result.replicates == 15


def test_plain_files_are_pictures(tmp_path):
    for k, h in enumerate(TOKENS.values()):
        np.save(tmp_path / f"{k}.npy", h)
    (found,) = measure_groups(token_groups(tmp_path))
    want = ts.measure(list(TOKENS.values()), pairs="all", grid=found.result.n)
    np.testing.assert_array_equal(found.result.mean, want.mean)
    layers = tmp_path / "layers"
    layers.mkdir()
    for layer in ("a", "b"):
        save_file(TOKENS, layers / f"{layer}.safetensors")
    both = list(measure_groups(token_groups(layers)))
    assert [m.name for m in both] == ["a", "b"]
    np.testing.assert_array_equal(both[1].result.mean, want.mean)


def refused(folder, words):
    with pytest.raises(InputError) as caught:
        list(measure_groups(token_groups(folder)))
    assert words in str(caught.value)


def test_refuses_in_words(tmp_path):
    refused(tmp_path, "holds no manifest.json, no .npy and no .safetensors files; it must be")
    refused(tmp_path / "none", "no such folder")
    np.save(tmp_path / "a.npy", np.ones((3, 4)))
    refused(tmp_path, "holds tokens of 1 picture; a pair needs 2")
    np.save(tmp_path / "b.npy", np.ones((2, 3, 4)))
    refused(tmp_path, "b.npy has shape (2, 3, 4), but a folder holds one array (n, d) a picture")
    save_file(TOKENS, tmp_path / "c.safetensors")
    refused(tmp_path, "holds both .npy and .safetensors files")


def test_a_manifest_that_says_other_lengths_is_refused(tmp_path):
    folder = collected(tmp_path / "x", "pictures")
    save_file({k: v[:-1] for k, v in TOKENS.items()}, folder / "language.03.safetensors")
    refused(folder, "'000000' has shape (11, 4), but the manifest says (12, 4)")
    save_file({"000000": TOKENS["000000"]}, folder / "language.03.safetensors")
    refused(folder, "'000001' has shape None, but the manifest says (7, 4)")


def test_more_files_than_may_be_open_are_refused_with_a_way_out(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.EMFILE, "Too many open files")

    for k in "ab":
        np.save(tmp_path / f"{k}.npy", np.ones((3, 4)))
    monkeypatch.setattr(np, "load", full)
    refused(tmp_path, "a.npy: too many files are open, as each that is mapped stays so; raise the")


def changed(path, change):
    """The file with another header, its values as they were."""
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + size :])


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h["000001"].update(shape=[1000, 4]),
        lambda h: h["000001"].update(data_offsets=[0, 1 << 40]),
        lambda h: h["000001"].update(data_offsets=h["000000"]["data_offsets"]),
        lambda h: h["000001"].update(dtype="F64"),
        lambda h: h.pop("000003"),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path, change):
    save_file(TOKENS, tmp_path / "a.safetensors")
    assert map_safetensors(tmp_path / "a.safetensors").keys() == TOKENS.keys()
    changed(tmp_path / "a.safetensors", change)
    refused(tmp_path, "a.safetensors: cannot be read as .safetensors")


def test_cut_files_are_refused(tmp_path):
    save_file(TOKENS, tmp_path / "a.safetensors")
    raw = (tmp_path / "a.safetensors").read_bytes()
    for damaged in (raw[:-8], (1 << 40).to_bytes(8, "little") + raw[8:], raw[:5], b""):
        (tmp_path / "a.safetensors").write_bytes(damaged)
        refused(tmp_path, "a.safetensors: cannot be read as .safetensors")


def test_bfloat16_is_read(tmp_path):
    import jax.numpy as jnp
    from safetensors.flax import save_file as save

    h = {k: jnp.asarray(v, jnp.bfloat16) for k, v in TOKENS.items()}
    save(h, tmp_path / "a.safetensors")
    (found,) = measure_groups(token_groups(tmp_path))
    want = ts.measure([np.asarray(v) for v in h.values()], pairs="all", grid=found.result.n)
    np.testing.assert_array_equal(found.result.mean, want.mean)


def test_sequences_of_a_file_are_made_when_asked_for(tmp_path):
    """Of several formats; a table of words that looks like a place is none."""
    given = {"b": np.ones((3, 4), "f4"), "a": np.full((2, 4), 2, "f2"), "c": np.zeros((1, 4), "i4")}
    save_file(given, tmp_path / "a.safetensors", {"data_offsets": "none", "dtype": "F32"})
    arrays = map_safetensors(tmp_path / "a.safetensors")
    assert sorted(arrays) == ["a", "b", "c"] and arrays.shape_of("z") is None
    found = arrays.sequences(["c", "a", "b"])
    assert len(found) == 3 and list(found.lengths) == [1, 2, 3]
    for k, name in enumerate("cab"):
        assert found[k].dtype == given[name].dtype and found.sizes[k] == given[name].nbytes
        np.testing.assert_array_equal(found[k], given[name])
