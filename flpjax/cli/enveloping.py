"""The command ``envelope``: of a sweep of learning rates or batches, what the best setting reaches at each N and D."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flpjax.cli import steps
from flpjax.cli.options import Exclude, Force, Json, Mapping, Only, Quiet, RunsArgument, Via

if TYPE_CHECKING:
    from flpjax.cli.layout import Sheet
    from flpjax.results.allocation.sweep import SweepEnvelope


def envelope(
    runs: RunsArgument,
    via: Via = None,
    mapping: Mapping = None,
    only: Only = None,
    exclude: Exclude = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the best runs to this CSV: a ladder to forecast from.")
    ] = None,
    json: Json = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """What the best of several learning rates or batches reaches at each N and D, and which runs diverged."""
    steps.prepare(json, force, inputs=[runs, mapping])
    from flpjax.cli import outputs, session

    outputs.check_outputs({"--output": output, "--json": json}, [runs, mapping], force)
    table = steps.read(runs, mapping, only, exclude)
    from flpjax.ladder.export import csv_of
    from flpjax.results.allocation.sweep import sweep_envelope

    found = sweep_envelope(table, via)
    steps.save(json, found)
    if output is not None:
        outputs.write(output, csv_of(found.runs))
    session.say(f"{found.words}.")
    session.out.print(_sheet(found))
    session.warn(table.notes, style="cyan", label="note")


def _sheet(found: SweepEnvelope) -> Sheet:
    from flpjax.cli.layout import table
    from flpjax.cli.text import fixed, number

    rows = [
        [
            number(cell.params),
            number(cell.tokens),
            f"{len(cell.runs)}",
            f"{len(cell.diverged)}",
            *(f"{cell.settings[name]:.3g}" for name in found.settings),
            fixed(cell.lowest, 4),
            fixed(cell.loss, 4),
            "bowl" if cell.bowl else "lowest",
        ]
        for cell in found.cells
    ]
    columns = ["N", "D", "runs", "diverged", *(f"best {name}" for name in found.settings)]
    title = f"Loss {found.domain} of the best setting, by N and D"
    return table(title, [*columns, "lowest run", "envelope", "by"], rows)
