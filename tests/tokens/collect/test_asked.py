"""What is asked of a model: texts, pictures, layers; needs no model and none of its packages."""

import struct

import numpy as np
import pytest

from tokenspace.errors import InputError
from tokenspace.tokens.collect import models
from tokenspace.tokens.collect.batches import OneAtATime, in_batches
from tokenspace.tokens.collect.layers import chosen_layers
from tokenspace.tokens.collect.pictures import find_pictures, open_picture
from tokenspace.tokens.collect.prefix import Encoder
from tokenspace.tokens.collect.run import Request, collect
from tokenspace.tokens.collect.texts import read_texts


def test_texts_may_be_words_or_conversations(jsonl):
    asked = [{"role": "user", "content": "a?"}]
    rows = [
        {"prompt": "a?", "chosen": "b", "rejected": "c"},
        {
            "prompt": asked,
            "chosen": [*asked, {"role": "assistant", "content": "b"}],
            "rejected": "c",
        },
        {"prompt": [{"role": "system", "content": "s"}, *asked], "chosen": "b", "rejected": "d"},
    ]
    first, second, third = read_texts(jsonl(rows))
    assert first.prompt == second.prompt and first.answers == second.answers == ("b", "c")
    assert (first.label, second.label, third.label) == ("0", "0", "1")
    assert [m["role"] for m in third.prompt] == ["system", "user"]
    assert [pair.number for pair in (first, second, third)] == [0, 1, 2]


def test_names_and_limit(jsonl):
    rows = [{"question": str(k), "good": "b", "bad": "c", "prompt": "x"} for k in range(5)]
    pairs = read_texts(jsonl(rows), ("question", "good", "bad"), 3)
    assert [pair.prompt[0]["content"] for pair in pairs] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"prompt": "a"}', r"line 2: has no 'chosen'; it has 'prompt'.*--names"),
        (
            '{"prompt": "a", "chosen": 3, "rejected": "c"}',
            r"line 2: 'chosen' must be text or a list",
        ),
        ('{"prompt": [], "chosen": "b", "rejected": "c"}', r"line 2: 'prompt' must be text"),
        ("[1]", r"line 2: must be a JSON object"),
        ("{", r"line 2: is no JSON"),
        ("[" * 100_000, r"line 2: is no JSON"),
        (r'{"prompt": "a", "chosen": "\ud800", "rejected": "c"}', r"line 2: holds .ud800"),
        ("\udcff", r"no UTF-8"),
    ],
)
def test_lines_that_cannot_be_used_are_named(tmp_path, line, said):
    path = tmp_path / "texts.jsonl"
    good = '{"prompt": "a", "chosen": "b", "rejected": "c"}\n'
    path.write_bytes((good + line).encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=said):
        read_texts(path)


def test_bad_lines_are_counted(tmp_path):
    path = tmp_path / "texts.jsonl"
    good = '{"prompt": "a", "chosen": "b", "rejected": "c"}\n'
    path.write_text("".join("{\n" if k % 10 == 9 else good for k in range(10_000)))
    with pytest.raises(InputError, match=r"line 10: is no JSON.*; 999 more cannot be used either"):
        read_texts(path)
    assert len(read_texts(path, limit=9)) == 9
    path.write_text(good + '{"prompt": "a"}\n' * 3)
    with pytest.raises(InputError, match=r"line 2: has no 'chosen'.*; 2 more cannot be used"):
        read_texts(path)


def test_files_without_anything_are_refused(tmp_path):
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(InputError, match="is empty"):
        read_texts(tmp_path / "empty.jsonl")
    with pytest.raises(InputError, match="no such file"):
        read_texts(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="holds no pictures"):
        find_pictures(tmp_path)
    (tmp_path / "a.PNG").touch()
    with pytest.raises(InputError, match="there is 1"):
        find_pictures(tmp_path)


def test_pictures_by_name_or_by_list(tmp_path, jsonl):
    for name in ("b.jpg", "a.PNG", "notes.txt", "c.webp"):
        (tmp_path / name).touch()
    assert [p.name for p in find_pictures(tmp_path)] == ["a.PNG", "b.jpg", "c.webp"]
    assert len(find_pictures(tmp_path, limit=2)) == 2
    listed = jsonl([{"picture": "b.jpg", "prompt": "what?", "group": "g"}, {"picture": "a.PNG"}])
    first, second = find_pictures(listed, "how?")
    assert (first.prompt, first.label, second.prompt, second.label) == (
        "what?",
        "g",
        "how?",
        "a.PNG",
    )
    with pytest.raises(InputError, match="line 2: 'picture' must be text"):
        find_pictures(jsonl([{"picture": "b.jpg"}, {"image": "a.PNG"}]))
    with pytest.raises(InputError, match=r"gone\.png: no such file"):
        find_pictures(jsonl([{"picture": "b.jpg"}, {"picture": "gone.png"}]))


def test_a_picture_is_turned_as_its_camera_says(tmp_path):
    image = pytest.importorskip("PIL.Image")
    exif = image.Exif()
    exif[0x0112] = 6  # a quarter turn
    image.new("L", (30, 20)).save(tmp_path / "a.jpg", exif=exif)
    image.new("RGBA", (30, 20)).save(tmp_path / "b.png")
    first, second = map(open_picture, find_pictures(tmp_path))
    assert (first.size, first.mode, second.size, second.mode) == ((20, 30), "RGB", (30, 20), "RGB")


def test_pictures_of_any_kind_are_read_as_colours_and_without_a_warning(tmp_path, recwarn):
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)
    colours = image.fromarray(pixels)
    colours.convert("CMYK").save(tmp_path / "cmyk.tif")
    colours.save(tmp_path / "film.gif", save_all=True, append_images=[image.new("RGB", (20, 30))])
    colours.convert("P").save(tmp_path / "palette.png", transparency=bytes(256))
    image.new("1", (9500, 9500)).save(tmp_path / "vast.png")  # from where Pillow warns
    recwarn.clear()
    found = {p.name: open_picture(p) for p in find_pictures(tmp_path)}
    assert {image.mode for image in found.values()} == {"RGB"} and len(found) == 4
    assert np.array_equal(np.asarray(found["cmyk.tif"]), pixels)
    assert np.asarray(found["film.gif"]).std() > 40  # the first of its pictures
    assert not recwarn.list


def test_a_picture_that_unpacks_to_a_bomb_is_refused(tmp_path):
    image = pytest.importorskip("PIL.Image")
    image.new("1", (14_000, 14_000)).save(tmp_path / "a.png")
    image.new("1", (9, 9)).save(tmp_path / "b.png")
    with pytest.raises(InputError, match=r"a\.png: cannot be read as a picture: Image size"):
        open_picture(find_pictures(tmp_path)[0])


def test_deep_grey_values_are_scaled(tmp_path):
    image = pytest.importorskip("PIL.Image")
    deep = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    image.fromarray(deep).save(tmp_path / "a.png")
    image.fromarray(deep.astype(np.float32)).save(tmp_path / "b.tif")
    first, second = find_pictures(tmp_path)
    assert np.array_equal(np.asarray(open_picture(first))[..., 1], deep // 257)
    with pytest.raises(InputError, match="32 bits and no known range"):
        open_picture(second)


def test_whatever_a_damaged_picture_raises_is_told(tmp_path, monkeypatch):
    image = pytest.importorskip("PIL.Image")
    for name in "ab":
        image.new("L", (30, 20)).save(tmp_path / f"{name}.png")

    def fails(*arguments):
        raise struct.error("unpack requires 4 bytes")

    monkeypatch.setattr("PIL.ImageOps.exif_transpose", fails)
    with pytest.raises(InputError, match=r"a\.png: cannot be read as a picture: unpack"):
        open_picture(find_pictures(tmp_path)[0])


def test_layers():
    depths = {"language": 4, "vision": 2}
    everything = {"language": [0, 1, 2, 3, 4], "vision": [0, 1, 2]}
    assert chosen_layers("all", depths) == everything
    assert chosen_layers("3, last,0", depths) == {"language": [0, 3, 4], "vision": [0, 2]}
    assert chosen_layers("4", depths) == {"language": [4]}
    with pytest.raises(InputError, match=r"no layer 5; it has 0 to 4 \(language\)"):
        chosen_layers("5", depths)
    for words in ("", "-1", "first", "1,,2", "1.5", "²"):
        with pytest.raises(InputError, match="--layers"):
            chosen_layers(words, depths)


class Letters:
    """A tokenizer of letters that puts 0 before and 9 after a text."""

    def __call__(self, text, add_special_tokens=True):
        ids = [ord(c) for c in text]
        return {"input_ids": [0, *ids, 9] if add_special_tokens else ids}

    def apply_chat_template(self, messages, **how):
        return "".join(f"<{m['content']}>" for m in messages)


def encoded(jsonl, row, **how):
    (pair,) = read_texts(jsonl([row]))
    options = {"chat": False, "parts": False, "context": 100, "longest": None} | how
    return Encoder(Letters(), **options).encode(pair)


def test_branches_share_the_prompt_and_nothing_else(jsonl):
    a, b = encoded(jsonl, {"prompt": "q", "chosen": "xyz", "rejected": "xw"})
    assert a.ids == (0, ord("q"), *map(ord, "xyz"), 9) and b.ids == (
        0,
        ord("q"),
        *map(ord, "xw"),
        9,
    )
    assert (a.prefix, a.answer, b.prefix, b.answer) == (2, 3, 2, 2)
    a, b = encoded(jsonl, {"prompt": "q", "chosen": "xyz", "rejected": "xw"}, chat=True)
    assert a.ids == tuple(map(ord, "<q>xyz")) and (a.prefix, b.answer) == (3, 2)


def test_answers_are_cut_and_pairs_without_room_left_out(jsonl):
    row = {"prompt": "q", "chosen": "xyz", "rejected": "xw"}
    assert [text.answer for text in encoded(jsonl, row, longest=2)] == [2, 2]
    assert [len(text.ids) for text in encoded(jsonl, row, context=4)] == [4, 4]
    assert encoded(jsonl, row, context=3) == []
    assert encoded(jsonl, row | {"rejected": ""}) == []
    assert encoded(jsonl, row | {"rejected": "xyz"}) == []  # the same answer twice
    alike = encoded(jsonl, row, longest=1)  # these differ later on, and count
    assert alike[0].ids == alike[1].ids


def test_a_template_that_loses_the_prompt_is_refused(jsonl, monkeypatch):
    row = {"prompt": "q", "chosen": "xyz", "rejected": "xw"}
    monkeypatch.setattr(Letters, "apply_chat_template", lambda *a, **k: "nothing")
    with pytest.raises(InputError, match="leaves out the prompt 'q'; use --no-template"):
        encoded(jsonl, row, chat=True)


def test_a_template_of_texts_is_not_given_lists(jsonl):
    row = {"prompt": "q", "chosen": "xyz", "rejected": "xw"}
    texts = encoded(jsonl, row, chat=True)
    assert encoded(jsonl, row, chat=True, parts=True) == texts  # Letters prints what it is given


def too_large(most, error):
    sizes = []

    def work(batch):
        sizes.append(len(batch))
        if len(batch) > most:
            raise error
        return list(batch)

    return work, sizes


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("[enforce fail] not enough memory: you tried to allocate"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
    ],
)
def test_batches_are_halved_and_stay_so(error):
    work, sizes = too_large(3, error)
    said, freed = [], []
    found = list(in_batches(range(11), 8, work, said.append, lambda: freed.append(1)))
    assert [k for batch in found for k in batch] == [*range(11)]
    assert sizes == [8, 4, 2, 2, 2, 2, 2, 1] and len(freed) == 2
    assert said[0] == "out of memory with 8 sequences at once; going on with 4"


def test_one_that_does_not_fit_alone_is_an_error():
    work, sizes = too_large(0, MemoryError())
    with pytest.raises(InputError, match="one sequence alone does not fit"):
        list(in_batches(range(3), 2, work, lambda words: None))
    assert sizes == [2, 1]


def test_other_errors_are_not_taken_for_memory():
    work, _ = too_large(0, RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        list(in_batches(range(3), 2, work, lambda words: None))


def test_what_cannot_be_told_apart_goes_one_at_a_time():
    work, sizes = too_large(1, OneAtATime())
    assert len(list(in_batches(range(3), 3, work, lambda words: None))) == 3
    assert sizes == [3, 1, 1, 1]


def test_the_extra_that_is_missing_is_named(monkeypatch, tmp_path, jsonl):
    find = models.importlib.util.find_spec
    gone = ("torch", "PIL")
    monkeypatch.setattr(
        models.importlib.util, "find_spec", lambda name: None if name in gone else find(name) or 1
    )
    path = jsonl([{"prompt": "a", "chosen": "b", "rejected": "c"}])
    with pytest.raises(
        InputError, match=r"needs torch, pillow: pip install 'tokenspace\[models\]'"
    ):
        collect(Request("model", tmp_path / "out", texts=path))
    assert not (tmp_path / "out").exists()


def test_texts_or_pictures(tmp_path):
    for both in ({}, {"texts": tmp_path, "pictures": tmp_path}):
        with pytest.raises(InputError, match=r"--text FILE\.jsonl, or --pictures FOLDER"):
            collect(Request("model", tmp_path / "out", **both))
