"""Targets of another size than a ladder tells of: of one size of runs, of one N, D or D/N."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from flpjax.errors import InputError
from flpjax.fitting.draws import Draws, LadderSummary
from flpjax.ladder.design import SAME
from flpjax.methods.method import Model
from flpjax.results.target import Target
from flpjax.results.verdicts import Finding, Verdict

FEWEST_RUNS = 2  # of one size; what a single run lacks, laws say themselves
NEAR_SIZE = 2.0 * SAME  # of a logarithm: a target as near as this to the runs' one size has that size


def own_size(ladder: LadderSummary) -> Target:
    """The size of a ladder whose runs cost the same, of one N and D or on average, as a target."""
    n, d, c = (float(np.sqrt(low * high)) for low, high in (ladder.params, ladder.tokens, ladder.flops))
    return Target("the runs' own size", n, d, c)


def is_own_size(target: Target, ladder: LadderSummary) -> bool:
    """Whether a target costs what the ladder's runs do."""
    flops = target.filled(ladder.rule).flops
    assert flops is not None
    return bool(np.log(ladder.flops[0]) - NEAR_SIZE <= np.log(flops) <= np.log(ladder.flops[1]) + NEAR_SIZE)


def refuse_compute_alone(draws: Draws, targets: Sequence[Target]) -> None:
    """Refuse to extrapolate laws in C alone from runs of one budget.

    Raises:
        InputError: All runs cost the same compute, a target does not, and a law reads neither N nor D.
    """
    ladder = draws.ladder
    if (
        ladder.runs < FEWEST_RUNS
        or ladder.design.flops
        or not any(_in_compute_alone(m) for m in getattr(draws.model, "members", (draws.model,)))
    ):
        return
    other = [t for t in targets if not is_own_size(t, ladder)]
    if other:
        raise InputError(
            f"all runs cost {ladder.flops[1]:.3g} FLOPs: a law in compute alone can't tell how losses and scores go on",
            where=f"{ladder.source}, target '{other[0].name}'",
            remedy="Name a method in N and D, such as chinchilla+sigmoid, or train runs of a second budget",
        )


def _in_compute_alone(model: Model) -> bool:
    """Whether a model's law of compute reads neither N nor D."""
    model = getattr(model, "model", model)  # of one that bends at chance
    law = getattr(model, "compute_loss", None) or getattr(model, "compute_score", None)
    return not (hasattr(law, "centre_params") or hasattr(law, "centre_tokens"))


def refuse_other_sizes(ladder: LadderSummary, targets: Sequence[Target]) -> None:
    """Refuse to extrapolate runs of one size.

    Raises:
        InputError: All runs, two or more, have one N and D, and a target costs more or less.
    """
    if ladder.runs < FEWEST_RUNS or not ladder.design.one_size:
        return
    other = [t for t in targets if not is_own_size(t, ladder)]
    if other:
        remedy = "Train a second size, or forecast this one"
        if ladder.sources:
            remedy += "; which mixture is best, `flpjax mix` tells at the size of these runs"
        raise InputError(
            f"all runs have N {ladder.params[1]:.3g} and D {ladder.tokens[1]:.3g}: how losses and scores go on with "
            "compute they can't tell",
            where=f"{ladder.source}, target '{other[0].name}'",
            remedy=remedy,
        )


def at_known_size(target: Target, ladder: LadderSummary) -> tuple[Target, str]:
    """The target, or of runs that cost the same their size, and then why."""
    if not ladder.design.one_budget or is_own_size(target, ladder):
        return target, ""
    return own_size(ladder), (
        f"all runs cost {ladder.flops[1]:.3g} FLOPs: figures are of runs of that size, and what is claimed for "
        f"'{target.name}' is the rank of mixtures there, not losses, scores or the size of a gain"
    )


def check_sizes(ladder: LadderSummary, targets: Sequence[Target]) -> Iterator[Finding]:
    """The runs vary what the targets vary."""
    if not targets:
        return
    design, name = ladder.design, "sizes"
    filled = [t.filled(ladder.rule) for t in targets]
    if design.one_budget:
        far = [t for t in filled if not is_own_size(t, ladder)]
        figure = f"all runs cost {ladder.flops[1]:.3g} FLOPs"
        if far:
            remedy = "Ranks of mixtures may carry over; losses and scores do not: train a second size"
            yield Finding(name, Verdict.REVIEW, f"{figure}, '{far[0].name}' does not", remedy)
        return
    ratios = [t.tokens / t.params if t.tokens and t.params else None for t in filled]
    for what, varies, span, sizes in (
        ("N", design.params, ladder.params, [t.params for t in filled]),
        ("D", design.tokens, ladder.tokens, [t.tokens for t in filled]),
        ("D/N", design.ratio, ladder.ratio, ratios),
    ):
        values = zip([t.name for t in filled], sizes, strict=True)
        other = [n for n, v in values if v and not span[0] * np.exp(-NEAR_SIZE) <= v <= span[1] * np.exp(NEAR_SIZE)]
        if not varies and other:
            figure = f"all runs have {what} {span[1]:.3g}, '{other[0]}' has another: the runs can't tell what it does"
            yield Finding(name, Verdict.REVIEW, figure, f"Train runs that differ in {what}")
            return
    yield Finding(name, Verdict.PASS, "the runs vary what the targets vary")
