"""The command that collects tokens from a model: `collect`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from tokenspace.cli.common import Json, app, messages, progress_bar
from tokenspace.cli.present import document
from tokenspace.errors import InputError, Interrupted
from tokenspace.printable import counted, shown, size

if TYPE_CHECKING:
    from tokenspace.tokens.collected import Collected


@app.command()
def collect(
    model: Annotated[str, typer.Argument(help="A folder with a model, or its name on the hub.")],
    out: Annotated[Path, typer.Option(help="Folder for the tokens.")],
    text: Annotated[
        Path | None, typer.Option(help="JSONL file of prompts with two answers each.")
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(help="Folder of pictures, or JSONL file of picture, prompt and group."),
    ] = None,
    names: Annotated[
        str, typer.Option(help="Of prompt, branch A's and branch B's answer in the JSONL file.")
    ] = "prompt,chosen,rejected",
    prompt: Annotated[
        str, typer.Option(help="What a vision-language model is asked about each picture.")
    ] = "Describe the picture.",
    layers: Annotated[
        str, typer.Option(help="all, or e.g. 3,9,last; 0 is what enters the first layer.")
    ] = "all",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, or e.g. cpu, cuda, cuda:1, mps.")] = "auto",
    batch: Annotated[
        int, typer.Option(min=1, help="Sequences at once; halved when memory runs out.")
    ] = 8,
    limit: Annotated[int | None, typer.Option(min=1, help="Most pairs or pictures.")] = None,
    tokens: Annotated[int | None, typer.Option(min=1, help="Most tokens of an answer.")] = None,
    template: Annotated[bool, typer.Option(help="Apply the model's chat template.")] = True,
    revision: Annotated[
        str | None, typer.Option(help="Branch, tag or commit of a model on the hub.")
    ] = None,
    any_weights: Annotated[
        bool, typer.Option("--any-weights", help="Read weights that are no safetensors, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run a model and store the hidden states of its tokens, for `measure`.

    Texts: two answers to one prompt are two branches. Pictures: every two of them are. What was
    stopped or killed goes on when the same command runs again.
    """
    from tokenspace.experiments.interrupt import graceful
    from tokenspace.tokens.collect.run import Request
    from tokenspace.tokens.collect.run import collect as collect_tokens

    three = tuple(name.strip() for name in names.split(","))
    if len(three) != 3 or not all(three):
        raise InputError(
            f"--names {names!r} is not allowed; they must be like prompt,chosen,rejected"
        )
    request = Request(
        model,
        out,
        text,
        pictures,
        names=(three[0], three[1], three[2]),
        prompt=prompt,
        layers=layers,
        dtype=dtype,
        device=device,
        batch=batch,
        limit=limit,
        longest=tokens,
        template=template,
        revision=revision,
        any_weights=any_weights,
    )

    def say(words: str) -> None:
        messages.print(escape(shown(words)), soft_wrap=True, highlight=False)

    with graceful() as asked, progress_bar() as bar:
        task = bar.add_task("sequences", total=None)
        try:
            collected = collect_tokens(
                request,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
                say=say,
                stop=asked,
            )
        except Interrupted as error:
            name = asked.signal.name if asked.signal else "stop"
            say(f"{name}: {error}. The same command goes on from there")
            raise typer.Exit(asked.status) from None
    if as_json:
        document(_summary(collected))
    else:
        _show(collected)


def _summary(collected: Collected) -> dict:
    """What was collected, for programs."""
    return {
        "folder": str(collected.folder),
        **{k: collected.about.get(k) for k in ("kind", "model", "revision", "dtype", "skipped")},
        "sequences": len(collected.sequences),
        "groups": [
            {"name": g.name, "layer": g.layer, "part": g.part, "features": g.features}
            for g in collected.groups
        ],
        "bytes": _bytes(collected),
    }


def _spread(found: Iterable[int]) -> str:
    counts = set(found)
    least, most = min(counts), max(counts)
    return f"{least:,} to {most:,}" if least < most else f"{most:,}"


def _bytes(collected: Collected) -> int:
    return sum((collected.folder / group.file).stat().st_size for group in collected.groups)


def _show(collected: Collected) -> None:
    about = collected.about
    count = len(collected.sequences)
    pairs = f"{counted(count // 2, 'pair')} of texts"
    what = pairs if collected.kind == "text" else counted(count, "picture")
    print(f"{what} through {about['architecture']} in {about['dtype']} on {about['device']}")
    for part in dict.fromkeys(group.part for group in collected.groups):
        groups = [g for g in collected.groups if g.part == part]
        tokens = _spread(s.length_in(g) for g in groups for s in collected.sequences)
        features = _spread(g.features for g in groups)
        print(
            f"{part}: {counted(len(groups), 'layer')}, {tokens} tokens of {features} "
            f"features ({groups[0].tokens})"
        )
    if about.get("skipped"):
        print(
            f"left out: {counted(about['skipped'], 'pair')} (an answer without tokens, two answers "
            "that are the same, or a prompt that leaves no room)"
        )
    print(f"{size(_bytes(collected))} in {collected.folder}; `tokenspace measure` reads it")
