"""Files of other programs into a ladder: a canonical table, a mapping that explains it, and what is still missing."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flpjax.errors import ADVICE, InputError, did_you_mean, printable
from flpjax.ladder.build import is_canonical
from flpjax.ladder.export import csv_of
from flpjax.ladder.table import Runs
from flpjax.readers.formats.assemble import assembled
from flpjax.readers.formats.explained import mapping_of
from flpjax.readers.formats.files import require
from flpjax.readers.formats.join import read_join, template
from flpjax.readers.formats.records import AUXILIARY, Choices
from flpjax.readers.formats.registry import format_named, format_of

PathLike = str | os.PathLike[str]
CONSTANT = ("params", "tokens", "flops", *AUXILIARY)


@dataclass(frozen=True)
class Imported:
    """What a source became.

    Attributes:
        source: The source.
        format: The name of its format.
        runs: The ladder; None where a join table has to say more first.
        mapping: TOML text of a mapping file: facts about tasks, units for people, and, in comments, what each column is
            called in the source. Empty without a ladder.
        template: CSV text of a join table to fill in.
        lacking: Runs of which neither FLOPs nor both N and D are known.
        without_params: Whether N is known of no run: laws that read it take no part until a join table gives it.
        notes: What was done, in words.
        doubts: What may be wrong, each with a remedy.
    """

    source: str
    format: str
    runs: Runs | None
    mapping: str
    template: str
    lacking: tuple[str, ...]
    without_params: bool
    notes: tuple[str, ...]
    doubts: tuple[str, ...]

    def to_json(self) -> str:
        """What was found and done, as JSON text."""
        content = {
            "source": self.source,
            "format": self.format,
            "runs": [] if self.runs is None else list(self.runs.names),
            "checkpoints": 0 if self.runs is None else len(self.runs),
            "losses": [] if self.runs is None else list(self.runs.domains),
            "tasks": [] if self.runs is None else list(self.runs.task_names),
            "lacking": list(self.lacking),
            "without_params": self.without_params,
            "notes": list(self.notes),
            "warnings": list(self.doubts),
        }
        return json.dumps(content, indent=2, allow_nan=False)

    def csv(self) -> str:
        """The ladder as CSV text with canonical columns.

        Raises:
            InputError: A join table has to say more first.
        """
        if self.runs is None:
            raise InputError(
                f"the tokens and parameters, or the FLOPs, of {len(self.lacking)} runs are not in it",
                where=self.source,
                remedy="Fill in the template, and give it as the join table",
            )
        return csv_of(self.runs)


def import_runs(
    source: PathLike,
    *,
    format: str | None = None,  # noqa: A002
    join: PathLike | None = None,
    metrics: Mapping[str, str] | str | None = None,
    columns: Mapping[str, str] | None = None,
    constants: Mapping[str, float] | None = None,
    subtasks: bool = False,
    allow_negative: Sequence[str] = (),
) -> Imported:
    """Read files of other programs: results of lm-evaluation-harness, exports of Weights & Biases, and others.

    Args:
        source: A file or a folder.
        format: The name of its format; found out unless given.
        join: A table of what the source does not say: by ``model`` or by ``run``, the columns ``run``, ``params``,
            ``tokens``, ``flops``, ``step``, ``batch`` (sequences), ``context``, ``held_out``, losses. ``160M`` is a
            number there. A ladder, with several steps a run, is joined by run and step.
        metrics: Task → its metric, where there are several; a text is the metric of all tasks that have it.
        columns: Canonical name → the source's column, and its unit after a colon (``bits``, ``GFLOPs`` …).
        constants: ``params``, ``tokens``, ``flops``, ``batch``, ``batch_tokens`` or ``context`` of all rows without.
        subtasks: Keep the tasks of groups and leave the groups out, in place of the reverse.
        allow_negative: Losses that may be negative, as those relative to a unigram model: ``loss/<domain>``.

    Raises:
        InputError: The source can't be read or is of no known format, or something in it can't be.
    """
    path = Path(source)
    require(path)
    choices = Choices(
        metric=metrics if isinstance(metrics, str) else "",
        metrics={} if isinstance(metrics, str) or metrics is None else metrics,
        columns=columns or {},
        constants=constants or {},
        subtasks=subtasks,
    )
    _check(choices)
    chosen = format_of(path) if format is None else format_named(format)
    table = None if join is None else read_join(Path(join))
    records = chosen.read(path, choices)
    made = assembled(records, table, choices.constants, allow_negative)
    notes = (*made.notes, *(() if made.runs is None else made.runs.notes))
    return Imported(
        source=str(path),
        format=chosen.name,
        runs=made.runs,
        mapping="" if made.runs is None else mapping_of(made.runs, made.records, chosen.name),
        template=template(made.records),
        lacking=made.lacking,
        without_params=made.without_params,
        notes=tuple(printable(note, ADVICE) for note in notes),
        doubts=tuple(printable(doubt, ADVICE) for doubt in made.doubts),
    )


def _check(choices: Choices) -> None:
    """Refuse names that nothing is called by."""
    for name in choices.columns:
        if not is_canonical(name) and name not in AUXILIARY:
            raise InputError(
                f"'{name}' is no canonical column",
                where="--column",
                remedy='Write "loss/c4=THEIR NAME"; also run, params, tokens, flops, step, score/…, x/…',
            )
    for name, value in choices.constants.items():
        if name not in CONSTANT:
            raise InputError(f"'{name}' can't be set", where="--constant", remedy=did_you_mean(name, CONSTANT))
        if not 0.0 < value < float("inf"):
            raise InputError(f"{name} is {value:g}", where="--constant", remedy="Give a positive number")
