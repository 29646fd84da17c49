"""The command ``score``: a registered forecast against what came, and the calibration of a log of many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flpjax.cli.options import Force, Json, Mapping, Quiet
from flpjax.errors import InputError

if TYPE_CHECKING:
    from flpjax.results.score_log import Calibration
    from flpjax.results.target import Target
    from flpjax.results.verdicts import Review

ForecastArgument = Annotated[
    Path | None, typer.Argument(metavar="FORECAST", help="What flpjax forecast --register wrote; none with --log.")
]
Actual = Annotated[
    str | None,
    typer.Argument(metavar="ACTUAL", help="A table with the runs that were forecast, by their targets' names."),
]
Log = Annotated[bool, typer.Option("--log", help="Show how well all forecasts of the log were calibrated.")]
LogFile = Annotated[
    Path | None, typer.Option("--log-file", metavar="FILE", help="The log; scores.jsonl beside FORECAST, or here.")
]
Plot = Annotated[
    Path | None,
    typer.Option("--plot", help="Draw what came, or the log's calibration, into this file; needs flpjax\\[viz]."),
]
LOG = "scores.jsonl"


def score(
    registration: ForecastArgument = None,
    actual: Actual = None,
    mapping: Mapping = None,
    log: Log = False,
    log_file: LogFile = None,
    plot: Plot = None,
    json: Json = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Hold a registered forecast against what came, and keep a log of all that were."""
    from flpjax.cli import steps

    _check(registration, actual, log)
    file = log_file or (registration.parent / LOG if registration is not None else Path(LOG))
    inputs: list[str | Path | None] = [registration, actual, mapping, file if log and registration is None else None]
    steps.prepare(json, force, inputs=inputs, pictures={"--plot": plot})
    if registration is not None and actual is not None:
        _score(registration, actual, mapping, file, *((None, None) if log else (plot, json)))
    if log:
        from flpjax.results.score_log import read_log

        _show_log(read_log(file), plot, json)


def forecast_registered(
    registered: Path | None,
    targets: Sequence[Target],
    level: float,
    fits: bool,
    json: Path | None,
    others: Sequence[object],
) -> Review | None:
    """Forecast with the draws of a registered forecast: its own targets, unless others are named.

    Returns:
        The review that was registered; None of other targets.

    Raises:
        InputError: There is no registered forecast, an option was given that it can't heed, or a target can't be.
    """
    from flpjax.cli import session, steps
    from flpjax.cli.registered import refuse_with, registration

    if registered is None:
        raise InputError("there is no table of runs", where="RUNS", remedy="Name one, or a forecast: --from FILE.flp")
    refuse_with(others)
    from flpjax.results.prediction import check_level

    check_level(level)
    kept = registration(registered)
    from flpjax.results.forecast import forecast

    asked = list(targets) or list(kept.forecast.targets)
    result = forecast(kept.draws, asked, level=level, method=kept.forecast.method)
    steps.save(json, result)
    session.say(f"{kept}")
    steps.print_forecast(kept.draws, result, {}, None if targets else kept.review, fits, kept.shown, kept.tasks)
    session.warn([w for w in result.warnings if w not in kept.draws.ladder.remarks])
    return None if targets else kept.review


def _check(registered: Path | None, actual: str | None, log: bool) -> None:
    """Refuse what does not go together."""
    if registered is None and not log:
        raise InputError("there is no forecast", where="score", remedy="flpjax score FORECAST.flp ACTUAL.csv, or --log")
    if registered is not None and actual is None:
        raise InputError("there is nothing to hold it against", where="score", remedy="Name the table of what came")


def _score(
    registered: Path, actual: str, mapping: Path | None, file: Path, plot: Path | None, json: Path | None
) -> None:
    """Score one forecast, print it and append it to the log."""
    from flpjax.cli import session, steps
    from flpjax.cli.registered import registration
    from flpjax.cli.show_score import show_scoring
    from flpjax.results.registration import digest_of
    from flpjax.results.score_log import log_lines, read_log
    from flpjax.results.scoring import score as run_score

    if file.exists():
        read_log(file)  # refused before it is appended to, if it is something else
    kept = registration(registered)
    result = run_score(kept, steps.read(actual, mapping, None, None), digest=digest_of(registered))
    steps.save(json, result)
    if plot is not None:
        session.save_figure(plot, result.plot())
    session.say(f"{kept}")
    session.say(f"{result}")
    for shown in show_scoring(result, kept):
        session.out.print(shown)
    session.warn(result.notes, style="cyan", label="note")
    before = file.read_bytes() if file.exists() else b""
    session.write(file, before + log_lines(result).encode())
    session.err.print(f"logged in {file}; calibration of all: flpjax score --log --log-file {file}", soft_wrap=True)


def _show_log(found: Calibration, plot: Path | None, json: Path | None) -> None:
    from flpjax.cli import session, steps
    from flpjax.cli.show_score import show_log

    steps.save(json, found)
    if plot is not None:
        session.save_figure(plot, found.plot())
    for shown in show_log(found):
        session.out.print(shown)
