"""What the command line sets up: precision, compiled programs that are kept, progress, and where things are written."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from flpjax.errors import InputError
from flpjax.faces.layout import Paragraph

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNLIMITED = 1_000_000  # columns: into a file or a pipe nothing is cut short
out = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else UNLIMITED)
err = Console(stderr=True, highlight=False, markup=False, width=None if sys.stderr.isatty() else UNLIMITED)


def start_jax() -> None:
    """Set float64 and keep compiled programs: the command line is the program, so it may decide.

    The folder is the user's cache folder, or ``FLPJAX_CACHE``; without a folder that can be written, nothing is kept.
    """
    import jax
    import platformdirs

    jax.config.update("jax_enable_x64", True)
    folder = Path(os.environ.get("FLPJAX_CACHE") or Path(platformdirs.user_cache_dir("flpjax")) / "compiled")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        err.print(f"compiled programs are not kept: {error}", style="dim")
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


@contextmanager
def progress(total: int, what: str) -> Iterator[Any]:
    """A progress bar on stderr, gone when done; call what it yields with each step's name."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.table import Column

    words = TextColumn("{task.description}", markup=False, table_column=Column(overflow="fold"))
    columns = [SpinnerColumn(), words]
    columns += [BarColumn(bar_width=20), MofNCompleteColumn()] if total > 1 else []
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True) as bar:
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


def write(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        InputError: The file can't be written.
    """
    data = content.encode() if isinstance(content, str) else content
    name = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            name = file.name
            file.write(data)
        os.chmod(name, 0o666 & ~_umask())  # a temporary file is its owner's alone
        os.replace(name, path)
    except OSError as error:
        if name is not None:
            Path(name).unlink(missing_ok=True)
        why = error.strerror or "unknown reason"
        raise InputError(f"can't be written ({why})", where=str(path), remedy="Name another file") from None


def check_picture(path: Path) -> None:
    """Refuse a picture that could not be drawn, before the work is done.

    Raises:
        InputError: matplotlib is not installed, or the file's ending names no format.
    """
    try:
        from matplotlib.backend_bases import FigureCanvasBase
    except ImportError as error:
        raise InputError("plots need matplotlib, which is not installed", remedy="pip install 'flpjax[viz]'") from error
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
    picture = io.BytesIO()
    figure.savefig(picture, format=path.suffix[1:].lower(), dpi=150)
    write(path, picture.getvalue())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
