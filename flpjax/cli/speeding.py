"""The command ``speedup``: one recipe against another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flpjax.cli import steps
from flpjax.cli.options import Exclude, Force, Json, Level, Only, Plot, Quiet, Seed
from flpjax.errors import InputError

if TYPE_CHECKING:
    from flpjax.ladder.table import Runs

Names = list[str] | None


def speedup(
    tables: Annotated[
        list[str],
        typer.Argument(metavar="A B", help="Two tables, one a recipe; or, with --by, TABLE A B: two of its groups."),
    ],
    by: Annotated[
        str | None, typer.Option("--by", metavar="COLUMN", help="Column of TABLE that says A or B (* and ? match).")
    ] = None,
    domain: Annotated[Names, typer.Option("--domain", help="Compare by this loss. Repeatable.")] = None,
    task: Annotated[Names, typer.Option("--task", help="Compare by this score. Repeatable.")] = None,
    flops: Annotated[list[float] | None, typer.Option("--flops", help="Ask at this compute, too. Repeatable.")] = None,
    value: Annotated[
        Names, typer.Option("--value", metavar="NAME=VALUE", help="Ask at this loss or score (0 to 1). Repeatable.")
    ] = None,
    mapping: Annotated[
        list[Path] | None,
        typer.Option("--mapping", "-m", help="TOML file: columns, units, facts about tasks; twice if B has its own."),
    ] = None,
    only: Only = None,
    exclude: Exclude = None,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Draws.")] = 2000,
    level: Level = 0.9,
    seed: Seed = 0,
    plot: Plot = None,
    json: Json = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """How much compute recipe B is worth, relative to A: a factor with an interval, over scale."""
    count = 3 if by else 2
    if len(tables) != count:
        raise InputError(
            f"{'a table and two groups' if by else 'two tables'} are compared, and {len(tables)} given",
            where="speedup",
            remedy="Write speedup TABLE A B --by COLUMN" if by else "Write speedup A.csv B.csv",
        )
    mappings: Sequence[Path | None] = mapping or (None,)
    if len(mappings) > (1 if by else 2):
        raise InputError(
            "there are more mappings than tables", where="--mapping", remedy="Give one for each, or for all"
        )
    steps.prepare(json, force, inputs=[*(tables[:1] if by else tables), *mappings], pictures={"--plot": plot})
    from flpjax.cli import session, show_speedup
    from flpjax.cli.asked import check_numbers

    check_numbers(draws, level)
    values = _values(value)
    if by:
        from flpjax.readers.groups import read_groups

        first, second = (_chosen(part, only, exclude) for part in read_groups(tables[0], by, tables[1:], mappings[0]))
        names = tables[1], tables[2]
        session.warn(first.doubts)
    else:
        first, second = (
            _chosen(steps.read(table, own, None, None), only, exclude)
            for table, own in zip(tables, [mappings[0], mappings[-1]], strict=True)
        )
        names = _called(tables[0], tables[1])
    session.start_jax()
    from flpjax.numerics import random_key
    from flpjax.results.speedup.speedup import speedup as run_speedup

    with session.progress(1, "comparing by") as step:
        result = run_speedup(
            first,
            second,
            random_key(seed),
            names=names,
            domains=domain,
            tasks=task,
            flops=flops or (),
            values=values,
            draws=draws,
            level=level,
            progress=step,
        )
    steps.save(json, result)
    if plot is not None:
        from flpjax.cli.plots_speedup import plot_speedup

        session.save_figure(plot, plot_speedup(result))
    for line in show_speedup.words(result):
        session.say(line)
    for shown in show_speedup.show_speedup(result):
        session.out.print(shown)
    session.warn(result.warnings)


def _values(given: Names) -> dict[str, float]:
    """``["c4=2.5", …]`` → name → number.

    Raises:
        InputError: One is not understood.
    """
    found = {}
    for text in given or []:
        name, equals, number = text.rpartition("=")
        if not equals or not name or name in found:
            raise InputError(f"'{text}' is not understood", where="--value", remedy="Write NAME=VALUE, each name once")
        found[name] = steps.a_number(number, f"--value {name}")
    return found


def _called(first: str, second: str) -> tuple[str, str]:
    """Names of two tables: of files without their folders, unless these are what differs."""
    short = Path(first).stem, Path(second).stem
    if short[0] != short[1]:
        return short
    return (first, second) if first != second else (f"{first} (A)", f"{second} (B)")


def _chosen(runs: Runs, only: Names, exclude: Names) -> Runs:
    """The runs of one table that were asked for; a name may be of the other table's.

    Raises:
        InputError: None is left.
    """
    from fnmatch import fnmatchcase

    def here(names: Names) -> list[str]:
        return [
            n
            for n in steps.split(names or [], runs.names)
            if any(n == run or fnmatchcase(run, n) for run in runs.names)
        ]

    if only:
        if not here(only):
            raise InputError("no run is left", where=runs.source, remedy="Loosen --only")
        runs = runs.only(here(only))
    if here(exclude):
        runs = runs.without(here(exclude))
    if not len(runs):
        raise InputError("no run is left", where=runs.source, remedy="Loosen --exclude")
    return runs
