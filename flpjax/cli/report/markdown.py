"""A document as Markdown, for a pull request: the sentences and the tables, without pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flpjax.cli.layout import Paragraph, Sheet
from flpjax.cli.report.document import Block, Code, Document, Facts, Findings, Picture, cut, shown_columns
from flpjax.cli.text import visible

MARK = "<!-- flpjax "
"""How the text begins, so that the next run may replace it."""
SPECIAL = re.compile(r"([\\`*_\[\]<>|#~$&])")


def markdown(document: Document) -> str:
    """The text, in GitHub's flavour."""
    verdict, passed = document.verdict
    parts = [
        f"{MARK}{document.made_by.removeprefix('flpjax ')} -->",
        f"## {_text(document.title)}",
        *(f"**{_text(s)}**" if i == 0 else _text(s) for i, s in enumerate(document.answer)),
        f"Review: **{verdict}**, {_text(passed)}.",
    ]
    for section in document.sections:
        parts.append(f"### {section.heading}")
        parts += [_block(block) for block in section.blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def _text(text: str) -> str:
    """Text in which no character means more than itself."""
    return SPECIAL.sub(r"\\\1", visible(text))


def _block(block: Block) -> str:
    match block:
        case Paragraph():
            head = f"**{_text(block.head)}** " if block.head else ""
            return head + _text(block.text)
        case Sheet():
            return _table(block)
        case Facts():
            return _rows(["", ""], block.rows, 2)
        case Findings():
            found = [*block.review.open, *(f for f in block.review.findings if not f.verdict)]
            columns = ["verdict", "check", "figure", "remedy"]
            return _rows(columns, [[f.verdict.name, f.name, f.figure, f.remedy] for f in found], 4)
        case Code():
            return f"```\n{visible(block.text)}\n```"
        case Picture():
            return ""


def _table(sheet: Sheet) -> str:
    columns = shown_columns(sheet)
    rows, foot = cut(sheet)
    names = sum(i < sheet.names for i in columns)
    body = _rows([sheet.columns[i] for i in columns], [[row[i] for i in columns] for row in rows], names)
    return "\n\n".join(filter(None, [f"**{_text(sheet.title)}**", body, _text(foot)]))


def _rows(heads: Sequence[str], rows: Sequence[Sequence[str]], names: int) -> str:
    """A table: names on the left, numbers on the right."""
    rule = [":--" if i < names else "--:" for i in range(len(heads))]
    lines = [heads, *rows]
    text = [f"| {' | '.join(_text(cell) for cell in line)} |" for line in lines]
    return "\n".join([text[0], f"| {' | '.join(rule)} |", *text[1:]])
