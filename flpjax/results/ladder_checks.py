"""What a review says of the ladder itself: its runs, its values, and how far and how wide forecasts from it are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import count, some_of
from flpjax.fitting.draws import Draws
from flpjax.ladder.audit.audit import audit
from flpjax.ladder.audit.fault import Kind, listed
from flpjax.ladder.design import log_sizes
from flpjax.ladder.positive import without_signed
from flpjax.ladder.table import Runs
from flpjax.methods.mixtures import SAME, distinct
from flpjax.results.distance import NEAR, extrapolation, place_of, words_aside, words_below
from flpjax.results.finished import fitted_finals, unfinished_warnings
from flpjax.results.forecast import Forecast
from flpjax.results.target import Target
from flpjax.results.verdicts import Finding, Verdict

FEW_RUNS, TOO_FEW_RUNS = 8, 5  # below the first an interval is wide, below the second it says little
SAME_SIZE = 0.01  # relative difference of N and D, of runs that are reruns
RERUN_LOSS, RERUN_SCORE = (0.01, 0.03), (0.05, 0.1)  # differences that are odd, and too large; losses are relative
HALF = 0.5  # of the fall of losses from the smallest run to the largest: more is no noise
SAME_FEATURE = 0.01  # spread of a feature, as laws see it, below which runs are alike in it
SAME_MIX = 0.01  # difference of weights, below which a target's mixture is that of the ladder
ABOVE = 0.05  # of chance, where a task has emerged
FAR, TOO_FAR = 30.0, 1000.0  # × the largest run
OTHERWISE = 1.5  # times as far in FLOPs at its tokens per parameter as at any: then it is told
UNTRIED = 3.0  # times as far as any forecast of the past: nothing was learned of so far a one
ASIDE, TOO_ASIDE = NEAR, 4.0  # e-folds of tokens per parameter outside the runs' own, or of FLOPs below the smallest


def check_runs(training: Runs) -> Finding:
    """There are runs enough."""
    finished = len(fitted_finals(training))
    verdict = Verdict.PASS if finished >= FEW_RUNS else Verdict.REVIEW if finished >= TOO_FEW_RUNS else Verdict.FAIL
    remedy = (
        ""
        if verdict == Verdict.PASS
        else f"Intervals rest on little and hold less than they say: train more small runs, {FEW_RUNS} at least"
    )
    return Finding("runs", verdict, count(finished, "finished run"), remedy)


def check_finished(training: Runs) -> Iterator[Finding]:
    """Every run has a final value, or is named with the reason why it has none."""
    via = training.general_domains[0] if training.domains else None
    lacking = list(unfinished_warnings(training, via))
    if lacking:
        remedy = "Measure it where the run ends, raise final_within, or leave the run out (--exclude)"
        yield Finding("final values", Verdict.REVIEW, "; ".join(lacking), remedy)


def check_reruns(training: Runs) -> Finding:
    """Runs of one size, on as many tokens and the same mixture, came out alike.

    Fits weigh runs by how noisy their sizes are, so two small runs that disagree spoil little and are to be looked at.
    It is fatal among the larger half of the runs, or if it is half of what all of the ladder's compute buys.
    """
    finals = without_signed(training).finals()
    pairs = np.argwhere(np.tril(_alike(finals), -1))
    if not len(pairs):
        return Finding("reruns", Verdict.PASS, "no reruns")
    worst, verdict, largest = "", Verdict.PASS, -1.0
    bought = _largest(np.log(finals.loss[np.argmin(finals.flops)] / finals.loss[np.argmax(finals.flops)]))
    for i, j in pairs:
        loss = _largest(np.log(finals.loss[i] / finals.loss[j]))
        score = _largest(finals.score[i] - finals.score[j])
        step = max(int(v > odd) + int(v > bad) for v, (odd, bad) in ((loss, RERUN_LOSS), (score, RERUN_SCORE)))
        small = finals.flops[i] < np.median(finals.flops)
        if step == Verdict.FAIL and small and not loss > HALF * bought:
            step = int(Verdict.REVIEW)
        if (step, loss) > (int(verdict), largest) and step:
            verdict, largest, worst = Verdict(step), loss, _difference(finals, int(i), int(j))
    if verdict == Verdict.PASS:
        return Finding("reruns", verdict, f"{count(len(pairs), 'pair')} of reruns agree")
    remedy = "One of them has gone wrong, or the noise is that large: leave one out"
    return Finding("reruns", verdict, worst, remedy)


def _difference(finals: Runs, i: int, j: int) -> str:
    """The loss and the score in which two reruns differ most, as both have them."""
    one, other = (finals.names[finals.run[k]] for k in (i, j))
    parts = []
    for values, names, unit, kind in (
        (np.log(finals.loss), finals.domains, 1.0, "loss/"),
        (finals.score, finals.task_names, 100.0, "score/"),
    ):
        apart = np.abs(values[i] - values[j])
        if np.isfinite(apart).any():
            k = int(np.nanargmax(apart))
            source = finals.loss if kind == "loss/" else finals.score
            a, b = unit * source[i, k], unit * source[j, k]
            parts.append(f"{kind}{names[k]} {a:.4g} against {b:.4g}" + (" %" if unit != 1.0 else ""))
    return f"'{one}' and '{other}' differ: {', '.join(parts)}"


def _alike(finals: Runs) -> NDArray[np.bool_]:
    """``(run, run)`` whether two runs are of one size, on as many tokens, of one mixture and alike in features."""
    alike = np.ones((len(finals), len(finals)), bool)
    for log_size in log_sizes(finals):
        alike &= np.abs(log_size[:, None] - log_size[None, :]) < SAME_SIZE
    for weight in finals.mix.T:
        alike &= np.abs(weight[:, None] - weight[None, :]) < SAME
    for feature in finals.extra_features:
        value = feature.transformed(finals.features[feature.name])
        alike &= np.abs(value[:, None] - value[None, :]) < SAME_FEATURE
    return alike


def _largest(difference: NDArray[np.float64]) -> float:
    """The largest size of what both runs measured."""
    return float(np.abs(difference[np.isfinite(difference)]).max(initial=0.0))


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
    without = [f"'{t.name}'" for t in targets if t.mix is None]
    if without and mixtures > 1:
        figure = f"{mixtures} mixtures, and none given for {some_of(without)}: their mean is taken"
        yield Finding("mixtures", Verdict.REVIEW, figure, "Give targets the mixture they will have: mix/SOURCE=WEIGHT")
        return
    if mixtures >= needed + 1:
        yield Finding("mixtures", Verdict.PASS, f"{mixtures} mixtures of {count(needed, 'source')}")
        return
    verdict = Verdict.FAIL if mixtures == 1 else Verdict.REVIEW
    remedy = "Train runs with other mixtures, or use a method without, such as 'flp'"
    yield Finding("mixtures", verdict, f"{count(mixtures, 'mixture')} of {count(needed, 'source')}", remedy)


def check_emergence(training: Runs) -> Iterator[Finding]:
    """Tasks are above chance somewhere on the ladder."""
    if not training.tasks:
        return
    best = np.where(np.isfinite(training.score), training.score, -np.inf).max(axis=0, initial=-np.inf)
    asleep = [
        f"'{t.name}' (best {100 * b:.0f}, chance {100 * t.chance:.0f})"
        for t, b in zip(training.tasks, best, strict=True)
        if np.isfinite(b) and b < t.chance + ABOVE
    ]
    if not asleep:
        yield Finding("emergence", Verdict.PASS, f"{count(len(training.tasks), 'task')} above chance")
        return
    verdict = Verdict.FAIL if len(asleep) == len(training.tasks) else Verdict.REVIEW
    remedy = "Nothing on the ladder tells when they emerge: train a larger rung, or score an easier metric"
    yield Finding("emergence", verdict, f"at chance on the whole ladder: {some_of(asleep)}", remedy)


def check_distance(draws: Draws, targets: Sequence[Target]) -> Iterator[Finding]:
    """Targets are within reach."""
    if not targets:
        return
    filled = [t.filled(draws.ladder.rule) for t in targets]
    ratio, name = max((extrapolation(t, draws.ladder), t.name) for t in filled)
    beyond = f"'{name}' lies {ratio:,.3g} × beyond the largest run"
    if ratio <= 1.0:
        beyond = f"'{name}' costs {ratio:,.3g} × the largest run"
    least, output = min(((most, output) for output, most in draws.ladder.reach), default=(draws.ladder.flops[1], ""))
    if least < draws.ladder.flops[1]:  # the largest runs lack some loss
        ratio *= draws.ladder.flops[1] / least
        beyond += f", and {ratio:,.3g} × beyond the largest that loss '{output}' was fitted on"
    places = [(place_of(t, draws.ladder), t) for t in filled]
    at_ratio, highest = max(((p.above, t) for p, t in places), key=lambda each: each[0])
    if np.exp(at_ratio) > max(OTHERWISE * ratio, FAR):
        ratio = float(np.exp(at_ratio))
        beyond += f", and '{highest.name}' {ratio:,.3g} × beyond the largest of about its tokens per parameter"
    verdict = Verdict.PASS if ratio <= FAR else Verdict.REVIEW if ratio <= TOO_FAR else Verdict.FAIL
    remedy = "Train a larger rung; so far out, intervals rest on what laws usually err by, not on what was measured"
    for part, words, what in (
        ("below", words_below, "Train smaller runs, or forecast only what is larger"),
        ("aside", words_aside, "Train runs of about its tokens per parameter"),
    ):
        away, target = max(((getattr(p, part), t) for p, t in places), key=lambda each: each[0])
        if away > ASIDE:
            own = Verdict.REVIEW if away <= TOO_ASIDE else Verdict.FAIL
            beyond += f"; '{target.name}': {words(target, draws.ladder)}"
            verdict, remedy = max((own, what), (verdict, remedy), key=lambda each: each[0])
    yield Finding("distance", verdict, beyond, remedy if verdict else "")


def check_horizon(draws: Draws, targets: Sequence[Target]) -> Iterator[Finding]:
    """Forecasts of the ladder's own runs, by which intervals were checked, reached as far as the targets lie."""
    if not targets or draws.validation is None or not np.isfinite(draws.validation.horizon):
        return
    reached = draws.validation.horizon
    ratio, name = max((extrapolation(t.filled(draws.ladder.rule), draws.ladder), t.name) for t in targets)
    away = max(float(np.log(ratio)), 0.0)
    verdict = Verdict.PASS if away <= reached else Verdict.REVIEW if away <= UNTRIED * reached else Verdict.FAIL
    figure = (
        f"forecasts of larger runs were checked up to {reached:.1f} e-folds of FLOPs ahead, '{name}' lies {away:.1f} "
        "ahead"
    )
    remedy = "What intervals that far hold was never seen: train a larger rung" if verdict else ""
    yield Finding("horizon of its past", verdict, figure, remedy)


SOUND = {
    Kind.UNITS: "N, D, FLOPs and losses are those of language models",
    Kind.RUNS: "every run belongs to the others",
    Kind.EVALUATIONS: "no evaluation contradicts its neighbours",
    Kind.TRENDS: "losses fall and scores rise with compute",
}
WIDE, TOO_WIDE = 1.5, 4.0  # upper over lower bound of a loss: a ladder spans about 2
SCORE_WIDE = 0.8  # of the way from chance to 1
MOST_LOSS = 1e3  # nats; no bound above it means anything


def check_audit(training: Runs) -> Iterator[Finding]:
    """One finding for each kind of what is likely wrong in the table."""
    faults = audit(training)
    for kind in Kind:
        own = [f for f in faults if f.kind == kind]
        if not own:
            yield Finding(kind.value, Verdict.PASS, SOUND[kind])
            continue
        verdict = Verdict.FAIL if any(f.severe for f in own) else Verdict.REVIEW
        yield Finding(kind.value, verdict, listed([f.what for f in own]), own[0].remedy)


def _known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[np.isfinite(values)]


def check_widths(ahead: Forecast, training: Runs) -> Iterator[Finding]:
    """Intervals of targets are narrow enough to say something."""
    chance = {t.name: t.chance for t in training.tasks}
    wide, absurd = [], False
    for i, target in enumerate(ahead.targets):
        for name, v in ahead.loss[i].items():
            bounds = np.array([v.lower, v.median, v.upper])
            ratio = v.upper / v.lower if v.lower > 0 else np.inf
            if name in training.signed:  # no ratio: as wide as all of the ladder's losses is wide
                ratio = WIDE ** ((v.upper - v.lower) / max(float(np.ptp(_known(training.loss_of(name)))), 1e-12))
            if not np.isfinite(bounds).all() or v.upper > MOST_LOSS or ratio > WIDE:
                absurd |= not np.isfinite(ratio) or ratio > TOO_WIDE or v.upper > MOST_LOSS
                wide.append(f"'loss/{name}' of '{target.name}' ({v.lower:.3g} to {v.upper:.3g})")
        for name, v in ahead.score[i].items():
            floor = chance.get(name, 0.0)
            if not v.upper - max(v.lower, floor) < SCORE_WIDE * (1.0 - floor):
                wide.append(f"'{name}' of '{target.name}' ({100 * v.lower:.0f} to {100 * v.upper:.0f} %)")
    if not wide:
        yield Finding(
            "interval widths", Verdict.PASS, f"losses within {WIDE:g} ×, scores within {SCORE_WIDE:.0%} of their scale"
        )
        return
    remedy = "So wide an interval says nothing: look for a run that went wrong, or train a larger rung"
    yield Finding("interval widths", Verdict.FAIL if absurd else Verdict.REVIEW, listed(wide), remedy)
