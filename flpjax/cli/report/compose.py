"""Results in, the document out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flpjax.cli import steps
from flpjax.cli.layout import Paragraph
from flpjax.cli.outputs import MADE_BY
from flpjax.cli.report import methods, sections
from flpjax.cli.report.answer import answer
from flpjax.cli.report.document import Block, Document
from flpjax.errors import count

if TYPE_CHECKING:
    from flpjax.cli.report.material import Material

MOST_PANELS = 12  # of the first picture, the loss among them


def compose(material: Material, pictures: bool = True) -> Document:
    """The report of these results.

    Args:
        material: The results.
        pictures: Whether to draw them, which Markdown has no place for.
    """
    reviewed, name = material.review, material.question.main.name
    passed = f"{len(reviewed.findings) - len(reviewed.open)} of {count(len(reviewed.findings), 'check')} pass"
    parts = (
        sections.asked(material),
        sections.data(material),
        sections.forecast(material),
        methods.intervals(material),
        sections.review(material),
        sections.backtest(material, pictures),
        sections.allocation(material, pictures),
        sections.mixture(material, pictures),
        methods.methods(material),
        methods.versions(material),
    )
    others = len(material.forecast.targets) - 1
    return Document(
        f"Forecast of {name}" + (f" and {count(others, 'other')}" if others else ""),
        answer(material),
        (reviewed.verdict.name, passed),
        _opening(material) if pictures else (),
        tuple(part for part in parts if part is not None),
        material.question.command,
        MADE_BY,
    )


def _opening(material: Material) -> tuple[Block, ...]:
    """The forecast with its law."""
    from flpjax.cli.report.svg import embedded

    tasks = list(dict.fromkeys(name for each in material.forecast.score for name in each))
    shown = tasks[: MOST_PANELS - 1]
    figure = steps.picture_of(material.fitted, material.forecast, material.table, shown)
    more = len(tasks) - len(shown)
    note = (Paragraph(f"The tables below have {count(more, 'more task')}."),) if more else ()
    return (embedded(figure, "forecast"), *note)
