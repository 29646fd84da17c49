"""What is measured: commands, tables that they read, and what a user should wait for at most."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.published import OLMO_SECONDS
from benchmarks.start import tables

CACHE = "FLPJAX_CACHE"
PEER = (
    "one chained run of the OLMo ladder's own code takes {:.0f} to {:.0f} s on 2 cores, as the notes beside the "
    "ladders' files say (section olmo-ladder)"
).format(*OLMO_SECONDS)
TABLE = "TABLE"
"""Stands for the path of the table that a case makes."""


class Case(NamedTuple):
    """One command.

    Attributes:
        name: In JSON, and on the command line.
        says: In words.
        arguments: Of Python.
        at_most: Seconds on two cores that issue 19 asks for; None where it asks for none.
        cold: Each run begins without compiled programs.
        table: Makes the columns of the table that it reads.
    """

    name: str
    says: str
    arguments: tuple[str, ...]
    at_most: float | None = None
    cold: bool = False
    table: Callable[[], tables.Columns] | None = None

    @property
    def shown(self) -> str:
        """The command."""
        return "python " + " ".join(self.arguments)


def _flpjax(*arguments: str) -> tuple[str, ...]:
    return ("-m", "flpjax", *arguments)


AHEAD = ("--target", "N=1e10,D=2e11")
OLMO = _flpjax("forecast", "olmo-ladder")
ISOFLOPS = ("-m", "benchmarks.start.isoflops")
POSTERIOR = ("-m", "benchmarks.start.many_tasks", TABLE)

CASES = (
    Case("nothing", "a program that does nothing", ("-c", "pass")),
    Case("import", "import flpjax", ("-c", "import flpjax")),
    Case("jax", "import jax.numpy", ("-c", "import jax.numpy")),
    Case("help", "flpjax --help", _flpjax("--help"), 0.3),
    Case("forecast-cold", "forecast olmo-ladder, nothing compiled", OLMO, 7.0, cold=True),
    Case("forecast", "forecast olmo-ladder, compiled before", OLMO, 3.0),
    Case("isoflops-cold", "Chinchilla's law on five isoFLOP sets, nothing compiled", ISOFLOPS, None, cold=True),
    Case("isoflops", "the same, compiled before", ISOFLOPS),
    Case("demo", "demo, compiled before", _flpjax("demo"), 4.0),
    Case("check-rows", "check of 160,000 rows", _flpjax("check", TABLE), 2.0, table=lambda: tables.long(160_000)),
    Case(
        "forecast-rows",
        "forecast from 160,000 rows",
        _flpjax("forecast", TABLE, *AHEAD),
        15.0,
        table=lambda: tables.long(160_000),
    ),
    Case(
        "forecast-tasks",
        "forecast of 1,000 tasks",
        _flpjax("forecast", TABLE, *AHEAD),
        20.0,
        table=lambda: tables.wide(1000),
    ),
    Case("posterior-tasks", "fast posterior of 1,000 tasks", POSTERIOR, 60.0, table=lambda: tables.wide(1000)),
    Case(
        "mix-sources",
        "mix of 40 sources",
        _flpjax("mix", TABLE, "--target", "N=1e9,D=2e10"),
        20.0,
        table=lambda: tables.mixtures(40),
    ),
)


def prepared(case: Case, folder: Path) -> tuple[str, ...]:
    """Its arguments, with the table written into a folder."""
    if case.table is None:
        return case.arguments
    path = tables.write(folder / "table.csv", case.table())
    return tuple(str(path) if argument == TABLE else argument for argument in case.arguments)
