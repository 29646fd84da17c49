"""The ladder as a fit used it: how many runs, how large, and which were left out and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, count, some_of
from flpjax.ladder.compute import FlopsRule, flops_rule
from flpjax.ladder.design import ALL_VARY, Design, design_of
from flpjax.ladder.falling import Falling, falling_tasks
from flpjax.ladder.features import Feature
from flpjax.ladder.outline import Outline, convex_hull
from flpjax.ladder.size_rule import SizeRule, size_rule
from flpjax.ladder.table import Runs
from flpjax.ladder.unfinished import Kind, final_value_rule, reasons_in_words, runs_of_other_groups, without_final
from flpjax.methods.method import Stage
from flpjax.methods.mixtures import distinct


@dataclass(frozen=True)
class LadderSummary:
    """What a forecast must know of the runs it was fitted on.

    Attributes:
        source: Where the table came from.
        runs: Runs whose final losses were fitted; of methods without losses, whose final scores were.
        checkpoints: Rows of the table.
        flops: Least and most C of those runs.
        params: The same of N.
        tokens: The same of D.
        rule: How FLOPs follow from N and D.
        sources: ``(source,)`` data sources.
        mixtures: The mixtures that were tried.
        mixture_runs: The runs that had each of them.
        design: Which of N, D, C and D/N those runs vary.
        ratio: Least and most tokens per parameter of those runs.
        reach: Loss → the most C of the runs that it was fitted on.
        left_out: Run → why no final value of it was fitted.
        remarks: The same in sentences, and losses that were fitted on some of the runs only.
        mean_mix: ``(source,)`` mean mixture of the runs.
        size: How N follows from C; None if it does not.
        no_size: Why not.
        falling: Tasks whose scores fall with scale.
        features: What else a loss may depend on.
        outline: What those runs span in tokens per parameter and C, together.
    """

    source: str
    runs: int
    checkpoints: int
    flops: tuple[float, float]
    params: tuple[float, float]
    tokens: tuple[float, float]
    rule: FlopsRule
    sources: tuple[str, ...] = ()
    mixtures: tuple[tuple[float, ...], ...] = ()
    mixture_runs: tuple[tuple[str, ...], ...] = ()
    design: Design = ALL_VARY
    ratio: tuple[float, float] = (0.0, 0.0)
    reach: tuple[tuple[str, float], ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()
    mean_mix: tuple[float, ...] = ()
    size: SizeRule | None = None
    no_size: str = ""
    falling: tuple[Falling, ...] = ()
    features: tuple[Feature, ...] = ()
    outline: Outline = ()

    @classmethod
    def of(cls, runs: Runs, stages: Sequence[Stage] = ()) -> LadderSummary:
        """The ladder of these runs, as stages of fits used it.

        Args:
            runs: The runs that a fit may see.
            stages: What was fitted, of one method or several; where one fits losses, only those count. Before any fit,
                (): all runs count that have a final loss, or a final score on a ladder without losses.

        Raises:
            InputError: No run has a final value.
        """

        def span(values: NDArray[np.float64]) -> tuple[float, float]:
            return float(values.min()), float(values.max())

        first = [s for s in stages if s.name == "loss"] or list(stages)
        losses = first[0].name == "loss" if first else bool(runs.domains)
        used = _used(first, len(runs.names)) if first else _measured(runs)
        fitted = np.any([np.zeros(len(runs.names), bool), *used.values()], axis=0)
        if not fitted.any():
            raise InputError(
                "no run has a final loss" if losses else "no run has a final score",
                where=runs.source,
                remedy=f"Measure runs at their ends: {final_value_rule(runs)}",
            )
        finals = runs.finals()
        place = np.array([runs.names.index(finals.names[r]) for r in finals.run])
        left_out = _left_out(runs, "loss" if losses else "score", next(iter(used)), fitted)
        finals, place = finals.rows(fitted[place]), place[fitted[place]]
        flops = np.zeros(len(runs.names))
        flops[place] = finals.flops
        tried = distinct(finals.mix) if runs.sources else np.zeros((0, 0))
        return cls(
            runs.source,
            int(fitted.sum()),
            len(runs),
            span(finals.flops),
            span(finals.params),
            span(finals.tokens),
            flops_rule(finals.params, finals.tokens, finals.flops),
            runs.sources,
            tuple(map(tuple, tried.tolist())),
            _runs_of(tried, finals),
            design_of(finals),
            span(finals.tokens / finals.params),
            tuple((name, float(flops[mask].max(initial=0.0))) for name, mask in used.items() if losses),
            tuple(left_out.items()),
            (*_omission(runs, left_out), *(_partly(runs, used, fitted) if losses else ())),
            tuple(finals.mix.mean(axis=0).tolist()) if runs.sources else (),
            *size_rule(finals.params, finals.flops),
            falling_tasks(runs.finals()),
            runs.extra_features,
            convex_hull(np.log(finals.tokens / finals.params), np.log(finals.flops)),
        )


def _runs_of(tried: NDArray[np.float64], finals: Runs) -> tuple[tuple[str, ...], ...]:
    """The runs of each of the mixtures ``(mixture, source)``."""
    if not len(tried):
        return ()
    nearest = np.abs(finals.mix[:, None] - tried).max(axis=2).argmin(axis=1)
    names = np.array([finals.names[r] for r in finals.run])
    return tuple(tuple(names[nearest == i].tolist()) for i in range(len(tried)))


def _used(stages: Sequence[Stage], runs: int) -> dict[str, NDArray[np.bool_]]:
    """Output → ``(run,)`` whether some stage fitted a row of it."""
    used: dict[str, NDArray[np.bool_]] = {}
    for stage in stages:
        for output, weight in zip(stage.outputs, stage.weight, strict=True):
            mask = used.setdefault(output, np.zeros(runs, bool))
            mask[stage.run[weight > 0]] = True
    return used


def _measured(runs: Runs) -> dict[str, NDArray[np.bool_]]:
    """Loss, or score on a ladder without losses → ``(run,)`` whether a run has a final value of it."""
    kind: Kind = "loss" if runs.domains else "score"
    lacking = {name: without_final(runs, kind, name) for name in runs.domains or runs.task_names}
    return {name: np.array([n not in without for n in runs.names]) for name, without in lacking.items()}


def _left_out(runs: Runs, kind: Kind, output: str, fitted: NDArray[np.bool_]) -> dict[str, str]:
    """Run → why it was not fitted."""
    if fitted.all():
        return {}
    reasons = without_final(runs.with_average() if kind == "loss" else runs, kind, output)
    otherwise = "no final value that counts" if kind == "loss" else "no task ends above chance"
    return {n: reasons.get(n, otherwise) for n, there in zip(runs.names, fitted, strict=True) if not there}


def _omission(runs: Runs, left_out: dict[str, str]) -> tuple[str, ...]:
    if not left_out:
        return ()
    return (
        f"{count(len(left_out), 'run')} of {len(runs.names)} left out of the fit: {reasons_in_words(left_out)}; "
        f"{final_value_rule(runs)}",
    )


def _partly(runs: Runs, used: dict[str, NDArray[np.bool_]], fitted: NDArray[np.bool_]) -> tuple[str, ...]:
    """One sentence for all losses that the same runs lack."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for output, mask in used.items():
        exempt = runs_of_other_groups(runs, output) if output in runs.domains else frozenset()
        lacks = tuple(f"'{runs.names[i]}'" for i in np.flatnonzero(fitted & ~mask) if runs.names[i] not in exempt)
        if lacks:
            groups.setdefault(lacks, []).append(output)
    remarks = []
    for lacking, outputs in groups.items():
        names = some_of([f"'{o}'" for o in outputs])
        remarks.append(
            f"loss {names}: fitted on {int(fitted.sum()) - len(lacking)} of {int(fitted.sum())} runs; "
            f"{some_of(lacking)} {'has' if len(lacking) == 1 else 'have'} no final value of it"
        )
    return tuple(remarks)
