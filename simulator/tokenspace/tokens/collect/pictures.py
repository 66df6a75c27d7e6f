"""Find pictures in a folder or a JSONL file, and open one."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.ordinary import require_ordinary
from tokenspace.tokens.collect.texts import each, read_rows

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
PROMPT = "Describe the picture."


@dataclass(frozen=True)
class Picture:
    """A file, what the model is asked about it, and the label that dependent pictures share."""

    number: int
    path: Path
    name: str
    prompt: str
    label: str


def find_pictures(source: Path, prompt: str = PROMPT, limit: int | None = None) -> list[Picture]:
    """Pictures of a folder by name, or of a JSONL file of {"picture", "prompt", "group"}.

    Args:
        source: the folder, or the file: paths in it are relative to it; prompt and group may be
            left out. Without a group a picture is its own, however often it is listed.
        prompt: for pictures without one of their own.
        limit: most pictures to take.

    Raises:
        InputError: no pictures, fewer than 2, or a line that names none.
    """
    if source.is_dir():
        files = sorted(p for p in source.iterdir() if p.suffix.lower() in SUFFIXES)[:limit]
        found = [Picture(k, p, p.name, prompt, str(k)) for k, p in enumerate(files)]
        if not found:
            raise InputError(f"{source}: holds no pictures ({', '.join(SUFFIXES)})")
    else:

        def listed(numbered: tuple[int, tuple[int, dict[str, Any]]]) -> Picture:
            number, (line, row) = numbered
            where = f"{source}, line {line}"
            name = _text(where, row, "picture", None)
            own = _text(where, row, "prompt", prompt)
            label = _text(where, row, "group", name)
            return Picture(number, source.parent / name, name, own, label)

        found = each(enumerate(read_rows(source, limit)), listed)
    if len(found) < 2:
        raise InputError(f"{source}: every two pictures make a pair, and there is 1; give more")
    each(found, lambda picture: require_ordinary(picture.path))
    return found


def _text(where: str, row: dict[str, Any], name: str, default: str | None) -> str:
    value = row.get(name, default)
    if isinstance(value, str) and value:
        return value
    raise InputError(f"{where}: {name!r} must be text, as in " + '{"picture": "cat.png"}')


def open_picture(picture: Picture) -> Any:
    """A PIL image in RGB, turned the way up that its camera noted.

    Raises:
        InputError: no picture, or a damaged one.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a large one, or one with transparent colours
            with Image.open(picture.path) as image:
                return _eight_bits(ImageOps.exif_transpose(image)).convert("RGB")
    except MemoryError:
        raise
    except Exception as error:  # a damaged file raises whatever its reader does
        raise InputError(f"{picture.path}: cannot be read as a picture: {error}") from None


def _eight_bits(image: Any) -> Any:
    """Deep grey values scaled to bytes; Pillow alone would cut them off at 255."""
    from PIL import Image

    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("its grey values have 32 bits and no known range; save it with 8 or 16")
    return image
