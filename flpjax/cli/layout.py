"""Tables and paragraphs that lose nothing in a terminal of any width, and are one line a row in a pipe or a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment

from flpjax.cli.text import padded, visible, words, wrapped

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.style import Style

GAP = 2  # cells between columns
NARROWEST = 20  # cells: no terminal is taken as narrower
Row = tuple[str, ...]


@dataclass(frozen=True)
class Paragraph:
    """Text broken at words.

    Attributes:
        text: One paragraph.
        style: Of all of it; of a ``head``, of that alone.
        hang: Cells that all lines but the first are indented by.
        head: Words in front, such as ``warning:``.
    """

    text: str
    style: str = ""
    hang: int = 0
    head: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max(options.max_width, NARROWEST)
        head = visible(self.head)
        head_space = " " * (cell_len(head) + 1) if head else ""  # of the head, which is not broken
        first, *rest = wrapped(head_space + visible(self.text), width, self.hang)
        style: Style | None = console.get_style(self.style)
        if head:
            yield Segment(head, style)
            first, style = first[cell_len(head) :], None
        yield Segment(first, style)
        yield Segment.line()
        for line in rest:
            yield Segment(line, style)
            yield Segment.line()


@dataclass(frozen=True)
class Sheet:
    """A table, in the first of these shapes that is no wider than the terminal.

    One line a row, with headings folded if they must be; a name above the numbers of its row; the columns in several
    blocks, each with the names; every row as ``heading: value``. No number is broken, and no name that a line can hold.

    Attributes:
        title: What it shows.
        columns: ``(column,)`` the headings.
        rows: ``(row, column)`` the cells.
        names: How many columns, the first ones, are names, on the left; the others are numbers, on the right.
        foot: A line on all rows, below them.
    """

    title: str
    columns: Row
    rows: tuple[Row, ...]
    names: int = 1
    foot: str = ""

    def lines(self, width: int) -> list[str]:
        """The table without its title, in lines of at most ``width`` cells."""
        names = list(range(self.names))
        numbers = [i for i in range(self.names, len(self.columns)) if self._says_something(i)]
        line_width = max(width, NARROWEST) - 1  # one cell in front of everything
        for folds in (False, True):
            if self._wide(names + numbers, folds) <= line_width:
                return self._grid(names + numbers, folds)
        if self._wide(numbers, True) <= line_width - GAP:
            return self._stacked(names, numbers, line_width)
        widest = max(self._widths(numbers, True))
        if self._wide(names, True) <= line_width // 2 and widest <= line_width - self._wide(names, True) - GAP:
            return self._blocks(names, numbers, line_width)
        return self._records(names, numbers, line_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Paragraph(self.title, "bold")
        rule = "─" if options.encoding.startswith("utf") else "-"
        for line in self.lines(options.max_width):
            yield Segment(line.replace(RULE, rule).rstrip(" "))
            yield Segment.line()
        if self.foot:
            yield Paragraph(f" {self.foot}", hang=1)
        yield Segment.line()

    def _says_something(self, i: int) -> bool:
        return bool(self.columns[i]) or any(row[i] for row in self.rows)

    def _widths(self, chosen: Sequence[int], folds: bool) -> list[int]:
        """Of columns; where headings fold, their longest word counts."""

        def of(i: int) -> int:
            heading = words(self.columns[i]) if folds else [self.columns[i]]
            return max((cell_len(text) for text in [*heading, *(row[i] for row in self.rows)]), default=0)

        return [of(i) for i in chosen]

    def _wide(self, chosen: Sequence[int], folds: bool) -> int:
        widths = self._widths(chosen, folds)
        return sum(widths) + GAP * (len(widths) - 1)

    def _grid(self, chosen: Sequence[int], folds: bool, indent: str = " ") -> list[str]:
        """Headings, a rule, and one line a row, of some columns."""
        heads, widths = self._head(chosen, folds, indent)
        rule = indent + RULE * (sum(widths) + GAP * (len(widths) - 1))
        return [*heads, rule, *(self._line(row, chosen, widths, indent) for row in self.rows)]

    def _head(self, chosen: Sequence[int], folds: bool, indent: str) -> tuple[list[str], list[int]]:
        """The headings of some columns, in one line or more with their ends on one level, and the columns' widths."""
        widths = self._widths(chosen, folds)
        cells = {i: wrapped(self.columns[i], width) for i, width in zip(chosen, widths, strict=True)}
        deep = max((len(lines) for lines in cells.values()), default=1)
        cells = {i: [""] * (deep - len(lines)) + lines for i, lines in cells.items()}
        rows = [{i: cells[i][k] for i in chosen} for k in range(deep)]
        return [self._line(row, chosen, widths, indent) for row in rows], widths

    def _line(self, row: Row | dict[int, str], chosen: Sequence[int], widths: Sequence[int], indent: str) -> str:
        cells = (padded(row[i], width, right=i >= self.names) for i, width in zip(chosen, widths, strict=True))
        return indent + (" " * GAP).join(cells)

    def _stacked(self, names: Sequence[int], numbers: Sequence[int], line_width: int) -> list[str]:
        """Each row's names, and its numbers below."""
        indent = " " * (1 + GAP)
        heads, widths = self._head(numbers, True, indent)
        title = (" " * GAP).join(filter(None, (self.columns[i] for i in names)))
        lines = (
            ([f" {title}"] if title else []) + heads + [" " + RULE * min(self._wide(numbers, True) + GAP, line_width)]
        )
        for row in self.rows:
            lines += self._named(row, names, line_width)
            if any(row[i] for i in numbers):
                lines.append(self._line(row, numbers, widths, indent))
        return lines

    def _blocks(self, names: Sequence[int], numbers: Sequence[int], line_width: int) -> list[str]:
        """As many columns side by side as there is room for, then the next ones."""
        starts, used = [0], self._wide(names, True)
        for k, width in enumerate(self._widths(numbers, True)):
            if used + GAP + width > line_width:
                starts.append(k)
                used = self._wide(names, True)
            used += GAP + width
        lines: list[str] = []
        for start, end in pairwise([*starts, len(numbers)]):
            lines += ([""] if lines else []) + self._grid([*names, *numbers[start:end]], True)
        return lines

    def _records(self, names: Sequence[int], numbers: Sequence[int], line_width: int) -> list[str]:
        """Each row's names, and ``heading: value`` of the rest below."""
        lines = []
        for row in self.rows:
            lines += self._named(row, names, line_width)
            lines += _packed([f"{self.columns[i]}: {row[i]}".lstrip(": ") for i in numbers if row[i]], line_width)
        return lines

    def _named(self, row: Row, names: Sequence[int], line_width: int) -> list[str]:
        name = (" " * GAP).join(filter(None, (row[i] for i in names)))
        if cell_len(name) <= line_width:
            return [f" {name}"]
        return [line for i in names for line in wrapped(row[i], line_width + 1, GAP)]


RULE = "\0"  # in lines, until the terminal's encoding is known


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], names: int = 1, foot: str = "") -> Sheet:
    """A table for a terminal: the first ``names`` columns are names, on the left; numbers on the right."""
    return Sheet(title, _row(columns), tuple(_row(row) for row in rows), names, foot)


def _row(cells: Sequence[str]) -> Row:
    return tuple(visible(cell) for cell in cells)


def _packed(items: Sequence[str], line_width: int) -> list[str]:
    """Items separated by commas, as many a line as there is room for, none broken that a line holds."""
    indent = " " * (1 + GAP)
    lines: list[str] = []
    for k, item in enumerate(items):
        text = item + ("," if k < len(items) - 1 else "")
        if lines and cell_len(lines[-1]) + 1 + cell_len(text) <= line_width + 1:
            lines[-1] += f" {text}"
        else:
            wide = line_width + 1 - len(indent)
            heading, colon, value = text.partition(": ")
            parts = [text] if cell_len(text) <= wide or not colon else [f"{heading}:", " " * GAP + value]
            lines += [indent + line for part in parts for line in wrapped(part, wide, GAP)]
    return lines
