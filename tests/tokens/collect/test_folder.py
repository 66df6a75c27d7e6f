"""Folders that grow: whole whatever ends the process, and read as the safetensors library reads."""

import json
import random
import subprocess
import sys
import time

import ml_dtypes
import numpy as np
import pytest
from processes import environment
from safetensors.numpy import load_file

from tokenspace.errors import InputError
from tokenspace.tokens.collect.folder import JOURNAL, GrowingFolder, Plan
from tokenspace.tokens.collect.shards import room_for
from tokenspace.tokens.collected import is_collected, read_collected
from tokenspace.tokens.manifest import Branch, Group

GROUPS = (
    Group("language.00", 0, "language", "language.00.safetensors", 3, "words"),
    Group("vision.01", 1, "vision", "vision.01.safetensors", 5),
)
DTYPES = ("float32", "bfloat16")
COUNT = 40
NAMES = [f"{k:06d}" for k in range(COUNT)]
REQUEST = {"kind": "pictures", "model": "m", "layers": "all"}
ABOUT = {"kind": "pictures", "model": "m", "revision": None}


def sequence(k):
    """(branch, tokens of both groups), of other lengths for each k and part."""
    rng = np.random.default_rng(k)
    long, short = 1 + 7 * k % 11, 2 + k % 3
    tokens = [
        rng.normal(size=(short, 3)).astype(np.float32),
        rng.normal(size=(long, 5)).astype(ml_dtypes.bfloat16),
    ]
    lengths = {"language": short, "vision": long}
    return Branch(NAMES[k], short, str(k), picture=f"{k}.png", lengths=lengths), tokens


def grow(path, stop=COUNT, request=None, pause=0.0):
    """Fill a folder as `run` does, with a commit after every third sequence."""
    folder = GrowingFolder(path, request or REQUEST)
    if folder.finished:
        return folder
    if folder.plan is None:
        folder.begin(Plan(GROUPS, DTYPES, room_for(NAMES)))
    for k in range(len(folder.branches), stop):
        folder.add(*sequence(k))
        time.sleep(pause)
        if k % 3 == 2:
            folder.commit()
    if stop == COUNT:
        folder.commit()
        folder.finish(ABOUT)
    return folder


def require_whole(path):
    collected = read_collected(path)
    assert {p.name for p in path.iterdir()} == {"manifest.json", *(g.file for g in GROUPS)}
    assert len(collected.sequences) == COUNT
    files = [load_file(path / group.file) for group in GROUPS]
    for k in range(COUNT):
        branch, tokens = sequence(k)
        assert collected.sequences[k] == branch
        for group, file, expected in zip(GROUPS, files, tokens, strict=True):
            with collected.open(group.name) as shard:
                found = shard.tokens(branch.id)
                parts = [shard.tokens(branch.id, *part) for part in ((1, 2), (0, 99), (2, 1))]
            assert found.dtype == expected.dtype == file[branch.id].dtype
            np.testing.assert_array_equal(found, expected)
            np.testing.assert_array_equal(file[branch.id], expected)
            for part, rows in zip(parts, (expected[1:2], expected, expected[:0]), strict=True):
                np.testing.assert_array_equal(part, rows)


def test_a_folder_is_what_was_added(tmp_path):
    grow(tmp_path / "a")
    require_whole(tmp_path / "a")
    assert is_collected(tmp_path / "a") and not is_collected(tmp_path)
    assert grow(tmp_path / "a").finished  # a second time there is nothing to do
    assert len(list(read_collected(tmp_path / "a").pairs())) == COUNT * (COUNT - 1) // 2


@pytest.mark.parametrize("stop", [1, 3, 20, 39])
def test_what_was_not_committed_is_done_again(tmp_path, stop):
    folder = grow(tmp_path / "a", stop)
    folder.close()
    with pytest.raises(InputError, match="not finished; run the same"):
        read_collected(tmp_path / "a")
    again = GrowingFolder(tmp_path / "a", REQUEST)
    assert len(again.branches) == stop // 3 * 3
    again.close()
    grow(tmp_path / "a")
    require_whole(tmp_path / "a")


def test_a_torn_line_of_the_journal_is_cut_off(tmp_path):
    grow(tmp_path / "a", 20).close()
    with (tmp_path / "a" / JOURNAL).open("ab") as file:
        file.write(b'{"sequences": [{"id": "0000')
    grow(tmp_path / "a", 30).close()
    with (tmp_path / "a" / JOURNAL).open("ab") as file:
        file.write(b"{")
    grow(tmp_path / "a")
    require_whole(tmp_path / "a")


@pytest.mark.parametrize("renamed", [1, 2])
def test_a_kill_between_finishing_two_files(tmp_path, renamed):
    folder = grow(tmp_path / "a", COUNT - 1)
    folder.add(*sequence(COUNT - 1))
    folder.commit()
    for shard in folder._shards[:renamed]:
        shard.finish()
    folder.close()
    grow(tmp_path / "a")
    require_whole(tmp_path / "a")


def test_a_kill_before_the_journal_is_removed(tmp_path):
    grow(tmp_path / "a")
    (tmp_path / "a" / JOURNAL).write_text("anything")
    assert grow(tmp_path / "a").finished
    require_whole(tmp_path / "a")


def test_kill_minus_9_at_any_moment_loses_nothing(tmp_path):
    code = "import test_folder; test_folder.grow(__import__('pathlib').Path('a'), pause=0.01)"
    here = {"PYTHONPATH": ":".join([str(__import__("pathlib").Path(__file__).parent), *sys.path])}
    rng = random.Random(5)
    killed = 0
    for _ in range(100):
        process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment(**here)
        )
        lines = _lines(tmp_path)
        target = lines + rng.randrange(3, 6)
        while process.poll() is None and _lines(tmp_path) < target:
            time.sleep(0.002)
        time.sleep(rng.random() * 0.02)
        if process.poll() is None:
            process.kill()
            killed += 1
        if process.wait() == 0:
            break
    assert killed >= 2
    require_whole(tmp_path / "a")


def _lines(folder):
    journal = folder / "a" / JOURNAL
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def test_a_disk_that_is_full_loses_only_what_was_not_committed(tmp_path):
    """No file may grow beyond what 20 sequences take: as a full disk, an error of the system."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    folder = grow(tmp_path / "a", 19)
    folder.commit()
    largest = max(path.stat().st_size for path in (tmp_path / "a").iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            for k in range(19, COUNT):
                folder.add(*sequence(k))
                folder.commit()
        folder.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    grow(tmp_path / "a")
    require_whole(tmp_path / "a")


def test_another_collection_is_not_overwritten(tmp_path):
    grow(tmp_path / "a")
    grow(tmp_path / "b", 5).close()
    for name in "ab":
        said = rf"{name}: holds a collection with layers = 'all', not 'last'; choose another --out"
        with pytest.raises(InputError, match=said) as error:
            GrowingFolder(tmp_path / name, REQUEST | {"layers": "last"})
        assert "damaged" not in str(error.value)  # nor is it to be removed
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "thesis.tex").touch()
    with pytest.raises(InputError, match=r"not empty and holds no collection \(thesis.tex"):
        grow(tmp_path / "c")
    assert [p.name for p in (tmp_path / "c").iterdir()] == ["thesis.tex"]
    (tmp_path / "file").touch()
    for name in ("file", "a" * 300):
        with pytest.raises(InputError, match="cannot be written"):
            grow(tmp_path / name)


def test_two_processes_do_not_write_one_folder(tmp_path):
    folder = grow(tmp_path / "a", 5)
    with pytest.raises(InputError, match="another process is collecting"):
        grow(tmp_path / "a")
    folder.close()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["groups"][0].update(file="../../thesis.safetensors"), "no .safetensors file"),
        (lambda d: d["groups"][0].update(features="3"), "features = '3' must be"),
        (lambda d: d.update(dtypes=["float32", "int8"]), "are not those of 2 groups"),
        (lambda d: d.update(room="much"), "invalid literal"),
        (lambda d: d["request"].pop("kind"), "'kind'"),
    ],
)
def test_a_journal_of_somebody_else_names_nothing_outside(tmp_path, change, said):
    grow(tmp_path / "a", 5).close()
    journal = tmp_path / "a" / JOURNAL
    first, *lines = journal.read_text().splitlines()
    first = json.loads(first)
    change(first)
    journal.write_text("\n".join([json.dumps(first), *lines, ""]))
    with pytest.raises(InputError, match=said):
        grow(tmp_path / "a", request=first["request"])
    assert not list(tmp_path.glob("thesis*"))


@pytest.mark.parametrize("name", [JOURNAL, f"{GROUPS[1].file}.partial", GROUPS[1].file])
def test_links_out_of_a_folder_are_not_written_through(tmp_path, name):
    grow(tmp_path / "a", 5).close()
    (tmp_path / "thesis.tex").write_text("all of it")
    (tmp_path / "a" / name).unlink(missing_ok=True)
    (tmp_path / "a" / name).symlink_to(tmp_path / "thesis.tex")
    with pytest.raises(InputError, match="symbolic link"):
        grow(tmp_path / "a")
    assert (tmp_path / "thesis.tex").read_text() == "all of it"


def test_a_file_that_lost_bytes_is_noticed(tmp_path):
    grow(tmp_path / "a", 20).close()
    path = tmp_path / "a" / "vision.01.safetensors.partial"
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(InputError, match="remove the folder and collect anew"):
        grow(tmp_path / "a")


def manifest(path, change):
    """Change the manifest of a folder and read it."""
    data = json.loads((path / "manifest.json").read_text())
    change(data)
    (path / "manifest.json").write_text(json.dumps(data))
    return read_collected(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(format=2), "format 2 is unknown; 1 is read"),
        (lambda d: d.update(kind="sound"), "kind 'sound' is unknown"),
        (lambda d: d.pop("groups"), "'groups' is missing"),
        (lambda d: d.update(sequences=[]), "sequences must be a list"),
        (lambda d: d["groups"][0].update(file="../x.safetensors"), "no .safetensors file of the"),
        (lambda d: d["groups"][0].update(file="x.npy"), "no .safetensors file of the"),
        (lambda d: d["groups"][0].update(part="sound"), "part 'sound' is unknown"),
        (lambda d: d["groups"][1].update(name="language.00"), "two groups have one name"),
        (lambda d: d["sequences"][3].update(id="000002"), "two sequences have one name"),
        (lambda d: d["sequences"][3].update(length=0), "length = 0 must be a whole number"),
        (lambda d: d["sequences"][3].update(length=True), "length = True must be"),
        (lambda d: d["sequences"][3].update(lengths={"vision": "9"}), "vision = '9' must be"),
        (lambda d: d["sequences"][3].pop("picture"), "'picture' is missing"),
        (lambda d: d.update(kind="text"), "'branch' is missing"),
    ],
)
def test_manifests_of_another_form_are_refused(tmp_path, change, said):
    grow(tmp_path / "a")
    with pytest.raises(InputError, match=said):
        manifest(tmp_path / "a", change)


def test_texts_need_both_branches(tmp_path):
    grow(tmp_path / "a")

    def to_text(data):
        data["kind"] = "text"
        for k, row in enumerate(data["sequences"]):
            row |= {"pair": k // 2, "branch": "AB"[k % 2]}

    collected = manifest(tmp_path / "a", to_text)
    assert [(a.id, b.id) for a, b in collected.pairs()][1] == ("000002", "000003")
    with pytest.raises(InputError, match="one sequence of branch A and one of branch B"):
        manifest(tmp_path / "a", lambda data: data["sequences"].pop())


def test_files_that_do_not_hold_what_the_manifest_says_are_refused(tmp_path):
    grow(tmp_path / "a")
    collected = manifest(tmp_path / "a", lambda d: d["sequences"][3].update(lengths={"vision": 99}))
    with collected.open("vision.01") as shard, pytest.raises(InputError, match=r"\(99, 5\)"):
        shard.tokens("000003")
    with collected.open("vision.01") as shard, pytest.raises(InputError, match="cannot read 'x'"):
        shard.tokens("x")
    with pytest.raises(InputError, match=r"holds no group 'x'; it holds language.00, vision.01"):
        collected.group("x")
    path = tmp_path / "a" / "vision.01.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with (
        pytest.raises(InputError, match=r"cannot be read as \.safetensors"),
        collected.open("vision.01"),
    ):
        pass
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="symbolic link"), collected.open("vision.01"):
        pass
    path.unlink()
    with pytest.raises(InputError, match="no such file"), collected.open("vision.01"):
        pass


def test_folders_that_are_none(tmp_path):
    with pytest.raises(InputError, match=r"holds no manifest\.json"):
        read_collected(tmp_path)
    (tmp_path / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="is no JSON"):
        read_collected(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(InputError, match="is damaged"):
        read_collected(tmp_path)
