"""What a picture shows of losses, in the units that the user's table has: perplexities, bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flpjax.ladder.table import Runs
from flpjax.ladder.units import Unit
from flpjax.results.forecast import Forecast, Interval

if TYPE_CHECKING:
    from flpjax.results.path import ForecastPath, ScoreMap

Floats = NDArray[np.float64]


def in_units_of(
    runs: Runs, result: Forecast, path: ForecastPath | None, scores: ScoreMap | None
) -> tuple[Runs, Forecast, ForecastPath | None, ScoreMap | None]:
    """A ladder and what is forecast from it, with losses in the ladder's own units.

    For pictures alone: what reads them on takes losses for nats.
    """
    units = runs.shown
    if not units:
        return runs, result, path, scores
    table = replace(runs, loss=_columns(runs.loss, runs.domains, units))
    converted = replace(result, loss=tuple(_intervals(each, units) for each in result.loss))
    if path is not None:
        band = path.loss
        ends = (_columns(values, path.domains, units) for values in (band.median, band.lower, band.upper))
        path = replace(path, loss=type(band)(*ends))
    if scores is not None:
        scores = replace(scores, loss=_columns(scores.loss, scores.domains, units))
    return table, converted, path, scores


def label(domain: str, runs: Runs) -> str:
    """``wiki (perplexity)``: a loss domain, and its unit."""
    unit = runs.shown.get(domain)
    return f"{domain} (nats)" if unit is None else f"{domain} ({unit.name})"


def _columns(losses: Floats, domains: Sequence[str], units: Mapping[str, Unit]) -> Floats:
    """``(row, domain)`` losses, those of domains with a unit in it."""
    shown = losses.copy()
    for j, domain in enumerate(domains):
        if domain in units:
            shown[:, j] = [units[domain].shown(value) for value in losses[:, j].tolist()]
    return shown


def _intervals(losses: Mapping[str, Interval], units: Mapping[str, Unit]) -> dict[str, Interval]:
    found = dict(losses)
    for domain in found.keys() & units.keys():
        value, shown = found[domain], units[domain].shown
        found[domain] = replace(value, median=shown(value.median), lower=shown(value.lower), upper=shown(value.upper))
    return found
