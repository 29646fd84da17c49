"""What was asked, checked before anything is fitted: a bad option must not cost minutes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flpjax.errors import InputError

if TYPE_CHECKING:
    from flpjax.fitting.fit import AnyMethod
    from flpjax.ladder.table import Runs
    from flpjax.laws.law import Law
    from flpjax.methods.method import BoundModel
    from flpjax.methods.registry import Auto
    from flpjax.results.constraints import Constraints
    from flpjax.results.goal import Goal
    from flpjax.results.target import Target


@dataclass(frozen=True)
class TableNames:
    """What can be asked for by name of a blend, which is not known before it is fitted: what the table has."""

    table: Runs
    singular: bool = False

    @property
    def domains(self) -> tuple[str, ...]:
        """``(domain,)``."""
        return self.table.domains

    @property
    def tasks(self) -> tuple[str, ...]:
        """``(task,)``."""
        return self.table.task_names

    @property
    def sources(self) -> tuple[str, ...]:
        """``(source,)``."""
        return self.table.sources


def check_numbers(draws: int | None, level: float = 0.9) -> None:
    """Refuse draws and levels that no fit can have.

    Raises:
        InputError: There are more draws than memory holds, or the level is no probability.
    """
    from flpjax.fitting.draws import check_draw_count
    from flpjax.results.forecast import check_level

    check_level(level)
    check_draw_count(0 if draws is None else draws)


UNNAMED = "law"
BARE_WORD = re.compile(r"[A-Za-z][\w-]+")  # a published law's name, or one misspelt
NAMED_LAW = re.compile(r"\s*([A-Za-z][\w-]*)\s*=(.+)", re.DOTALL)


def parse_laws(given: Sequence[str] | None) -> dict[str, Law]:
    """``["mine=E+A*N^-a", "farseer"]`` → laws by name: published ones have theirs, others without one are ``law``.

    Raises:
        InputError: One is no formula, or two have one name.
    """
    if not given:
        return {}
    from flpjax.laws.formula.make import law
    from flpjax.laws.published import PUBLISHED, published_law
    from flpjax.methods.registry import check_law_names

    found: dict[str, Law] = {}
    for text in given:
        named = NAMED_LAW.fullmatch(text)
        if not named and "=" in text:
            raise InputError(
                f"'{text.partition('=')[0].strip()}' can't be a law's name",
                where=f"--law '{text}'",
                remedy="Write NAME=FORMULA, the name of letters, digits, - and _: my-law=E+A*N^-a",
            )
        name, formula = named.groups() if named else (text if text in PUBLISHED else UNNAMED, text)
        if name in found:
            raise InputError(f"two laws are called '{name}'", where="--law", remedy="Write NAME=FORMULA")
        word = formula.strip()
        by_name = word in PUBLISHED or (BARE_WORD.fullmatch(word) and not {"N", "D", "C"} & set(word.split("-")))
        found[name] = published_law(word) if by_name else law(formula)
    check_law_names(found)
    return found


def check_method(
    name: str,
    via: str | None,
    draws: int | None,
    level: float = 0.9,
    joint: bool = False,
    laws: Mapping[str, Law] | None = None,
) -> AnyMethod:
    """The method of this name, before the table is read.

    Raises:
        InputError: There is no such method, it can't do what is asked, or the level is no probability.
    """
    from flpjax.fitting.fit import check_asked, method

    check_numbers(draws, level)
    chosen = method(name, via, laws)
    check_asked(chosen, draws, joint)
    return chosen


def check_table(table: Runs, chosen: AnyMethod, targets: Sequence[Target], via: str | None) -> None:
    """The method and the targets against the table.

    Raises:
        InputError: No run is left to fit on, the table can't carry the method, a target's mixture is of other
            sources, or it lacks a feature that the method reads.
    """
    from flpjax.fitting.fit import check_carried
    from flpjax.fitting.summary import LadderSummary
    from flpjax.results.sizing import refuse_other_sizes

    check_via(table, via)
    inputs = check_carried(chosen, table)
    if targets:
        refuse_other_sizes(LadderSummary.of(table.training()), targets)
    for target in targets:
        target.transformed(table.extra_features, inputs)
        if target.mix is not None:
            target.weights(table.sources)


def check_via(table: Runs, via: str | None) -> None:
    """Refuse a loss domain that is not in the table, whether or not a method would miss it.

    Raises:
        InputError: There is no such domain.
    """
    from flpjax.methods.registry import Auto

    Auto(via=via).known_domain(table)


def check_mix(
    table: Runs,
    chosen: AnyMethod,
    target: Target,
    goal: Goal,
    constraints: Constraints,
    baseline: Mapping[str, float] | None,
) -> None:
    """What a mixture is to be best at, and what it must keep to, against the table and what the method forecasts.

    Raises:
        InputError: The table can't carry the method; a task, a domain or a source is not there; or no mixture keeps to
            the constraints.
    """
    from flpjax.errors import InputError
    from flpjax.fitting.discovery.method import Discovered
    from flpjax.fitting.point import bind
    from flpjax.fitting.summary import LadderSummary
    from flpjax.methods.mixtures import distinct, refuse_one_mixture
    from flpjax.methods.registry import Auto
    from flpjax.results.problem import BEST_TRIED, check_problem

    for column, there, remedy in (
        ("mix/<source>", table.sources, "Add the mixture weights of every run: among those sources one is searched"),
        ("loss/<domain>", table.domains, "Add losses: what a mixture does is forecast through them"),
    ):
        if not there:
            raise InputError(f"there is no column '{column}'", where=table.source, remedy=remedy)
    refuse_one_mixture(distinct(table.training().finals().mix), table.sources, table.source)
    check_table(table, chosen, [], None)
    if isinstance(chosen, Discovered):
        chosen = Auto(mixtures=True)
    blend = isinstance(chosen, Auto)
    bound = _first_bound(chosen, table) if isinstance(chosen, Auto) else bind(chosen, table)
    names = TableNames(table) if blend else bound.model
    ladder = LadderSummary.of(table.training(), bound.stages)
    check_problem(names, ladder, target, goal, constraints, BEST_TRIED if baseline is None else baseline)


def _first_bound(blend: Auto, table: Runs) -> BoundModel:
    """The first of a blend's methods that the table can carry.

    Raises:
        InputError: It can carry none.
    """
    from flpjax.fitting.point import bind

    *others, last = blend.members(table).values()
    for member in others:
        with suppress(InputError):
            return bind(member, table)
    return bind(last, table)
