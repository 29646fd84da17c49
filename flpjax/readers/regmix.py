"""RegMix (Liu et al. 2024, arXiv:2407.01492) in its authors' layout: 17 sources of the Pile mixed at random.

512 mixtures are trained at 1M parameters to fit on. 256 others are trained at 1M and again at 60M, and 64 more at 1B:
whether a mixture law carries over to unseen mixtures and to larger models.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, did_you_mean
from flpjax.ladder.build import build_runs
from flpjax.ladder.compute import transformer_params
from flpjax.ladder.table import Runs
from flpjax.readers.cells import names, numbers
from flpjax.readers.csv_file import read_csv
from flpjax.readers.raw import FilesPlace, RawTable

FOLDER = "data"
INDEX = "index"
SOURCE = ("train_the_pile_", "")  # what stands before and after a source's name in a header
DOMAIN = ("metric/the_pile_", "_val_loss")
Scale = Literal["1m", "60m", "1b"]

# Scale → layers, width and feed-forward width of its config (gated feed-forward), and training tokens as published.
# The 1B runs take 25,000 steps of 512 × 2,048 tokens, which is 26.2 billion; the paper and the models' cards say 25.
SHAPES = {"1m": (2, 256, 512, 1e9), "60m": (10, 768, 1536, 1e9), "1b": (22, 2048, 5632, 25e9)}


class _Part(NamedTuple):
    """One pair of files: the scale, what comes before the index in a run's name, and the files' endings."""

    scale: Scale
    prefix: str
    mixtures: str
    losses: str
    held_out: bool


PARTS = (
    _Part("1m", "1m-train", "train_mixture_1m.csv", "train_pile_loss_1m.csv", held_out=False),
    _Part("1m", "1m-test", "test_mixture_1m.csv", "test_pile_loss_1m.csv", held_out=True),
    _Part("60m", "60m", "test_mixture_60m.csv", "test_pile_loss_60m.csv", held_out=True),
    _Part("1b", "1b", "test_mixture_1B.csv", "test_pile_loss_1B.csv", held_out=True),
)


def regmix(folder: Path, scales: Sequence[Scale] = ("1m", "60m", "1b")) -> Runs:
    """Read the final losses on 13 domains of every run; a run has one checkpoint.

    Runs are named by the index in the files: ``1m-train-1``, ``1m-test-1``, ``60m-1`` (the same mixture as
    ``1m-test-1``) and ``1b-0``, from which the 1B ones count. Only the ``1m-train`` ones are not held out.

    Parameters are the non-embedding ones of the authors' configs, FLOPs 6·N·D. Weights stand in the files with three
    digits, so a row sums to .997 to 1.003; they are scaled to sum to 1, and a source left out stays at exactly 0.

    Args:
        folder: A copy of the authors' repository, or of the part under ``data``.
        scales: Which of the three model sizes to read; the training runs are of ``1m``.

    Raises:
        InputError: There is no such scale; or a file, a column or a run in one of the two files is missing.
    """
    for scale in scales:
        if scale not in SHAPES:
            raise InputError(f"there is no scale '{scale}'", where="regmix", remedy=did_you_mean(scale, SHAPES))
    tables = [_part(folder / FOLDER, part) for part in PARTS if part.scale in scales]
    if not tables:
        raise InputError("no scale is asked for", where="regmix", remedy=f"Name some of {', '.join(SHAPES)}")
    for part, table in zip((p for p in PARTS if p.scale in scales), tables, strict=True):
        if odd := set(table) ^ set(tables[0]):
            raise InputError(
                f"the column '{min(odd)}' is not in all files of the ladder",
                where=str(folder / FOLDER / part.losses),
                remedy="Check that the copy is complete",
            )
    columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    return build_runs(
        columns,
        source="regmix" if set(scales) == set(SHAPES) else f"regmix ({', '.join(scales)})",
        place=FilesPlace("regmix", files=[f"{folder / FOLDER}, run '{run}'" for run in columns["run"]]),
        notes=["weights are rounded to three digits in the files and scaled to sum to 1"],
    )


def _part(folder: Path, part: _Part) -> dict[str, NDArray[Any]]:
    """Canonical columns of one pair of files, in the order of the file of mixtures."""
    mixtures, losses = _table(folder / part.mixtures), _table(folder / part.losses)
    columns: dict[str, NDArray[Any]] = {}
    order = _order(mixtures, losses)
    for short, column in _named(mixtures, SOURCE).items():
        columns[f"mix/{short}"] = numbers(mixtures.cells[column], column, mixtures.place)
    for short, column in _named(losses, DOMAIN).items():
        columns[f"loss/{short}"] = numbers(losses.cells[column], column, losses.place)[order]
    rows = len(order)
    layers, width, ffn, tokens = SHAPES[part.scale]
    columns["run"] = names([f"{part.prefix}-{index.strip()}" for index in mixtures.cells[INDEX]])
    columns["params"] = transformer_params(*(np.full(rows, float(n)) for n in (layers, width, ffn)))
    columns["tokens"] = np.full(rows, tokens)
    columns["held_out"] = np.full(rows, part.held_out)
    return columns


def _table(path: Path) -> RawTable:
    if not path.is_file():
        raise InputError("there is no such file", where=str(path), remedy="Check that the copy is complete")
    raw = read_csv(path)
    if INDEX not in raw.cells:
        raise InputError(f"column '{INDEX}' is missing", where=str(path), remedy="Check that this is the file")
    return raw


def _named(raw: RawTable, around: tuple[str, str]) -> dict[str, str]:
    """Short name → column, for the columns whose names begin and end so."""
    before, after = around
    found = {
        name.removeprefix(before).removesuffix(after): name
        for name in raw.cells
        if name.startswith(before) and name.endswith(after)
    }
    if not found:
        raise InputError(
            f"there is no column '{before}…{after}'", where=raw.place.source, remedy="Check that this is the file"
        )
    return found


def _order(mixtures: RawTable, losses: RawTable) -> list[int]:
    """For each mixture, the row of its losses: the two files are joined by their index, not by position."""
    at = {index.strip(): row for row, index in enumerate(losses.cells[INDEX])}
    order = []
    for i, index in enumerate(mixtures.cells[INDEX]):
        if index.strip() not in at:
            raise InputError(
                f"run {index.strip()} has a mixture but no losses in {Path(losses.place.source).name}",
                where=mixtures.place.at(i, INDEX),
                remedy="Check that the copy is complete",
            )
        order.append(at[index.strip()])
    if spare := set(range(len(losses.cells[INDEX]))) - set(order):
        raise InputError(
            f"run {losses.cells[INDEX][min(spare)].strip()} has losses but no mixture in "
            f"{Path(mixtures.place.source).name}, or stands twice",
            where=losses.place.at(min(spare), INDEX),
            remedy="Check that the copy is complete",
        )
    return order
