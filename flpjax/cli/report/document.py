"""What a report is made of, whatever it is written as: sections of paragraphs, tables, pictures, facts and findings."""

from __future__ import annotations

from dataclasses import dataclass

from flpjax.cli.layout import Paragraph, Sheet
from flpjax.results.verdicts import Review

MOST_ROWS = 200
"""Rows of one table: who reads on wants a file of numbers, and a page of thousands of rows is slow to open."""


@dataclass(frozen=True)
class Picture:
    """A picture in panels, each a drawing of its own, so that they stand side by side or below each other.

    Attributes:
        caption: One sentence that says how to read it.
        panels: ``(panel,)`` what each shows, in words, and its SVG element.
        legend: An SVG element; empty where nothing needs one.
    """

    caption: str
    panels: tuple[tuple[str, str], ...]
    legend: str = ""


@dataclass(frozen=True)
class Facts:
    """Terms and what is said of each: ``(("method", "auto"), …)``."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Findings:
    """All checks of a review, those that don't pass first."""

    review: Review


@dataclass(frozen=True)
class Code:
    """A command, to be copied."""

    text: str


Block = Paragraph | Sheet | Picture | Facts | Findings | Code


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes:
        name: Its anchor, of lower-case letters.
        heading: What it is called.
        blocks: What it says, in this order.
    """

    name: str
    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """A report.

    Attributes:
        title: What it is about.
        answer: The sentences that matter most; the first is set large.
        verdict: ``PASS``, ``REVIEW`` or ``FAIL``, and the figure of all checks.
        opening: Below the answer: the picture.
        sections: The rest, in this order.
        command: What makes this report again.
        made_by: Program and version.
    """

    title: str
    answer: tuple[str, ...]
    verdict: tuple[str, str]
    opening: tuple[Block, ...]
    sections: tuple[Section, ...]
    command: str
    made_by: str


def shown_columns(sheet: Sheet) -> list[int]:
    """The columns of a table that say something, as terminals show them."""
    return [i for i, name in enumerate(sheet.columns) if i < sheet.names or name or any(row[i] for row in sheet.rows)]


def cut(sheet: Sheet) -> tuple[tuple[tuple[str, ...], ...], str]:
    """The rows of a table that are shown, and a line on those that are not."""
    left = len(sheet.rows) - MOST_ROWS
    if left <= 0:
        return sheet.rows, sheet.foot
    more = f"{left:,} more rows are not shown; --json FILE has them all."
    return sheet.rows[:MOST_ROWS], f"{sheet.foot} {more}".strip()
