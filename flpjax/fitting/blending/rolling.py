"""Rolling forecast errors: what each method forecast of the ladder's own larger runs, against what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.blending.member import MOST, Member, Origins
from flpjax.fitting.draws import expected
from flpjax.fitting.noise import PRIOR_DF
from flpjax.fitting.student_t import mirrored_levels
from flpjax.ladder.features import Features
from flpjax.ladder.table import Runs
from flpjax.laws.law import size
from flpjax.laws.residual import TYPICAL_NOISE

EACH = 512  # draws an origin
ROOM = 16  # finished runs come in multiples, and origins are filled up: few sizes, few compiled programs
BEST, ABOVE = 3, 0.1  # runs whose mean score beats chance by so much, where a task has surely emerged
WITHIN = 0.6827  # probability within one standard deviation
POINTS = 7  # even points have a random start; the record is an integral, and the same for every seed


class Outputs(NamedTuple):
    """All that some member forecasts: losses, then scores."""

    domains: tuple[str, ...]
    tasks: tuple[str, ...]

    @classmethod
    def of(cls, members: Sequence[Member], runs: Runs) -> Outputs:
        """The outputs of these members, in the table's order."""
        domains = {d for m in members for d in m.model.domains}
        tasks = {t for m in members for t in m.model.tasks}
        order = tuple(d for d in runs.domains if d in domains)
        return cls(order, tuple(t for t in runs.task_names if t in tasks))

    @property
    def is_loss(self) -> NDArray[np.bool_]:
        """``(output,)``."""
        return np.arange(len(self.domains) + len(self.tasks)) < len(self.domains)

    def places(self, member: Member) -> NDArray[np.intp]:
        """``(output,)`` where in the member's own outputs each is; −1 where it has none."""
        domains, tasks = member.model.domains, member.model.tasks
        loss = [domains.index(d) if d in domains else -1 for d in self.domains]
        score = [len(domains) + tasks.index(t) if t in tasks else -1 for t in self.tasks]
        return np.array(loss + score, np.intp)

    def emerged(self, runs: Runs) -> NDArray[np.bool_]:
        """``(output,)`` whether a task's best three final scores are above chance; losses are."""
        finals = runs.finals()
        above = [True] * len(self.domains)
        for task in self.tasks:
            score = finals.score_of(task)
            best = np.sort(score[np.isfinite(score)])[-BEST:]
            above.append(
                bool(len(best)) and best.mean() >= next(t for t in runs.tasks if t.name == task).chance + ABOVE
            )
        return np.array(above, bool)

    def measured(self, finals: Runs) -> NDArray[np.float64]:
        """``(final, output)`` log losses and scores of final checkpoints."""
        losses = [np.log(finals.loss_of(d)) for d in self.domains]
        return np.stack([*losses, *(finals.score_of(t) for t in self.tasks)], axis=1)


class RollingErrors(NamedTuple):
    """Forecasts of the runs ahead of every origin, as log losses and scores."""

    error: NDArray[np.float64]  # (member, cell, output) measured value minus median forecast; NaN if there is none
    spread: NDArray[np.float64]  # (member, cell, output) s.d. that the parameters' uncertainty gives the forecast
    noise: NDArray[np.float64]  # (member, output) s.d. of one measured value about the law
    between_model_sd: NDArray[np.float64]  # (member, cell, output) s.d. by which methods a draw takes; 0 of one method
    distance: NDArray[np.float64]  # (cell,) e-folds of FLOPs beyond the largest run that was seen
    run: NDArray[np.intp]  # (cell,) the run that was forecast
    train_share: NDArray[np.float64]  # (cell,) share of the runs that was fitted


def rolling_forecast_errors(members: Sequence[Member], outputs: Outputs, runs: Runs, origins: Origins) -> RollingErrors:
    """Let every member forecast, from every origin, what lay ahead of it.

    Args:
        members: Fitted at the origins.
        outputs: What to forecast.
        runs: The runs that a fit may see.
        origins: Where forecasts are made from.
    """
    finals = runs.finals()
    number = np.array([runs.names.index(finals.names[r]) for r in finals.run], np.intp)
    observed = outputs.measured(finals)
    origin, at = np.nonzero(origins.forecast_mask[:, number])
    error, spread, noise = [], [], []
    for member in members:
        middle, wide = _forecasts(member, outputs, finals, len(origins.train_mask), np.random.default_rng(POINTS))
        error.append(observed[at] - middle[origin, at])
        spread.append(wide[origin, at])
        residual = np.where(member.fitted_to[number][:, None], observed - middle[0], np.nan)
        noise.append(_noise(residual, np.log(finals.flops), outputs.is_loss, _sizes(member, outputs)))
    train_share = origins.train_mask[origin].mean(axis=1)
    distance = origins.distance[origin, number[at]]
    wide = np.stack(spread)
    return RollingErrors(np.stack(error), wide, np.stack(noise), np.zeros_like(wide), distance, number[at], train_share)


def blended(
    errors: RollingErrors, weight: NDArray[np.float64], single_model_share: NDArray[np.float64]
) -> RollingErrors:
    """The record of the methods' weighted mean, as that of one member; means are of those that forecast a cell.

    Args:
        errors: Of the methods.
        weight: ``(member, output)``.
        single_model_share: ``(output,)`` how much a draw of the blend is one method rather than the mean of all.
    """
    known = np.isfinite(errors.error)
    share = weight[:, None] * known
    total = share.sum(axis=0)
    share = np.divide(share, total, out=np.zeros_like(share), where=total > 0)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(total > 0, (share * np.where(known, values, 0.0)).sum(axis=0), np.nan)

    error = mean(errors.error)
    between_model_sd = single_model_share * np.sqrt(mean((errors.error - error) ** 2))
    noise = (weight * np.nan_to_num(errors.noise)).sum(axis=0)
    return errors._replace(
        error=error[None], spread=mean(errors.spread)[None], noise=noise[None], between_model_sd=between_model_sd[None]
    )


def next_error(errors: RollingErrors, is_loss: NDArray[np.bool_]) -> tuple[float, float]:
    """Mean absolute error of the blend's last forecast of each run, of log losses and of scores; NaN of none.

    The last forecast is that from the origin that saw most: the one most like the forecast that is to be made.
    """
    latest = np.zeros(len(errors.run), bool)
    for run in np.unique(errors.run):
        cells = np.flatnonzero(errors.run == run)
        latest[cells[errors.train_share[cells] == errors.train_share[cells].max()]] = True
    residual = np.abs(errors.error[0, latest])
    kinds = (residual[:, is_loss], residual[:, ~is_loss])
    known = (values[np.isfinite(values)] for values in kinds)
    loss, score = (float(v.mean()) if v.size else float("nan") for v in known)
    return loss, score


def _forecasts(
    member: Member, outputs: Outputs, finals: Runs, origins: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median and s.d. ``(origin, final, output)``."""
    which = np.minimum(np.arange(MOST + 1), origins - 1)
    params = member.draw(which, mirrored_levels(EACH, rng), rng)
    predicted = expected(member.model, params, _roomy(finals.law_inputs))
    loss, score = (np.asarray(v)[:, : len(finals)] for v in predicted)
    values = np.concatenate([np.log(np.maximum(loss, 1e-12)), np.clip(score, 0.0, 1.0)], axis=2)
    values = np.moveaxis(values.reshape(-1, EACH, *values.shape[1:])[:origins], 1, -1)
    tail = 0.5 * (1.0 - WITHIN)
    low, middle, high = _quantiles(values, (tail, 0.5, 1.0 - tail))
    place = outputs.places(member)

    def placed(own: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(place >= 0, own[..., np.maximum(place, 0)], np.nan)

    return placed(middle), placed(0.5 * (high - low))


def _quantiles(values: NDArray[np.float64], levels: Sequence[float]) -> list[NDArray[np.float64]]:
    """Of the finite values along the last axis, by linear interpolation; NaN where most are not.

    ``np.nanquantile`` loops over all other axes in Python: seconds, where this takes none.
    """
    ordered = np.sort(np.where(np.isfinite(values), values, np.nan), axis=-1)  # NaN comes last
    count = np.isfinite(ordered).sum(axis=-1, keepdims=True)
    found = []
    for level in levels:
        place = level * np.maximum(count - 1, 0)
        below, share = np.floor(place).astype(int), place % 1.0
        above = np.minimum(below + 1, np.maximum(count - 1, 0))
        low, high = (np.take_along_axis(ordered, at, axis=-1) for at in (below, above))
        found.append(np.where(2 * count > values.shape[-1], low + share * (high - low), np.nan)[..., 0])
    return found


def _sizes(member: Member, outputs: Outputs) -> NDArray[np.float64]:
    """``(output,)`` parameters of the stage that each comes from."""
    sizes = {kind: size(at.stage.law) for kind, at in member.stages.items()}
    return np.array([sizes.get("loss" if loss else "score", 0) for loss in outputs.is_loss], float)


def _noise(
    residual: NDArray[np.float64],
    log_flops: NDArray[np.float64],
    is_loss: NDArray[np.bool_],
    sizes: NDArray[np.float64],
) -> NDArray[np.float64]:
    """S.d. ``(output,)`` of what a run measures about the law, from the departures ``(final, output)`` of runs seen.

    Large runs count more: the next one will be like them.
    """
    typical = np.where(is_loss, TYPICAL_NOISE["log"], TYPICAL_NOISE["linear"])
    rank = np.argsort(np.argsort(log_flops)) + 1.0
    weight = np.where(np.isfinite(residual), (rank / len(rank))[:, None] ** 2, 0.0)
    total = weight.sum(axis=0)
    n_effective = total**2 / np.maximum((weight**2).sum(axis=0), 1e-12)
    mean = (weight * np.nan_to_num(residual) ** 2).sum(axis=0) / np.maximum(total, 1e-12)
    freedom = np.maximum(n_effective - sizes, 0.0)
    lost = n_effective / np.maximum(freedom, 1.0)
    noise = np.sqrt((PRIOR_DF * typical**2 + freedom * lost * mean) / (PRIOR_DF + freedom))
    return np.where(total > 0, noise, np.nan)


def _roomy(compute: Features) -> Features:
    """Rows up to a multiple of :data:`ROOM`, by repeating the last."""
    more = -len(compute.log_flops) % ROOM

    def pad(leaf: Any) -> Any:
        values = np.asarray(leaf)
        return np.concatenate([values, np.repeat(values[-1:], more, axis=0)])

    return Features({name: pad(leaf) for name, leaf in compute.items()})
