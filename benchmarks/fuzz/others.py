"""Inputs that are no table of runs: sources that are imported, join tables, registered forecasts, logs of scores."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache, partial

from benchmarks.fuzz import columns, laws, sources, tables
from benchmarks.fuzz.sources import JOIN, SOURCE, SOURCES, Files
from benchmarks.fuzz.values import damaged

ACTUAL = b"run,params,tokens,loss/c4\nbig,1e9,2e10,2.5\n"
LOG = (
    b'{"forecast_sha256": "a", "method": "flp", "level": 0.9, "target": "t", "kind": "loss", "name": "c4", '
    b'"median": 2.5, "lower": 2.4, "upper": 2.6, "actual": 2.5, "rank": 0.5, "crps": 0.1, "baseline_crps": null}\n'
)

Made = tuple[Files, list[str]]


def imported(kind: str, rng: random.Random) -> Made:
    """A source of one format with changes, and the command that imports it."""
    files = sources.changed(SOURCES[kind](), rng)
    return {f"{SOURCE}/{name}": data for name, data in files.items()} | {"join.csv": JOIN}, sources.arguments(rng)


def joined(rng: random.Random) -> Made:
    """A source with a join table that is changed."""
    files = {f"{SOURCE}/{name}": data for name, data in SOURCES["wandb"]().items()}
    changed = sources.changed({"join.csv": JOIN}, rng)
    return files | {"join.csv": next(iter(changed.values()))}, ["import", SOURCE, "--join", "join.csv", "-o", "l.csv"]


def registered(rng: random.Random) -> Made:
    """A registered forecast whose bytes are changed, to be scored or to be asked again."""
    data = damaged(forecast(), rng) if rng.random() < 0.8 else forecast()
    args = (
        ["score", "f.flp", "actual.csv"]
        if rng.random() < 0.7
        else ["forecast", "--from", "f.flp", "--target", "C=1e20"]
    )
    return {"f.flp": data, "actual.csv": ACTUAL}, args


def logged(rng: random.Random) -> Made:
    """A log of scores that is changed."""
    changed = sources.changed({"log.jsonl": LOG * 3}, rng)
    return {"log.jsonl": next(iter(changed.values()))}, ["score", "--log", "--log-file", "log.jsonl"]


def reported(rng: random.Random) -> Made:
    """A report of a table whose names are odd: whatever they hold, they are text on the page."""
    table = [(name, list(cells)) for name, cells in tables.scores().items()]
    for _ in range(rng.choice((1, 2, 3))):
        table = columns.changed(table, rng)
    args = ["report", "t.csv", "--method", "power+sigmoid", "--draws", "3", "-o", "r.html"]
    args += ["--markdown", "r.md"] if rng.random() < 0.5 else []
    return {"t.csv": columns.csv_of(table, rng)}, [*args, "--target", "N=1e9,D=2e10"]


@cache
def forecast() -> bytes:
    """A registered forecast of one target, by a law that is fitted in no time."""
    import jax

    from benchmarks.fuzz.tables import losses
    from flpjax.cli.start import start_jax

    start_jax()
    import polars as pl

    from flpjax import Target, fit, method, read_runs, register

    runs = read_runs(pl.DataFrame(losses()))
    draws = fit(method("power+sigmoid"), runs, jax.random.key(0), draws=3)
    return register(draws, runs, [Target("big", 1e9, 2e10)]).to_bytes()


OTHERS: dict[str, Callable[[random.Random], Made]] = {
    **{kind: partial(imported, kind) for kind in SOURCES},
    "join": joined,
    "forecast": registered,
    "log": logged,
    "law": laws.law,
    "report": reported,
}
"""Kind → what makes an input of it."""
