"""The command ``demo``: a forecast from the ladder that comes with flpjax, beside what came."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flpjax.cli import steps
from flpjax.cli.options import Fits, Force, Json, Level, Method, Plot, Quiet, Seed, UsualDraws

DEMO_SHARE = 0.3  # of code: the mixture of which the ladder has most runs


def demo(
    draws: UsualDraws = None,
    level: Level = 0.9,
    seed: Seed = 0,
    method: Method = "",
    save: Annotated[Path | None, typer.Option("--save", help="Write the ladder to this CSV file.")] = None,
    fits: Fits = False,
    plot: Plot = None,
    json: Json = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Forecast two bigger models from the ladder that comes with flpjax, and show what they reached beside it."""
    from flpjax.datasets import ladder
    from flpjax.ladder.export import csv_of

    whole = ladder()
    saved = None if save is None else csv_of(whole)
    steps.prepare(json, force, pictures={"--plot": plot}, save=save, saved=saved)
    from flpjax.cli import session
    from flpjax.cli.asked import check_method
    from flpjax.results.target import targets_of

    check_method(method or steps.AUTO, None, draws, level)
    table = whole.at_mix({"code": DEMO_SHARE})
    table = table.without([name for name in table.targets().names if "seed" in name])  # one of each size is enough
    session.say(
        "Byte-level language models, trained for flpjax on English with 30 % code: six sizes, two seeds each, are "
        "fitted; two larger ones were held out, and are the truth. The whole ladder, all mixtures, is called 'ladder'."
    )
    if save is not None and saved is not None:
        session.write(save, saved)
        session.err.print(f"the ladder is in {save}")
    targets, truth = targets_of(table.targets()), steps.reached(table)
    steps.forecast_and_show(table, targets, truth, steps.How(method, draws, level, seed, fits=fits), plot, json)
