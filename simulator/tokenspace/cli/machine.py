"""Commands about this installation and machine: `models`, `bench`, `doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tokenspace.cli.bench_tables import slope_table, timing_table
from tokenspace.cli.common import Json, Plugin, app, messages
from tokenspace.cli.present import document, show_table


@app.command()
def models(plugin: Plugin = None, as_json: Json = False) -> None:
    """List every model, its parameters and their ranges; samplers and scaling laws too."""
    from rich.markup import escape
    from rich.table import Table

    from tokenspace.experiments.names import MODEL_ROOMS, find, names
    from tokenspace.parameters import describe

    listing: dict[str, Any] = {
        room: {
            name: {
                "meaning": next(iter((make.__doc__ or "").strip().splitlines()), ""),
                "parameters": {
                    k: {"meaning": p.description, "allowed": p.allowed(), "required": required}
                    for k, (p, required) in describe(make).items()
                },
            }
            for name, make in ((name, find(room, name)) for name in names(room))
        }
        for room in MODEL_ROOMS
    }
    samplers, laws = ["auto", *names("sampler")], ["auto", *names("scaling")]
    if as_json:
        document(listing | {"samplers": samplers, "scaling_laws": laws})
        return
    for room, known in listing.items():
        table = Table(title=f"{room} models", header_style="bold", title_justify="left")
        for column in ("model", "what", "parameter", "meaning", "allowed"):
            table.add_column(column)
        for name, entry in known.items():
            first = [name, escape(entry["meaning"])]
            for key, p in entry["parameters"].items() or [("", {"meaning": "", "allowed": ""})]:
                same = p["allowed"] == p["meaning"]
                table.add_row(
                    *first, key, escape(p["meaning"]), "" if same else escape(p["allowed"])
                )
                first = ["", ""]
        show_table(table)
    print("Position covariances combine: { sum = [ .. ] }, { product = [ .. ] }, scale = number.")
    print(f"Samplers: {', '.join(samplers)}. Scaling laws of `fit`: {', '.join(laws)}.")
    print("A class of your own: write @ts.register above it, and name its module: --plugin MODULE.")


@app.command()
def bench(
    out: Annotated[
        Path, typer.Option(help="Folder of result files, one sub-folder a device.")
    ] = Path("benchmarks/results"),
    compare: Annotated[
        Path | None, typer.Option(help="Older result file; slower is status 1.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small shapes, for a smoke test.")] = False,
    memory: Annotated[
        bool, typer.Option(help="Measure peak memory, each contestant in a process of its own.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Time the samplers and kernels against what one would write by hand, on this device."""
    from dataclasses import asdict

    from rich.markup import escape

    from tokenspace_benchmarks.harness import load, slowdowns
    from tokenspace_benchmarks.plots import draw_all
    from tokenspace_benchmarks.suite import run_suite, save_suite

    old = load(compare) if compare is not None else None
    with messages.status("measuring") as status:
        suite = run_suite(
            quick,
            memory,
            lambda text: status.update(escape(text)),
            lambda some: save_suite(some, out, finished=False),
        )
    for line in suite.skipped + [f"{compare}: {x}" for x in (old or {}).get("skipped", [])]:
        messages.print(escape(line))
    path = save_suite(suite, out)
    slower = slowdowns(old, suite.timings) if old is not None else []
    plots = draw_all(load(path), path.parent)
    if as_json:
        document(
            {
                "file": str(path),
                "plots": [str(p) for p in plots],
                "limits": suite.limits,
                "timings": [asdict(t) | {"fraction": t.fraction} for t in suite.timings],
                "slopes": [asdict(s) for s in suite.slopes],
                "slowdowns": slower,
            }
        )
    else:
        show_table(timing_table(suite.timings))
        show_table(slope_table(suite.slopes))
        print(
            "limits of the machine: " + ", ".join(f"{k} {v:.3g}" for k, v in suite.limits.items())
        )
        print(f"result file: {path}   plots: {', '.join(map(str, plots))}")
    for line in slower:
        messages.print(f"[red]slower:[/] {escape(line)}")
    if slower:
        raise typer.Exit(1)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Show devices, versions and what would run."""
    import jax

    from tokenspace.provenance import device_name, versions
    from tokenspace_kernels.dispatch import kernel
    from tokenspace_kernels.workers import cores

    given = kernel("measure").implementation
    devices = [f"{d.device_kind} ({d.platform}:{d.id})" for d in jax.devices()]
    facts = {
        "computes_on": device_name(),
        "devices": devices,
        "versions": versions(),
        "cores": cores(),
        "given_tokens": given,
    }
    if as_json:
        document(facts)
        return
    print(f"computes on: {facts['computes_on']}   all devices: {', '.join(devices)}")
    print(f"cores that this process may use: {facts['cores']}")
    print("versions: " + ", ".join(f"{k} {v}" for k, v in versions().items()))
    print(
        "would run: plain JAX kernels compiled by XLA for that device; samplers chosen by "
        f"structure; given tokens by {given}"
    )
    if jax.devices()[0].platform == "cpu":
        print("no accelerator in use; extras tokenspace[cuda12], [cuda13] and [tpu] bring support")
        if "numba" not in versions():
            print("extra tokenspace[cpu] (Numba) samples tokens several times faster")
