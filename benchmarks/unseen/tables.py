"""Tables that the package has no reader for, as runs: files below the folder that FLPJAX_DATA names."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.chinchilla import points
from flpjax import Runs
from flpjax.errors import InputError
from flpjax.ladder.build import build_runs
from flpjax.readers.cells import names, numbers
from flpjax.readers.csv_file import read_csv
from flpjax.readers.datablations import REPEATED, unique_tokens
from flpjax.readers.frames import read_parquet
from flpjax.readers.public import VARIABLE, fetch
from flpjax.readers.raw import RawTable

Floats = NDArray[np.float64]
ISOFLOPS = "isoflops/isoflops.csv"
PART = "scalebench/{task}_scaling_law/{part}-00000-of-00001.parquet"
FEW_BUDGETS = 5  # with no more budgets than this one is held out, else two
BEST_ABOVE = 1e20  # FLOPs above which a best run of lr_bsz is a target; its own test set is one place, at 6.4e20
PASSES, REPEATED_ABOVE = 4.0, 7e20  # passes over the data of datablations, and FLOPs above which its runs are targets


def local(path: str) -> Path:
    """A file below the folder that ``FLPJAX_DATA`` names.

    Raises:
        InputError: The variable is not set, or there is no such file.
    """
    folder = os.environ.get(VARIABLE)
    if not folder:
        raise InputError(f"{VARIABLE} is not set", where=path, remedy="Set it to a folder that holds public ladders")
    found = Path(folder).expanduser() / path
    if not found.is_file():
        raise InputError(
            "there is no such file", where=f"{VARIABLE}, {found}", remedy="Check that the copy is complete"
        )
    return found


def columns(raw: RawTable, wanted: Sequence[str]) -> dict[str, Floats]:
    """Columns of numbers."""
    return {name: numbers(raw.cells[name], name, raw.place) for name in wanted}


def isoflops(experiment: str) -> Runs:
    """One isoFLOP experiment, its two largest budgets held out (the largest of five or fewer); FLOPs are 6·N·D."""
    raw = read_csv(local(ISOFLOPS))
    here = np.array([name.startswith(f"{experiment}__") for name in names(raw.cells["experiment"])])
    of = {name: values[here] for name, values in columns(raw, ("params", "tokens", "budget", "loss")).items()}
    budgets = np.unique(of["budget"])
    least = budgets[-1] if len(budgets) <= FEW_BUDGETS else budgets[-2]
    return table(experiment, of["params"], of["tokens"], of["loss"], of["budget"] >= least)


def splits(task: str, sizes: tuple[str, str], loss: str, others: Mapping[str, str] | None = None) -> Runs:
    """A task of ScaleBench with its test split held out.

    Args:
        task: Its folder's name, without the ending.
        sizes: Its columns of parameters and of tokens.
        loss: Its column of losses.
        others: Feature → its column.
    """
    wanted = [*sizes, loss, *(others or {}).values()]
    parts = [columns(read_parquet(local(PART.format(task=task, part=part))), wanted) for part in ("train", "test")]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in wanted}
    held = np.repeat([False, True], [len(part[loss]) for part in parts])
    extra = {f"x/{feature}": whole[column] for feature, column in (others or {}).items()}
    return table(task, whole[sizes[0]], whole[sizes[1]], whole[loss], held, extra)


def best_settings() -> Runs:
    """For every (N, D) of lr_bsz the run with the lowest loss over rates and batches; those above 10²⁰ FLOPs held out.

    The test set of its authors is one (N, D), at 6.4·10²⁰ FLOPs, so that alone it would be a ladder with one target.
    A target's own best run is chosen among its own runs: what is forecast is the loss of the best setting tried.
    """
    runs = splits("lr_bsz", ("non_embedding_param_size", "data_size"), "lm_loss", {"lr": "lr", "bsz": "bsz"})
    best: dict[tuple[float, float], int] = {}
    for row in np.argsort(runs.loss[:, 0], kind="stable"):
        best.setdefault((float(runs.params[row]), float(runs.tokens[row])), int(row))
    rows = sorted(best.values(), key=lambda row: runs.flops[row])
    return table("lr_bsz", runs.params[rows], runs.tokens[rows], runs.loss[rows, 0], runs.flops[rows] > BEST_ABOVE)


def little_repeated() -> Runs:
    """Runs of datablations with at most four passes over their data, the 13 above 7·10²⁰ FLOPs held out.

    Up to four passes, repeated data are about as good as new ones (Muennighoff et al. 2023).
    """
    folder = fetch("datablations", (REPEATED,))
    unique = unique_tokens(folder)
    raw = read_csv(folder / REPEATED)
    of = columns(raw, ("N", "D", "val_loss"))
    of["U"] = np.array([unique[name] for name in names(raw.cells["name"])])
    few = of["D"] <= PASSES * of["U"]
    params, tokens, loss, different = (of[name][few] for name in ("N", "D", "val_loss", "U"))
    held = 6.0 * params * tokens > REPEATED_ABOVE
    return table("datablations", params, tokens, loss, held, {"x/unique_tokens": different})


def chinchilla(share: float) -> Runs:
    """Hoffmann et al.'s 240 points, the ``share`` with the most compute held out."""
    known = points()
    params, tokens = np.exp(known.log_params), np.exp(known.log_tokens)
    runs = table("chinchilla", params, tokens, np.exp(known.log_loss), np.zeros(len(params), bool))
    return runs.hold_out(runs.largest(round(share * len(params))))


def table(
    source: str,
    params: Floats,
    tokens: Floats,
    loss: Floats,
    held_out: NDArray[np.bool_],
    extra: Mapping[str, Floats] | None = None,
) -> Runs:
    """Points as runs of one checkpoint each, with one loss."""
    called = np.array([f"point {i}" for i in range(len(params))], object)
    sizes = {"run": called, "params": params, "tokens": tokens, "held_out": held_out, "loss/loss": loss}
    return build_runs({**sizes, **(extra or {})}, source=source)
