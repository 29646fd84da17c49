"""A ladder and how to forecast from it: one object, one fit, and a method for each question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from flpjax.interface.answer import Answer

if TYPE_CHECKING:
    from jax import Array
    from matplotlib.figure import Figure

    from flpjax.fitting.draws import Draws
    from flpjax.fitting.fit import AnyMethod
    from flpjax.ladder.table import Runs
    from flpjax.laws.law import Law
    from flpjax.results.allocation.allocation import Allocation
    from flpjax.results.check import Check
    from flpjax.results.forecast import Forecast
    from flpjax.results.mix import Mix
    from flpjax.results.record import Backtest
    from flpjax.results.target import Target
    from flpjax.results.verdicts import Review

AUTO = "auto"
MIX_DRAWS = 200  # as the command line has it: every draw searches a mixture of its own
LARGEST = 2  # runs that a backtest holds out where the table marks none


@dataclass(frozen=True, eq=False)
class Ladder:
    """Runs, and how to forecast from them; they are fitted once, when the first answer needs it.

    ``flpjax.Ladder("ladder.csv").forecast("N=7e9,D=4e12")`` does what the command line does, with the same draws.

    Attributes:
        source: A path, the name of a ladder, a pandas, polars or Arrow table, or Runs.
        mapping: What the table calls its columns, as :func:`flpjax.read_runs` takes it.
        method: As :func:`flpjax.method` takes it.
        via: The loss domain that scores go through; None takes the first.
        laws: Laws of your own by name.
        draws: How many draws; None for the usual number, 0 for a point fit.
        level: Probability of the intervals.
        seed: Of all that is random.
    """

    source: Any
    mapping: Any = None
    method: str = AUTO
    via: str | None = None
    laws: Mapping[str, Law] = field(default_factory=dict)
    draws: int | None = None
    level: float = 0.9
    seed: int = 0

    def __post_init__(self) -> None:
        from flpjax.fitting.fit import check_asked
        from flpjax.numerics import require_x64
        from flpjax.results.prediction import check_level

        require_x64("a ladder")  # once, before anything is read: its results all need it
        check_level(self.level)
        check_asked(self._method, self.draws)
        _ = self._key
        _ = self.runs  # a bad table ends here, not at the first question

    @cached_property
    def runs(self) -> Runs:
        """The checked table."""
        from flpjax.readers.read import read_runs

        return read_runs(self.source, self.mapping)

    def check(self) -> Answer[Check]:
        """What is in the table, and what stands in the way of a forecast."""
        from flpjax.cli.layout import Paragraph
        from flpjax.cli.show_check import show_check
        from flpjax.results.check import check

        found = check(self.runs, self.via)
        return Answer(found, lambda: [Paragraph(found.summary), *show_check(found)])

    @cached_property
    def fitted(self) -> Draws:
        """The fit of the runs that are not held out."""
        from flpjax.fitting.fit import fit

        return fit(self._method, self.runs, self._key, draws=self.draws)

    def forecast(self, *targets: str | Target) -> Answer[Forecast]:
        """Losses and scores of targets; of the held-out runs, if none is given.

        Args:
            *targets: ``"N=7e9,D=4e12"``, ``"7B: N=7e9, D=4e12"``, ``"C=1e23"`` or :class:`flpjax.Target`.

        Raises:
            InputError: There is no target, or the table can't carry it.
        """
        from flpjax.cli import show, steps
        from flpjax.cli.units import unit_converters
        from flpjax.results.forecast import forecast

        wanted = self._targets(targets)
        found = forecast(self._fitted_for(wanted), wanted, level=self.level, method=self.method)
        truth = steps.reached(self.runs) if self.runs.held_out.any() else {}
        converters = unit_converters(self.runs.shown, self.runs.tasks)
        return Answer(
            found,
            lambda: show.show_forecast(found, truth, self.fitted.model.domains, converters),
            partial(steps.picture_of, self.fitted, found, self.runs),
        )

    def review(self, *targets: str | Target) -> Answer[Review]:
        """Whether a forecast of these targets, or of the held-out runs, can be believed."""
        from flpjax.cli.report.document import Findings
        from flpjax.results.review import review

        wanted = self._targets(targets) if targets or self.runs.held_out.any() else []
        found = review(self._fitted_for(wanted), self.runs, wanted)
        return Answer(found, lambda: [Findings(found)])

    def backtest(self, *methods: str, largest: int | None = None) -> Answer[Backtest]:
        """How well methods would have forecast runs that no fit saw.

        Args:
            *methods: By name; none for this ladder's own.
            largest: Hold out so many of the largest runs; None for those that the table marks, or else two.

        Raises:
            InputError: There is no such method, or no run is left.
        """
        from flpjax.cli.plots_backtest import plot_backtest
        from flpjax.cli.show import show_backtest
        from flpjax.fitting.fit import method
        from flpjax.results.backtest import backtest

        table = self.runs
        if largest is not None or not table.held_out.any():
            table = table.training()
            table = table.hold_out(table.largest(LARGEST if largest is None else largest))
        chosen: dict[str, AnyMethod] = {name: method(name, self.via, self.laws) for name in methods}
        chosen = chosen or {self.method: self._method}
        found = backtest(chosen, table, self._key, draws=self.draws, level=self.level)
        return Answer(found, lambda: show_backtest(found), partial(plot_backtest, found))

    def plan(self, *budgets: float, **options: Any) -> Answer[Allocation]:
        """N and D for training budgets, in FLOPs; options as of :func:`flpjax.plan`."""
        from flpjax.cli.plots_plan import plot_plan
        from flpjax.cli.show_plan import show_plan
        from flpjax.results.allocation.plan import plan

        found = plan(self.runs, list(budgets), self._key, **{"via": self.via, "level": self.level, **options})
        return Answer(found, lambda: show_plan(found), partial(plot_plan, found))

    def best_mix(self, target: str | Target, **options: Any) -> Answer[Mix]:
        """The best mixture of data sources for a target, by a blend of laws of mixtures unless the method is one.

        Args:
            target: The model to be trained.
            **options: ``goal``, ``constraints`` and ``baseline``, as of :func:`flpjax.optimise_mix`.

        Raises:
            InputError: The table has no mixtures, or the constraints conflict.
        """
        from flpjax.cli.show_mix import show_mix
        from flpjax.fitting.fit import fit, mixing_method
        from flpjax.results.mixture import optimise_mix

        (wanted,) = self._targets([target])
        draws = MIX_DRAWS if self.draws is None else self.draws
        name, chosen = mixing_method("" if self.method == AUTO else self.method, draws, self.laws)
        fitted = fit(chosen, self.runs, self._key, draws=draws)
        found = optimise_mix(fitted, wanted, self._key, **{"level": self.level, "method": name, **options})

        draw = partial(_draw_mix, found, fitted, self.runs) if len(found.sources) in (2, 3) else None
        return Answer(found, lambda: show_mix(found), draw)

    @property
    def _method(self) -> AnyMethod:
        from flpjax.fitting.fit import method

        return method(self.method, self.via, self.laws)

    @property
    def _key(self) -> Array:
        from flpjax.numerics import random_key

        return random_key(self.seed)

    def _targets(self, given: Sequence[str | Target]) -> list[Target]:
        from flpjax.errors import InputError
        from flpjax.results.target import targets_from, targets_of

        found = list(targets_from(given))
        if not found and not self.runs.held_out.any():
            raise InputError("there is no target", where=self.runs.source, remedy="Give one: 'N=7e9,D=4e12'")
        return found or targets_of(self.runs.targets())

    def _fitted_for(self, targets: Sequence[Target]) -> Draws:
        """The draws, once the targets are known to be possible: a bad one must not cost a fit."""
        from flpjax.cli.asked import check_table

        check_table(self.runs, self._method, targets, self.via)
        return self.fitted

    def _repr_html_(self) -> str:
        return self.check()._repr_html_()

    def __repr__(self) -> str:
        return f"Ladder of {self.runs}"


def _draw_mix(found: Mix, fitted: Draws, runs: Runs) -> Figure:
    """A mixture of two or three sources among all others."""
    from flpjax.cli.plots_mix import plot_mix
    from flpjax.results.mix_curve import mix_curve

    baseline = found.baseline.weights
    return plot_mix(mix_curve(fitted, found.target, level=found.level, baseline=baseline, runs=runs), found)
