"""The command line's part on plans: what to train for a budget, and which run next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flpjax.cli import steps
from flpjax.cli.options import Exclude, Force, Json, Law, Level, Mapping, Only, RunsArgument, Seed, Via
from flpjax.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingOf

    from flpjax.fitting.fit import AnyMethod
    from flpjax.laws.law import Law as LawType
    from flpjax.results.allocation.allocation import Allocation

Numbers = list[str] | None


def plan(
    runs: RunsArgument,
    budget: Annotated[
        Numbers, typer.Option("--budget", "-b", help="Training FLOPs to divide between N and D. Repeatable.")
    ] = None,
    method: Annotated[
        str, typer.Option("--method", help="What to fit in place of a robust Chinchilla law, e.g. auto.")
    ] = "",
    law: Law = None,
    via: Via = None,
    inference_tokens: Annotated[
        str, typer.Option("--inference-tokens", help="Tokens that the model will process; the budget pays for them.")
    ] = "0",
    most_params: Annotated[str | None, typer.Option("--most-params", help="N at most, say 8B.")] = None,
    unique_tokens: Annotated[
        str | None, typer.Option("--unique-tokens", help="Different tokens there are; runs must tell what repeats do.")
    ] = None,
    params_by: Annotated[
        str, typer.Option("--params-by", help="What N is: params, or the NAME of a column x/NAME, say active_params.")
    ] = "params",
    flops_by: Annotated[str, typer.Option("--flops-by", help="How C is counted: table, or 6nd.")] = "table",
    mapping: Mapping = None,
    only: Only = None,
    exclude: Exclude = None,
    draws: Annotated[int, typer.Option("--draws", min=2, help="Resamples of the runs.")] = 400,
    level: Level = 0.9,
    seed: Seed = 0,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the plan into this file (PNG, PDF, SVG); needs flpjax\\[viz].")
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write a row per road and budget to this CSV file.")] = None,
    json: Json = None,
    force: Force = False,
) -> None:
    """What to train for a budget: N, D and the loss there, with intervals and by several roads."""
    steps.prepare(json, force, inputs=[runs, mapping], picture=("--plot", plot), save=csv)
    from flpjax.cli.asked import check_numbers, parse_laws
    from flpjax.results.target import number_of

    if not budget:
        raise InputError("there is no budget", where="--budget", remedy="Give training FLOPs: --budget 1e24")
    budgets = [number_of(text, "--budget") for text in budget]
    check_numbers(draws, level)
    laws = parse_laws(law)
    chosen = _method(method, via, draws, laws)
    table = steps.read(runs, mapping, only, exclude)
    session_and_search = {
        "inference_tokens": number_of(inference_tokens, "--inference-tokens"),
        "most_params": None if most_params is None else number_of(most_params, "--most-params"),
        "unique_tokens": None if unique_tokens is None else number_of(unique_tokens, "--unique-tokens"),
    }
    from flpjax.cli import session

    session.start_jax()
    import jax

    from flpjax.results.allocation.plan import plan as run_plan

    with session.progress(3, "planning:") as step:
        found = run_plan(
            table,
            budgets,
            jax.random.key(seed),
            method=chosen,
            via=via,
            draws=draws,
            level=level,
            params_by=params_by,
            flops_by=flops_by,
            progress=step,
            **session_and_search,
        )
    _write(found, json, csv, plot)
    _print(found)
    session.warn(table.notes, style="cyan", label="note")
    session.warn(found.warnings)


def _method(name: str, via: str | None, draws: int, laws: MappingOf[str, LawType]) -> AnyMethod | None:
    """The method that was asked for; None for the robust law."""
    if not name and not laws:
        return None
    from flpjax.cli.asked import check_method

    return check_method(name or next(iter(laws)), via, draws, laws=laws)


def _write(found: Allocation, json: Path | None, csv: Path | None, plot: Path | None) -> None:
    from flpjax.cli import session
    from flpjax.cli.outputs import table_text, write

    steps.save(json, found.to_json())
    if csv is not None:
        write(csv, table_text(found.table()))
    if plot is not None:
        from flpjax.cli.plots_plan import plot_plan

        session.save_figure(plot, plot_plan(found))


def _print(found: Allocation) -> None:
    from flpjax.cli import session, show_plan

    for sheet in show_plan.show_plan(found):
        session.out.print(sheet)
    for line in show_plan.words(found):
        session.say(line)
