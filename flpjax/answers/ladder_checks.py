"""What a review says of the ladder itself: runs, reruns, mixtures, emergence, and how far targets lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from flpjax.answers.target import Target, extrapolation
from flpjax.answers.verdicts import Finding, Verdict
from flpjax.errors import count
from flpjax.fitting.draws import Draws
from flpjax.predictors.mixtures import SAME, distinct
from flpjax.runs.table import Runs

FEW_RUNS, TOO_FEW_RUNS = 8, 5  # below the first an interval is wide, below the second it says little
SAME_SIZE = 0.01  # relative difference of N and D, of runs that are reruns
RERUN_LOSS, RERUN_SCORE = (0.01, 0.03), (0.05, 0.1)  # differences that are odd, and too large; losses are relative
SAME_MIX = 0.01  # difference of weights, below which a target's mixture is that of the ladder
ABOVE = 0.05  # of chance, where a task has emerged
FAR, TOO_FAR = 30.0, 1000.0  # × the largest run
NAMED = 4


def check_runs(draws: Draws, training: Runs) -> Finding:
    """There are runs enough."""
    finished = len(training.finals())
    verdict = Verdict.PASS if finished >= FEW_RUNS else Verdict.REVIEW if finished >= TOO_FEW_RUNS else Verdict.FAIL
    remedy = "" if verdict == Verdict.PASS else f"Intervals rest on little: train more small runs, {FEW_RUNS} at least"
    return Finding("runs", verdict, count(finished, "finished run"), remedy)


def check_reruns(training: Runs) -> Finding:
    """Runs of one size, on as many tokens and the same mixture, came out alike."""
    finals = training.finals()
    worst, verdict = "", Verdict.PASS
    pairs = 0
    for i in range(len(finals)):
        for j in range(i):
            same = np.isclose(
                [finals.params[i], finals.tokens[i]], [finals.params[j], finals.tokens[j]], SAME_SIZE, 0.0
            )
            alike = not finals.sources or np.abs(finals.mix[i] - finals.mix[j]).max() < SAME
            if not (same.all() and alike):
                continue
            pairs += 1
            loss = np.nanmax(np.abs(np.log(finals.loss[i] / finals.loss[j])), initial=0.0)
            score = np.nanmax(np.abs(finals.score[i] - finals.score[j]), initial=0.0)
            steps = [1 + (v > odd[1]) if v > odd[0] else 0 for v, odd in ((loss, RERUN_LOSS), (score, RERUN_SCORE))]
            if max(steps) > verdict:
                verdict = Verdict(max(steps))
                names = finals.names[finals.run[i]], finals.names[finals.run[j]]
                worst = (
                    f"'{names[0]}' and '{names[1]}' differ by {loss:.1%} of a loss, {100 * score:.1f} points of a score"
                )
    if verdict == Verdict.PASS:
        return Finding("reruns", verdict, f"{count(pairs, 'pair')} of reruns agree" if pairs else "no reruns")
    return Finding("reruns", verdict, worst, "One of them has gone wrong, or the noise is that large: leave one out")


def check_mixtures(draws: Draws, training: Runs, targets: Sequence[Target] = ()) -> Iterator[Finding]:
    """Mixtures differ enough for a law of mixtures; or there is one, and it is the targets' own."""
    if not training.sources:
        return
    tried = distinct(training.finals().mix)
    mixtures = len(tried)
    if not draws.model.sources:
        weights = [t.weights(training.sources) for t in targets if t.mix is not None]
        other = any(np.abs(tried - w).max(axis=1).min() >= SAME_MIX for w in weights)
        if mixtures == 1 and weights and not other:
            yield Finding("mixtures", Verdict.PASS, "one mixture, which is the targets' own")
            return
        verdict = Verdict.FAIL if other else Verdict.REVIEW
        remedy = "Train runs with other mixtures, and use a method that knows them, such as 'm3+domain-linear'"
        yield Finding("mixtures", verdict, f"{count(mixtures, 'mixture')}, which the forecast is blind to", remedy)
        return
    needed = len(draws.model.sources)
    if mixtures >= needed + 1:
        yield Finding("mixtures", Verdict.PASS, f"{mixtures} mixtures of {count(needed, 'source')}")
        return
    verdict = Verdict.FAIL if mixtures == 1 else Verdict.REVIEW
    remedy = "Train runs with other mixtures, or use a method without, such as 'flp'"
    yield Finding("mixtures", verdict, f"{count(mixtures, 'mixture')} of {count(needed, 'source')}", remedy)


def check_emergence(draws: Draws, training: Runs) -> Iterator[Finding]:
    """Tasks are above chance somewhere on the ladder."""
    if not training.tasks:
        return
    best = [np.nanmax(training.score[:, i], initial=-np.inf) for i in range(len(training.tasks))]
    asleep = [
        f"'{t.name}' (best {100 * b:.0f}, chance {100 * t.chance:.0f})"
        for t, b in zip(training.tasks, best, strict=True)
        if np.isfinite(b) and b < t.chance + ABOVE
    ]
    if not asleep:
        yield Finding("emergence", Verdict.PASS, f"{count(len(training.tasks), 'task')} above chance")
        return
    verdict = Verdict.FAIL if len(asleep) == len(training.tasks) else Verdict.REVIEW
    named = ", ".join(asleep[:NAMED]) + (f" and {len(asleep) - NAMED} more" if len(asleep) > NAMED else "")
    remedy = "Nothing on the ladder tells when they emerge: train a larger rung, or score an easier metric"
    yield Finding("emergence", verdict, f"at chance on the whole ladder: {named}", remedy)


def check_distance(draws: Draws, targets: Sequence[Target]) -> Iterator[Finding]:
    """Targets are within reach."""
    if not targets:
        return
    filled = [t.filled(draws.ladder.rule) for t in targets]
    ratio, name = max((extrapolation(t, draws.ladder), t.name) for t in filled)
    verdict = Verdict.PASS if ratio <= FAR else Verdict.REVIEW if ratio <= TOO_FAR else Verdict.FAIL
    remedy = (
        "" if verdict == Verdict.PASS else "Train a larger rung; intervals that far rest on how past forecasts drifted"
    )
    yield Finding("distance", verdict, f"'{name}' lies {ratio:,.3g} × beyond the largest run", remedy)
