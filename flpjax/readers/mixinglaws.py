"""Data Mixing Laws (Ye et al. 2024, arXiv:2403.16952): mixtures of 2, 3, 5 and 7 sources, every checkpoint.

Two layouts are read. The authors' own, ``data/<mixes>/<size>.txt``, has one line a checkpoint and validation set; the
tables ``<mixes>_wide.csv`` have the same readings, rounded to five decimals, as one row a checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, count, did_you_mean
from flpjax.ladder.build import Place, build_runs
from flpjax.ladder.table import Runs
from flpjax.readers.cells import names, numbers
from flpjax.readers.csv_file import read_csv, read_text
from flpjax.readers.raw import FilesPlace, RawTable

Mixes = Literal["2Mix", "3Mix", "5Mix", "RedPajama"]

TOKENS_PER_STEP = 4096 * 256
# Size → non-embedding parameters, as the authors' pipeline counts them.
SIZES = {"70M": 18_915_328, "160M": 85_056_000, "305M": 201_541_632, "410M": 302_311_424, "1B": 805_736_448}
# Mixes → the sources in the order in which a run's name lists their weights. The authors' files don't say the order of
# RedPajama's; it is inferred.
SOURCES: dict[str, tuple[str, ...]] = {
    "2Mix": ("Github", "Pile-CC"),
    "3Mix": ("Github", "Books3", "Pile-CC"),
    "5Mix": ("academic", "prose", "dialogue", "symbolic", "internet"),
    "RedPajama": ("CommonCrawl", "C4", "Github", "ArXiv", "Books", "StackExchange", "Wikipedia"),
}
# The last 6 of the authors' 26 mixtures of five sources. Their notebook fits 20 and scores 6 as well, but shuffles
# them in an order that can't be repeated.
UNSEEN = {
    "0-0.1875-0-0.0625-0.75", "0.125-0.09375-0.03125-0-0.75", "0-0.1875-0.0625-0-0.75",
    "0.0625-0.09375-0.03125-0.0625-0.75", "0.25-0-0-0-0.75", "0.125-0-0-0.125-0.75",
}  # fmt: skip
LARGEST, APART = "1B", 900  # the authors extrapolate to 1B, and fit on no run with a number above 900
DROPPED = {"RedPajama": 999}  # its weights sum to 1.02 and list the sources in another order
KEYS = ("size", "run", "ratio", "step")


def mixinglaws(folder: Path, mixes: Mixes) -> Runs:
    """Read one set of mixtures: losses on the Pile's validation sets at every checkpoint.

    Runs are named ``<size>_<number>`` as in the authors' files. Tokens are steps × 1,048,576, parameters the authors'
    non-embedding ones, FLOPs 6·N·D. Held out are all 1B runs, the runs that the authors' code leaves out of every fit
    (numbers above 900) and, of the five-source ones, the last 6 of their 26 mixtures at every size. Nothing is held out
    of ``2Mix`` and ``3Mix``. A validation set that a checkpoint was not evaluated on is NaN.

    A run's final row is its last checkpoint in the files. Runs end at different steps (most at 30,000, some at 60,000
    or 100,000, a few earlier), so compare mixtures at one step, not at their finals.

    Args:
        folder: A copy of the authors' repository, or a folder with the table ``<mixes>_wide.csv``.
        mixes: Which set of mixtures.

    Raises:
        InputError: There is no such set; or a file or a column is missing, or a line of one is damaged.
    """
    if mixes not in SOURCES:
        raise InputError(f"there are no mixtures '{mixes}'", where="mixinglaws", remedy=did_you_mean(mixes, SOURCES))
    theirs = folder / "data" / mixes
    raw, notes = (_lines(theirs), [_unverified(theirs)]) if theirs.is_dir() else (_wide(folder, mixes), [])
    number = [_number(run) for run in raw.cells["run"]]
    raw = _rows(raw, [i for i, n in enumerate(number) if n != DROPPED.get(mixes)])
    size, run, ratio = (list(raw.cells[key]) for key in KEYS[:3])
    step = numbers(raw.cells["step"], "step", raw.place)
    for i, name in enumerate(size):
        if name not in SIZES:
            raise InputError(
                f"there is no size '{name}'", where=raw.place.at(i, "size"), remedy=did_you_mean(name, SIZES)
            )
    columns: dict[str, NDArray[Any]] = {
        "run": names([r if r.startswith(f"{s}_") else f"{s}_{r}" for s, r in zip(size, run, strict=True)]),
        "params": np.array([SIZES[s] for s in size], np.float64),
        "tokens": step * TOKENS_PER_STEP,
        "step": step,
        "held_out": np.array(
            [
                s == LARGEST or _number(r) > APART or (mixes == "5Mix" and weights in UNSEEN)
                for s, r, weights in zip(size, run, ratio, strict=True)
            ]
        ),
        **_weights(ratio, SOURCES[mixes], raw.place),
    }
    for domain in sorted(set(raw.cells) - {*KEYS, "set"}):
        columns[f"loss/{domain}"] = numbers(raw.cells[domain], domain, raw.place)
    return build_runs(columns, source=f"mixinglaws ({mixes})", place=raw.place, notes=[*_notes(mixes, columns), *notes])


def _notes(mixes: str, columns: dict[str, NDArray[Any]]) -> list[str]:
    gaps = np.any([np.isnan(values) for name, values in columns.items() if name.startswith("loss/")], axis=0).sum()
    dropped = f"run {DROPPED[mixes]} is left out: its weights sum to 1.02" if mixes in DROPPED else ""
    return [note for note in (dropped, f"{count(int(gaps), 'checkpoint')} without some losses" if gaps else "") if note]


def _unverified(folder: Path) -> str:
    sizes = [size for size in SIZES if (folder / f"{size}.txt").is_file()]
    return f"not verified: the authors' own files are read, of which no hash is known: {', '.join(sizes)}"


def _number(run: str) -> int:
    """A run's number: the last part of its name."""
    last = run.rpartition("_")[2]
    return int(last) if last.isdecimal() and len(last) < 10 else -1


def _weights(ratio: Sequence[str], sources: Sequence[str], place: Place) -> dict[str, NDArray[Any]]:
    """``0.25-0.75`` as one column a source."""
    parts = [weights.split("-") for weights in ratio]
    for i, weights in enumerate(parts):
        if len(weights) != len(sources):
            raise InputError(
                f"'{ratio[i]}' lists {len(weights)} weights, but there are {len(sources)} sources",
                where=place.at(i, "ratio"),
                remedy="Check that this is the file",
            )
    return {f"mix/{s}": numbers([weights[k] for weights in parts], "ratio", place) for k, s in enumerate(sources)}


def _rows(raw: RawTable, keep: Sequence[int]) -> RawTable:
    """Some rows of a table, still named as in their file."""
    row = None if raw.place.row is None else [raw.place.row[i] for i in keep]
    place = replace(raw.place, row=row)
    if isinstance(place, FilesPlace):
        place = replace(place, files=[place.files[i] for i in keep])
    return RawTable({name: [cells[i] for i in keep] for name, cells in raw.cells.items()}, place)


def _wide(folder: Path, mixes: str) -> RawTable:
    path = folder / f"{mixes}_wide.csv"
    if not path.is_file():
        raise InputError(
            f"there is no such file, and no folder {folder / 'data' / mixes} either",
            where=str(path),
            remedy="Put a copy of the authors' repository there",
        )
    raw = read_csv(path)
    for key in KEYS:
        if key not in raw.cells:
            raise InputError(f"column '{key}' is missing", where=str(path), remedy="Check that this is the file")
    return raw


def _lines(folder: Path) -> RawTable:
    """The authors' files, ``…/<run>-<weights>/<step>  ….<domain>.bin  <loss>`` a line, as one row a checkpoint."""
    found: dict[tuple[str, str, str, str], dict[str, str]] = {}
    for path in (folder / f"{size}.txt" for size in SIZES if (folder / f"{size}.txt").is_file()):
        for number, line in enumerate(read_text(path).splitlines(), 1):
            checkpoint, _, rest = line.partition("\t")
            shard, _, loss = rest.partition("\t")
            at, words = PurePosixPath(checkpoint).parts, PurePosixPath(shard).name.split(".")
            if len(at) < 2 or len(words) < 2 or not loss:
                raise InputError(
                    "a line is no checkpoint, validation set and loss, separated by tabs",
                    where=f"{path}, line {number}",
                    remedy="Check that the copy is complete",
                )
            run, _, ratio = at[-2].partition("-")
            # Some evaluations stand several times in the files, in the same words.
            found.setdefault((path.stem, run, ratio, at[-1]), {})[words[-2]] = loss
    if not found:
        raise InputError(
            "there are no files of losses", where=str(folder), remedy=f"It needs {', '.join(f'{s}.txt' for s in SIZES)}"
        )
    cells: dict[str, list[Any]] = {key: [named[i] for named in found] for i, key in enumerate(KEYS)}
    for domain in sorted(set().union(*found.values())):
        cells[domain] = [losses.get(domain) for losses in found.values()]
    where = [f"{folder / size}.txt, run '{run}', step {step}" for size, run, _, step in found]
    return RawTable(cells, FilesPlace(str(folder), files=where))
