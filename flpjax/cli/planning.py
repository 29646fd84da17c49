"""The command line's part on plans: what to train for a budget; or, with a target and a spend, which run next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flpjax.cli import steps
from flpjax.cli.completing import methods
from flpjax.cli.options import Exclude, Force, Json, Law, Level, Mapping, Only, Quiet, Seed, UsualDraws, Via
from flpjax.errors import InputError

if TYPE_CHECKING:
    from flpjax.ladder.table import Runs
    from flpjax.results.allocation.allocation import Allocation

Texts = list[str] | None
FREE = "free"  # in place of a mixture: the best one is searched
OF_BUDGETS = ("inference_tokens", "mix", "most_params", "unique_tokens", "params_by", "flops_by", "csv")
OF_NEXT_RUNS = ("target", "candidates", "domain", "task", "most")


def plan(
    runs: Annotated[
        str | None,
        typer.Argument(metavar="RUNS", help="A CSV or Parquet file, or a ladder by name; none for a first ladder."),
    ] = None,
    budget: Annotated[
        Texts, typer.Option("--budget", "-b", help="Training FLOPs to divide between N and D. Repeatable.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", "-t", help="With --spend: the model to be forecast, N=7e9,D=4e12.")
    ] = None,
    spend: Annotated[
        str | None,
        typer.Option("--spend", help="FLOPs for the runs that tell most of --target; no RUNS: a first ladder."),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            "--method",
            help="What to fit; by default for --budget a robust Chinchilla law, else auto.",
            autocompletion=methods,
        ),
    ] = "",
    law: Law = None,
    via: Via = None,
    inference_tokens: Annotated[
        str | None, typer.Option("--inference-tokens", help="Tokens to be processed, which the budget pays, too.")
    ] = None,
    most_params: Annotated[str | None, typer.Option("--most-params", help="N at most, say 8B.")] = None,
    unique_tokens: Annotated[
        str | None, typer.Option("--unique-tokens", help="Different tokens there are; more are repetitions.")
    ] = None,
    params_by: Annotated[
        str | None, typer.Option("--params-by", help="What N is: params, or NAME of a column x/NAME: active_params.")
    ] = None,
    flops_by: Annotated[str | None, typer.Option("--flops-by", help="How C is counted: table, or 6nd.")] = None,
    mix: Annotated[
        str | None, typer.Option("--mix", help="A mixture, code=0.2,web=0.8; or free: the best one with its N and D.")
    ] = None,
    candidates: Annotated[
        Path | None, typer.Option("--candidates", help="Table of runs to choose from, with a column 'cost'.")
    ] = None,
    domain: Annotated[Texts, typer.Option("--domain", help="Losses of the target that count. Repeatable.")] = None,
    task: Annotated[Texts, typer.Option("--task", help="Scores of the target that count. Repeatable.")] = None,
    most: Annotated[int | None, typer.Option("--most", min=1, help="Runs to choose at most.")] = None,
    mapping: Mapping = None,
    only: Only = None,
    exclude: Exclude = None,
    draws: UsualDraws = None,
    level: Level = 0.9,
    seed: Seed = 0,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the plan into this file (PNG, PDF, SVG); needs flpjax\\[viz].")
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write a row per approach and budget to this file.")] = None,
    json: Json = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """What to train for a budget: N, D and the loss there. With --target and --spend: which runs to train next."""
    steps.prepare(json, force, inputs=[runs, mapping, candidates], pictures={"--plot": plot}, csv=csv)
    from flpjax.cli.asked import parse_laws

    options: dict[str, Any] = {
        "runs": runs, "budget": budget, "target": target, "spend": spend, "inference_tokens": inference_tokens,
        "most_params": most_params, "unique_tokens": unique_tokens, "params_by": params_by, "flops_by": flops_by,
        "mix": mix, "csv": csv, "candidates": candidates, "domain": domain, "task": task, "most": most,
    }  # fmt: skip
    given = {name: value for name, value in options.items() if value is not None}
    _check_asked(given)
    how = steps.How(method, draws, level, seed, via=via, laws=parse_laws(law))
    if spend is not None:
        from flpjax.cli.choosing import Choosing, choose_next
        from flpjax.results.target import number_of

        assert target is not None
        asked = Choosing(target, number_of(spend, "--spend"), candidates, domain, task, most)
        table = None if runs is None else steps.read(runs, mapping, only, exclude)
        choose_next(table, asked, how, plot, json)
        return
    assert runs is not None
    numbers = _numbers(given)
    how_counted: dict[str, Any] = {name: given[name] for name in ("params_by", "flops_by") if name in given}
    if mix is not None:
        from flpjax.results.target import parse_mix

        numbers["mix"] = mix if mix == FREE else parse_mix(mix)
    _allocate(runs, mapping, only, exclude, numbers, how_counted, how, json, csv, plot)


def _check_asked(given: dict[str, Any]) -> None:
    """Refuse options of one question in the other.

    Raises:
        InputError: There is no question, both are asked, or an option belongs to the other.
    """
    budgets, spends = bool(given.get("budget")), "spend" in given
    if budgets == spends or ("target" in given and not spends):
        what = "two questions are asked at once" if budgets and spends else "there is nothing to plan"
        what = "a target has no spend" if "target" in given and not spends else what
        raise InputError(
            what, where="plan", remedy="Give --budget 1e24; or --target N=7e9,D=4e12 --spend 5e21 for the next runs"
        )
    if spends and "target" not in given:
        raise InputError("a spend has no target", where="--spend", remedy="Add --target N=7e9,D=4e12")
    if budgets and "runs" not in given:
        raise InputError("there are no runs", where="plan", remedy="Name a table: flpjax plan runs.csv --budget 1e24")
    wrong = [name for name in (OF_BUDGETS if spends else OF_NEXT_RUNS) if name in given]
    if wrong:
        option, other = f"--{wrong[0].replace('_', '-')}", "--budget" if spends else "--target and --spend"
        raise InputError(f"{option} belongs to {other}", where="plan", remedy="Leave it out")


def _numbers(given: dict[str, Any]) -> dict[str, Any]:
    """Budgets and limits as numbers."""
    from flpjax.results.target import number_of

    limits = ("inference_tokens", "most_params", "unique_tokens")
    found: dict[str, Any] = {n: number_of(given[n], f"--{n.replace('_', '-')}") for n in limits if n in given}
    return {"budget": [number_of(text, "--budget") for text in steps.split(given["budget"])], **found}


def _allocate(
    runs: str,
    mapping: Path | None,
    only: Texts,
    exclude: Texts,
    numbers: dict[str, Any],
    how_counted: dict[str, Any],
    how: steps.How,
    json: Path | None,
    csv: Path | None,
    plot: Path | None,
) -> None:
    """Divide budgets, write what was asked for, and print the tables."""
    from flpjax.cli import session
    from flpjax.cli.asked import check_method, check_numbers
    from flpjax.results.allocation.asked import check_budgets, check_carried
    from flpjax.results.allocation.limits import Limits
    from flpjax.results.allocation.plan import DRAWS
    from flpjax.results.allocation.plan import plan as run_plan

    draws = DRAWS if how.draws is None else how.draws
    check_numbers(draws, how.level)
    budgets = check_budgets(numbers["budget"])
    limits = Limits(**{name: value for name, value in numbers.items() if name not in ("budget", "mix")})
    chosen = None
    if "mix" in numbers and not how.method:
        from flpjax.methods.registry import DEFAULT_MIX

        chosen = check_method(DEFAULT_MIX, None, draws)
    elif how.method or how.laws:
        chosen = check_method(how.method or next(iter(how.laws)), how.via, draws, laws=how.laws)
    table = steps.read(runs, mapping, only, exclude)
    check_carried(table, budgets, how.via, limits, chosen is not None)
    session.start_jax()
    from flpjax.numerics import random_key

    with session.progress(3, "planning:") as step:
        found = run_plan(
            table,
            key=random_key(how.seed),
            method=chosen,
            via=how.via,
            draws=draws,
            level=how.level,
            progress=step,
            **numbers,
            **how_counted,
        )
    _write(found, json, csv, plot)
    _print(found, table)


def _write(found: Allocation, json: Path | None, csv: Path | None, plot: Path | None) -> None:
    from flpjax.cli import session
    from flpjax.cli.outputs import table_text, write

    steps.save(json, found)
    if csv is not None:
        write(csv, table_text(found.to_dicts()))
    if plot is not None:
        from flpjax.cli.plots_plan import plot_plan

        session.save_figure(plot, plot_plan(found))


def _print(found: Allocation, table: Runs) -> None:
    from flpjax.cli import session
    from flpjax.cli.show_plan import show_plan, summary, words

    session.say(summary(found))
    for sheet in show_plan(found):
        session.out.print(sheet)
    for line in words(found):
        session.say(line)
    session.warn(table.notes, style="cyan", label="note")
    session.warn(found.warnings)
