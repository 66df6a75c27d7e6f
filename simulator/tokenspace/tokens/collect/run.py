"""From a request to a folder of collected tokens."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tokenspace.errors import InputError, Interrupted
from tokenspace.provenance import versions
from tokenspace.tokens.collect import models, states
from tokenspace.tokens.collect.batches import in_batches
from tokenspace.tokens.collect.folder import GrowingFolder
from tokenspace.tokens.collect.layers import check_layers
from tokenspace.tokens.collect.pictures import PROMPT, Picture, find_pictures, open_picture
from tokenspace.tokens.collect.prefix import TODAY, Encoder, is_dated
from tokenspace.tokens.collect.storing import plan_of, stored
from tokenspace.tokens.collect.texts import NAMES, each, read_texts
from tokenspace.tokens.collected import Collected, read_collected
from tokenspace.tokens.manifest import Branch

BETWEEN_COMMITS = 2.0  # seconds of work that a kill may cost
DECIDING = ("torch", "transformers", "tokenizers", "torchvision", "pillow")  # of the numbers
PACKAGES = ("tokenspace", "numpy", *DECIDING)


@dataclass(frozen=True)
class Request:
    """What to collect: of which model, from texts or pictures, into which folder.

    model: a folder or a hub's name, at `revision`. texts, pictures: files; one of them. names: of
    prompt, chosen and rejected in the JSONL file. prompt: asked of each picture. layers: "all" or
    e.g. "3,9,last". dtype, device, batch: how it runs; "auto" is the weights' type and the first
    accelerator. limit: most pairs or pictures. longest: most tokens of an answer. template:
    whether the model's chat template is applied. any_weights: read pickled weights too.
    """

    model: str
    out: Path
    texts: Path | None = None
    pictures: Path | None = None
    names: tuple[str, str, str] = NAMES
    prompt: str = PROMPT
    layers: str = "all"
    dtype: str = "auto"
    device: str = "auto"
    batch: int = 8
    limit: int | None = None
    longest: int | None = None
    template: bool = True
    revision: str | None = None
    any_weights: bool = False


def collect(
    request: Request,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
    say: Callable[[str], None] = lambda words: None,
    stop: Callable[[], bool] = lambda: False,
) -> Collected:
    """Run a model over texts or pictures and store its hidden states.

    A folder that was left unfinished, by a kill or an error, is gone on with.

    Args:
        request: what to collect.
        progress: told how many sequences are done, of how many.
        say: told in words what a person should know.
        stop: asked after each batch whether to end in good order.

    Raises:
        InputError: files, a model or a folder that cannot be used.
        Interrupted: `stop` said so; what was done is stored.
    """
    if (request.texts is None) == (request.pictures is None):
        raise InputError("say what the model shall read: --text FILE.jsonl, or --pictures FOLDER")
    check_layers(request.layers)
    models.require_installed()
    source = _read(request)
    folder = GrowingFolder(request.out, _identity(request, source))
    try:
        if folder.finished:
            say(f"{request.out} holds this collection already")
            if other := _since(read_collected(request.out).about.get("versions")):
                say(f"it is from {other}: remove it to collect anew")
        else:
            _fill(folder, request, source, progress, say, stop)
    except OSError as error:
        raise InputError(
            f"{request.out}: cannot be written ({error.strerror or error}); free space and run the "
            "same command again: what is committed is kept"
        ) from None
    finally:
        folder.close()
    return read_collected(request.out)


def _read(request: Request) -> Sequence[Any]:
    if request.texts is not None:
        return read_texts(request.texts, request.names, request.limit)
    assert request.pictures is not None
    return find_pictures(request.pictures, request.prompt, request.limit)


def _identity(request: Request, source: Sequence[Any]) -> dict[str, Any]:
    """What decides the numbers, for knowing a folder again; device and batch do not."""
    digest = hashlib.sha256()
    for item in source:
        what: Any = item
        if isinstance(item, Picture):
            what = (item.name, item.prompt, item.label, _content(item.path))
        digest.update(f"{what!r}\n".encode())
    names = ("model", "revision", "layers", "dtype", "longest", "template")
    kind = "text" if request.pictures is None else "pictures"
    asked = {name: getattr(request, name) for name in names}
    asked["model_files"] = models.files_of(request.model)
    return {"kind": kind, **asked, "items": len(source), "source": digest.hexdigest()}


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None


def _fill(
    folder: GrowingFolder,
    request: Request,
    source: Sequence[Any],
    progress: Callable[[int, int], None],
    say: Callable[[str], None],
    stop: Callable[[], bool],
) -> None:
    if request.pictures is not None:  # damaged ones are found before hours of work, not after
        each(source, lambda picture: open_picture(picture).close())
    loaded = models.load(
        request.model,
        pictures=request.pictures is not None,
        revision=request.revision,
        dtype=request.dtype,
        device=request.device,
        any_weights=request.any_weights,
    )
    if folder.plan is not None and folder.plan.revision != loaded.revision:
        raise InputError(
            f"{request.out}: was begun with commit {folder.plan.revision} of {request.model}, "
            f"which is at {loaded.revision} now; choose another --out folder"
        )
    chat = request.template and bool(getattr(loaded.reader, "chat_template", None))
    items, names, skipped = source, [f"{k:06d}" for k in range(len(source))], 0
    if request.texts is not None:
        items, skipped = _encoded(loaded, request, source, chat, say)
        names = [text.id for text in items]
    done = {branch.id for branch in folder.branches}
    todo = [item for item, name in zip(items, names, strict=True) if name not in done]
    if done:
        say(f"{len(done):,} of {len(names):,} sequences were there already")
    if folder.plan is not None and (other := _since(folder.plan.versions)):
        say(f"they are from {other}: numbers may differ; remove {request.out} to collect all anew")

    def work(batch: Sequence[Any]) -> list[tuple[Branch, list[np.ndarray]]]:
        """Tokens that left the device: nothing of a batch stays there when the next one runs."""
        if request.texts is not None:
            found = states.of_texts(loaded, batch)
        else:
            found = states.of_pictures(loaded, batch, chat)
        if folder.plan is None:
            plan = plan_of(found[0], request.layers, names)
            now = versions(PACKAGES)
            folder.begin(replace(plan, revision=loaded.revision, versions=now))
        assert folder.plan is not None
        return [stored(folder.plan, one) for one in found]

    progress(len(done), len(names))
    last = time.monotonic()
    for found in in_batches(todo, request.batch, work, say, lambda: _free(loaded.device)):
        for branch, tokens in found:
            folder.add(branch, tokens)
        done |= {branch.id for branch, _ in found}
        stopped = stop() and len(done) < len(names)
        if stopped or time.monotonic() - last > BETWEEN_COMMITS:
            folder.commit()
            last = time.monotonic()
        progress(len(done), len(names))
        if stopped:
            raise Interrupted(f"stopped after {len(done):,} of {len(names):,} sequences")
    folder.commit()
    folder.finish(_about(loaded, request, folder, chat, skipped))


def _encoded(
    loaded: models.Loaded,
    request: Request,
    source: Sequence[Any],
    chat: bool,
    say: Callable[[str], None],
) -> tuple[list[Any], int]:
    """Token ids of every branch, longest first: memory runs out at once or never."""
    parts = hasattr(loaded.model.config, "vision_config")
    encoder = Encoder(loaded.reader, chat, parts, loaded.context, request.longest)
    both = [encoder.encode(pair) for pair in source]
    items = [text for pair in both for text in pair]
    if not items:
        raise InputError(
            f"{request.texts}: no pair has two answers that differ and fit after their prompt, "
            f"within the {loaded.context:,} tokens that the model reads"
        )
    if marked := sum(encoder.holds_marks(text) for pair in source for text in pair.answers):
        say(f"{marked:,} answers hold words of the model's special tokens; they are read as words")
    return sorted(items, key=lambda text: -len(text.ids)), both.count([])


def _about(
    loaded: models.Loaded, request: Request, folder: GrowingFolder, chat: bool, skipped: int
) -> dict[str, Any]:
    assert folder.plan is not None
    file = request.texts or request.pictures
    begun = {"begun_with": folder.plan.versions} if _since(folder.plan.versions) else {}
    return begun | {
        "kind": "text" if request.texts is not None else "pictures",
        "model": request.model,
        "revision": loaded.revision,
        "architecture": type(loaded.model).__name__,
        "dtype": folder.plan.dtypes[0],
        "layers": sorted({group.layer for group in folder.plan.groups}),
        "source": file.name if file is not None else None,
        "template": chat,
        "today": f"{TODAY:%Y-%m-%d}" if chat and is_dated(loaded.reader.chat_template) else None,
        "skipped": skipped,
        "device": str(loaded.device),
        "versions": versions(PACKAGES),
    }


def _since(before: Any) -> str:
    """Packages that decide numbers and were of another version then: "torch 2.12 (now 2.13)"."""
    if not isinstance(before, dict):
        return ""
    now = versions(PACKAGES)
    changed = [name for name in DECIDING if name in before and before[name] != now.get(name)]
    return ", ".join(f"{name} {before[name]} (now {now.get(name)})" for name in changed)


def _free(device: Any) -> None:
    """Give back what torch keeps of a device's memory."""
    import gc

    import torch

    gc.collect()
    empty = getattr(torch.get_device_module(device), "empty_cache", None)  # a CPU's has none
    if empty is not None:
        empty()
