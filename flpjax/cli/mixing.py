"""The command line's part on mixtures: mix, compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flpjax.cli import steps
from flpjax.cli.completing import methods
from flpjax.cli.options import Draws, Exclude, Force, Json, Law, Level, Mapping, Only, Quiet, RunsArgument, Seed
from flpjax.errors import InputError

if TYPE_CHECKING:
    from flpjax.results.constraints import Group

Pairs = list[str] | None


def mix(
    runs: RunsArgument,
    flops: Annotated[float | None, typer.Option("--flops", help="Training FLOPs of the model to be trained.")] = None,
    target: Annotated[str | None, typer.Option("--target", "-t", help="The model: N=7e9,D=4e12 or C=1e23.")] = None,
    method: Annotated[
        str,
        typer.Option(
            "--method",
            help="auto (laws of mixtures, weighed), or STAGE1+STAGE2: m3+network.",
            autocompletion=methods,
        ),
    ] = "",
    law: Law = None,
    task: Annotated[Pairs, typer.Option("--task", help="Be best at this task. Repeatable.")] = None,
    domain: Annotated[Pairs, typer.Option("--domain", help="Be low in this loss. Repeatable.")] = None,
    over_draws: Annotated[str, typer.Option("--over-draws", help="What to maximise over draws.")] = "mean",
    risk: Annotated[float, typer.Option("--risk", help="Share of draws that quantile and cvar look at.")] = 0.1,
    over_tasks: Annotated[
        str, typer.Option("--over-tasks", help="What to maximise over tasks; worst: the smallest gain.")
    ] = "mean",
    no_worse: Annotated[bool, typer.Option("--no-worse", help="No task may fall below the baseline.")] = False,
    kl: Annotated[float, typer.Option("--kl", min=0.0, help="Price of a nat of KL to the prior mixture.")] = 0.0,
    prior: Annotated[str | None, typer.Option("--prior", help="That mixture: code=0.2,web=0.8")] = None,
    bound: Annotated[Pairs, typer.Option("--bound", help="Bounds of a source's weight. Repeatable.")] = None,
    fixed: Annotated[Pairs, typer.Option("--fixed", help="Leave the weight of a source as it is. Repeatable.")] = None,
    available: Annotated[
        Pairs, typer.Option("--available", help="How many tokens a source has: caps its weight. Repeatable.")
    ] = None,
    repeats: Annotated[float, typer.Option("--repeats", help="How often a token may be seen.")] = 4.0,
    group: Annotated[Pairs, typer.Option("--group", help="Keep a sum of weights between two. Repeatable.")] = None,
    outside: Annotated[bool, typer.Option("--outside", help="Allow weights outside the range tried.")] = False,
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", help="Count gains from it; else from the best tried."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw weights and gains, with intervals, into this file.")
    ] = None,
    curve: Annotated[
        Path | None, typer.Option("--curve", help="Draw scores over all mixtures (2 or 3 sources) into this file.")
    ] = None,
    mapping: Mapping = None,
    only: Only = None,
    exclude: Exclude = None,
    draws: Draws = 200,
    level: Level = 0.9,
    seed: Seed = 0,
    json: Json = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """The mixture of data sources that is best for a model, and how much better than a baseline."""
    steps.prepare(json, force, inputs=[runs, mapping], pictures={"--plot": plot, "--curve": curve})
    from flpjax.cli import session, show, show_mix
    from flpjax.cli.asked import check_mix, check_numbers, parse_laws
    from flpjax.results.constraints import Constraints
    from flpjax.results.goal import Goal
    from flpjax.results.target import Target, parse_mix, parse_target

    if (flops is None) == (target is None):
        raise InputError("give either --flops or --target", remedy="Write --flops 1e23, or --target N=7e9,D=4e12")
    wanted = parse_target(target) if target else Target(f"C={flops:.3g}", flops=flops)
    if wanted.mix is not None:
        raise InputError(
            f"target '{target}' has a mixture, which is what mix searches",
            where="--target",
            remedy="Leave it out; --baseline SOURCE=WEIGHT,… counts gains from it, and forecast --target forecasts it",
        )
    goal = Goal(
        _weights(task),
        _weights(domain),
        over_draws,  # type: ignore[arg-type]
        risk,
        over_tasks,  # type: ignore[arg-type]
        no_worse,
        kl,
        parse_mix(prior) if prior else None,
    )
    constraints = Constraints(
        {k: _interval(v, k) for k, v in _split(bound).items()},
        {k: steps.a_number(v, f"--fixed {k}") for k, v in _split(fixed).items()},
        {k: steps.a_number(v, f"--available {k}") for k, v in _split(available).items()},
        repeats,
        {k: _group(v, k) for k, v in _split(group).items()},
        outside,
    )
    start_from = parse_mix(baseline) if baseline else None
    from flpjax.fitting.fit import check_asked, mixing_method

    check_numbers(draws, level)
    name, chosen = mixing_method(method, draws, parse_laws(law))
    check_asked(chosen, draws)
    table = steps.read(runs, mapping, only, exclude)
    if curve is not None and len(table.sources) not in (2, 3):
        raise InputError(f"--curve is for 2 or 3 sources, and there are {len(table.sources)}", remedy="Ask for --plot")
    session.start_jax()
    from flpjax.fitting.fit import fit
    from flpjax.numerics import random_key
    from flpjax.results.mix_curve import mix_curve
    from flpjax.results.mixture import optimise_mix
    from flpjax.results.problem import BEST_TRIED
    from flpjax.results.review import review_mix

    key = random_key(seed)
    check_mix(table, chosen, wanted, goal, constraints, start_from)
    with session.progress(steps.stages_of(chosen, table) + 1, f"{name}:") as step:
        fitted = fit(chosen, table, key, draws=draws, progress=step)
        step("searching mixtures")
        found = optimise_mix(
            fitted,
            wanted,
            key,
            goal=goal,
            constraints=constraints,
            baseline=BEST_TRIED if start_from is None else start_from,
            level=level,
            method=name,
        )
        reviewed = review_mix(found, fitted, table)
    steps.save(json, found)
    if plot is not None:
        session.save_figure(plot, found.plot())
    if curve is not None:
        from flpjax.cli.plots_mix import plot_mix

        grid = mix_curve(fitted, wanted, level=level, goal=goal, baseline=found.baseline.weights, runs=table)
        session.save_figure(curve, plot_mix(grid, found))
    answer, *rest = show_mix.words(found)
    session.say(answer)
    for shown in show_mix.show_mix(found):
        session.out.print(shown)
    for line in rest:
        session.say(line)
    for paragraph in show.show_verdict(reviewed):
        session.out.print(paragraph)
    session.warn(table.notes, style="cyan", label="note")
    session.warn(found.warnings)


def compare(
    runs: RunsArgument,
    largest: Annotated[int | None, typer.Option("--largest", min=1, help="Hold out the K largest runs.")] = None,
    hold_out: Annotated[Pairs, typer.Option("--hold-out", help="Hold out these runs. Repeatable.")] = None,
    law: Law = None,
    mapping: Mapping = None,
    only: Only = None,
    exclude: Exclude = None,
    seed: Seed = 0,
    log: Annotated[bool, typer.Option("--log", help="Show every model that discovery tried, and why.")] = False,
    json: Json = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Which law of mixtures, and which map from losses to scores, is best on the runs that are held out."""
    steps.prepare(json, force, inputs=[runs, mapping])
    from flpjax.cli import session, show, show_mix
    from flpjax.cli.asked import parse_laws
    from flpjax.cli.layout import Paragraph
    from flpjax.cli.text import alike

    laws = parse_laws(law)
    table = steps.held_out(steps.read(runs, mapping, only, exclude), largest, hold_out)
    session.start_jax()
    from flpjax.numerics import random_key
    from flpjax.results.compare import MAPS, MIXTURE_LAWS
    from flpjax.results.compare import compare as run_compare

    with session.progress(len(MIXTURE_LAWS) + len(laws) + len(MAPS) + 4, "fitting") as step:
        result = run_compare(table, random_key(seed), laws=laws, progress=step)
    steps.save(json, result)
    if result.recommended is not None:
        session.say(str(result.recommended))
    session.out.print(show.show_split(len(table.training().names), result.held_out))
    for shown in show_mix.show_comparison(result):
        session.out.print(shown)
    if not table.sources:
        session.warn(["there is no column 'mix/<source>': laws of mixtures, and maps fitted with them, take no part"])
    failed = {row.name: [row.failed] for row in (*result.laws, *result.maps) if row.failed}
    session.warn(alike(failed), label="left out")
    if result.discovery is not None:
        for line in show_mix.discovered(result.discovery, log):
            for each in line.split("\n"):
                session.out.print(Paragraph(each, hang=6))
    if result.recommended is not None:
        session.warn([f"{n}: {why}" for n, why in result.recommended.failed.items()], label="left out")


def _split(pairs: Pairs) -> dict[str, str]:
    """``["code=0.3", …]`` → name → text."""
    found = {}
    for pair in pairs or []:
        name, equals, value = pair.rpartition("=")
        if not equals or not name or name in found:
            raise InputError(f"'{pair}' is not understood", remedy="Write NAME=VALUE, each name once")
        found[name] = value
    return found


def _weights(pairs: Pairs) -> dict[str, float] | None:
    """``["hellaswag", "race=2"]`` → weights; None if nothing was asked for."""
    if not pairs:
        return None
    return {k: steps.a_number(v, k) for k, v in _split([p if "=" in p else f"{p}=1" for p in pairs]).items()}


def _interval(text: str, name: str) -> tuple[float, float]:
    low, colon, high = text.partition(":")
    if not colon:
        raise InputError(f"'{text}' is no interval", where=f"--bound {name}", remedy="Write LOW:HIGH, say 0.1:0.4")
    return steps.a_number(low or "0", f"--bound {name}"), steps.a_number(high or "1", f"--bound {name}")


def _group(text: str, name: str) -> Group:
    from flpjax.results.constraints import Group

    sources, colon, rest = text.partition(":")
    if not colon:
        raise InputError(f"'{text}' is no group", where=f"--group {name}", remedy="Write NAME=A+B:LOW:HIGH")
    return Group(tuple(sources.split("+")), *_interval(rest, name))
