"""Draws, a target and a spend in; the runs out whose results would narrow the target's interval most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, check_count, count, did_you_mean, figure, is_positive
from flpjax.fitting.draws import Draws, LadderSummary, refuse_unfitted
from flpjax.results.completion import completed, law_inputs, with_mixture
from flpjax.results.distance import INSIDE, NEAR, extrapolation, place_of
from flpjax.results.forecast import forecast
from flpjax.results.prediction import Interval
from flpjax.results.selection.candidates import Candidates, check_affordable, grid
from flpjax.results.selection.choice import LEAST_GAIN, MOST_RUNS, choose
from flpjax.results.selection.conditioning import Floats, Joint, deviations_after_each, gains, joint_moments
from flpjax.results.selection.result import NextRun, NextRuns
from flpjax.results.sizing import FEWEST_RUNS
from flpjax.results.target import Asked, Target

NORMAL = 1.4826  # standard deviations of a normal law in a median absolute deviation
FAR = 4.0  # standard deviations: beyond it lies one draw of 2,000 in eight plans, if draws are normal
FEW = 6  # losses that count if none is named: those of a table that has no more, else those that scores go through


class Output(NamedTuple):
    """A loss or a score of a model."""

    kind: str
    name: str
    at: int  # among the model's domains, or tasks

    @property
    def label(self) -> str:
        """As tables call it."""
        return f"loss {self.name}" if self.kind == "loss" else self.name


def next_runs(
    draws: Draws,
    target: Asked,
    spend: float,
    *,
    candidates: Candidates | Sequence[Target] | None = None,
    domains: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    most: int = MOST_RUNS,
    level: float = 0.9,
    method: str = "",
) -> NextRuns:
    """Choose the runs to train next, one after another, by how much they are expected to narrow the target's interval.

    No law is fitted again for a candidate: draws of what it would measure, and of the target, are taken for jointly
    normal, with the noise of a run, and each choice conditions them. What is expected after a run is therefore what
    the laws believe of themselves now: fit again when its results are in, and plan again.

    Args:
        draws: With intervals, of the ladder as it stands.
        target: What is to be known.
        spend: What all runs together may cost: FLOPs, or the unit of the candidates' costs.
        candidates: The runs that could be trained; None for a grid of N and D about the ladder.
        domains: Losses that count, all alike; None for those that scores go through, or all of a few.
        tasks: Scores that count.
        most: Runs of the plan.
        level: Probability of the intervals.
        method: What to call the method in the result.

    Raises:
        InputError: The draws have no intervals, the target lies inside the ladder, an output is not forecast, a
            candidate has no cost, or the spend buys none.
    """
    refuse_unfitted(draws)
    if not draws.has_intervals:
        raise InputError(
            draws.why_no_intervals or "one draw has no interval",
            where="next_runs",
            remedy="Fit auto, or ask for draws: what a run would tell is read off them",
        )
    check_count(most, "runs", 1, where="next_runs")
    outputs = chosen_outputs(draws, domains, tasks)
    now = forecast(draws, [target], level=level, method=method)
    target, offered = offer(draws.ladder, now.targets[0], spend, candidates)
    runs = [completed(with_mixture(r.filled(draws.ladder.rule), draws), draws.ladder) for r in offered.runs]
    wanted, measured = (
        expected_outputs(draws, [target], outputs)[:, 0],
        _measured(now.loss_draws, now.score_draws, outputs),
    )
    there = expected_outputs(draws, runs, outputs)
    parts = [np.isfinite(v).reshape(len(v), -1).all(axis=1) for v in (wanted, measured, there)]
    usable = np.all(parts, axis=0)
    if usable.mean() < 1.0 - draws.most_lost or usable.sum() < 2:
        raise InputError(
            f"{(~usable).sum()} of {usable.size} draws say nothing of the target or a candidate",
            where="next_runs",
            remedy="Name the losses that count, or another method",
        )
    wanted, measured, there = wanted[usable], measured[usable], there[usable]
    noise = np.broadcast_to(noise_of(draws, outputs), there.shape[1:])
    moment_mask = near_median(wanted)
    weight = weights_of(wanted[moment_mask]) / len(outputs)
    every = joint_moments(there, wanted, noise, weight, moment_mask)
    joint = every._replace(candidates=every.candidates[moment_mask], wanted=every.wanted[moment_mask])
    cost = np.array(offered.cost)
    choice = choose(joint, cost, spend, most=most, again=offered.again, irreducible=float(weight @ noise[0] ** 2))
    alone = gains(joint) / joint.variance
    table = tuple(NextRun(r, float(c), float(a)) for r, c, a in zip(offered.runs, cost, alone, strict=True))
    steps = _intervals(every, choice.order, moment_mask, wanted, measured, outputs, level)
    chosen = tuple(
        replace(table[j], place=i + 1, left=float(choice.left[i + 1] / choice.left[0]), intervals=steps[i + 1])
        for i, j in enumerate(choice.order)
    )
    warnings = [*now.warnings]
    if not chosen:
        warnings.append(
            f"no candidate takes away {100.0 * LEAST_GAIN:g} % of the variance: what is open is noise, or far off"
        )
    if target.flops is not None and spend >= target.flops and candidates is None:
        warnings.append(f"the spend would train '{target.name}' itself, which costs {target.flops:.3g}")
    return NextRuns(target, now.method, level, float(spend), steps[0], chosen, table, tuple(dict.fromkeys(warnings)))


def offer(
    ladder: LadderSummary, target: Target, spend: float, candidates: Candidates | Sequence[Target] | None = None
) -> tuple[Target, Candidates]:
    """What can be trained, and the target with N, D and C as far as the ladder tells; nothing is fitted for it.

    Args:
        ladder: The runs.
        target: What is to be known.
        spend: What may be spent.
        candidates: None for a grid.

    Raises:
        InputError: There is one run, the spend is no number or buys none, the target lies inside the ladder, or a
            candidate has no cost.
    """
    if not is_positive(spend):
        raise InputError(f"the spend is {figure(spend)}", where="spend", remedy="Give a positive number, in FLOPs")
    if ladder.runs < FEWEST_RUNS:
        raise InputError(
            f"{count(ladder.runs, 'run')} can't tell what others would",
            where=ladder.source,
            remedy="Plan a first ladder, with the same target and spend and no table",
        )
    target = completed(target, ladder)
    place = place_of(target, ladder)
    if max(place.above, place.below) <= INSIDE and place.aside <= NEAR:
        raise InputError(
            f"target '{target.name}' lies inside the ladder ({extrapolation(target, ladder):.2g} × its largest)",
            where="target",
            remedy="`flpjax forecast` tells it already; name a larger one, or hold out the runs beyond it",
        )
    if candidates is None:
        offered = grid(ladder, target, spend)
    else:
        offered = candidates if isinstance(candidates, Candidates) else Candidates(tuple(candidates), ())
        offered = offered.costed(ladder)
    check_affordable(offered, spend)
    return target, offered


def chosen_outputs(draws: Draws, domains: Sequence[str] | None, tasks: Sequence[str] | None) -> list[Output]:
    """What counts.

    Raises:
        InputError: One that is named is not forecast.
    """
    model = draws.model
    if domains is None and tasks is None:
        if not model.domains:
            tasks = model.tasks
        elif len(model.domains) <= FEW:
            domains = model.domains
        else:
            domains = [model.domains[i] for i in draws.loss_routes[:FEW] or (0,)]
    return named_outputs(model.domains, model.tasks, domains or (), tasks or ())


def named_outputs(
    domains: Sequence[str], tasks: Sequence[str], losses: Sequence[str], scores: Sequence[str]
) -> list[Output]:
    """Losses and scores by name.

    Args:
        domains: Those there are.
        tasks: Those there are.
        losses: Domains that are wanted.
        scores: Tasks that are wanted.

    Raises:
        InputError: One that is wanted is not there.
    """
    found = []
    for kind, names, there in (("loss", losses, domains), ("score", scores, tasks)):
        for name in dict.fromkeys(names):
            if name not in there:
                raise InputError(f"there is no {kind} '{name}'", where="next_runs", remedy=did_you_mean(name, there))
            found.append(Output(kind, name, there.index(name)))
    return found


def expected_outputs(draws: Draws, targets: Sequence[Target], outputs: list[Output]) -> Floats:
    """``(draw, target, output)`` log losses and scores, without noise."""
    seen = draws.expected(law_inputs(targets, draws))
    loss, score = np.log(np.asarray(seen.loss)), np.asarray(seen.score)
    return np.stack([(loss if o.kind == "loss" else score)[..., o.at] for o in outputs], axis=-1)


def _measured(loss: Floats, score: Floats, outputs: list[Output]) -> Floats:
    """``(draw, output)`` the same of what the target's run will measure."""
    return np.stack([np.log(loss[:, 0, o.at]) if o.kind == "loss" else score[:, 0, o.at] for o in outputs], axis=-1)


def noise_of(draws: Draws, outputs: list[Output]) -> Floats:
    """``(output,)`` standard deviations of one run's measurement; of losses in logarithms."""
    loss, score = (np.sqrt(np.nanmean(np.square(np.asarray(v)), axis=0)) for v in draws.noise)
    return np.array([(loss if o.kind == "loss" else score)[o.at] for o in outputs])


def near_median(wanted: Floats) -> NDArray[np.bool_]:
    """``(draw,)`` draws near enough to the median to count: a few far off make a variance, but no interval.

    Args:
        wanted: ``(draw, output)``.
    """
    away = np.abs(wanted - np.median(wanted, axis=0))
    return np.asarray((away <= FAR * NORMAL * np.median(away, axis=0)).all(axis=1))


def weights_of(wanted: Floats) -> Floats:
    """``(output,)`` one over the variance of each output, of draws ``(draw, output)``."""
    return np.asarray(1.0 / np.maximum(wanted.var(axis=0), np.finfo(float).tiny))


def _intervals(
    joint: Joint,
    order: list[int],
    moment_mask: NDArray[np.bool_],
    wanted: Floats,
    measured: Floats,
    outputs: list[Output],
    level: float,
) -> list[tuple[tuple[str, Interval], ...]]:
    """The target's intervals now, and after each run: its draws drawn together, and a measurement's noise as it is."""
    middle, noise = wanted[moment_mask].mean(axis=0), measured - wanted
    found = []
    for deviations in deviations_after_each(joint, order, moment_mask):
        values = middle + np.sqrt(moment_mask.sum()) * deviations + noise
        intervals = []
        for o, column in zip(outputs, values.T, strict=True):
            interval = Interval.of(np.exp(column) if o.kind == "loss" else np.clip(column, 0.0, 1.0), level)
            assert interval is not None
            intervals.append((o.label, interval))
        found.append(tuple(intervals))
    return found
