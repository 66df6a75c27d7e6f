"""Load a model, and what turns texts and pictures into its inputs, from a folder or the hub.

Only code of the installed transformers runs: a model that brings its own is refused. Weights are
safetensors, which hold numbers only, unless others are asked for.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenspace.errors import InputError
from tokenspace.tokens.collect.batches import is_out_of_memory
from tokenspace.tokens.collect.cross_attention import crosses

NEEDED = {"torch": "torch", "transformers": "transformers", "PIL": "pillow"}
DTYPES = ("auto", "float32", "bfloat16", "float16")
UNUSED = ("pooler", "lm_head", "mask_token")  # what no hidden state comes from
SUFFIXES = (".bin", ".jinja", ".json", ".model", ".safetensors", ".txt")  # of a model's files
UNMASKED = ("hiera",)  # whose mask_ratio is for training only
UNBOUNDED = 1 << 40  # tokenizers say 1e30 for "no limit"


@dataclass(frozen=True)
class Loaded:
    """A model that is ready to run.

    reader: its tokenizer, processor or image processor. picture_token: the id of a picture's
    tokens in a language model, None where it has none.
    """

    name: str
    model: Any
    reader: Any
    picture_token: int | None
    revision: str | None

    @property
    def device(self) -> Any:
        return self.model.device

    @property
    def context(self) -> int:
        """Most tokens that it reads at once."""
        config = self.model.config.get_text_config()
        found = [getattr(config, "max_position_embeddings", None)]
        found.append(getattr(self.reader, "model_max_length", None))
        return int(min([n for n in found if n] + [UNBOUNDED]))


def require_installed() -> None:
    """Refuse to go on without the packages of the extra.

    Raises:
        InputError: naming what is missing and how to install it.
    """
    missing = [pip for name, pip in NEEDED.items() if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"collecting from models needs {', '.join(missing)}: pip install 'tokenspace[models]'"
        )


def files_of(name: str) -> str | None:
    """A digest of the sizes and times of a folder's files, by which it is known again."""
    if not Path(name).is_dir():
        return None
    files = [p for p in sorted(Path(name).iterdir()) if p.suffix in SUFFIXES and p.is_file()]
    sizes = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    return hashlib.sha256(repr(sizes).encode()).hexdigest()


def load(
    name: str,
    *,
    pictures: bool,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    any_weights: bool = False,
) -> Loaded:
    """The base model (no head: its outputs are not needed), in evaluation mode on a device.

    Args:
        name: a folder, or the name of a model on the hub.
        pictures: whether it is to read pictures; else texts.
        revision: branch, tag or commit on the hub.
        dtype: one of DTYPES; "auto" is that of the weights.
        device: "auto", or one of torch's, e.g. "cpu", "cuda", "cuda:1", "mps".
        any_weights: whether weights that are no safetensors (pickles) may be read too.

    Raises:
        InputError: it is not there, of no known kind, needs code of its own, or does not read
            what it shall.
    """
    import torch
    import transformers

    if dtype not in DTYPES:
        raise InputError(f"--dtype {dtype!r} is not allowed; it must be one of {', '.join(DTYPES)}")
    place = _device(torch, device)
    where = {"revision": revision, "trust_remote_code": False}
    where["local_files_only"] = Path(name).is_dir()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    config = _from(transformers.AutoConfig, name, **where)
    config._attn_implementation = config._experts_implementation = None  # could name hub code
    if getattr(config, "is_encoder_decoder", False):
        raise InputError(
            f"{name}: is a model with an encoder and a decoder, whose layers are not those of one "
            "sequence; see docs/collect_by_hand.md"
        )
    if getattr(config, "mask_ratio", 0) and config.model_type not in UNMASKED:
        raise InputError(
            f"{name}: hides patches of each picture at random, others in each run; set mask_ratio "
            "to 0 in its config.json"
        )
    reader = _reader(transformers, name, config, pictures, where)
    numbers = dtype if dtype == "auto" else getattr(torch, dtype)
    how = {"config": config, "dtype": numbers, "output_loading_info": True}
    how["use_safetensors"] = None if any_weights else True
    model, about = _from(transformers.AutoModel, name, **where, **how)
    _require_weights(name, about["missing_keys"])
    try:
        model = model.eval().to(place)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(
            f"{name}: does not fit into the memory of {place}; use --dtype bfloat16, or another "
            "--device"
        ) from None
    token = _picture_token(config, reader) if pictures and not crosses(config) else None
    return Loaded(name, model, reader, token, _commit(transformers, name, revision))


def _commit(transformers: Any, name: str, revision: str | None) -> str | None:
    """The commit of a hub's model, which names the folder where it is cached."""
    if Path(name).is_dir():
        return None
    file = transformers.utils.cached_file(
        name, "config.json", revision=revision, local_files_only=True
    )
    found = re.search(r"/snapshots/([0-9a-f]{40})/", Path(file).as_posix())
    return found[1] if found else revision


def _require_weights(name: str, missing: Iterable[str]) -> None:
    """Refuse a model of which parts would be random; heads and poolers change no hidden state."""
    lacking = sorted(k for k in missing if not any(part in k for part in UNUSED))
    if lacking:
        raise InputError(
            f"{name}: its weights lack {len(lacking):,} tensors, such as {lacking[0]!r}, which "
            "would be random; it is no whole model"
        )


def _reader(transformers: Any, name: str, config: Any, pictures: bool, where: dict) -> Any:
    """The tokenizer for texts; for pictures the processor, or an encoder's image processor."""
    if not pictures:
        return _from(transformers.AutoTokenizer, name, **where)
    speaks = getattr(config, "text_config", None) is not None
    if speaks and _picture_token(config, None) is not None and not crosses(config):
        try:
            return transformers.AutoProcessor.from_pretrained(name, **where)
        except Exception as error:
            if not isinstance(error, ImportError) and "torchvision" not in str(error):
                raise _unread(name, error) from None
        try:  # what reads videos may need more packages; pictures do not
            return _without_video(transformers, name, config, where)
        except ImportError as error:
            raise _unread(name, error) from None
    return _from(transformers.AutoImageProcessor, name, **where)


def _without_video(transformers: Any, name: str, config: Any, where: dict) -> Any:
    """The model's own processor of pictures and text, with nothing where videos are read."""
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

    kind = PROCESSOR_MAPPING[type(config)]
    takes = inspect.signature(kind.__init__).parameters
    found, _ = kind.get_processor_dict(name, **where)

    class OfPictures(kind):  # type: ignore[valid-type,misc]
        def check_argument_for_proper_class(self, name: str, argument: Any) -> Any:
            if argument is not None:
                return super().check_argument_for_proper_class(name, argument)
            return None

    OfPictures.__name__ = kind.__name__
    tokenizer = _from(transformers.AutoTokenizer, name, **where)
    images = _from(transformers.AutoImageProcessor, name, **where)
    parts = {"image_processor": images, "tokenizer": tokenizer, "video_processor": None}
    parts["chat_template"] = found.pop("chat_template", None) or tokenizer.chat_template
    return OfPictures(**{k: v for k, v in (found | parts).items() if k in takes})


def _picture_token(config: Any, reader: Any) -> int | None:
    for owner, key in (
        (config, "image_token_id"),
        (config, "image_token_index"),
        (reader, "image_token_id"),
    ):
        if isinstance(found := getattr(owner, key, None), int):
            return found
    return None


def _device(torch: Any, device: str) -> Any:
    if device == "auto":
        mps = getattr(torch.backends, "mps", None)
        device = "mps" if mps is not None and mps.is_available() else "cpu"
        device = "cuda" if torch.cuda.is_available() else device
    try:
        torch.zeros(1, device=device).cpu()  # "meta" has no numbers
        return torch.device(device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        said = str(error).splitlines()[0]
        raise InputError(f"--device {device!r} cannot be used: {said}") from None


def _from(kind: Any, name: str, **how: Any) -> Any:
    """`kind.from_pretrained`, with what goes wrong in words."""
    try:
        return kind.from_pretrained(name, **how)
    except Exception as error:  # a damaged folder raises whatever its reader does
        raise _unread(name, error) from None


def _unread(name: str, error: Exception) -> InputError:
    said = re.sub(r"\s+", " ", str(error)).strip()
    if "trust_remote_code" in said:
        return InputError(
            f"{name}: needs code of its own, which tokenspace never runs; collect by hand, see "
            "docs/collect_by_hand.md"
        )
    if "image processor" in said:
        return InputError(f"{name}: has no image processor, so it is no model that reads pictures")
    if "backend tokenizer" in said or "tokenizer class" in said.lower():
        return InputError(
            f"{name}: cannot be loaded to read texts: it has no tokenizer; its files, such as "
            "tokenizer.json, must lie beside the weights"
        )
    if "safetensors" in said:
        return InputError(
            f"{name}: has no safetensors weights. Other weights are pickles; --any-weights reads "
            "them, if you trust where they come from"
        )
    if "connect to" in said:
        return InputError(f"{name}: is no folder here, and the hub that has it cannot be reached")
    return InputError(f"{name}: cannot be loaded ({type(error).__name__}): {said[:400]}")
