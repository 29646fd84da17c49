"""Where a law is lowest over features that are free to choose, such as learning rate and batch, draw by draw.

A grid that spans what the ladder tried and far beyond, then finer ones around each draw's lowest point: no law needs a
closed form of its optimum, and none with several valleys deceives a local search.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, count, did_you_mean
from flpjax.fitting.draws import Draws, refuse_unfitted
from flpjax.fitting.predicted import predict
from flpjax.ladder.features import STANDARD, Features
from flpjax.readers.read import Table, read_runs
from flpjax.results.completion import completed, law_inputs, with_mixture
from flpjax.results.lowest_point import lowest_point
from flpjax.results.prediction import Interval, check_level
from flpjax.results.target import Asked, Target, targets_from
from flpjax.shown import ShownAsTable

MOST_FREE = 3  # features: a grid of four would have more points than memory holds draws of
BEYOND = float(np.log(100.0))
"""How far beyond the ladder's own values is searched, in e-folds: an optimum that moves as a power of N up to 1 stays
inside for targets a hundred times larger."""
POINTS = {1: 193, 2: 33, 3: 15}  # of the coarse grid, along each feature
ZOOMS = 9  # finer grids, each half as wide as the one before
LOST = 0.05  # of the draws without an optimum inside, above which there is no interval

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tuned:
    """The free features at which one target's loss is lowest.

    Attributes:
        target: The model, without them.
        best: Feature → value, as columns ``x/<name>`` have it; None where the draws know no optimum.
        loss: There: expected, without the scatter of a run.
        no_optimum: Share of the draws whose loss falls on to an end of what was searched.
        tried: Feature → lowest and highest value of the ladder.
    """

    target: Target
    best: dict[str, Interval | None]
    loss: Interval | None
    no_optimum: float
    tried: dict[str, tuple[float, float]]

    @property
    def beyond(self) -> tuple[str, ...]:
        """The features whose best value lies outside what the ladder tried."""
        inside = {
            n: low <= v.median <= high
            for (n, (low, high)), v in zip(self.tried.items(), self.best.values(), strict=True)
            if v
        }
        return tuple(name for name, there in inside.items() if not there)


@dataclass(frozen=True, eq=False)
class Tuning(ShownAsTable):
    """Of several targets.

    Attributes:
        domain: The loss that is lowest there.
        level: Probability of the intervals.
        intervals: Whether the draws are a distribution.
        tuned: One a target.
        warnings: What stands in the way of believing it.
    """

    domain: str
    level: float
    intervals: bool
    tuned: tuple[Tuned, ...]
    warnings: tuple[str, ...]

    def to_dicts(self) -> list[dict[str, Any]]:
        """Tidy rows: one per target and feature, and one for the loss there."""
        rows = []
        for each in self.tuned:
            for name, value in [*each.best.items(), (f"loss/{self.domain}", each.loss)]:
                known = (
                    {"median": None, "lower": None, "upper": None} if value is None else value.to_dict(self.intervals)
                )
                rows.append({"target": each.target.name, "name": name, **known})
        return rows

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "domain": self.domain,
            "level": self.level,
            "targets": [
                {
                    "target": each.target.name,
                    "params": each.target.params,
                    "tokens": each.target.tokens,
                    "best": {n: None if v is None else v.to_dict(self.intervals) for n, v in each.best.items()},
                    "loss": None if each.loss is None else each.loss.to_dict(self.intervals),
                    "no_optimum": each.no_optimum,
                    "tried": {n: list(ends) for n, ends in each.tried.items()},
                }
                for each in self.tuned
            ],
            "warnings": list(self.warnings),
        }

    def to_json(self) -> str:
        """The same as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def __str__(self) -> str:
        def text(value: Interval | None) -> str:
            if value is None:
                return "no optimum"
            return f"{value.median:.4g}" + (f" [{value.lower:.4g}, {value.upper:.4g}]" if self.intervals else "")

        rows = [
            (t.target.name, n, v) for t in self.tuned for n, v in [*t.best.items(), (f"loss {self.domain}", t.loss)]
        ]
        return "\n".join(f"{target}  {name}: {text(value)}" for target, name, value in rows)


def tune(
    draws: Draws,
    runs: Table,
    targets: Asked | Sequence[Asked],
    free: Sequence[str] = (),
    *,
    via: str | None = None,
    level: float = 0.9,
) -> Tuning:
    """Find the free features at which a law's loss is lowest, with what N, D and all else of a target are.

    Args:
        draws: Of a law that reads the features.
        runs: The ladder, which says what was tried.
        targets: What is to be trained; other features that the law reads are given with it.
        free: The features to choose, at most three; () for all that the law reads and no target gives.
        via: The loss; None takes the first.
        level: Probability of the intervals.

    Raises:
        InputError: No law reads a feature, or more than three are free.
    """
    refuse_unfitted(draws)
    runs = read_runs(runs)
    check_level(level)
    targets = targets_from(targets)
    if not targets:
        raise InputError("there is no target", where="tune", remedy="Give one, N=7e9,D=1e12")
    domains = draws.model.domains
    domain = via or (domains[0] if domains else "")
    if domain not in domains:
        raise InputError(f"there is no loss '{domain}'", where="tune", remedy=did_you_mean(domain, domains))
    names = _free(draws, targets, free)
    finals = runs.training().finals()
    metadata = {f.name: f for f in finals.extra_features}
    low_high = {n: (float(finals.features[n].min()), float(finals.features[n].max())) for n in names}
    seen = {n: metadata[n].transformed(np.array(ends)) for n, ends in low_high.items()}
    wide = {
        n: (s[0] - _margin(metadata[n].transform, s), s[1] + _margin(metadata[n].transform, s)) for n, s in seen.items()
    }
    tuned = []
    for target in targets:
        middle = {n: float(np.exp(s.mean()) if metadata[n].transform == "log" else s.mean()) for n, s in seen.items()}
        whole = Target(
            target.name, target.params, target.tokens, target.flops, target.mix, {**(target.features or {}), **middle}
        )
        at = law_inputs([with_mixture(completed(whole, draws.ladder), draws)], draws)
        place, value, there = _lowest(draws, at, wide, domains.index(domain))
        best: dict[str, Interval | None] = {}
        lost = float(1.0 - there.mean())
        for k, name in enumerate(names):
            plain = np.exp(place[:, k]) if metadata[name].transform == "log" else place[:, k]
            best[name] = Interval.of(np.where(there, plain, np.nan), level, LOST)
        loss = Interval.of(np.where(there, value, np.nan), level, LOST)
        tuned.append(Tuned(target, best, loss, lost, low_high))
    return Tuning(domain, level, draws.has_intervals, tuple(tuned), _warnings(draws, tuned))


def _free(draws: Draws, targets: Sequence[Target], free: Sequence[str]) -> tuple[str, ...]:
    read = [name for name in draws.model.inputs if name not in STANDARD]
    names = tuple(dict.fromkeys(n.removeprefix("x/") for n in free))
    names = names or tuple(n for n in read if not any(n in (t.features or {}) for t in targets))
    for name in names:
        if name not in read:
            raise InputError(
                f"the law reads no feature '{name}'",
                where="tune",
                remedy=did_you_mean(name, read) if read else "Name a law that does: --law step-law reads lr and batch",
            )
        if any(name in (t.features or {}) for t in targets):
            raise InputError(f"'{name}' is free, and a target gives it", where="tune", remedy="Leave it out of one")
    if not 1 <= len(names) <= MOST_FREE:
        raise InputError(
            f"{count(len(names), 'feature')} of {', '.join(names) or 'the law'} to choose",
            where="tune",
            remedy=f"Leave 1 to {MOST_FREE} free, and give the others with the target",
        )
    return names


def _margin(transform: str, seen: Floats) -> float:
    """How far beyond the ladder's values is searched; of a feature that is no logarithm, its own range."""
    return BEYOND if transform == "log" else float(seen[1] - seen[0])


def _lowest(
    draws: Draws, at: Features, wide: dict[str, tuple[float, float]], domain: int
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Each draw's lowest point ``(draw, feature)``, transformed; the loss there; and whether it lies inside."""
    names, size = tuple(wide), POINTS[len(wide)]
    axes = [np.linspace(low, high, size) for low, high in wide.values()]
    grid = np.array(list(product(*axes)))  # (point, feature)
    coarse = _losses(draws, at, names, grid, domain)
    first = np.where(np.isfinite(coarse), coarse, np.inf).argmin(axis=1)
    ends = np.array(list(wide.values()))  # (feature, 2)
    step = np.array([axis[1] - axis[0] for axis in axes])
    inside = (np.abs(grid[first][:, :, None] - ends) > 0.5 * step[:, None]).all(axis=(1, 2)) & np.isfinite(coarse).any(
        axis=1
    )
    place, value = lowest_point(lambda points: _losses(draws, at, names, points, domain), grid, coarse, step, ZOOMS)
    return place, value, inside


def _losses(draws: Draws, at: Features, names: tuple[str, ...], points: Floats, domain: int) -> Floats:
    """``(draw, point)`` at points ``(point, feature)`` of all draws, or ``(draw, point, feature)``."""
    shape = points.shape[:-1]
    x = jax.tree.map(lambda v: np.broadcast_to(np.asarray(v)[0], (*shape, *np.shape(v)[1:])), at)
    x = x.replace(**{name: points[..., k] for k, name in enumerate(names)})
    return np.asarray(predict(draws.model, draws.params, x).loss)[:, :, domain]


def _warnings(draws: Draws, tuned: Sequence[Tuned]) -> tuple[str, ...]:
    said = list(draws.warnings)
    for each in tuned:
        if each.no_optimum > LOST:
            said.append(
                f"target '{each.target.name}': in {each.no_optimum:.0%} of the draws the loss falls on to the end of "
                "what was searched: the ladder does not tell an optimum; train runs on both sides of it"
            )
        elif each.beyond:
            said.append(
                f"target '{each.target.name}': the best {', '.join(each.beyond)} lies outside what the ladder tried: "
                "it rests on how the law moves its optimum"
            )
    return tuple(said)
