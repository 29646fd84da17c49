"""OLMo-core's model ladder: a folder a size with ``metrics_step<N>.json``, or the table that it makes of them."""

from __future__ import annotations

import re
from pathlib import Path

from flpjax.errors import InputError
from flpjax.readers.formats.files import LOOKED_AT, files, header, load_json, table
from flpjax.readers.formats.records import Choices, Format, Records
from flpjax.readers.formats.rows import RunRows, records_of_rows

METRICS = re.compile(r"metrics_step(\d{1,12})\.json")
COLUMNS = frozenset(("size", "num_params", "step", "tokens"))
"""Of the table of ``ModelLadder.get_metrics``; N there is without embeddings."""
PICKLE = (".pkl", ".pickle")


def recognises(path: Path) -> bool:
    """Whether a folder has metrics of steps, or a table has the ladder's columns."""
    if path.is_dir() and any(METRICS.fullmatch(each.name) for each in files(path, (".json",))):
        return True
    return bool(_tables(path)) or bool(_pickles(path))


def read(path: Path, choices: Choices) -> Records:
    """Read the tables at a path, or else the metrics of each size.

    Raises:
        InputError: There are only pickled tables, which may run any program, or a file can't be read.
    """
    runs = [run for each in _tables(path) for run in _of_table(each)]
    if not runs:
        runs = _of_folders(path)
    if not runs:
        raise InputError(
            "the metrics are pickled, and reading a pickle may run any program in it",
            where=str(_pickles(path)[0] if _pickles(path) else path),
            remedy="Write them as a table where you trust them: pandas.read_pickle(FILE).to_csv(FILE2)",
        )
    return records_of_rows(runs, str(path), choices, [f"sizes: {len(runs)}"])


def _tables(path: Path) -> list[Path]:
    there = files(path, (".csv", ".parquet"))
    return [each for each in there[: LOOKED_AT * LOOKED_AT] if set(header(each)) >= COLUMNS]


def _pickles(path: Path) -> list[Path]:
    return [each for each in files(path, PICKLE) if each.name.startswith("metrics")]


def _of_table(path: Path) -> list[RunRows]:
    raw = table(path)
    rows: dict[str, list[dict[str, object]]] = {}
    places: dict[str, list[str]] = {}
    for i, size in enumerate(raw.cells["size"]):
        row = {name: cells[i] for name, cells in raw.cells.items() if name not in ("name", "num_params")}
        row["non_embedding_params"] = raw.cells["num_params"][i]
        rows.setdefault(str(size), []).append(row)
        places.setdefault(str(size), []).append(raw.place.row_at(i))
    return [RunRows(size, rows[size], places[size]) for size in rows]


def _of_folders(path: Path) -> list[RunRows]:
    """Every folder with metrics is a run of the size that it is called by."""
    runs: dict[Path, list[tuple[int, Path]]] = {}
    for each in files(path, (".json",)):
        found = METRICS.fullmatch(each.name)
        if found:
            runs.setdefault(each.parent, []).append((int(found[1]), each))
    rows = []
    for folder, steps in runs.items():
        content = [(step, each, load_json(each)) for step, each in sorted(steps)]
        kept = [(step, each, row) for step, each, row in content if isinstance(row, dict)]
        logged = [{**row, "step": step} for step, _, row in kept]
        rows.append(RunRows(folder.name or str(folder), logged, [str(each) for _, each, _ in kept]))
    return rows


OLMO_CORE = Format("olmo-core", "OLMo-core's model ladder: metrics_step<N>.json, or its table", recognises, read)
