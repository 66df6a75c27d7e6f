"""A fitted model as a configuration, which `tokenspace run` reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenspace.cli.common import require_file
from tokenspace.errors import InputError

if TYPE_CHECKING:
    from tokenspace.tokens.fit import TokenFit


def check_model_file(path: Path | None) -> None:
    """InputError, before anything is fitted, where no configuration can be written."""
    if path is not None:
        require_file("--config", path, ".toml")


def write_model(path: Path, found: TokenFit, tokens: int) -> str:
    """The model as a configuration that `tokenspace run` reads, with replicates for a verdict.

    What was saved, in words.
    """
    from tokenspace.experiments.canonical import model_tables
    from tokenspace.grids import log_grid
    from tokenspace.statistics.decisive import replicates_to_pass

    enough = replicates_to_pass(found.model, log_grid(tokens))
    tables: dict[str, Any] = {"tokens": {"count": int(tokens)}, "run": {"replicates": enough}}
    tables |= model_tables(found.model)
    lines = []
    for name, table in tables.items():
        lines.append(f"[{name}]")
        lines += [f"{k} = {_toml(v)}" for k, v in table.items()]
        lines.append("")
    try:
        path.write_text("\n".join(lines))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
    return (
        f"the model is in {path}, with {enough:,} replicates, which let its check pass: "
        f"tokenspace run {path}"
    )


def _toml(value: Any) -> str:
    """A value of `model_tables` in a line of TOML."""
    match value:
        case dict():
            return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + " }"
        case list() | tuple():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case str():
            return f'"{value}"'
    return repr(value)
