"""What several commands do: read a table, forecast and show, save."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from flpjax.errors import InputError, count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from flpjax.cli.outputs import Written
    from flpjax.cli.show import Truth
    from flpjax.fitting.draws import Draws
    from flpjax.fitting.fit import AnyMethod
    from flpjax.ladder.table import Runs
    from flpjax.ladder.tasks import Task
    from flpjax.ladder.units import Unit
    from flpjax.laws.law import Law
    from flpjax.methods.method import Model
    from flpjax.results.forecast import Forecast
    from flpjax.results.target import Target
    from flpjax.results.verdicts import Review

AUTO = "auto"  # the method that is taken where none is named
FEW_LOSSES = 6  # more than these don't fit a table that should be short


@dataclass(frozen=True)
class How:
    """How to forecast: the options that ``forecast`` and ``demo`` share."""

    method: str
    draws: int | None
    level: float
    seed: int
    joint: bool = False
    via: str | None = None
    fits: bool = False
    laws: Mapping[str, Law] = field(default_factory=dict)


def prepare(
    json: Path | None,
    force: bool = False,
    *,
    inputs: Sequence[str | Path | None] = (),
    pictures: Mapping[str, Path | None] = {},
    save: Path | None = None,
    saved: str | None = None,
    register: Path | None = None,
    csv: Path | None = None,
) -> None:
    """Check every file that will be written, before anything is read; with the JSON on stdout, print no tables there.

    Args:
        json: Where the result goes.
        force: Replace files that flpjax did not make.
        inputs: The table and the mapping.
        pictures: Option → the file of a picture.
        save: The file for a table.
        saved: That table.
        register: The file for a forecast that is kept.
        csv: The file for the rows of a result.

    Raises:
        InputError: A file can't or must not be written.
    """
    from flpjax.cli import outputs, session

    for path in pictures.values():
        if path is not None and path != outputs.STDOUT:
            session.check_picture(path)
    files = {"--json": json, **pictures, "--save": save, "--csv": csv}
    outputs.check_outputs(files, inputs, force, {} if saved is None else {"--save": saved})
    if register is not None:
        if register.exists() and not force:
            what = "there is a file already, and a forecast that was registered is kept"
            raise InputError(what, where=f"--register {register}", remedy="Name another file, or add --force")
        outputs.check_outputs({**files, "--register": register}, inputs, True)
    session.out.quiet = json == outputs.STDOUT


def read(source: str, mapping: Path | None, only: list[str] | None, exclude: list[str] | None) -> Runs:
    """The table, without the runs that were not asked for.

    Raises:
        InputError: The table can't be read, a name matches no run, or no run is left.
    """
    from flpjax.cli import session

    with session.progress(1, "reading") as step:  # a public ladder may have to be downloaded first
        step(source)
        from flpjax.readers.read import read_runs

        table = read_runs(source, mapping)
    session.warn(table.doubts)
    if only:
        table = table.only(split(only, table.names))
    if exclude:
        table = table.without(split(exclude, table.names))
    if not len(table):
        raise InputError("no run is left", where=table.source, remedy="Loosen --only or --exclude")
    return table


def split(names: Sequence[str], whole: Sequence[str] = ()) -> list[str]:
    """``["a,b", "c"]`` → ``["a", "b", "c"]``: options may be repeated, or hold a list; names among ``whole`` stay."""
    return [name for each in names for name in ([each] if each in whole else each.split(","))]


def held_out(table: Runs, largest: int | None, names: Sequence[str] | None) -> Runs:
    """The table with the runs held out that were asked for, or those that it marks itself.

    Raises:
        InputError: Both ways of asking are used, a name matches no run, or nothing or everything is held out.
    """
    held = _held_out(table, largest, names)
    if held.held_out.all():
        raise InputError("all runs are held out", where=table.source, remedy="Leave some to fit on")
    return held


def _held_out(table: Runs, largest: int | None, names: Sequence[str] | None) -> Runs:
    if largest is not None and names:
        raise InputError("--largest and --hold-out are both given", remedy="Give one of them")
    if names:
        marked = table.held_out
        table = table.hold_out(split(names, table.names))
        return table.rows((table.held_out | ~marked)[table.run])  # a marked target is no run to fit on
    if largest is not None:
        table = table.training()
        return table.hold_out(table.largest(largest))
    if not table.held_out.any():
        raise InputError("no run is held out", where=table.source, remedy="Add --largest 2, or --hold-out NAME")
    return table


def a_number(text: str, where: str) -> float:
    """A number from the command line.

    Raises:
        InputError: The text is none.
    """
    try:
        return float(text)
    except ValueError:
        raise InputError(f"'{text}' is not a number", where=where) from None


def forecast_and_show(
    table: Runs,
    targets: list[Target],
    truth: Truth,
    how: How,
    plot: Path | None,
    json: Path | None,
    register: Path | None = None,
) -> Review:
    """Fit, forecast, write what was asked for, and print the tables; warnings come last. The review is returned."""
    from flpjax.cli import session

    session.start_jax()
    from flpjax.cli.asked import check_table
    from flpjax.fitting.fit import fit, method
    from flpjax.numerics import random_key
    from flpjax.results.forecast import forecast as run_forecast
    from flpjax.results.review import review as run_review

    name = how.method or AUTO
    chosen, key = method(name, how.via, how.laws), random_key(how.seed)
    check_table(table, chosen, targets, how.via)
    with session.progress(stages_of(chosen, table) + how.joint, f"fitting {name}:") as step:
        fitted = fit(chosen, table, key, draws=how.draws, joint=how.joint, progress=step)
        result = run_forecast(fitted, targets, level=how.level, method=f"{name}, joint" if how.joint else name)
        reviewed = run_review(fitted, table, targets, result)
    save(json, result)
    if register is not None:
        from flpjax.cli.registered import keep

        keep(register, fitted, table, result, reviewed)
    if plot is not None:
        session.save_figure(plot, picture_of(fitted, result, table))
    print_forecast(fitted, result, truth, reviewed, how.fits, table.shown, table.tasks)
    session.warn(table.notes, style="cyan", label="note")
    session.warn([w for w in result.warnings if w not in fitted.ladder.remarks])
    return reviewed


def print_forecast(
    fitted: Draws,
    result: Forecast,
    truth: Truth,
    reviewed: Review | None,
    fits: bool,
    shown: Mapping[str, Unit],
    tasks: Sequence[Task],
) -> None:
    """The tables of a forecast in the user's units, and what is doubtful about it."""
    from flpjax.cli import session, show
    from flpjax.cli.layout import Paragraph
    from flpjax.cli.units import unit_converters, words_of_units
    from flpjax.shown import span

    shown_losses = _loss_rows(fitted.model)
    ladder = fitted.ladder
    sizes = "" if math.isnan(ladder.params[0]) else f"N {span(ladder.params)}, "
    name = result.method.removesuffix(", joint")
    session.say(
        f"{name} on {ladder.source}: {count(ladder.runs, 'run')}, {count(ladder.checkpoints, 'checkpoint')}, "
        f"{sizes}C up to {ladder.flops[1]:.3g} FLOPs. "
        f"{words_of_units(shown, tasks, shown_losses)}"
    )
    for remark in ladder.remarks:
        session.say(remark)
    if fits:
        for line in str(fitted).split("\n"):
            session.out.print(Paragraph(line, hang=8))
    for sheet in show.show_forecast(result, truth, shown_losses, unit_converters(shown, tasks)):
        session.out.print(sheet)
    more = len(fitted.model.domains) - len(shown_losses)
    if more:
        session.say(f"{more} more losses are forecast; --json FILE has them all.")
    if result.monte_carlo:
        session.say(result.monte_carlo)
    if fitted.validation is not None:
        session.say(f"Weights by the probability of what was measured: {fitted.validation.taken}")
    if reviewed is not None:
        for paragraph in show.show_verdict(reviewed):
            session.out.print(paragraph)


def picture_of(fitted: Draws, result: Forecast, table: Runs, tasks: Sequence[str] | None = None) -> Figure:
    """The forecast with its law, on the way to the largest target; of these tasks, or of all."""
    from flpjax.cli.plots import plot_forecast
    from flpjax.cli.plots_residuals import fitted_runs
    from flpjax.cli.plots_scores import plot_scores
    from flpjax.results.path import forecast_path, score_map

    largest = max(result.targets, key=lambda target: target.flops or 0.0)
    path = forecast_path(fitted, table, largest, level=result.level)
    if not table.domains:
        return plot_scores(result, table, path, tasks)
    routes = [fitted.model.domains[task[0]] for task in fitted.model.via]
    via = (routes or table.general_domains)[0]
    seen = fitted_runs(fitted, table, result.level)
    return plot_forecast(result, table, via, tasks, path=path, scores=score_map(fitted, table, path), seen=seen)


def stages_of(chosen: AnyMethod, table: Runs) -> int:
    """How many steps of progress a fit has."""
    from flpjax.fitting.discovery.method import Discovered
    from flpjax.methods.registry import Auto

    if isinstance(chosen, Discovered):
        return len(chosen.laws) * len(table.tasks)
    return len(chosen.members(table)) if isinstance(chosen, Auto) else 2


def _loss_rows(model: Model) -> tuple[str, ...]:
    """The losses worth a line: all of a few, otherwise those that scores go through."""
    if len(model.domains) <= FEW_LOSSES:
        return model.domains
    through = sorted({i for task in model.via for i in task}) or [0]
    return tuple(model.domains[i] for i in through)[:FEW_LOSSES]


def reached(table: Runs) -> Truth:
    """What the held-out runs reached."""
    finals = table.targets().finals()
    reached: Truth = {}
    for i in range(len(finals)):
        losses = {f"loss/{d}": finals.loss[i, j] for j, d in enumerate(finals.domains)}
        scores = {t: finals.score[i, j] for j, t in enumerate(finals.task_names)}
        reached[finals.names[finals.run[i]]] = {k: float(v) for k, v in (losses | scores).items() if v == v}
    return reached


def save(path: Path | None, result: Written | str) -> None:
    """Write a result, or its text, as JSON, if a file was asked for; ``-`` is stdout.

    Raises:
        InputError: The file can't be written.
        StdoutError: stdout can't be.
    """
    if path is None:
        return
    from flpjax.cli import outputs, session

    text = outputs.marked(result if isinstance(result, str) else result.to_json())
    if path == outputs.STDOUT:
        session.out.file.write(text)
        session.out.file.flush()
    else:
        outputs.write(path, text)
