"""What two tables must have for their recipes to be compared, and signs that they count in different units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flpjax.errors import InputError, count, some_of
from flpjax.ladder.design import SAME
from flpjax.ladder.table import SAME_WEIGHT, Floats, Runs

FEWEST = 2  # runs of a recipe: below that nothing tells how they scatter
CONVENTION = 1.5  # ratio of FLOPs per parameter and token: above it, FLOPs are counted otherwise
SLIGHT = 1.1  # above this, the reader is told
GAP = 1e3  # factor between the computes of two tables, across which nothing can be compared
LEVEL = float(np.log(1.25))  # log ratio of losses at one compute, which a factor of 5 to 40 in compute makes up for
BITS = 1.0 / float(np.log(2.0))
NEAR = 0.1  # of a log ratio of losses to that of units


def finished(runs: Runs, name: str) -> Runs:
    """Final checkpoints of the runs of one recipe that no one holds out.

    Raises:
        InputError: There are too few, or they are of several mixtures.
    """
    seen = runs.training()
    if not len(seen.names):
        raise InputError(
            "all runs are held out", where=name, remedy="Clear the column 'held_out' of some, or leave it out"
        )
    finals = seen.finals()
    if len(finals) < FEWEST:
        raise InputError(
            f"there is {count(len(finals), 'finished run')}, which does not tell how its recipe scales",
            where=name,
            remedy="Give at least three runs of different compute",
        )
    if runs.sources:
        mixtures = np.unique(np.round(finals.mix / SAME_WEIGHT), axis=0)
        if len(mixtures) > 1:
            raise InputError(
                f"its runs are of {len(mixtures)} mixtures, and a recipe is one",
                where=name,
                remedy="Choose the runs of one, say with --by and a column that differs; `flpjax mix` finds the "
                "best mixture",
            )
    return finals


def common(
    first: Sequence[str], second: Sequence[str], asked: Sequence[str] | None, what: str, where: str
) -> list[str]:
    """The names that both tables have, in the first one's order; those asked for, if any.

    Raises:
        InputError: One that was asked for is not in both.
    """
    shared = [name for name in first if name in second]
    if asked is None:
        return shared
    for name in asked:
        if name not in shared:
            raise InputError(
                f"there is no {what} '{name}' in both tables",
                where=where,
                remedy=f"In both: {some_of(shared, 8) or 'none'}",
            )
    return list(dict.fromkeys(asked))


def refuse_other_compute(first: Runs, second: Runs, names: tuple[str, str]) -> list[str]:
    """Warnings about how FLOPs are counted.

    Raises:
        InputError: The tables count them in different ways, lie too far apart, or hold one compute.
    """
    where = f"{names[0]} and {names[1]}"
    logs = [np.log(finals.flops) for finals in (first, second)]
    gap = max(logs[0].min() - logs[1].max(), logs[1].min() - logs[0].max())
    if gap > np.log(GAP):
        ends = [f"{np.exp(v.min()):.2g} to {np.exp(v.max()):.2g}" for v in logs]
        raise InputError(
            f"their computes lie a factor {np.exp(gap):.2g} apart ({ends[0]} against {ends[1]} FLOPs)",
            where=where,
            remedy="Check the units of params, tokens and flops; two recipes are compared where both were tried",
        )
    if np.ptp(np.concatenate(logs)) < SAME:
        raise InputError(
            "all runs have one compute, so that no run tells what more of it is worth",
            where=where,
            remedy="Add runs of another size, of either recipe",
        )
    each = [float(np.median(f.flops / (f.params * f.tokens))) for f in (first, second)]
    apart = abs(np.log(each[0] / each[1])) if np.isfinite(each).all() else 0.0
    counted = f"{each[0]:.3g} and {each[1]:.3g} FLOPs per parameter and token"
    if apart > np.log(CONVENTION):
        raise InputError(
            f"FLOPs are counted in two ways: {counted} (medians)",
            where=where,
            remedy="Count them alike, say without a column 'flops' in either table: it is 6·N·D then",
        )
    if apart > np.log(SLIGHT):
        return [f"FLOPs are counted in two ways, {counted}: part of the factor is that"]
    return []


def refuse_other_units(domains: Sequence[str], first: Runs, second: Runs, names: tuple[str, str]) -> None:
    """Refuse tables all of whose common losses differ as units do.

    Raises:
        InputError: They do.
    """
    apart = [_apart(first, second, first.loss_of(name), second.loss_of(name)) for name in domains]
    if not apart or any(np.isnan(v) or abs(v) < LEVEL for v in apart):
        return
    middle = float(np.median(apart))
    unit = abs(abs(middle) - np.log(BITS)) < NEAR
    raise InputError(
        f"at the same compute, losses of the second are {np.exp(middle):.3g} times those of the first"
        f"{', as bits are of nats' if unit else ''}",
        where=f"{names[0]} and {names[1]}",
        remedy="Declare the units in a mapping file; if they are right, the losses are of other text or another "
        "tokenizer, and tell no factor: compare losses per byte of the same text, or scores",
    )


def _apart(first: Runs, second: Runs, one: Floats, other: Floats) -> float:
    """Median log ratio of losses, second over first, where both were measured; NaN if nowhere."""
    a, b = np.isfinite(one), np.isfinite(other)
    if not (a.any() and b.any()):
        return float("nan")
    order = np.argsort(first.flops[a])
    log_c, log_loss = np.log(first.flops[a])[order], np.log(one[a])[order]
    at = np.log(second.flops[b])
    inside = (at >= log_c[0] - 1.0) & (at <= log_c[-1] + 1.0)
    if not inside.any():
        return float("nan")
    return float(np.median((np.log(other[b]) - np.interp(at, log_c, log_loss))[inside]))
