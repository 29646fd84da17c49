"""The part of the command ``plan`` on which run comes next: a target and a spend, with a ladder or from nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flpjax.cli import steps
from flpjax.errors import InputError

if TYPE_CHECKING:
    from flpjax.ladder.table import Runs
    from flpjax.results.selection.result import NextRuns


@dataclass(frozen=True)
class Choosing:
    """The options of ``plan`` that choose next runs.

    Attributes:
        target: As it was typed.
        spend: FLOPs, or the unit of the candidates' costs.
        candidates: A table of them; None for a grid.
        domain: Losses that count.
        task: Scores that count.
        most: Runs of the plan; None for the usual number.
    """

    target: str
    spend: float
    candidates: Path | None = None
    domain: list[str] | None = None
    task: list[str] | None = None
    most: int | None = None


def choose_next(
    table: Runs | None,
    asked: Choosing,
    how: steps.How,
    plot: Path | None,
    json: Path | None,
) -> None:
    """Choose the next runs, write what was asked for, and print the tables.

    Args:
        table: The ladder; None for a first one.
        asked: What for.
        how: The method, draws, level, seed and laws.
        plot: A picture to draw.
        json: A file to write.

    Raises:
        InputError: The target, the spend, the candidates or the ladder can't be.
    """
    from flpjax.cli import session
    from flpjax.results.target import parse_target

    target = parse_target(asked.target)
    if table is None and (asked.candidates is not None or asked.domain or asked.task or how.method or how.laws):
        raise InputError(
            "without a ladder there are no candidates, losses, tasks or methods to name", remedy="Give a ladder"
        )
    session.start_jax()
    plan = _first(asked, how) if table is None else _next(table, asked, how)
    steps.save(json, plan)
    if plot is not None:
        from flpjax.cli.plots_selection import plot_next_runs

        session.save_figure(plot, plot_next_runs(plan))
    from flpjax.cli.show_selection import show_next_runs

    if table is not None:
        session.say(f"{plan.method} on {table.source}, target {target.name}")
    for sheet in show_next_runs(plan):
        session.out.print(sheet)
    if table is not None:
        session.say("Expected by the laws as fitted now. When results are in, add them to the table and plan again.")
        session.warn(table.notes, style="cyan", label="note")
        session.warn(plan.warnings)
    else:
        for sentence in plan.warnings:
            session.say(f"{sentence[:1].upper()}{sentence[1:]}.")


def _first(asked: Choosing, how: steps.How) -> NextRuns:
    from flpjax.cli import session
    from flpjax.numerics import random_key
    from flpjax.results.selection.choice import MOST_RUNS
    from flpjax.results.selection.first_ladder import first_ladder
    from flpjax.results.target import parse_target

    with session.progress(1, "simulating") as step:
        step("ladders")
        return first_ladder(
            parse_target(asked.target),
            asked.spend,
            random_key(how.seed),
            most=asked.most or MOST_RUNS,
            level=how.level,
        )


def _next(table: Runs, asked: Choosing, how: steps.How) -> NextRuns:
    from flpjax.cli import session
    from flpjax.cli.asked import check_table
    from flpjax.fitting.fit import fit, method
    from flpjax.fitting.summary import LadderSummary
    from flpjax.numerics import random_key
    from flpjax.results.selection.candidates import Candidates
    from flpjax.results.selection.choice import MOST_RUNS
    from flpjax.results.selection.next_runs import named_outputs, next_runs, offer
    from flpjax.results.target import parse_target

    target = parse_target(asked.target)
    offered = None
    if asked.candidates is not None:
        from flpjax.readers.read import read_columns

        offered = Candidates.read(read_columns(asked.candidates), str(asked.candidates))
    name = how.method or steps.AUTO
    chosen = method(name, how.via, how.laws)
    check_table(table, chosen, [target], how.via)
    named_outputs(table.domains, table.task_names, asked.domain or (), asked.task or ())
    offer(LadderSummary.of(table.training()), target, asked.spend, offered)
    with session.progress(steps.stages_of(chosen, table) + 1, f"fitting {name}:") as step:
        fitted = fit(chosen, table, random_key(how.seed), draws=how.draws, progress=step)
        step("choosing runs")
        return next_runs(
            fitted,
            target,
            asked.spend,
            candidates=offered,
            domains=asked.domain,
            tasks=asked.task,
            most=asked.most or MOST_RUNS,
            level=how.level,
            method=name,
        )
