"""Sections on how a report was made: where intervals come from, what was fitted, and with which versions."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

from flpjax.cli.layout import Paragraph, Sheet, table
from flpjax.cli.report.document import Block, Code, Facts, Section
from flpjax.cli.text import fixed, percent
from flpjax.engine.settings import Status
from flpjax.errors import count

if TYPE_CHECKING:
    from flpjax.cli.report.material import Material
    from flpjax.fitting.draws import StageFit
    from flpjax.fitting.validation import RollingValidation

LIGHT = 0.02  # weight below which a law or a map is not named
KINDS = {
    "blend": "Laws and maps, each with a discrepancy that grows with the distance from the ladder, are averaged by "
    "their evidence. Intervals are quantiles of draws of that blend, with the scatter of runs and evaluations.",
    "bootstrap": "Whole runs are resampled, the method is fitted to each resample, and intervals are quantiles of "
    "these fits, with the scatter of runs and evaluations. They know no error of the law itself.",
    "posterior": "Intervals are quantiles of a posterior of the law's parameters, with the scatter of runs and "
    "evaluations. They know no error of the law itself.",
    "point": "One fit: there are no intervals.",
    "tied": "Fits that tie on the ladder: their spread is no interval.",
}
"""Kind of draws → where its intervals come from."""


def intervals(material: Material) -> Section:
    """How intervals were made, and how they were held against the ladder's own larger runs."""
    fitted = material.fitted
    blocks: list[Block] = [Paragraph(KINDS[fitted.kind])]
    past = fitted.validation
    if past is None:
        blocks.append(Paragraph("They were not calibrated on the ladder itself: only a blend (method auto) is."))
    elif not past.cells:
        blocks.append(Paragraph("No run of the ladder could be forecast from smaller ones, so that nothing says how "
                                "often they hold: take them with care."))  # fmt: skip
    else:
        blocks.append(
            Paragraph(
                "To see how often they hold, the ladder was cut off at several sizes, and the same blend forecast, "
                "from what was below, the runs above, which it did not see."
            )
        )
        blocks.append(_calibration(past))
        blocks += [Paragraph(f"{d.name[:1].upper()}{d.name[1:]}: {d.figure}.") for d in past.diagnostics()[:-1]]
    return Section("intervals", "How intervals were calibrated", tuple(blocks))


def _calibration(past: RollingValidation) -> Facts:
    rows = [
        ["Runs forecast from smaller ones", f"{past.runs:,}"],
        ["Values forecast", f"{past.cells:,}"],
        ["Of them in 50 % intervals", f"{percent(past.covered_50)} %"],
        ["Of them in 90 % intervals", f"{percent(past.covered_90)} %"],
        ["Mean |error| of losses", f"{percent(past.error[0])} %"],
        ["Mean |error| of scores", f"{percent(past.error[1])} points"],
    ]
    if math.isfinite(past.horizon):
        rows.append(["Farthest forecast", f"{math.exp(past.horizon):.3g} × the largest compute it knew"])
    return Facts(tuple((term, said) for term, said in rows if not said.startswith("-")))


def methods(material: Material) -> Section:
    """What was fitted: weights of a blend, and the constants of every fit."""
    fitted = material.fitted
    blocks: list[Block] = []
    if fitted.validation is not None:
        blocks.append(_weights(fitted.validation))
    blocks += [_constants(name, each) for name, each in fitted.fits.items() if each.outputs]
    blocks.append(
        Paragraph(
            "A score is forecast in two stages: features of a run to losses, and losses to scores. Errors are relative "
            "to what was measured; CRPS is the continuous ranked probability score, in the unit of what is forecast."
        )
    )
    return Section("methods", "Methods", tuple(blocks))


def _weights(past: RollingValidation) -> Sheet:
    """A row an output: which laws, or maps to scores, the blend has for it, the heaviest first."""
    shares: dict[str, list[tuple[float, str]]] = {}
    for row in past.table():
        shares.setdefault(row["output"], []).append((row["weight"], row["method"]))
    rows = [
        [output, ", ".join(f"{name} {100 * w:.0f} %" for w, name in sorted(each, reverse=True) if w >= LIGHT)]
        for output, each in shares.items()
    ]
    return table("The blend, by weight", ["", "laws, or maps from losses to scores"], rows, names=2)


def _constants(name: str, each: StageFit) -> Sheet:
    constants = list(each.constants)
    rows = [
        [
            output,
            *(f"{float(each.constants[c][i]):.4g}" if math.isfinite(each.constants[c][i]) else "-" for c in constants),
            Status(int(each.status[i])).name.lower(),
            percent(float(each.agree[i]), 0),
            fixed(100.0 * float(each.residual_sd[i]), 2),
        ]
        for i, output in enumerate(each.outputs)
    ]
    columns = ["", *constants, "fit", "starts agree, %", "residual, %"]
    return table(f"Fitted constants of {name}: {each.law}", columns, rows)


def versions(material: Material) -> Section:
    """Versions, the data's hash, and the command."""
    from platform import python_version

    from flpjax.fitting.saved.archive import VERSIONS
    from flpjax.ladder.export import csv_of
    from flpjax.version import __version__, installed

    data = hashlib.sha256(csv_of(material.table).encode()).hexdigest()
    rows = (
        ("flpjax", __version__),
        *((name, installed(name)) for name in VERSIONS),
        ("Python", python_version()),
        ("Data, SHA-256 of the canonical table", data),
        ("Size", f"{count(len(material.table.names), 'run')}, {count(len(material.table), 'checkpoint')}"),
    )
    again = Paragraph("This makes the report again; with the same data, seed and versions it is the same.")
    return Section(
        "again", "Versions, and how to make this again", (Facts(rows), again, Code(material.question.command))
    )
