"""The command line: check, forecast, backtest, review, demo; and, on mixtures, mix and compare.

Results go to stdout, messages to stderr. Every command checks the files that it will write, then its options, then
reads the table, then checks options against it, and fits after all that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flpjax.cli import (
    demo,
    discovering,
    ending,
    enveloping,
    importing,
    mixing,
    planning,
    reporting,
    scoring,
    speeding,
    steps,
    tuning,
)
from flpjax.cli.helping import Command
from flpjax.cli.options import (
    BacktestPlot,
    Commands,
    Compared,
    Exclude,
    Fits,
    Force,
    Json,
    Law,
    Level,
    Mapping,
    Method,
    Only,
    OptionalRuns,
    Plot,
    Quiet,
    Register,
    Registered,
    RunsArgument,
    Seed,
    Strict,
    UsualDraws,
    Via,
)
from flpjax.errors import FitError
from flpjax.version import __version__, installed

if TYPE_CHECKING:
    from flpjax.cli.show import Truth

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="From a ladder of small language models to a forecast of a big one, with intervals.",
    epilog="Exit codes: 0 good, 1 failed, 2 bad input, 130 interrupted. With --strict, a review that says FAIL is 1. "
    "Results go to stdout, messages to stderr.",
)

Targets = Annotated[
    list[str] | None,
    typer.Option("--target", "-t", help="N=7e9,D=4e12 or C=1e23, with a name if you like: 7B:N=7e9,D=4e12."),
]


def _version(asked: bool) -> None:
    if asked:
        from platform import python_version

        typer.echo(f"flpjax {__version__}, jax {installed('jax')}, Python {python_version()}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show versions, and exit.")
    ] = False,
) -> None:
    """Options of flpjax itself."""


app.command("import", cls=Command)(importing.import_)
app.command(cls=Command)(mixing.mix)
app.command(cls=Command)(mixing.compare)
app.command(cls=Command)(planning.plan)
app.command(cls=Command)(speeding.speedup)
app.command(cls=Command)(reporting.report)


@app.command(cls=Command)
def check(
    runs: RunsArgument,
    mapping: Mapping = None,
    only: Only = None,
    exclude: Exclude = None,
    via: Via = None,
    everything: Annotated[bool, typer.Option("--all", help="List every run and every task, however many.")] = False,
    json: Json = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """What is in a table of runs, and what stands in the way of a forecast."""
    steps.prepare(json, force, inputs=[runs, mapping])
    from flpjax.cli import session
    from flpjax.cli.show_check import show_check
    from flpjax.results.check import check as run_check

    table = steps.read(runs, mapping, only, exclude)
    result = run_check(table, via)
    steps.save(json, result)
    session.say(result.summary)
    for shown in show_check(result, everything):
        session.out.print(shown)
    session.warn(result.notes, style="cyan", label="note")
    session.warn([w for w in result.warnings if w not in table.doubts])  # said when the table was read


@app.command(cls=Command)
def forecast(
    runs: OptionalRuns = None,
    target: Targets = None,
    method: Method = "",
    law: Law = None,
    joint: Annotated[bool, typer.Option("--joint", help="Fit both stages in one objective.")] = False,
    mapping: Mapping = None,
    only: Only = None,
    exclude: Exclude = None,
    via: Via = None,
    draws: UsualDraws = None,
    level: Level = 0.9,
    seed: Seed = 0,
    fits: Fits = False,
    register: Register = None,
    registered: Registered = None,
    plot: Plot = None,
    json: Json = None,
    force: Force = False,
    quiet: Quiet = False,
    strict: Strict = False,
) -> None:
    """Loss and scores of a bigger model, with intervals. Without a target: of the runs that are held out."""
    steps.prepare(json, force, inputs=[runs, mapping, registered], pictures={"--plot": plot}, register=register)
    from flpjax.cli.asked import check_method, parse_laws
    from flpjax.results.target import named_targets, targets_of

    targets, laws = [*named_targets(target or [])], parse_laws(law)
    if registered is not None or runs is None:
        others = [runs, mapping, only, exclude, via, draws, register, plot, method or None, joint or None, law]
        kept = scoring.forecast_registered(registered, targets, level, fits, json, others)
        return ending.strictly(strict, kept)
    check_method(method or steps.AUTO, via, draws, level, joint, laws)
    table = steps.read(runs, mapping, only, exclude)
    truth: Truth = {}
    if not targets:
        if not table.held_out.any():
            from flpjax.errors import InputError

            raise InputError("there is no target", where=table.source, remedy="Give one: --target N=7e9,D=4e12")
        targets, truth = targets_of(table.targets()), steps.reached(table)
    how = steps.How(method, draws, level, seed, joint, via, fits, laws)
    reviewed = steps.forecast_and_show(table, targets, truth, how, plot, json, register)
    return ending.strictly(strict, reviewed)


app.command(cls=Command)(scoring.score)
app.command(cls=Command)(discovering.discover)
app.command(cls=Command)(enveloping.envelope)
app.command(cls=Command)(tuning.tune)


@app.command(cls=Command)
def backtest(
    runs: RunsArgument,
    largest: Annotated[int | None, typer.Option("--largest", min=1, help="Hold out the K largest runs.")] = None,
    hold_out: Annotated[list[str] | None, typer.Option("--hold-out", help="Hold out these runs. Repeatable.")] = None,
    method: Compared = None,
    law: Law = None,
    mapping: Mapping = None,
    only: Only = None,
    exclude: Exclude = None,
    via: Via = None,
    draws: UsualDraws = None,
    level: Level = 0.9,
    seed: Seed = 0,
    by_target: Annotated[bool, typer.Option("--by-target", help="A row for every method and held-out run.")] = False,
    plot: BacktestPlot = None,
    json: Json = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """How well each method would have forecast the largest runs you already have."""
    steps.prepare(json, force, inputs=[runs, mapping], pictures={"--plot": plot})
    from flpjax.cli.asked import check_method, check_numbers, check_via, parse_laws
    from flpjax.methods.registry import compared

    check_numbers(draws, level)
    laws = parse_laws(law)
    methods = {name: check_method(name, via, draws, laws=laws) for name in method or ()}
    table = steps.held_out(steps.read(runs, mapping, only, exclude), largest, hold_out)
    check_via(table, via)
    names = method or [*(n for n in compared(table) if draws != 0 or n != steps.AUTO), *laws]
    chooses = (steps.AUTO, "flp", *laws)  # a loss domain, as pairs of stages do
    for name in names:
        through = via if method or "+" in name or name in chooses else None
        methods[name] = check_method(name, through, draws, laws=laws)

    from flpjax.cli import session
    from flpjax.cli.show import show_backtest, show_split
    from flpjax.cli.text import alike

    session.start_jax()
    from flpjax.numerics import random_key
    from flpjax.results.backtest import backtest as run_backtest

    with session.progress(len(methods), "fitting") as step:
        result = run_backtest(methods, table, random_key(seed), draws=draws, level=level, progress=step)
    steps.save(json, result)
    if plot is not None:
        session.save_figure(plot, result.plot())
    failed = {name: [record.failed] for name, record in result.methods.items() if record.failed}
    if len(failed) == len(result.methods):
        *others, last = alike(failed)
        session.warn(others, label="left out")
        raise FitError(last)
    best = result.best()
    if best is not None and len(names) > 1:
        among = "" if result.judged_alike else " of methods that forecast most"
        session.say(f"Smallest mean error{among}: {best}. Forecast with --method {best}")
    session.out.print(show_split(len(table.training().names), result.held_out))
    for shown in show_backtest(result, by_target=by_target):
        session.out.print(shown)
    session.warn(alike(failed), label="left out")
    session.warn(alike({name: record.warnings for name, record in result.methods.items()}))


@app.command(cls=Command)
def review(
    runs: RunsArgument,
    target: Targets = None,
    method: Method = "",
    law: Law = None,
    mapping: Mapping = None,
    only: Only = None,
    exclude: Exclude = None,
    via: Via = None,
    draws: UsualDraws = None,
    seed: Seed = 0,
    json: Json = None,
    force: Force = False,
    quiet: Quiet = False,
    strict: Strict = False,
) -> None:
    """Whether a forecast from this ladder can be believed: named checks, each with a figure and a remedy."""
    steps.prepare(json, force, inputs=[runs, mapping])
    from flpjax.cli.asked import check_method, check_table, parse_laws
    from flpjax.results.target import named_targets, targets_of

    named = [*named_targets(target or [])]
    name = method or steps.AUTO
    chosen = check_method(name, via, draws, laws=parse_laws(law))
    table = steps.read(runs, mapping, only, exclude)
    targets = named or targets_of(table.targets())

    from flpjax.cli import session, show

    session.start_jax()
    from flpjax.fitting.fit import fit
    from flpjax.numerics import random_key
    from flpjax.results.review import review as run_review

    check_table(table, chosen, targets, via)
    with session.progress(steps.stages_of(chosen, table), f"fitting {name}:") as step:
        fitted = fit(chosen, table, random_key(seed), draws=draws, progress=step)
        result = run_review(fitted, table, targets)
    steps.save(json, result)
    for shown in show.show_review(result):
        session.out.print(shown)
    session.warn(fitted.warnings)
    ending.strictly(strict, result)


app.command(cls=Command)(demo.demo)


def main(args: list[str] | None = None) -> Any:
    """Run the command line; whatever goes wrong ends with one message and the exit code that :mod:`.ending` lists."""
    ending.run(app, args)


if __name__ == "__main__":
    main()
