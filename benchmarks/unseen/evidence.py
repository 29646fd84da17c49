"""What each ladder says of hyperparameters: the evidence for every law at every point of a wide grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from benchmarks.calibration.scoring import Floats
from benchmarks.methods import key
from benchmarks.unseen.panel import PANEL
from flpjax import Auto, Runs
from flpjax.cli.start import start_jax
from flpjax.fitting.averaging import hyperpriors
from flpjax.fitting.averaging.distinct import parts_of, renamed
from flpjax.fitting.averaging.hyperpriors import Grid, plain
from flpjax.fitting.averaging.origins import Origins
from flpjax.fitting.averaging.parts import Part
from flpjax.laws.law import Space

WIDE: Mapping[Space, tuple[tuple[float, float, int], tuple[float, float, int]]] = {
    "log": ((2e-4, 0.3, 9), (4e-4, 0.2, 9)),
    "linear": ((0.005, 1.0, 6), (0.0015, 0.12, 7)),
}
"""Least, most and number of amplitudes, and of noises: beyond what any ladder has."""
GROWTHS = (0.0, 0.125, 0.25, 0.5)


class Told(NamedTuple):
    """What one ladder says of one output.

    Attributes:
        space: Of its residuals.
        grid: Of hyperparameters, one ``(point,)`` each.
        laws: Law or map → ``(point,)`` log evidence of all that was measured, targets, too, without a prior.
    """

    space: Space
    grid: Grid
    laws: dict[str, Floats]


@dataclass(frozen=True)
class Evidence:
    """What one ladder says.

    Attributes:
        ladder: Its name.
        outputs: Of the kinds that are scored on it.
    """

    ladder: str
    outputs: tuple[Told, ...]


def evidence_of(ladder: str) -> Evidence:
    """The evidence of one ladder of the panel, compiled programs kept as the command line keeps them."""
    start_jax()
    kinds = PANEL[ladder].kinds
    return Evidence(ladder, tuple(told(PANEL[ladder](), {"loss": "loss" in kinds, "score": "score" in kinds})))


def told(runs: Runs, kinds: Mapping[str, bool]) -> Iterator[Told]:
    """What a ladder says of every output of these kinds; laws that are fitted to fewer rows than others say nothing."""
    everything = replace(runs, held_out=np.zeros_like(runs.held_out))
    with wide():
        laws, maps, _, _ = parts_of(Auto().members(everything), everything, _whole(everything), key())
    for parts in (laws, maps):
        named = [part for part in renamed(parts) if part.fits is not None]
        for output in dict.fromkeys(o for part in named for o in part.outputs):
            if not kinds[named[0].stage.name]:
                continue
            mine = [part for part in named if output in part.outputs and plain(part.name) not in hyperpriors.UNBOUNDED]
            most = max(int(part.rows_seen(output)[0]) for part in mine)
            points = max(len(part.grid.noise) for part in mine)
            mine = [p for p in mine if p.rows_seen(output)[0] == most and len(p.grid.noise) == points]
            found = {part.name: _by_point(part, part.outputs.index(output)) for part in mine}
            yield Told(mine[0].stage.residual.space, mine[0].grid, found)


def _by_point(part: Part, output: int) -> Floats:
    """``(point,)`` log evidence of one output without any prior, of values as the table has them."""
    assert part.fits is not None
    found = part.fits.log_evidence[output, 0] - part.grid.log_prior
    if part.stage.units:
        rows, (zero, unit) = part.rows[output], part.stage.units[output]
        per_row = np.log((zero + unit * rows.y) / unit) if part.stage.name == "loss" else -np.log(unit)
        found = found + (rows.seen[0] * per_row).sum()
    return np.asarray(found)


@contextmanager
def wide() -> Iterator[None]:
    """While this lasts, hyperparameters are those of a wide grid, none more likely than another."""
    usual, laws = dict(hyperpriors.OF), dict(hyperpriors.LAW)
    try:
        hyperpriors.LAW.clear()
        for space, (amplitude, noise) in WIDE.items():
            hyperpriors.OF[space] = usual[space]._replace(
                amplitude=np.r_[usual[space].amplitude[0], np.geomspace(*amplitude)],
                noise=np.geomspace(*noise),
                growth=np.array(GROWTHS if space == "log" else GROWTHS[:1]),
            )
        yield
    finally:
        hyperpriors.OF.update(usual)
        hyperpriors.LAW.update(laws)


def _whole(runs: Runs) -> Origins:
    """One origin, which sees all runs."""
    log_flops = np.full(len(runs.names), -np.inf)
    np.maximum.at(log_flops, runs.run, np.log(runs.flops))
    none = np.zeros((1, len(runs.names)))
    return Origins(none == 0, none > 0, none, log_flops)
