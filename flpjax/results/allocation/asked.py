"""What a plan is asked, checked before anything is fitted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from flpjax.errors import InputError, did_you_mean, figure, is_positive
from flpjax.fitting.draws import Draws
from flpjax.fitting.point import training_of
from flpjax.ladder.table import Runs
from flpjax.results.allocation.by_envelope import cross
from flpjax.results.allocation.conventions import PARAMS, with_both_sizes
from flpjax.results.allocation.envelope import curves_of
from flpjax.results.allocation.law_approach import LawApproach, check_design
from flpjax.results.allocation.limits import Limits

Budget = float | Sequence[float]


def check_budgets(budget: Budget) -> list[float]:
    """Budgets in ascending order.

    Raises:
        InputError: There is none, one is not a positive number, or two are the same.
    """
    given = list(budget) if isinstance(budget, Iterable) and not isinstance(budget, str) else [budget]
    if not given:
        raise InputError("there is no budget", where="budget", remedy="Give training FLOPs, say 1e24")
    for b in given:
        if not is_positive(b) or b < 1.0:
            raise InputError(
                f"a budget of {figure(b)} FLOPs", where="budget", remedy="Give a positive number, say 1e24"
            )
    budgets = [float(b) for b in given]
    if len(set(budgets)) < len(budgets):
        raise InputError("a budget is given twice", where="budget", remedy="Give each once")
    return sorted(budgets)


def check_carried(
    runs: Runs, budgets: Sequence[float], via: str | None, limits: Limits, law_only: bool = False
) -> InputError | None:
    """What can be refused before anything is fitted.

    Args:
        runs: The ladder.
        budgets: What is asked.
        via: The loss, by name.
        limits: What is kept to.
        law_only: Whether a method was named, or features or mixtures, of which only a law knows.

    Returns:
        Why final values carry no law, where training curves cross and tell in its place; None where they carry one.

    Raises:
        InputError: There is no loss, N or D; the runs don't vary what a budget is divided into; or a limit needs a
            column that is not there.
    """
    training, _ = with_both_sizes(training_of(runs))
    if not training.domains:
        raise InputError(
            "there is no column 'loss/<domain>'",
            where=runs.source,
            remedy="Add losses: the best division of a budget is that of the lowest loss",
        )
    if limits.unique_tokens is not None and "unique_tokens" not in training.features:
        raise InputError(
            "what repeated tokens are worth, no run tells",
            where=f"{runs.source}, unique_tokens",
            remedy="Add the column 'x/unique_tokens', and runs that repeat their data",
        )
    domain = loss_domain(training.general_domains, via, runs.source)
    try:
        check_design(training, domain, budgets)
    except InputError as refused:
        if law_only or limits != Limits() or not cross(curves_of(training, domain)):
            raise
        return refused
    return None


def loss_domain(domains: tuple[str, ...], via: str | None, where: str) -> str:
    """The loss that is lowest at an optimum: the one that was named, or the first.

    Raises:
        InputError: There is none, or none of this name.
    """
    if not domains:
        raise InputError("these draws are of no loss", where=where, remedy="Fit a method with losses")
    if via is not None and via not in domains:
        raise InputError(f"there is no loss domain '{via}'", where=where, remedy=did_you_mean(via, domains))
    return via or domains[0]


def check_inputs(inputs: Collection[str], where: str) -> None:
    """Refuse a law that does not read both N and D.

    Raises:
        InputError: It does not.
    """
    if not {"params", "tokens"} <= set(inputs):
        raise InputError(
            "this law does not read both N and D: any division of a budget is as good to it",
            where=where,
            remedy="Fit chinchilla+sigmoid, or another method in N and D",
        )


def check_reads(draws: Draws, limits: Limits) -> None:
    """Refuse draws that can't tell how a budget is best divided.

    Raises:
        InputError: They don't read N and D, or what repetition is worth; or all their runs have one D/N.
    """
    reads = draws.model.inputs
    check_inputs(reads, draws.ladder.source)
    if limits.unique_tokens is not None and "unique_tokens" not in reads:
        raise InputError(
            "the law that was fitted does not know what repeated tokens are worth",
            where="unique_tokens",
            remedy="Give runs that repeat their data, with the column 'x/unique_tokens'; or leave unique_tokens out",
        )
    design = draws.ladder.design
    if not design.ratio:
        raise InputError(
            f"all runs have {draws.ladder.ratio[1]:.3g} tokens per parameter: what another ratio would give, which a "
            "budget is divided by, they can't tell",
            where=draws.ladder.source,
            remedy="Train some runs on more, or fewer, tokens per parameter",
        )


def approach_of_draws(draws: Draws, limits: Limits, params_by: str, flops_by: str) -> LawApproach:
    """Draws as the law's approach.

    Raises:
        InputError: They don't read N and D, or something is asked that only runs can tell.
    """
    if (params_by, flops_by) != (PARAMS, "table"):
        raise InputError(
            "draws count N and FLOPs as the runs did that they were fitted on",
            where="params_by, flops_by",
            remedy="Give the runs in place of draws",
        )
    check_reads(draws, limits)
    return LawApproach(draws, None, None, None, float("nan"))
