"""What a report is made of: one fit of the ladder, and all results that are asked of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flpjax.cli import steps
from flpjax.errors import FlpjaxError, InputError

if TYPE_CHECKING:
    from jax import Array

    from flpjax.cli.show import Truth
    from flpjax.fitting.draws import Draws
    from flpjax.fitting.fit import AnyMethod
    from flpjax.ladder.table import Runs
    from flpjax.results.allocation.allocation import Allocation
    from flpjax.results.check import Check
    from flpjax.results.forecast import Forecast
    from flpjax.results.mix import Mix
    from flpjax.results.mix_curve import MixCurve
    from flpjax.results.record import Backtest
    from flpjax.results.target import Target
    from flpjax.results.verdicts import Review

LARGEST = 2  # runs of a ladder that marks none are held out for the backtest
LEAST = 5  # runs that are left to fit it on
MIX_DRAWS = 200  # as flpjax mix has it: every draw searches a mixture of its own


@dataclass(frozen=True)
class Question:
    """What a report answers.

    Attributes:
        targets: What to forecast.
        truth: What of it is known by now.
        how: How to forecast.
        left_out: What was asked to be left out of the table, in words; empty for nothing.
        budgets: Training FLOPs to divide between N and D; none for no allocation.
        mix: Whether to search the best mixture for the largest target.
        largest: How many runs a backtest holds out where the table marks none; None for the usual number, if enough are
            left, and 0 for no backtest.
        command: What makes the report again.
    """

    targets: list[Target]
    truth: Truth
    how: steps.How
    left_out: str
    budgets: tuple[float, ...]
    mix: bool
    largest: int | None
    command: str

    @property
    def main(self) -> Target:
        """The target that the answer is about: the largest."""
        return max(self.targets, key=lambda target: target.flops or (target.params or 0.0) * (target.tokens or 0.0))


@dataclass(frozen=True, eq=False)
class Material:
    """The results; None where one was not asked for, or could not be had.

    Attributes:
        question: What was asked.
        table: The ladder.
        look: What is in it.
        fitted: The draws.
        forecast: Of the targets.
        review: Of the forecast.
        backtest: Forecasts of runs that were held out.
        same_fit: Whether these are of the draws of the forecast, since the table marks the runs itself.
        no_backtest: Why there is none.
        allocation: Of the budgets.
        mix: The best mixture.
        curve: What it is expected to reach at every mixture of two or three sources.
        mix_review: Whether the mixture can be believed.
    """

    question: Question
    table: Runs
    look: Check
    fitted: Draws
    forecast: Forecast
    review: Review
    backtest: Backtest | None
    same_fit: bool
    no_backtest: str
    allocation: Allocation | None = None
    mix: Mix | None = None
    curve: MixCurve | None = None
    mix_review: Review | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        kept: dict[str, Any] = {
            "check": self.look, "forecast": self.forecast, "review": self.review, "backtest": self.backtest,
            "allocation": self.allocation, "mix": self.mix, "mix_review": self.mix_review,
        }  # fmt: skip
        results = {name: each.to_dict() for name, each in kept.items() if each is not None}
        return {"command": self.question.command, **results}


def gather(table: Runs, question: Question, chosen: AnyMethod, step: Callable[[str], None]) -> Material:
    """Fit once, and ask everything of it; what is no question of that fit has one of its own.

    Raises:
        InputError: The table can't carry what is asked.
        FitError: Nothing could be fitted.
    """
    from flpjax.fitting.fit import fit
    from flpjax.numerics import random_key
    from flpjax.results.check import check
    from flpjax.results.forecast import forecast
    from flpjax.results.review import review

    how, key = question.how, random_key(question.how.seed)
    step("the ladder")
    fitted = fit(chosen, table, key, draws=how.draws)
    step("forecast and review")
    made = forecast(fitted, question.targets, level=how.level, method=how.method or steps.AUTO)
    reviewed = review(fitted, table, question.targets, made)
    step("backtest")
    past, reason = _backtest(table, question, fitted, chosen, key)
    allocation = None
    if question.budgets:
        step("allocation")
        from flpjax.results.allocation.plan import plan

        allocation = plan(table, question.budgets, key, via=_one_domain(how.via, table), level=how.level)
    mixture = _mixture(table, question, fitted, chosen, key, step) if question.mix else (None, None, None)
    look = check(table, how.via)
    same = bool(table.held_out.any())
    return Material(question, table, look, fitted, made, reviewed, past, same, reason, allocation, *mixture)


def check_question(table: Runs, question: Question, chosen: AnyMethod) -> None:
    """Refuse before anything is fitted what the table can't carry.

    Raises:
        InputError: It can't carry the method, the targets, the budgets, the mixture or the backtest.
    """
    from flpjax.cli.asked import check_mix, check_table
    from flpjax.results.allocation.asked import check_budgets, check_carried
    from flpjax.results.allocation.limits import Limits
    from flpjax.results.constraints import Constraints
    from flpjax.results.goal import Goal

    how = question.how
    check_table(table, chosen, question.targets, how.via)
    if question.budgets:
        budgets = check_budgets(question.budgets)
        check_carried(table, budgets, _one_domain(how.via, table), Limits(0.0, None, None))
    if question.mix:
        from dataclasses import replace

        from flpjax.methods.registry import Auto

        mixing = chosen if _knows_mixtures(chosen, table) else Auto(mixtures=True, laws=tuple(how.laws.items()))
        check_mix(table, mixing, replace(question.main, mix=None), Goal(), Constraints(), None)
    if question.largest and table.held_out.any():
        raise InputError(
            "the table marks held-out runs, which are the backtest", where="--largest", remedy="Leave it out"
        )
    if question.largest and question.largest >= len(table.names):
        raise InputError(
            f"no run is left of {len(table.names)}", where=f"--largest {question.largest}", remedy="Hold out fewer"
        )


def _one_domain(via: str | None, table: Runs) -> str | None:
    """The loss that an allocation lowers: the one that scores go through, if it is one."""
    return via if via in table.general_domains else None


def _backtest(
    table: Runs, question: Question, fitted: Draws, chosen: AnyMethod, key: Array
) -> tuple[Backtest | None, str]:
    """The runs that the table holds out, by the same draws; or the largest, by a fit without them."""
    from flpjax.results.backtest import backtest, record_of
    from flpjax.results.record import Backtest

    how, name = question.how, question.how.method or steps.AUTO
    try:
        if table.held_out.any():
            record = record_of(fitted, table, level=how.level, method=name)
            through = tuple(fitted.model.domains[i] for i in fitted.loss_routes)
            return Backtest(table.targets().finals().names, how.level, {name: record}, {name: through}), ""
        asked = LARGEST if question.largest is None else question.largest
        if asked == 0:
            return None, "None was asked for."
        if question.largest is None and len(table.names) - asked < LEAST:
            few = len(table.names)
            return None, f"There is none: without its {asked} largest, too few of {few} runs are left to fit on."
        held = table.hold_out(table.largest(asked))
        found = backtest({name: chosen}, held, key, draws=how.draws, level=how.level)
    except FlpjaxError as error:
        return None, f"There is none: {error}"
    failed = found.methods[name].failed
    return (None, f"There is none: {failed}") if failed else (found, "")


def _knows_mixtures(chosen: AnyMethod, table: Runs) -> bool:
    """Whether the fit of the forecast can search mixtures, too; a blend has laws that can't."""
    from flpjax.fitting.discovery.method import Discovered
    from flpjax.fitting.point import bind
    from flpjax.methods.registry import Auto

    return not isinstance(chosen, Auto | Discovered) and bool(bind(chosen, table).model.sources)


def _mixture(
    table: Runs, question: Question, fitted: Draws, chosen: AnyMethod, key: Array, step: Callable[[str], None]
) -> tuple[Mix, MixCurve | None, Review]:
    """The best mixture by the same draws, if they know mixtures; otherwise by a blend of laws of mixtures."""
    from dataclasses import replace

    from flpjax.fitting.fit import fit, mixing_method
    from flpjax.results.mix_curve import mix_curve
    from flpjax.results.mixture import optimise_mix
    from flpjax.results.review import review_mix

    how, wanted = question.how, replace(question.main, mix=None)
    name = how.method
    if not _knows_mixtures(chosen, table):
        step("laws of mixtures")
        name, chosen = mixing_method("", MIX_DRAWS, how.laws)
        fitted = fit(chosen, table, key, draws=MIX_DRAWS)
    step("best mixture")
    found = optimise_mix(fitted, wanted, key, level=how.level, method=name)
    curve = None
    if len(table.sources) in (2, 3):
        curve = mix_curve(fitted, wanted, level=how.level, baseline=found.baseline.weights, runs=table)
    return found, curve, review_mix(found, fitted, table)
