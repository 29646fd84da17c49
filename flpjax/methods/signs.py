"""Losses that may be negative, such as those relative to a unigram model: which laws are fitted to them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace

from flpjax.errors import InputError, some_of
from flpjax.ladder.positive import without_signed
from flpjax.ladder.table import Runs
from flpjax.laws.residual import TYPICAL_NOISE, Residual

REMEDY = (
    "Fit a law of your own, which is fitted to them as they are: --law 'mine=A*N^-a + B*D^-b - E' --method mine, or "
    "flpjax.method('mine', laws={'mine': flpjax.law(…)})"
)


def for_signs(
    runs: Runs, residual: Residual, domains: tuple[str, ...], needed: frozenset[str]
) -> tuple[Residual, tuple[str, ...], tuple[str, ...]]:
    """A law's residuals for the signs of a table's losses, and the losses that it can be fitted to.

    A law of the caller's (a formula, a function, a network) is fitted in linear space where a loss may be negative. The
    built-in ones are of positive losses: those that may not be are left out, unless scores need them.

    Args:
        runs: The table, which says which losses may be negative.
        residual: Of the law.
        domains: The losses to fit.
        needed: Those among them that scores go through.

    Returns:
        The residuals, the losses that are left, and warnings about the others.

    Raises:
        InputError: A loss that is needed, or every loss, may be negative, and the law is of positive ones.
    """
    signed = tuple(d for d in domains if d in runs.signed)
    if not signed or residual.space == "linear":
        return residual, domains, ()
    law = residual.law
    if is_dataclass(law) and "space" in {f.name for f in fields(law)}:
        linear = replace(law, space="linear")
        noise = None if residual.prior_sd is None else TYPICAL_NOISE["linear"]
        return replace(residual, law=linear, space="linear", prior_sd=noise), domains, ()
    left = tuple(d for d in domains if d not in signed)
    what = f"may be negative, and {type(law).__name__} is of positive losses"
    lost = [d for d in signed if d in needed or not left]
    if lost:
        raise InputError(f"loss '{lost[0]}' {what}", where=runs.source, remedy=REMEDY)
    return residual, left, (f"loss {some_of([repr(d) for d in signed])} is not forecast: it {what}",)


def positive_losses(runs: Runs) -> Runs:
    """The table as blends take it, which weigh laws of positive losses: without those that may be negative.

    Raises:
        InputError: There is no other loss, and no score.
    """
    left = without_signed(runs)
    if runs.signed and not left.domains and not left.tasks:
        raise InputError(
            f"loss '{runs.signed[0]}' may be negative, and auto weighs laws of positive losses",
            where=runs.source,
            remedy=REMEDY,
        )
    return left
