"""What commands share while they run: progress, messages, pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flpjax.cli.console import err as err
from flpjax.cli.console import out as out
from flpjax.cli.layout import Paragraph
from flpjax.cli.outputs import MADE_BY
from flpjax.cli.outputs import write as write
from flpjax.cli.start import start_jax as start_jax
from flpjax.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOTED_AS: dict[str, dict[str, Any]] = {
    "png": {"metadata": {"Software": MADE_BY}},
    **{kind: {"metadata": {"Creator": MADE_BY}} for kind in ("pdf", "svg", "eps", "ps")},
    **{kind: {"pil_kwargs": {"comment": MADE_BY}} for kind in ("jpg", "jpeg")},
}
"""How a picture of each format says what made it, so that the next run may replace it."""


@contextmanager
def progress(total: int, what: str) -> Iterator[Any]:
    """A progress bar on stderr, gone when done; call what it yields with each step's name."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.table import Column
    from rich.text import Text

    class OneLine(TextColumn):
        """Words that give way to bar and time where a terminal is narrow."""

        def render(self, task: Task) -> Text:
            text = super().render(task)
            text.no_wrap, text.overflow = True, "ellipsis"
            return text

    words = OneLine("{task.description}", markup=False, table_column=Column())
    columns = [SpinnerColumn(), words]
    columns += [BarColumn(bar_width=20), MofNCompleteColumn()] if total > 1 else []
    with Progress(
        *columns, TimeElapsedColumn(), console=err, transient=True, disable=not err.is_terminal or err.quiet
    ) as bar:
        task = bar.add_task(what, total=total)
        begun = False

        def step(name: str) -> None:
            nonlocal begun
            if begun:
                bar.advance(task)
            begun = True
            bar.update(task, description=f"{what} {name}")

        yield step


def say(text: str) -> None:
    """A paragraph on stdout, broken at words in a terminal."""
    out.print(Paragraph(text))


def warn(messages: Sequence[str], *, style: str = "yellow", label: str = "warning") -> None:
    """Messages on stderr, one paragraph each."""
    for message in messages:
        err.print(Paragraph(message, style, hang=2, head=f"{label}:"))


def check_picture(path: Path) -> None:
    """Refuse a picture that could not be drawn, before the work is done.

    Raises:
        InputError: matplotlib is not installed, or the file's ending names no format.
    """
    from flpjax.cli.picture import load_matplotlib

    load_matplotlib()
    from matplotlib.backend_bases import FigureCanvasBase

    formats = FigureCanvasBase.get_supported_filetypes()
    if path.suffix[1:].lower() not in formats:
        raise InputError(
            f"there is no picture format '{path.suffix}'", where=str(path), remedy=f"There is: {', '.join(formats)}"
        )


def save_figure(path: Path, figure: Figure) -> None:
    """Write a figure whole or not at all, in the format that the file's ending names.

    Raises:
        InputError: There is no such format, or the file can't be written.
    """
    check_picture(path)
    from flpjax.cli.picture import drawn

    kind = path.suffix[1:].lower()
    write(path, drawn(figure, kind, **NOTED_AS.get(kind, {})))
