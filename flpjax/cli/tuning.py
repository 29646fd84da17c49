"""The command ``tune``: the features at which a loss is lowest, such as learning rate and batch, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flpjax.cli import steps
from flpjax.cli.completing import methods
from flpjax.cli.options import (
    Exclude,
    Force,
    Json,
    Law,
    Level,
    Mapping,
    Only,
    Quiet,
    RunsArgument,
    Seed,
    UsualDraws,
    Via,
)

if TYPE_CHECKING:
    from flpjax.cli.layout import Sheet
    from flpjax.results.tuning import Tuning


def tune(
    runs: RunsArgument,
    target: Annotated[
        list[str] | None, typer.Option("--target", "-t", help="What is to be trained: N=7e9,D=1e12. Repeatable.")
    ] = None,
    free: Annotated[
        list[str] | None,
        typer.Option("--free", help="A feature to choose, such as lr; by default all the target lacks. Repeatable."),
    ] = None,
    method: Annotated[
        str, typer.Option("--method", help="What to fit; by default the law given.", autocompletion=methods)
    ] = "",
    law: Law = None,
    via: Via = None,
    mapping: Mapping = None,
    only: Only = None,
    exclude: Exclude = None,
    draws: UsualDraws = None,
    level: Level = 0.9,
    seed: Seed = 0,
    json: Json = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """The learning rate, batch or other columns that are best for a model, by a law that reads them."""
    steps.prepare(json, force, inputs=[runs, mapping])
    from flpjax.cli import session
    from flpjax.cli.asked import check_method, check_via, parse_laws
    from flpjax.errors import InputError
    from flpjax.results.target import named_targets

    laws = parse_laws(law)
    name = method or next(iter(laws), "")
    if not name:
        raise InputError("there is no law", where="tune", remedy="Give one that reads columns: --law step-law")
    if not target:
        raise InputError("there is no target", where="tune", remedy="Give one: --target N=1e9,D=1e11")
    targets = [*named_targets(target)]
    chosen = check_method(name, via, draws, level, laws=laws)
    table = steps.read(runs, mapping, only, exclude)
    check_via(table, via)
    session.start_jax()
    from flpjax.fitting.fit import check_carried, fit
    from flpjax.numerics import random_key
    from flpjax.results.tuning import tune as run_tune

    check_carried(chosen, table)
    with session.progress(steps.stages_of(chosen, table), f"fitting {name}:") as step:
        fitted = fit(chosen, table, random_key(seed), draws=draws, progress=step)
        found = run_tune(fitted, table, targets, free or (), via=via, level=level)
    steps.save(json, found)
    session.out.print(_sheet(found))
    session.warn(table.notes, style="cyan", label="note")
    session.warn(found.warnings)


def _sheet(found: Tuning) -> Sheet:
    from flpjax.cli.layout import table
    from flpjax.cli.text import loss

    rows = []
    for row in found.to_dicts():
        known, text = row["median"] is not None, loss if row["name"].startswith("loss/") else "{:.3g}".format
        bounds = f"{text(row['lower'])} to {text(row['upper'])}" if known and found.intervals else ""
        rows.append([row["target"], row["name"], text(row["median"]) if known else "no optimum", bounds])
    columns = ["target", "", "median", f"{100 * found.level:g} % interval"]
    return table("Where the loss is lowest", columns, rows, names=2)
