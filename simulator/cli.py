"""The command line: words for people. Results go to stdout, progress and messages to stderr.

Exit status: 0 done, 1 a check that failed or a worker that died, 2 input that cannot be used, 130
and 143 ended in good order by SIGINT and SIGTERM.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tokenspace.errors import InputError, Interrupted, TokenspaceError, WorkerDied
from tokenspace.present import (
    document,
    slope_table,
    stdout,
    summary,
    timing_table,
    verdict_table,
)

app = typer.Typer(
    help="Monte Carlo simulation of token correlation structure, and its exact theory.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
messages = Console(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Tolerance = Annotated[
    float,
    typer.Option(help="Largest deviation that counts as agreement (relative; exponent: absolute)."),
]
Config = Annotated[Path, typer.Argument(help="TOML file; see sweeps/demo.toml for an example.")]


def main() -> None:
    """Entry point: turns every expected error into one message and exit status 2."""
    try:
        app()
    except WorkerDied as error:
        messages.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(1)
    except TokenspaceError as error:
        messages.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(2)
    except MemoryError as error:
        messages.print(f"[bold red]error:[/] out of memory: {escape(str(error))}", soft_wrap=True)
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output went away, e.g. `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _progress(shown: bool = True) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=messages,
        transient=True,
        disable=not shown,
    )


def _show_checks(rows: list[tuple[str, Any, Any]], as_json: bool) -> None:
    if as_json:
        document([summary(*row) for row in rows])
    else:
        stdout().print(verdict_table(rows))
        for label, _, check in rows:
            if check.verdict != "PASS":
                print(f"{label}: {check.verdict}: {check.reason}")
    if any(check.verdict == "FAIL" for *_, check in rows):
        raise typer.Exit(1)


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
    from tokenspace import hosts

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
    as_json: Json = False,
) -> None:
    """Simulate one configuration and print D(n) beside the theory, with a verdict."""
    from tokenspace import hosts
    from tokenspace.config import load
    from tokenspace.interrupt import graceful
    from tokenspace.sweep import Options, run_point

    options = Options(devices, _bytes(max_memory))
    points, _ = load(config)
    if len(points) > 1:
        raise InputError(
            f"{config}: describes {len(points)} points; use `tokenspace sweep {config} --out DIR`"
        )
    _join(distributed, coordinator, processes, process_id)
    with graceful() as asked, _progress(hosts.is_writer()) as bar:
        task = bar.add_task("replicates", total=points[0].run().replicates)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done)

        try:
            result = run_point(points[0], options, progress=progress, stop=asked)
        except Interrupted as error:
            again = f"`run` keeps nothing; `tokenspace sweep {config} --out DIR` resumes"
            raise _stopped(asked, error, again) from None
    check = result.check(tolerance) if len(result.n) > 1 and result.replicates > 1 else None
    if not hosts.is_writer():
        return
    if as_json:
        document(summary(points[0].label, result, check))
    else:
        print(f"{result.model!r}")
        features = result.model.features
        print(
            f"d = {features.dim} features, effective dimension {features.effective_dimension:.4g}"
        )
        print(f"sampler: {result.sampler} ({result.method}): {result.reason}")
        print(f"{result.kernels} kernels on {result.device}")
        for note in result.notes:
            print(note)
        print(check if check is not None else result)
        if len(result.n) >= 3 and result.replicates >= 2:
            print(result.n_balance())
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
    as_json: Json = False,
) -> None:
    """Run every point of a configuration, storing each as it finishes."""
    from tokenspace import hosts
    from tokenspace.interrupt import graceful
    from tokenspace.sweep import run_sweep

    limit = _bytes(max_memory)
    if distributed and (workers > 1 or scheduler is not None):
        raise InputError("--distributed excludes --workers and --scheduler")
    _join(distributed, coordinator, processes, process_id)
    with graceful() as asked, _progress(hosts.is_writer()) as bar:
        task = bar.add_task("points", total=None)

        def progress(done: int, total: int, point: Any) -> None:
            bar.update(task, completed=done, total=total, description=escape(point.label[:40]))

        try:
            computed, points = run_sweep(
                config,
                out,
                progress,
                shard=shard,
                workers=workers,
                scheduler=scheduler,
                devices=devices,
                max_memory=limit,
                stop=asked,
            )
        except Interrupted as error:
            again = f"What was drawn is kept; resume with: {shlex.join(_command())}"
            raise _stopped(asked, error, again) from None
    if not hosts.is_writer():
        return
    if as_json:
        document({"out": str(out), "points": points, "computed": computed})
    else:
        print(f"{computed} of {points} points computed, {points - computed} were there")
        print(f"results: {out}   next: tokenspace check {out}")


def _command() -> list[str]:
    return ["tokenspace", *sys.argv[1:]]


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="Folder of a sweep.")],
    tolerance: Tolerance = 0.02,
    as_json: Json = False,
) -> None:
    """Compare every stored point with the theory; exit status 1 when one fails."""
    from tokenspace.store import load_results

    rows = [(p.label, r, r.check(tolerance)) for p, r in load_results(folder)]
    _show_checks(rows, as_json)


@app.command()
def fit(
    csv: Annotated[
        Path | None, typer.Argument(help="CSV of measured curves; the paper's 36 when left out.")
    ] = None,
    law: Annotated[str, typer.Option(help="power, crossover, saturating or auto.")] = "auto",
    bootstrap: Annotated[int, typer.Option(help="Resamples for the intervals.")] = 1000,
    as_json: Json = False,
) -> None:
    """Fit scaling laws to measured curves, and say which law the data prefer.

    The CSV needs columns vision_tokens and score; every other column names a curve.
    """
    from tokenspace.curves import fit_curves, read_curves

    fitted = fit_curves(read_curves(csv), law, bootstrap)
    if as_json:
        document([{"curve": name, **f.to_dict()} for name, f in fitted])
        return
    table = Table(
        title=f"Scaling fits of {len(fitted)} curves: S(n) = c / n^alpha", header_style="bold"
    )
    for name in (
        "curve",
        "c",
        "alpha",
        "95 % interval",
        "preferred law",
        "AICc ahead by",
        "parameters",
    ):
        table.add_column(name)
    for name, f in fitted:
        power = f.fits.get("power")
        c = f"{power.parameters['c']:.6g}" if power else ""
        alpha = f"{power.parameters['alpha']:.6f}" if power else ""
        low, high = power.intervals.get("alpha", (np.nan, np.nan)) if power else (np.nan, np.nan)
        best = ", ".join(f"{k} = {v:.4g}" for k, v in f.best.parameters.items())
        ahead = f"{f.evidence:.1f}" if np.isfinite(f.evidence) else ""
        table.add_row(escape(name), c, alpha, f"{low:.4f} to {high:.4f}", f.winner, ahead, best)
    stdout().print(table)
    names = [f.winner for _, f in fitted]
    if law == "auto":
        clear = sum(f.evidence > 10 for _, f in fitted)
        counts = ", ".join(f"{names.count(k)} prefer {k}" for k in dict.fromkeys(names))
        print(f"{counts}; {clear} of {len(fitted)} decisively (AICc ahead by more than 10).")


@app.command()
def figures(
    out: Annotated[Path, typer.Option(help="Folder for the figures.")],
    results: Annotated[
        Path | None, typer.Option(help="Folder of a sweep; the demo sweep is run when left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw the theory figures from stored results, as PNG and SVG."""
    from tokenspace.config import demo_file
    from tokenspace.figures import draw_all
    from tokenspace.store import load_results
    from tokenspace.sweep import run_sweep

    if results is None:
        results = out / "results"
        run_sweep(demo_file(), results)
    written = draw_all(load_results(results), out)
    if as_json:
        document({"figures": [str(p) for p in written]})
    else:
        for path in written:
            print(path)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Folder of a finished sweep.")],
    out: Annotated[
        Path | None, typer.Option(help="The HTML file; FOLDER/report.html when left out.")
    ] = None,
    tolerance: Tolerance = 0.02,
    as_json: Json = False,
) -> None:
    """Write one self-contained HTML file: verdicts, figures, configuration, provenance."""
    from tokenspace.report import write_report

    written = write_report(folder, out, tolerance)
    if as_json:
        document({"report": str(written)})
    else:
        print(written)


@app.command()
def models(as_json: Json = False) -> None:
    """List every model, its parameters and their ranges."""
    from tokenspace.catalogue import ROOMS, describe

    listing: dict[str, Any] = {
        room: {
            name: {
                "meaning": (make.__doc__ or "").strip().splitlines()[0],
                "parameters": {
                    k: {"meaning": p.description, "allowed": p.allowed(), "required": required}
                    for k, (p, required) in describe(make).items()
                },
            }
            for name, make in known.items()
        }
        for room, known in ROOMS.items()
    }
    if as_json:
        document(listing)
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
        stdout().print(table)
    print("Position covariances combine: { sum = [ .. ] }, { product = [ .. ] }, scale = number.")
    print('Your own class: model = "module:Class".')


@app.command()
def measure(
    a: Annotated[Path, typer.Argument(help="Tokens of branch A: .npy, .npz or .safetensors.")],
    b: Annotated[Path, typer.Argument(help="Tokens of branch B, same shape.")],
    order: Annotated[
        str, typer.Option(help="raster, random, or a .npy file with an order.")
    ] = "raster",
    points: Annotated[int, typer.Option(min=3, max=10_000, help="Token counts to report.")] = 17,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    key: Annotated[
        str | None, typer.Option(help="Array to take from .npz or .safetensors.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure D(n), psi's, n_balance and the exponent on your own tokens (pairs, N, d)."""
    from tokenspace.arrays import load_array, load_order
    from tokenspace.given_tokens import measure as measure_tokens
    from tokenspace.grids import log_grid

    first, second = load_array(a, key), load_array(b, key)
    if first.ndim not in (2, 3):
        raise InputError(
            f"{a}: tokens must be (pairs, N, d) or (N, d), but their shape is {first.shape}"
        )
    grid = log_grid(max(first.shape[-2], 1), points)
    result = measure_tokens(first, second, grid, load_order(order), seed)
    upsilon, (scale, off) = result.upsilon(), result.scale_fit()
    if as_json:
        found = summary("measured", result, None)
        document(found | {"upsilon": upsilon, "lambda": scale, "lambda_deviation": off})
        return
    table = Table(title=f"{result.replicates} pairs, {result.reason}", header_style="bold")
    names = (
        "n",
        "D",
        "± s.e.",
        "exponent",
        "psi_equal",
        "psi_within",
        "psi_cross",
        "lambda sqrt(Upsilon)",
    )
    for name in names:
        table.add_column(name, justify="right")
    slopes = result.local_exponent().mean if len(result.n) > 1 else np.zeros(0)
    for k, n in enumerate(result.n):
        psi = [result.correlations[p].mean[k] for p in names[4:7]]  # type: ignore[index]
        table.add_row(
            str(n),
            f"{result.mean[k]:.6g}",
            "-" if result.replicates < 2 else f"{result.standard_error[k]:.2g}",
            f"{slopes[k - 1]:.4f}" if k else "-",
            *("-" if np.isnan(p) else f"{p:.4f}" for p in psi),
            f"{scale * np.sqrt(upsilon[k]):.6g}",
        )
    stdout().print(table)
    print(f"E[D] = {scale:.5g} sqrt(Upsilon), off by at most {off:.1%}")
    if result.replicates >= 2 and len(result.n) >= 3:
        print(result.n_balance())
    else:
        print("n_balance and errors need at least 2 pairs")


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

    from tokenspace.benchmarks.harness import load, slowdowns
    from tokenspace.benchmarks.plots import draw_all
    from tokenspace.benchmarks.suite import run_suite, save_suite

    old = load(compare) if compare is not None else None
    with messages.status("measuring") as status:
        suite = run_suite(quick, memory, lambda text: status.update(escape(text)))
    for line in suite.skipped:
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
        stdout().print(timing_table(suite.timings))
        stdout().print(slope_table(suite.slopes))
        print(", ".join(f"{k} {v:.3g}" for k, v in suite.limits.items()))
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

    devices = [f"{d.device_kind} ({d.platform}:{d.id})" for d in jax.devices()]
    facts = {
        "computes_on": device_name(),
        "devices": devices,
        "versions": versions(),
        "cores": os.cpu_count(),
    }
    if as_json:
        document(facts)
        return
    print(f"computes on: {facts['computes_on']}   all devices: {', '.join(devices)}")
    print("versions: " + ", ".join(f"{k} {v}" for k, v in versions().items()))
    print(
        "would run: plain JAX kernels compiled by XLA for that device; samplers chosen by structure"
    )
    if jax.devices()[0].platform == "cpu":
        print("no accelerator in use; extras tokenspace[cuda12], [cuda13] and [tpu] bring support")
