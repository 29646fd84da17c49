"""Laws and maps weighed by their evidence, and draws of the blend that they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.parts import Part
from flpjax.fitting.even import even_levels
from flpjax.ladder.table import Runs
from flpjax.methods.blend import SHARES, Blend, LossLaw, ScoreMap
from flpjax.methods.method import Prediction, StageParams
from flpjax.numerics import on_device

LEAST = 0.002  # weight below which a law is left out

Floats = NDArray[np.float64]


class Average(NamedTuple):
    """Laws and maps with their weights."""

    laws: Sequence[Part]
    maps: Sequence[Part]
    domains: tuple[str, ...]
    tasks: tuple[str, ...]
    law_weight: Floats  # (origin, law, domain)
    map_weight: Floats  # (origin, map, task)
    lowest: Floats  # (task,) below which no score is expected


def averaged(laws: list[Part], maps: list[Part], runs: Runs, origins: int) -> Average:
    """Weights of laws and maps by their evidence; those that none gives weight to are left out."""
    own = {p for part in maps for each in part.through for p in each}
    named = {o for part in laws for o in part.outputs}
    domains = tuple(d for d in (*runs.domains, *sorted(own - set(runs.domains))) if d in named)
    tasks = tuple(t for t in runs.task_names if any(t in part.outputs for part in maps))
    kept = []
    for parts, outputs in ((laws, domains), (maps, tasks)):
        weight, alone = _weights(parts, outputs, origins), _alone(parts, outputs, origins)
        weight = np.where(alone.any(axis=1, keepdims=True), alone, weight)
        used = (weight[0] > LEAST).any(axis=1) | alone.any(axis=(0, 2))
        some = np.flatnonzero(used).tolist()
        weight = np.where(weight[:, some] > LEAST, weight[:, some], 0.0)
        total = weight.sum(axis=1, keepdims=True)
        kept.append(([parts[i] for i in some], np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)))
    (laws, law_weight), (maps, map_weight) = kept
    return Average(laws, maps, domains, tasks, law_weight, map_weight, lowest_expected(runs, tasks))


def lowest_expected(runs: Runs, tasks: Sequence[str]) -> Floats:
    """``(task,)`` chance, or the lowest final score if that is below it: no task is expected to do worse than both.

    What is measured may lie below, by its noise.
    """
    finals = runs.finals()
    place = {task.name: i for i, task in enumerate(finals.tasks)}
    own = [place[name] for name in tasks]
    chance = np.array([finals.tasks[i].chance for i in own])
    score = finals.score[:, own]
    return np.minimum(chance, np.where(np.isfinite(score), score, 1.0).min(axis=0, initial=1.0))


def _alone(parts: Sequence[Part], outputs: tuple[str, ...], origins: int) -> NDArray[np.bool_]:
    """``(origin, part, output)`` where a part is the only one that forecasts, whatever the evidence."""
    found = np.zeros((origins, len(parts), len(outputs)), bool)
    for i, part in enumerate(parts):
        for j, output in enumerate(outputs):
            if output in part.outputs:
                found[:, i, j] = part.alone(output)
    return found


def _weights(parts: Sequence[Part], outputs: tuple[str, ...], origins: int) -> Floats:
    """``(origin, part, output)``, which sum to 1, or to 0 where no part forecasts.

    Parts that are fitted to other rows, as maps of emerged checkpoints are, count by their mean evidence of a row.
    """
    log_weight = np.full((origins, len(parts), len(outputs)), -np.inf)
    for j, output in enumerate(outputs):
        have = [i for i, part in enumerate(parts) if output in part.outputs and part.rows]  # none: not weighed
        rows = np.min([parts[i].rows_seen(output) for i in have], axis=0) if have else 0
        for i in have:
            found = parts[i].log_evidence(output)
            log_weight[:, i, j] = np.where(np.isfinite(found), np.where(np.isfinite(found), found, 0.0) * rows, -np.inf)
    top = log_weight.max(axis=1, keepdims=True, initial=-np.inf)
    weight = np.exp(log_weight - np.where(np.isfinite(top), top, 0.0))
    total = weight.sum(axis=1, keepdims=True)
    return np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)


def of_the_present(average: Average) -> Average:
    """Without what the past alone takes part in: maps of tasks that were at chance at an earlier origin."""
    parts: list[Part] = []
    rows = []
    for part, weight in zip(average.maps, average.map_weight.swapaxes(0, 1), strict=True):
        present = part.present()
        if present is not None:
            parts.append(present)
            rows.append(weight)
    weights = np.stack(rows, axis=1) if rows else average.map_weight[:, :0]
    return average._replace(maps=parts, map_weight=weights)


def drawn(average: Average, origin: int, draws: int, rng: np.random.Generator) -> tuple[Blend, StageParams, Prediction]:
    """The blend, draws of its parameters at one origin, and of the noise of measured values."""
    level = even_levels(draws, rng)[:, None]
    levels = np.stack([even_levels(draws, rng) for _ in average.tasks] or [np.zeros(draws)], axis=1)
    law_share = _picked(average.law_weight[origin], np.repeat(level, len(average.domains), axis=1))
    map_share = _picked(average.map_weight[origin], levels[:, : len(average.tasks)])
    place = {name: i for i, name in enumerate(average.domains)}
    task_place = {name: i for i, name in enumerate(average.tasks)}
    params: StageParams = {}
    laws, maps = [], []
    loss_noise = np.zeros((draws, len(average.laws), len(average.domains)))
    score_noise = np.zeros((draws, len(average.maps), len(average.tasks)))
    for i, part in enumerate(average.laws):
        at = tuple(place[name] for name in part.outputs)
        params[f"loss {i}"], loss_noise[:, i, list(at)] = part.draw(origin, law_share[:, i, list(at)] > 0, rng)
        laws.append(LossLaw(part.name, part.law, at, part.order, part.stage.units))
    for i, part in enumerate(average.maps):
        at = tuple(task_place[name] for name in part.outputs)
        params[f"score {i}"], score_noise[:, i, list(at)] = part.draw(origin, map_share[:, i, list(at)] > 0, rng)
        through = tuple(tuple(place[name] for name in each) for each in part.through)
        maps.append(ScoreMap(part.name, part.law, at, through, part.single, part.stage.units))
    params[SHARES] = {
        "loss": on_device(law_share),
        "score": on_device(map_share),
        "lowest": on_device(np.tile(average.lowest, (draws, 1))),
    }
    noise = Prediction(
        on_device((law_share * np.nan_to_num(loss_noise)).sum(axis=1)),
        on_device((map_share * np.nan_to_num(score_noise)).sum(axis=1)),
    )
    sources = max((p.sources for p in (*average.laws, *average.maps)), key=len, default=())
    return Blend(tuple(laws), tuple(maps), average.domains, average.tasks, sources), params, noise


def _picked(weight: Floats, level: Floats) -> Floats:
    """``(draw, part, output)`` 1 for the part that each draw takes, by weights ``(part, output)`` and its level."""
    upper = np.cumsum(weight, axis=0)
    upper[-1:] = np.where(upper[-1:] > 0, 1.0, 0.0)  # so that none falls between rounding and 1
    lower = np.concatenate([np.zeros_like(upper[:1]), upper[:-1]])
    return ((level[:, None] <= upper) & (level[:, None] > lower)).astype(float)


def weights_by_name(average: Average) -> Mapping[str, Floats]:
    """Name of a law or a map → its weights ``(output,)`` in the fit to all runs; losses, then tasks."""
    domains, tasks = len(average.domains), len(average.tasks)
    found = {p.name: np.r_[w, np.zeros(tasks)] for p, w in zip(average.laws, average.law_weight[0], strict=True)}
    for part, w in zip(average.maps, average.map_weight[0], strict=True):
        found[part.name] = np.r_[np.zeros(domains), w]
    return found
