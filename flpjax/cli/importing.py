"""The command ``import``: files of other programs in, a ladder and a mapping that explains it out."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flpjax.cli.options import Force, Json, Quiet
from flpjax.errors import InputError, count, some_of

if TYPE_CHECKING:
    from flpjax.readers.importing import Imported

SourceArgument = Annotated[
    Path, typer.Argument(metavar="SOURCE", help="A file or a folder: results of lm-eval, exports of W&B, and others.")
]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="The ladder, as CSV; beside it its mapping, .toml.")
]
Kind = Annotated[str | None, typer.Option("--format", metavar="NAME", help="What SOURCE is; found out unless given.")]
Join = Annotated[
    Path | None,
    typer.Option("--join", metavar="FILE", help="CSV: what SOURCE doesn't say of each model or run, as tokens and N."),
]
Metric = Annotated[
    list[str] | None,
    typer.Option("--metric", metavar="[TASK=]METRIC", help="Which metric is a task's score. Repeatable."),
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="NAME=COLUMN", help="What is called NAME here: loss/c4=val_bpb:bits. Repeatable."),
]
Constant = Annotated[
    list[str] | None,
    typer.Option(
        "--constant", metavar="NAME=VALUE", help="params, tokens, batch, context … of all rows without. Repeatable."
    ),
]
Subtasks = Annotated[bool, typer.Option("--subtasks", help="Keep the tasks of groups, not the groups.")]

TABLE_HASH = "# the table had SHA-256 "
OWN_HASH = "# and this mapping, up to here, "
"""How the last lines of a mapping begin: what nobody has edited since may be replaced."""
MOST_LISTED = 6


def import_(
    source: SourceArgument,
    output: Output = Path("ladder.csv"),
    format: Kind = None,  # noqa: A002
    join: Join = None,
    metric: Metric = None,
    column: ColumnOption = None,
    constant: Constant = None,
    subtasks: Subtasks = False,
    json: Json = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Make a ladder of files that you have: lm-eval results, W&B exports, trainer states and others.

    What they don't say, such as the tokens of models, comes from a table that this command writes for you to fill in.
    """
    from flpjax.cli import outputs, session, steps

    mapping, models = output.with_suffix(".toml"), output.with_suffix(".models.csv")
    inputs = [join] if source.is_dir() else [source, join]
    refuse_folder(output)
    same = _unedited(output, mapping)
    files = {"--output": output, "--output's mapping": mapping, "--json": json}
    outputs.check_outputs(files, inputs, force, same)
    session.out.quiet = json == outputs.STDOUT
    with session.progress(1, "reading") as step:
        step(str(source))
        from flpjax.readers.importing import import_runs

        metrics = _pairs(metric or [], "--metric", alone=True)
        made = import_runs(
            source,
            format=format,
            join=join,
            metrics=metrics.pop("", None) if set(metrics) == {""} else metrics,
            columns=_pairs(column or [], "--column"),
            constants={name: _number(text, name) for name, text in _pairs(constant or [], "--constant").items()},
            subtasks=subtasks,
        )
    steps.save(json, made)
    session.say(f"{source}: {made.format}")
    if made.runs is not None:
        table = made.csv()
        session.write(mapping, _sealed(made.mapping, table))
        session.write(output, table)
        session.say(str(made.runs).partition(": ")[2])
    _template(made, models, join, source, output, force)
    session.warn(made.notes, style="cyan", label="note")
    session.warn(made.doubts)
    if made.runs is not None:
        session.say(f"Written: {output}, {mapping}. Next: flpjax check {output} --mapping {mapping}")


def refuse_folder(output: Path) -> None:
    """Refuse an output that would not be read back as a table.

    Raises:
        InputError: Its name ends otherwise.
    """
    if output.suffix.lower() != ".csv":
        raise InputError("the ladder is written as CSV", where=f"--output {output}", remedy="Name a file .csv")


def _template(made: Imported, models: Path, join: Path | None, source: Path, output: Path, force: bool) -> None:
    """Write the join table that is still to be filled in, and say so; not over one that was filled in."""
    from flpjax.cli import outputs, session

    wanted = bool(made.lacking) or (made.without_params and join is None)
    if not wanted:
        return
    what = (
        f"{count(len(made.lacking), 'run')} ({some_of(made.lacking, MOST_LISTED)}) lack FLOPs, or N and tokens"
        if made.lacking
        else "N is not in it, which many laws read"
    )
    again = f"flpjax import {source} --join {join or models} -o {output}"
    if join is not None:
        session.say(f"{what}: fill in {join}, and repeat {again}")
        return
    if models.exists() and not force and models.read_bytes() != made.template.encode():
        session.say(f"{what}. {models} is there already: if it is filled in, {again}")
        return
    outputs.check_outputs({"the template": models}, [source] if source.is_file() else [], True)
    session.write(models, made.template)
    session.say(f"{what}: fill in {models}, then {again}. 160M is a number there; what is known stands in it already.")


def _sealed(mapping: str, table: str) -> str:
    """A mapping whose last lines tell whether it, or its table, was edited since."""
    text = f"{mapping.rstrip()}\n\n{TABLE_HASH}{_digest(table)}\n"
    return f"{text}{OWN_HASH}{_digest(text)}\n"


def _unedited(output: Path, mapping: Path) -> dict[str, str]:
    """What is in the two outputs of an earlier import, where nobody has edited it since: that may be replaced."""
    found = {"--output": "", "--output's mapping": ""}
    try:
        told = mapping.read_bytes().decode()
        text, _, digest = told.rpartition(OWN_HASH)
        if digest.strip() == _digest(text):
            found["--output's mapping"] = told
            table = output.read_bytes().decode()
            if f"{TABLE_HASH}{_digest(table)}" in text:
                found["--output"] = table
    except (OSError, ValueError):
        pass
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _pairs(given: list[str], option: str, alone: bool = False) -> dict[str, str]:
    """``["a=b"]`` → ``{"a": "b"}``; with ``alone``, ``["b"]`` → ``{"": "b"}``."""
    found: dict[str, str] = {}
    for each in given:
        name, equals, text = each.partition("=")
        if not equals and alone:
            name, text = "", each
        if not text or (not equals and not alone) or name in found:
            remedy = "Write NAME=VALUE, each name once"
            raise InputError(f"'{each}' is not understood", where=option, remedy=remedy)
        found[name.strip()] = text.strip()
    return found


def _number(text: str, name: str) -> float:
    from flpjax.results.target import number_of

    return number_of(text, f"--constant {name}")
