"""What every benchmark shares: where it ran, tables on stdout, JSON in a file."""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

WIDTH = 150  # of tables that go to a file


def parser(about: str | None) -> argparse.ArgumentParser:
    """A parser of arguments with ``--json``."""
    made = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    made.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    return made


def environment() -> dict[str, Any]:
    """Device, precision and versions, of the program that calls it."""
    import jax  # late: the memory of a program that measures its children counts as theirs

    device = jax.devices()[0]
    name = f"{_processor()}, {os.cpu_count()} cores" if device.platform == "cpu" else device.device_kind
    return {
        "device": f"{device.platform}: {name}",
        "precision": "float64" if jax.config.read("jax_enable_x64") else "float32",
        "jax": jax.__version__,
        "python": platform.python_version(),
    }


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], caption: str | None = None) -> None:
    """Print a table; all columns but the first are set right."""
    Console(width=None if sys.stdout.isatty() else WIDTH).print(_table(title, columns, rows, caption))


def tabulated(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], caption: str | None = None) -> str:
    """A table as text."""
    file = io.StringIO()
    Console(file=file, width=WIDTH).print(_table(title, columns, rows, caption))
    return file.getvalue().rstrip("\n")


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], caption: str | None) -> Table:
    table = Table(title=title, caption=caption, title_justify="left", caption_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", no_wrap=i == 0)
    for row in rows:
        table.add_row(*("–" if cell is None else str(cell) for cell in row))
    return table


def percent(value: float | None, digits: int = 2, *, signed: bool = False) -> str | None:
    """A share as percent, without the sign of percent."""
    if value is None:
        return None
    return f"{100.0 * value:+.{digits}f}" if signed else f"{100.0 * value:.{digits}f}"


def finish(result: dict[str, Any], path: Path | None) -> None:
    """Say where the figures were taken and write them."""
    where = {key: result[key] for key in ("device", "precision", "jax")}
    print(f"{where['device']}; {where['precision']}; jax {where['jax']}")
    if path is not None:
        path.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _processor() -> str:
    """The processor's name, from Linux if it says."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
