"""The command ``discover``: laws of losses over any columns of a table, found."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from flpjax.cli.options import Force, Json, Level, Quiet, Seed
from flpjax.errors import InputError, some_of

Names = list[str] | None
MOST_ROWS = 12  # rows of forecasts that are printed


def discover(
    columns: Annotated[Path, typer.Argument(metavar="TABLE", help="A CSV or Parquet file, of any columns.")],
    target: Annotated[Names, typer.Option("--target", "-t", help="Column of losses to explain. Repeatable.")] = None,
    feature: Annotated[
        Names, typer.Option("--feature", help="Column to explain them by; by default all other numbers. Repeatable.")
    ] = None,
    group: Annotated[str | None, typer.Option("--group", help="Column of groups with numbers of their own.")] = None,
    cost: Annotated[str | None, typer.Option("--cost", help="Column of what a row cost, say FLOPs.")] = None,
    predict: Annotated[
        Path | None, typer.Option("--predict", help="Forecast the rows of this table, of the same columns.")
    ] = None,
    rounds: Annotated[int | None, typer.Option("--rounds", min=1, help="Of proposals and fits (6).")] = None,
    level: Level = 0.9,
    seed: Seed = 0,
    json: Json = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Laws of losses over any columns: proposed, fitted, judged by what they extrapolate to, printed as formulas."""
    from flpjax.cli import session, steps

    steps.prepare(json, force, inputs=[columns, predict])
    from flpjax.results.forecast import check_level

    check_level(level)
    if not target:
        raise InputError("there is no target", where="discover", remedy="Name the column of losses: --target loss")
    from flpjax.readers.read import read_columns

    table = read_columns(columns)
    asked = None if predict is None else read_columns(predict)
    session.start_jax()
    from flpjax.fitting.lawsearch.columns import unread
    from flpjax.fitting.lawsearch.search import ROUNDS, discover_law
    from flpjax.numerics import random_key

    rounds = rounds or ROUNDS
    with session.progress(rounds, "searching laws:") as step:
        found = discover_law(
            table,
            target,
            random_key(seed),
            features=feature,
            group=group,
            cost=cost,
            rounds=rounds,
            progress=step,
        )
    if left := [] if feature else unread(table, group):
        by = "" if group else f"; --group {left[0]} gives each of its kinds numbers of their own"
        session.warn([f"no law reads what is no number: {some_of(left)}{by}"], style="cyan", label="note")
    document = found.to_dict()
    if asked is not None:
        if group is not None and group not in asked:
            raise InputError(f"there is no column '{group}'", where=str(predict), remedy="Give each row's group")
        forecasts = found.predict(asked, None if group is None else asked[group], level=level)
        document["predictions"] = {name: values.tolist() for name, values in forecasts._asdict().items()}
    steps.save(json, dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
    from flpjax.cli.show_laws import show_laws, show_predictions

    predictions = [] if asked is None else show_predictions(found, forecasts, level, MOST_ROWS)
    for shown in (*show_laws(found), *predictions):
        session.out.print(shown)
