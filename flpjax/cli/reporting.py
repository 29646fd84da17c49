"""The command ``report``: one page that can be sent on, of everything that flpjax says of a ladder and a target."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flpjax.cli import ending, steps
from flpjax.cli.options import (
    Exclude,
    Force,
    Json,
    Law,
    Level,
    Mapping,
    Method,
    Only,
    Quiet,
    RunsArgument,
    Seed,
    Strict,
    UsualDraws,
    Via,
)
from flpjax.errors import InputError

if TYPE_CHECKING:
    from flpjax.cli.report.material import Material

PAGES = (".html", ".htm")
STEPS = 4  # of the progress bar: ladder, forecast, backtest, writing
NOT_SAID = ("force", "quiet", "strict")  # options that don't change a report


def report(
    ctx: typer.Context,
    runs: RunsArgument,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", "-t", help="N=7e9,D=4e12 or C=1e23; none for the held-out runs. Repeatable."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the page to this HTML file; needs flpjax\\[viz].")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Write the tables to this file as Markdown, for a pull request.")
    ] = None,
    budget: Annotated[
        list[str] | None, typer.Option("--budget", "-b", help="Training FLOPs to divide between N and D. Repeatable.")
    ] = None,
    mix: Annotated[bool, typer.Option("--mix", help="Search the best mixture for the largest target, too.")] = False,
    largest: Annotated[
        int | None,
        typer.Option(
            "--largest", min=0, help="Hold out the K largest runs for the backtest: 2 unless the table marks some."
        ),
    ] = None,
    method: Method = "",
    law: Law = None,
    via: Via = None,
    mapping: Mapping = None,
    only: Only = None,
    exclude: Exclude = None,
    draws: UsualDraws = None,
    level: Level = 0.9,
    seed: Seed = 0,
    json: Json = None,
    force: Force = False,
    quiet: Quiet = False,
    strict: Strict = False,
) -> None:
    """One page of HTML that can be sent on: the answer first, then data, forecast, review, backtest and methods."""
    _check_files(output, markdown, json, [runs, mapping], force)
    from flpjax.cli.asked import check_method, parse_laws
    from flpjax.cli.report.material import Question, check_question, gather
    from flpjax.results.target import named_targets, number_of, targets_of

    targets, laws = [*named_targets(target or [])], parse_laws(law)
    budgets = tuple(number_of(text, "--budget") for text in steps.split(budget or []))
    chosen = check_method(method or steps.AUTO, via, draws, level, laws=laws)
    table = steps.read(runs, mapping, only, exclude)
    if not targets and not table.held_out.any():
        raise InputError("there is no target", where=table.source, remedy="Give one: --target N=7e9,D=4e12")
    truth = steps.reached(table) if table.held_out.any() else {}
    question = Question(
        targets or targets_of(table.targets()),
        truth,
        steps.How(method, draws, level, seed, via=via, laws=laws),
        _left_out(only, exclude),
        budgets,
        mix,
        largest,
        command_of(ctx),
    )

    from flpjax.cli import session

    session.start_jax()
    check_question(table, question, chosen)
    with session.progress(STEPS + bool(budgets) + 2 * mix, "report:") as step:
        material = gather(table, question, chosen, step)
        step("writing")
        _write(material, output, markdown, json)
    _say(material, [path for path in (output, markdown) if path is not None])
    ending.strictly(strict, material.review)


def _write(material: Material, output: Path | None, markdown: Path | None, json: Path | None) -> None:
    from json import dumps

    from flpjax.cli.outputs import write
    from flpjax.cli.report.compose import compose

    steps.save(json, dumps(material.to_dict(), indent=2, allow_nan=False))
    if output is not None:
        from flpjax.cli.report.page import page

        write(output, page(compose(material)))
    if markdown is not None:
        from flpjax.cli.report.markdown import markdown as written

        write(markdown, written(compose(material, pictures=False)))


def _say(material: Material, written: list[Path]) -> None:
    """The answer on the screen, and where the page is."""
    from flpjax.cli import session, show
    from flpjax.cli.report.answer import answer

    for sentence in answer(material):
        session.say(sentence)
    for paragraph in show.show_verdict(material.review):
        session.out.print(paragraph)
    for path in written:
        session.err.print(f"the report is in {path}", soft_wrap=True)


def command_of(ctx: typer.Context) -> str:
    """The command with every option that was given, as a shell takes it."""
    words = ["flpjax", ctx.command.name or ""]
    for parameter in ctx.command.params:
        name = parameter.name or ""
        value: Any = ctx.params.get(name)
        if value is None or value == parameter.default or name in NOT_SAID or value in ("", [], ()):
            continue
        option = [] if parameter.param_type_name == "argument" else [max(parameter.opts, key=len)]
        if value is True:
            words += option
        else:
            for each in map(str, value if isinstance(value, list | tuple) else [value]):
                words += [f"{option[0]}={each}"] if option and each.startswith("-") else [*option, each]
    return shlex.join(words)


def _left_out(only: list[str] | None, exclude: list[str] | None) -> str:
    parts = [f"all runs but {', '.join(steps.split(only))}"] if only else []
    parts += [", ".join(steps.split(exclude))] if exclude else []
    return "; ".join(parts)


def _check_files(
    output: Path | None, markdown: Path | None, json: Path | None, inputs: list[str | Path | None], force: bool
) -> None:
    """Refuse files that can't or must not be written, before anything is read.

    Raises:
        InputError: There are none, the page is no HTML file, matplotlib is not installed, or one can't be written.
    """
    from flpjax.cli import outputs, session

    if output is None and markdown is None and json is None:
        raise InputError("there is no file to write", where="report", remedy="Name one: -o report.html")
    if output is not None and output != outputs.STDOUT:
        if output.suffix.lower() not in PAGES:
            raise InputError("a report is a page of HTML", where=f"--output {output}", remedy="Name it report.html")
        from flpjax.cli.picture import load_matplotlib

        load_matplotlib()
    outputs.check_outputs({"--output": output, "--markdown": markdown, "--json": json}, inputs, force)
    session.out.quiet = json == outputs.STDOUT
