"""Options that several commands share, and what is said of options that can't be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from flpjax.cli.completing import ladders, methods
from flpjax.cli.helping import COMMANDS, explain
from flpjax.errors import printable

RunsArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUNS",
        help="A CSV or Parquet file, or a ladder by name, such as ladder or olmo-ladder.",
        autocompletion=ladders,
    ),
]
Method = Annotated[
    str,
    typer.Option(
        "--method",
        help="auto (the default), flp, fp, fp-gpt4, llama3, or e.g. chinchilla+sigmoid.",
        autocompletion=methods,
    ),
]
Compared = Annotated[
    list[str] | None,
    typer.Option("--method", help="Methods to compare. Repeatable.", autocompletion=methods),
]
OptionalRuns = Annotated[
    str | None,
    typer.Argument(
        metavar="RUNS", help="A CSV or Parquet file, or a ladder by name; none with --from.", autocompletion=ladders
    ),
]
Register = Annotated[
    Path | None, typer.Option("--register", metavar="FILE", help="Keep the forecast in FILE.flp, to be scored later.")
]
Registered = Annotated[
    Path | None, typer.Option("--from", metavar="FILE", help="Forecast with the draws of a registered one: no fit.")
]
Mapping = Annotated[Path | None, typer.Option("--mapping", "-m", help="TOML file: columns, units, facts about tasks.")]
Only = Annotated[list[str] | None, typer.Option("--only", help="Use these runs only (* and ? match). Repeatable.")]
Exclude = Annotated[list[str] | None, typer.Option("--exclude", help="Leave these runs out. Repeatable.")]
Plot = Annotated[
    Path | None, typer.Option("--plot", help="Draw the forecast into this file (PNG, PDF, SVG); needs flpjax\\[viz].")
]
BacktestPlot = Annotated[
    Path | None, typer.Option("--plot", help="Draw each forecast's error into this file; needs flpjax\\[viz].")
]
Json = Annotated[
    Path | None,
    typer.Option("--json", help="Write the result to this file as JSON, too; - for stdout, in place of the tables."),
]


def _silence(quiet: bool) -> bool:
    from flpjax.cli.console import err

    err.quiet = quiet  # errors have a console of their own
    return quiet


Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", callback=_silence, help="Results and errors only: no progress, notes or warnings."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 1 if a check of the review says FAIL.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that flpjax did not make.")]
Via = Annotated[
    str | None, typer.Option("--via", help="Loss domain that scores go through; 'own' for each task's own.")
]
Law = Annotated[
    list[str] | None,
    typer.Option(
        "--law",
        metavar="[NAME=]FORMULA",
        help="A law of your own, such as mine=E+A*N^-a+B*D^-b, or a published one, such as farseer: auto averages it "
        "with ours, --method mine takes it alone. Repeatable.",
    ),
]
Draws = Annotated[int, typer.Option("--draws", min=0, help="Bootstrap draws; 0 for no intervals.")]
UsualDraws = Annotated[
    int | None,
    typer.Option(
        "--draws",
        min=0,
        show_default=False,
        help="Draws: by default 2,000 of auto and of posteriors, 400 of others; 0 for no intervals.",
    ),
]
Level = Annotated[float, typer.Option("--level", help="Probability of the intervals.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**31 - 1, help="Random seed.")]
Fits = Annotated[bool, typer.Option("--fits", help="Show the fitted constants and how every fit ended.")]


RENAMED = {"mix": {"--fix": ("--fixed",), "--worst": ("--over-tasks", "worst")}}
"""Command → old option → what is said in its place; old ones work, and warn."""


class Commands(TyperGroup):
    """The commands of an app, whose usage errors repeat little of what was typed."""

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order in which a user needs them."""
        return [name for name in COMMANDS if name in self.commands]

    def get_params(self, ctx: Any) -> list[Any]:
        """As click has them, without types that say nothing."""
        params = super().get_params(ctx)
        for param in params:
            explain(param, "")
        return params

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As typer does it, with old options by their new names."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command, _renewed(rest, RENAMED.get(name or "", {}))

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """As typer makes it."""
        with _shortened():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """As typer does it; options of a command are read here."""
        with _shortened():
            return super().invoke(ctx)


def _renewed(args: list[str], renamed: dict[str, tuple[str, ...]]) -> list[str]:
    """Arguments with new options in place of old ones, and a warning on stderr of each."""
    found: list[str] = []
    for arg in args:
        option, equals, value = arg.partition("=")
        if option not in renamed:
            found.append(arg)
            continue
        from flpjax.cli import session

        new, *given = renamed[option]
        session.warn([f"{option} is now {' '.join([new, *given])}"])
        found += [new + equals + value, *given]
    return found


@contextmanager
def _shortened() -> Iterator[None]:
    try:
        yield
    except Exception as caught:
        error: Any = caught
        if hasattr(error, "format_message") and isinstance(getattr(error, "message", None), str):
            error.message = printable(error.message)
        raise
