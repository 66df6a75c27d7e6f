"""Commands that simulate: `run` one point, `sweep` many, on one device or many hosts."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from tokenspace.cli.common import (
    Config,
    Json,
    Only,
    Plugin,
    Set,
    Tolerance,
    app,
    messages,
    progress_bar,
)
from tokenspace.cli.present import document, show_table
from tokenspace.cli.result_json import summary
from tokenspace.cli.sweep_tables import on_skipped, outlook_table
from tokenspace.errors import InputError, Interrupted
from tokenspace.printable import counted, duration, shown, size

Devices = Annotated[
    int | None, typer.Option(help="Devices that share the replicates; all of them when left out.")
]
MaxMemory = Annotated[
    str | None, typer.Option(help="Most that sampling may use on a device, e.g. 4GB or 512MB.")
]
Distributed = Annotated[
    bool, typer.Option("--distributed", help="One of many processes of one run (jax.distributed).")
]
Coordinator = Annotated[
    str | None, typer.Option(help="HOST:PORT of process 0; found by itself under Slurm and others.")
]
Processes = Annotated[int | None, typer.Option(min=1, help="How many processes there are.")]
ProcessId = Annotated[int | None, typer.Option(min=0, help="Which of them this is, from 0 on.")]


def _bytes(text: str | None) -> float | None:
    """ "4GB" as a number of bytes."""
    units = {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
    if text is None:
        return None
    found = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,9})?)\s*([KMGT]?B)\s*", text.upper())
    if found is None or float(found[1]) == 0:
        raise InputError(f"--max-memory {text!r} is not allowed; it must be like 4GB or 512MB")
    return float(found[1]) * units[found[2]]


def _join(distributed: bool, *where: Any) -> None:
    """Become one of many processes of a run when asked to."""
    from tokenspace.experiments import hosts

    if not distributed:
        if any(w is not None for w in where):
            raise InputError("--coordinator, --processes and --process-id need --distributed")
        return
    status = hosts.supervise()
    if status is not None:
        raise typer.Exit(status)
    hosts.start(*where)


def _stopped(asked: Any, error: Interrupted, command: str) -> typer.Exit:
    """What is said when a signal ended a run in good order."""
    name = asked.signal.name if asked.signal else "stop"
    messages.print(f"[yellow]{name}:[/] {escape(str(error))}. {escape(command)}", soft_wrap=True)
    return typer.Exit(asked.status)


@app.command()
def run(
    config: Config,
    tolerance: Tolerance = 0.02,
    devices: Devices = None,
    max_memory: MaxMemory = None,
    distributed: Distributed = False,
    coordinator: Coordinator = None,
    processes: Processes = None,
    process_id: ProcessId = None,
    settings: Set = None,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Simulate one configuration and print D(n) beside the theory, with a verdict."""
    from tokenspace.experiments import hosts
    from tokenspace.experiments.config import read_configuration
    from tokenspace.experiments.experiment import Execution
    from tokenspace.experiments.interrupt import graceful
    from tokenspace.experiments.point import run_point

    execution = Execution(devices, max_memory=_bytes(max_memory))
    points = read_configuration(config, settings or ()).points
    if len(points) > 1:
        raise InputError(
            f"{config}: describes {counted(len(points), 'point')}; "
            f"use `tokenspace sweep {config} --out DIR`"
        )
    _join(distributed, coordinator, processes, process_id)
    with graceful() as asked, progress_bar(hosts.is_writer()) as bar:
        task = bar.add_task("replicates", total=points[0].experiment.replicates)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done)

        try:
            result = run_point(points[0], execution, progress=progress, stop=asked)
        except Interrupted as error:
            again = f"`run` keeps nothing; `tokenspace sweep {config} --out DIR` resumes"
            raise _stopped(asked, error, again) from None
    check = result.check(tolerance) if result.replicates > 1 else None
    if not hosts.is_writer():
        return
    if as_json:
        document(summary(points[0].label, result, check))
    else:
        print(f"{result.model!r}")
        effective = [f"{t.features.effective_dimension:.4g}" for t in result.model.terms]
        print(f"d = {result.model.dim} features, effective dimension {' and '.join(effective)}")
        print(f"sampler: {result.sampler} ({result.method}): {result.reason}")
        print(f"{result.kernels} kernels on {result.device}")
        for note in result.notes:
            print(note)
        print(check if check is not None else result)
        if result.enough_for_balance:
            print(result.n_balance())
        if result.joint is not None:
            print(result.scale_fit())
        if result.control is not None:
            print(result.control)
    if check is not None and check.verdict == "FAIL":
        raise typer.Exit(1)


@app.command()
def sweep(
    config: Config,
    out: Annotated[
        Path, typer.Option(help="Folder of the results; an interrupted sweep resumes there.")
    ],
    workers: Annotated[int, typer.Option(min=1, help="Processes on this machine.")] = 1,
    shard: Annotated[
        str | None, typer.Option(help="i/N: only the i-th of N parts, for arrays of batch jobs.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler, e.g. tcp://host:8786.")
    ] = None,
    devices: Devices = None,
    max_memory: MaxMemory = None,
    distributed: Distributed = False,
    coordinator: Coordinator = None,
    processes: Processes = None,
    process_id: ProcessId = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Compute anew what other versions of packages computed."),
    ] = False,
    redo: Annotated[
        bool,
        typer.Option("--redo", help="Put damaged result files aside, and compute them anew."),
    ] = False,
    settings: Set = None,
    only: Only = None,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Run every point of a configuration, storing each as it finishes."""
    from tokenspace.experiments import hosts
    from tokenspace.experiments.config import read_configuration
    from tokenspace.experiments.interrupt import graceful
    from tokenspace.experiments.sweep import run_sweep

    limit = _bytes(max_memory)
    if distributed and (workers > 1 or scheduler is not None):
        raise InputError("--distributed excludes --workers and --scheduler")
    read = read_configuration(config, settings or ())
    _join(distributed, coordinator, processes, process_id)
    with graceful() as asked, progress_bar(hosts.is_writer()) as bar:
        task = bar.add_task("points", total=None)

        def progress(done: int, total: int, point: Any) -> None:
            label = escape(shown(point.label[:40]))
            bar.update(task, completed=done, total=total, description=label)

        try:
            computed, points = run_sweep(
                read,
                out,
                progress,
                only=only or (),
                shard=shard,
                workers=workers,
                scheduler=scheduler,
                devices=devices,
                max_memory=limit,
                stop=asked,
                strict=strict,
                redo=redo,
            )
        except Interrupted as error:
            again = f"What was drawn is kept; resume with: {shlex.join(_command())}"
            raise _stopped(asked, error, again) from None
    if not hosts.is_writer():
        return
    if as_json:
        left_out = [s._asdict() for s in read.skipped]
        document({"out": str(out), "points": points, "computed": computed, "skipped": left_out})
    else:
        for line in on_skipped(read.skipped, f"`tokenspace plan {config}` lists them all"):
            print(line)
        already = f"{points - computed:,} there already"
        print(f"{computed:,} of {counted(points, 'point')} computed, {already}")
        folder = shlex.quote(str(out))
        print(f"results: {folder}   next: tokenspace check {folder}")


@app.command()
def plan(
    config: Config,
    devices: Devices = None,
    max_memory: MaxMemory = None,
    settings: Set = None,
    only: Only = None,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Say how many points a configuration has, which samplers draw them, how long and how large."""
    from tokenspace.experiments.config import read_configuration
    from tokenspace.experiments.experiment import Execution
    from tokenspace.experiments.outlook import outlook
    from tokenspace.experiments.select import select

    read = read_configuration(config, settings or ())
    points = select(read.points, only or ())
    kinds = outlook(points, Execution(devices, max_memory=_bytes(max_memory)))
    seconds, on_disk = sum(k.seconds for k in kinds), sum(k.bytes for k in kinds)
    if as_json:
        document(
            {
                "points": len(points),
                "seconds": seconds,
                "bytes": on_disk,
                "kinds": [asdict(k) for k in kinds],
                "skipped": [s._asdict() for s in read.skipped],
            }
        )
        return
    show_table(outlook_table(kinds))
    print(f"{counted(len(points), 'point')}: about {duration(seconds)}, {size(on_disk)} on disk")
    if same := len(points) - len({point.key for point in points}):
        print(f"{counted(same, 'point is', 'points are')} the same as others, and drawn once")
    for line in on_skipped(read.skipped, "", most=len(read.skipped)):
        print(line)


def _command() -> list[str]:
    return ["tokenspace", *sys.argv[1:]]
