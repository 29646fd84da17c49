"""The command ``import``: from files of other programs to a ladder (CSV) and a mapping file (TOML) that explains it."""

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
AllowNegative = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-negative", metavar="LOSS", help="A loss that may be negative, as loss/unigram_normalized. Repeatable."
    ),
]
Subtasks = Annotated[bool, typer.Option("--subtasks", help="Keep the tasks of groups, not the groups.")]

TABLE_HASH = "# the table had SHA-256 "
MAPPING_HASH = "# and this mapping, up to here, "
"""The last two lines of a mapping begin so, each before a hash. Files that still match may be overwritten."""
MOST_LISTED = 6  # runs named in a message


def import_(
    source: SourceArgument,
    output: Output = Path("ladder.csv"),
    format: Kind = None,  # noqa: A002
    join: Join = None,
    metric: Metric = None,
    column: ColumnOption = None,
    constant: Constant = None,
    subtasks: Subtasks = False,
    allow_negative: AllowNegative = None,
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
    replaceable = _unedited(output, mapping)
    files = {"--output": output, "--output's mapping": mapping, "--json": json}
    outputs.check_outputs(files, inputs, force, replaceable)
    session.out.quiet = json == outputs.STDOUT
    with session.progress(1, "reading") as step:
        step(str(source))
        from flpjax.readers.formats.registry import format_named
        from flpjax.readers.importing import import_runs

        metrics = _pairs(metric or [], "--metric", allow_unnamed=True)
        imported = import_runs(
            source,
            format=format,
            join=join,
            metrics=metrics.pop("", None) if set(metrics) == {""} else metrics,
            columns=_pairs(column or [], "--column"),
            constants={name: _number(text, name) for name, text in _pairs(constant or [], "--constant").items()},
            subtasks=subtasks,
            allow_negative=allow_negative or [],
        )
    steps.save(json, imported)
    session.say(f"{source}: {imported.format} ({format_named(imported.format).about.partition(';')[0]})")
    if imported.runs is not None:
        table = imported.csv()
        session.write(mapping, _with_hashes(imported.mapping, table))
        session.write(output, table)
        session.say(str(imported.runs).partition(": ")[2])
    _write_join_template(imported, models, join, source, output, force)
    session.warn(imported.notes, style="cyan", label="note")
    session.warn(imported.doubts)
    if imported.runs is not None:
        session.say(f"Written: {output}, {mapping}. Next: flpjax check {output} --mapping {mapping}")


def refuse_folder(output: Path) -> None:
    """Raise an error unless the ladder is to be written to a file whose name ends in .csv.

    Raises:
        InputError: The name ends otherwise, as a folder's does.
    """
    if output.suffix.lower() != ".csv":
        raise InputError("the ladder is written as CSV", where=f"--output {output}", remedy="Name a file .csv")


def _write_join_template(
    imported: Imported, models: Path, join: Path | None, source: Path, output: Path, force: bool
) -> None:
    """If N, tokens or FLOPs are missing, write the template of a join table to fill in, unless there is one already."""
    from flpjax.cli import outputs, session

    needed = bool(imported.lacking) or (imported.without_params and join is None)
    if not needed:
        return
    what = (
        f"{count(len(imported.lacking), 'run')} ({some_of(imported.lacking, MOST_LISTED)}) "
        f"lack{'s' if len(imported.lacking) == 1 else ''} FLOPs, or N and tokens"
        if imported.lacking
        else "N is not in it, which many laws read"
    )
    next_command = f"flpjax import {source} --join {join or models} -o {output}"
    if join is not None:
        session.say(f"{what}: fill in {join}, and repeat {next_command}")
        return
    if models.exists() and not force and models.read_bytes() != imported.template.encode():
        session.say(f"{what}. {models} is there already: if it is filled in, {next_command}")
        return
    outputs.check_outputs({"the template": models}, [source] if source.is_file() else [], True)
    session.write(models, imported.template)
    session.say(
        f"{what}. Fill in {models}, in which what is known stands already (of a model, params, and tokens or batch × "
        f"context; 160M, 2.1B and 3e11 are numbers there). Then: {next_command}"
    )


def _with_hashes(mapping: str, table: str) -> str:
    """A mapping with hashes of its table and of itself appended, by which later edits are noticed."""
    text = f"{mapping.rstrip()}\n\n{TABLE_HASH}{_digest(table)}\n"
    return f"{text}{MAPPING_HASH}{_digest(text)}\n"


def _unedited(output: Path, mapping: Path) -> dict[str, str]:
    """Contents of the ladder and mapping of an earlier import, if unedited since (by their hashes); else empty."""
    found = {"--output": "", "--output's mapping": ""}
    try:
        text_of_mapping = mapping.read_bytes().decode()
        text, _, digest = text_of_mapping.rpartition(MAPPING_HASH)
        if digest.strip() == _digest(text):
            found["--output's mapping"] = text_of_mapping
            table = output.read_bytes().decode()
            if f"{TABLE_HASH}{_digest(table)}" in text:
                found["--output"] = table
    except (OSError, ValueError):
        pass
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _pairs(options: list[str], option: str, allow_unnamed: bool = False) -> dict[str, str]:
    """``["a=b"]`` → ``{"a": "b"}``; with ``allow_unnamed``, ``["b"]`` → ``{"": "b"}``."""
    found: dict[str, str] = {}
    for option_text in options:
        name, equals, text = option_text.partition("=")
        if not equals and allow_unnamed:
            name, text = "", option_text
        if not text or (not equals and not allow_unnamed) or name in found:
            remedy = "Write NAME=VALUE, each name once"
            raise InputError(f"'{option_text}' is not understood", where=option, remedy=remedy)
        found[name.strip()] = text.strip()
    return found


def _number(text: str, name: str) -> float:
    from flpjax.results.target import number_of

    return number_of(text, f"--constant {name}")
