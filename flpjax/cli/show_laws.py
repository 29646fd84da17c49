"""Laws that were found, and what they forecast, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from flpjax.cli.layout import Paragraph, Sheet, table

if TYPE_CHECKING:
    from flpjax.fitting.lawsearch.found import Forecasts, FoundLaws


def show_laws(found: FoundLaws) -> list[Paragraph]:
    """One paragraph a law: its weight, its error on held-out rows, and the formula."""
    space = "relative" if found.problem.space == "log" else "absolute"
    lines = [
        f"{found.tried:,} laws tried on {int(found.problem.weight.sum()):,} values; the best, with their weights, "
        f"{space} errors on values left out, and formulas:"
    ]
    for member in found.members:
        lines.append(f"{member.weight:4.0%}  {member.trial.error:.2g}  {found.formula_of(member)}")
    if found.departure is not None:
        lines.append(f"Forecasts add {found.departure}.")
    if len(found.problem.y) == 1 and found.laws:  # of several, formulas stand there without numbers
        lines.append(f"The first, its numbers to be fitted again: --law 'found={found.laws[0].text}'")
    return [Paragraph(line, hang=6) for line in lines]


def show_predictions(found: FoundLaws, forecasts: Forecasts, level: float, most: int) -> list[Sheet | Paragraph]:
    """A table of the first rows, and how many more there are."""
    median, lower, upper = (np.asarray(v).reshape(len(forecasts.median), -1) for v in forecasts)
    rows = [
        [str(i + 1), name, f"{median[i, t]:.4g}", f"{lower[i, t]:.4g} to {upper[i, t]:.4g}"]
        for i in range(min(len(median), most))
        for t, name in enumerate(found.targets)
    ]
    shown: list[Sheet | Paragraph] = [
        table("Forecasts", ["row", "target", "median", f"{100 * level:g} % interval"], rows)
    ]
    more = len(median) - most
    return shown + ([Paragraph(f"and {more:,} rows more; --json FILE has them all")] if more > 0 else [])
