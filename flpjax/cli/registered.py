"""Forecasts that are kept in a file: written with one, and read to ask their draws something else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flpjax.errors import InputError

if TYPE_CHECKING:
    from flpjax.fitting.draws import Draws
    from flpjax.ladder.table import Runs
    from flpjax.results.forecast import Forecast
    from flpjax.results.registration import Registration
    from flpjax.results.verdicts import Review


def keep(path: Path, fitted: Draws, table: Runs, result: Forecast, reviewed: Review) -> None:
    """Write a forecast to a file, and say so.

    Raises:
        InputError: A law of it can't be saved, or the file can't be written.
    """
    from flpjax.cli import session
    from flpjax.results.registration import register

    question = "; ".join(target.name for target in result.targets)
    kept = register(fitted, table, result.targets, question=question, forecast=result, review=reviewed)
    session.write(path, kept.to_bytes())
    session.err.print(f"registered in {path}; when it came: flpjax score {path} ACTUAL.csv", soft_wrap=True)


def registration(path: Path) -> Registration:
    """A forecast that was registered.

    Raises:
        InputError: The file holds something else, was altered, or can't be read.
    """
    from flpjax.cli import session

    session.start_jax()
    from flpjax.fitting.saved.files import load
    from flpjax.results.registration import Registration

    found = load(path)
    if not isinstance(found, Registration):
        raise InputError(
            "this holds draws without a forecast",
            where=str(path),
            remedy="Write one: flpjax forecast … --register FILE",
        )
    return found


def refuse_with(others: Sequence[object]) -> None:
    """Refuse options that a forecast without a fit can't heed.

    Raises:
        InputError: One was given.
    """
    if any(each is not None for each in others):
        raise InputError(
            "the draws are there already: RUNS and options of a fit, of a picture or of --register have no part",
            where="--from",
            remedy="Give --target, --level, --fits and --json alone",
        )
