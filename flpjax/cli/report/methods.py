"""Sections of a report on its making: how intervals were made, the fitted laws, and versions of software and data."""

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

LEAST_WEIGHT = 0.02  # laws, and maps from losses to scores, of less weight are not named
EXPLANATIONS = {
    "blend": "Laws and maps, each with a discrepancy that grows with the distance from the ladder, are averaged by "
    "their evidence. Intervals are quantiles of draws of that blend, with the scatter of runs and evaluations.",
    "bootstrap": "Whole runs are resampled, the method is fitted to each resample, and intervals are quantiles of "
    "these fits, with the scatter of runs and evaluations. They know no error of the law itself.",
    "posterior": "Intervals are quantiles of a posterior of the law's parameters, with the scatter of runs and "
    "evaluations. They know no error of the law itself.",
    "point": "One fit: there are no intervals.",
    "tied": "Fits that tie on the ladder: their spread is no interval.",
}
"""Method of fitting, by its kind of draws → how intervals follow from them."""


def intervals(material: Material) -> Section:
    """How intervals were made, and how many of the ladder's larger runs they held when forecast from smaller ones."""
    fitted = material.fitted
    blocks: list[Block] = [Paragraph(EXPLANATIONS[fitted.kind])]
    validation = fitted.validation
    if validation is None:
        blocks.append(Paragraph("They were not calibrated on the ladder itself: only a blend (method auto) is."))
    elif not validation.cells:
        blocks.append(Paragraph("No run of the ladder could be forecast from smaller ones, so that nothing says how "
                                "often they hold: take them with care."))  # fmt: skip
    else:
        blocks.append(
            Paragraph(
                "To see how often they hold, the ladder was cut off at several sizes, and the same blend forecast, "
                "from what was below, the runs above, which it did not see."
            )
        )
        blocks.append(_calibration(validation))
        blocks += [Paragraph(f"{d.name[:1].upper()}{d.name[1:]}: {d.figure}.") for d in validation.diagnostics()[:-1]]
    return Section("intervals", "How intervals were calibrated", tuple(blocks))


def _calibration(validation: RollingValidation) -> Facts:
    """Coverage and errors of forecasts of the ladder's larger runs from its smaller ones."""
    rows = [
        ["Runs forecast from smaller ones", f"{validation.runs:,}"],
        ["Values forecast", f"{validation.cells:,}"],
        ["Of them in 50 % intervals", f"{percent(validation.covered_50)} %"],
        ["Of them in 90 % intervals", f"{percent(validation.covered_90)} %"],
        ["Mean |error| of losses", f"{percent(validation.error[0])} %"],
        ["Mean |error| of scores", f"{percent(validation.error[1])} points"],
    ]
    if math.isfinite(validation.horizon):
        rows.append(["Farthest forecast", f"{math.exp(validation.horizon):.3g} × the largest compute it knew"])
    return Facts(tuple((term, value) for term, value in rows if not value.startswith("-")))


def methods(material: Material) -> Section:
    """The weights of a blend, and the fitted constants of every law."""
    fitted = material.fitted
    blocks: list[Block] = []
    if fitted.validation is not None:
        blocks.append(_weights(fitted.validation))
    blocks += [_constants(name, stage) for name, stage in fitted.fits.items() if stage.outputs]
    blocks.append(
        Paragraph(
            "A score is forecast in two stages: features of a run to losses, and losses to scores. Errors are relative "
            "to what was measured; CRPS is the continuous ranked probability score, in the unit of what is forecast."
        )
    )
    return Section("methods", "Methods", tuple(blocks))


def _weights(validation: RollingValidation) -> Sheet:
    """A row for each loss or score: the laws, or maps to scores, in its blend, the largest weight first."""
    shares: dict[str, list[tuple[float, str]]] = {}
    for row in validation.to_dicts():
        shares.setdefault(row["output"], []).append((row["weight"], row["method"]))
    rows = [
        [output, ", ".join(f"{name} {100 * w:.0f} %" for w, name in sorted(stage, reverse=True) if w >= LEAST_WEIGHT)]
        for output, stage in shares.items()
    ]
    return table("The blend, by weight", ["", "laws, or maps from losses to scores"], rows, names=2)


def _constants(name: str, stage: StageFit) -> Sheet:
    """A row for each loss or score: fitted constants, and how the fit went."""
    constants = list(stage.constants)
    rows = [
        [
            output,
            *(
                f"{float(stage.constants[c][i]):.4g}" if math.isfinite(stage.constants[c][i]) else "-"
                for c in constants
            ),
            Status(int(stage.status[i])).name.lower(),
            percent(float(stage.agree[i]), 0),
            fixed(100.0 * float(stage.residual_sd[i]), 2),
        ]
        for i, output in enumerate(stage.outputs)
    ]
    columns = ["", *constants, "fit", "starts agree, %", "residual, %"]
    return table(f"Fitted constants of {name}: {stage.law}", columns, rows)


def versions(material: Material) -> Section:
    """Versions of software, the data's hash, and the command that makes the report again."""
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
    how_to_repeat = Paragraph("This makes the report again; with the same data, seed and versions it is the same.")
    return Section(
        "again", "Versions, and how to make this again", (Facts(rows), how_to_repeat, Code(material.question.command))
    )
