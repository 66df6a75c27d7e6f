"""The folder of a collection while it grows: what is committed survives any end of the process.

`collecting.partial` is a journal: one line says what is collected, each further line which
sequences are on the disk. A line is written when the shards have been synced, so whatever a killed
run left behind it is cut off by the next one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.files import require_no_link, sweep_up, write_atomically
from tokenspace.tokens.collect.shards import TAGS, GrowingShard
from tokenspace.tokens.manifest import FORMAT, MANIFEST, Branch, Group, branch_of, group_of

JOURNAL = "collecting.partial"


@dataclass(frozen=True)
class Plan:
    """What a folder will hold: groups, the type of each one's values, room for headers.

    revision: the commit of a hub's model, and versions: of packages, by which it was begun.
    """

    groups: tuple[Group, ...]
    dtypes: tuple[str, ...]
    room: int
    revision: str | None = None
    versions: dict[str, str] = field(default_factory=dict)


class GrowingFolder:
    """A folder that one process at a time adds sequences to.

    Args:
        path: of the folder, made if it is missing.
        request: what decides the numbers; a folder of another request is refused.

    Raises:
        InputError: another collection lies there, another process writes it, or it is damaged.
    """

    def __init__(self, path: Path, request: dict[str, Any]) -> None:
        self.path, self.request = path, request
        self.plan: Plan | None = None
        self.branches: list[Branch] = []
        self._shards: list[GrowingShard] = []
        self._pending: list[Branch] = []
        self._journal: IO[bytes] | None = None
        self.finished = False
        try:
            self._made = not path.exists()
            path.mkdir(parents=True, exist_ok=True)
            self._open()
        except OSError as error:
            said = error.strerror or error
            raise InputError(
                f"{path}: cannot be written ({said}); choose another --out folder"
            ) from None

    def _open(self) -> None:
        manifest, journal = self.path / MANIFEST, self.path / JOURNAL
        require_no_link(manifest)
        require_no_link(journal)
        if manifest.exists():
            self._require_same(_request_of(manifest))
            journal.unlink(missing_ok=True)
            self.finished = True
            return
        sweep_up(self.path)
        others = [p.name for p in self.path.iterdir()]
        if others and JOURNAL not in others:
            raise InputError(
                f"{self.path}: is not empty and holds no collection ({others[0]}, ...); choose "
                "another --out folder"
            )
        self._journal = journal.open("r+b" if journal.exists() else "w+b")
        _lock(self.path, self._journal)
        whole, newline, _ = self._journal.read().rpartition(b"\n")
        self._journal.truncate(len(whole) + len(newline))
        self._journal.seek(0, os.SEEK_END)
        if not newline:
            return
        try:
            first, *lines = [json.loads(line) for line in whole.split(b"\n")]
            self._require_same(first["request"])
            groups = tuple(group_of(row) for row in first["groups"])
            dtypes = tuple(first["dtypes"])
            if len(dtypes) != len(groups) or not set(dtypes) <= set(TAGS):
                raise ValueError(f"dtypes {dtypes} are not those of {len(groups)} groups")
            versions = {str(k): str(v) for k, v in first.get("versions", {}).items()}
            self.plan = Plan(groups, dtypes, int(first["room"]), first["revision"], versions)
            kind = first["request"]["kind"]
            rows = [row for line in lines for row in line["sequences"]]
            self.branches = [branch_of(row, kind) for row in rows]
        except InputError:  # of another collection, which is no damage
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{journal}: is damaged ({error}); remove the folder and collect anew"
            ) from None
        self._open_shards()

    def _require_same(self, there: Any) -> None:
        if there == self.request:
            return
        there = there if isinstance(there, dict) else {}
        for key, value in self.request.items():
            if there.get(key) != value:
                raise InputError(
                    f"{self.path}: holds a collection with {key} = {there.get(key)!r}, not "
                    f"{value!r}; choose another --out folder"
                )
        raise InputError(f"{self.path}: holds another collection; choose another --out folder")

    def begin(self, plan: Plan) -> None:
        """Say what will be stored; once, before the first sequence."""
        assert self.plan is None
        self.plan = plan
        self._write({"request": self.request} | asdict(plan))
        self._open_shards()

    def _open_shards(self) -> None:
        assert self.plan is not None
        for group, dtype in zip(self.plan.groups, self.plan.dtypes, strict=True):
            lengths = {b.id: b.length_in(group) for b in self.branches}
            path = self.path / group.file
            self._shards.append(GrowingShard(path, dtype, group.features, self.plan.room, lengths))

    def add(self, branch: Branch, tokens: Sequence[np.ndarray]) -> None:
        """Append one sequence: its tokens (n, d) in every group, in the plan's order."""
        for shard, rows in zip(self._shards, tokens, strict=True):
            shard.append(branch.id, rows)
        self._pending.append(branch)

    def commit(self) -> None:
        """Return when all that was added will survive."""
        if not self._pending:
            return
        for shard in self._shards:
            shard.sync()
        self._write({"sequences": [asdict(branch) for branch in self._pending]})
        self.branches += self._pending
        self._pending = []

    def finish(self, about: dict[str, Any]) -> None:
        """Give every file its name and write the manifest; the folder can be read then."""
        assert self.plan is not None and not self._pending
        for shard in self._shards:
            shard.finish()
        branches = sorted(self.branches, key=lambda branch: branch.id)
        lists = {
            "groups": [asdict(group) for group in self.plan.groups],
            "sequences": [_row(branch) for branch in branches],
        }
        data = {"format": FORMAT} | about | {"request": self.request} | lists
        write_atomically(self.path / MANIFEST, json.dumps(data, indent=1).encode())
        self.close()
        (self.path / JOURNAL).unlink()
        self.finished = True

    def close(self) -> None:
        """Let go of the files; a folder in which nothing was begun is as it was."""
        for shard in self._shards:
            shard.close()
        if self._journal is None:
            return
        if self.plan is None:
            (self.path / JOURNAL).unlink(missing_ok=True)
            if self._made:
                self.path.rmdir()
        self._journal.close()
        self._journal = None

    def _write(self, line: dict[str, Any]) -> None:
        assert self._journal is not None
        self._journal.write(json.dumps(line).encode() + b"\n")
        self._journal.flush()
        os.fsync(self._journal.fileno())


def _row(branch: Branch) -> dict[str, Any]:
    """A sequence in the manifest, without what its kind does not have."""
    row = {k: v for k, v in asdict(branch).items() if v is not None}
    if branch.pair is None:
        del row["prefix"]
    return row


def _request_of(manifest: Path) -> Any:
    try:
        return json.loads(manifest.read_bytes()).get("request")
    except (ValueError, AttributeError) as error:
        raise InputError(f"{manifest}: is damaged ({error}); choose another --out folder") from None


def _lock(folder: Path, file: IO[bytes]) -> None:
    """Keep a second process out, where the system has locks."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(f"{folder}: another process is collecting into it") from None
    except OSError:  # a file system without locks
        return
