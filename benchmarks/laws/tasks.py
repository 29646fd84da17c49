"""The tasks of ScaleBench (Lin et al. 2025 and its authors' own), read from files below FLPJAX_DATA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.unseen.tables import PART, local
from flpjax.readers.read import read_columns

Columns = dict[str, NDArray[Any]]


class Task(NamedTuple):
    """One task.

    Attributes:
        folder: Of its files, without the ending.
        features: Name as laws have it → column.
        targets: Columns of losses.
        cost: Features whose product is what a row cost; () where all cost the same.
        laws: Published laws that are of these columns.
        published: Who → R² on the test file, where it is known (data card of ScaleBench; SLDBench's human laws and the
            mean of SLDAgent).
    """

    folder: str
    features: Mapping[str, str]
    targets: tuple[str, ...]
    cost: tuple[str, ...] = ()
    laws: tuple[str, ...] = ()
    published: Mapping[str, float] = {}


TASKS = {
    "data_constrained": Task(
        "data_constrained",
        {"unique_tokens": "unique_tokens", "params": "params", "tokens": "tokens"},
        ("loss",),
        ("params", "tokens"),
        ("repeated", "chinchilla-repeated"),
        {"human": 0.911, "agent": 0.912},
    ),
    "domain_mixture": Task(
        "domain_mixture",
        {f"proportion_domain_{i}": f"proportion_domain_{i}" for i in range(1, 6)},
        tuple(f"loss_domain_{i}" for i in range(1, 6)),
        published={"human": 0.671, "agent": 0.996},
    ),
    "moe": Task(
        "moe",
        {"experts": "num_experts", "params": "dense_parameter_count"},
        ("loss_validation",),
        ("experts", "params"),
        ("experts", "experts-e"),
        {"human": 0.703, "agent": 0.958},
    ),
    "lr_bsz": Task(
        "lr_bsz",
        {"lr": "lr", "batch": "bsz", "tokens": "data_size", "params": "non_embedding_param_size"},
        ("lm_loss",),
        ("tokens", "params"),
        ("step-law",),
        {"human": -0.076, "agent": 0.955},
    ),
    "vocab": Task(
        "vocab",
        {"params": "non_vocab_parameters", "vocabulary": "vocab_size", "tokens": "num_characters"},
        ("unigram_normalized_loss",),
        ("params", "tokens"),
        ("vocabulary-characters", "vocabulary"),
        {"human": 0.966, "agent": 0.986},
    ),
    "farseer": Task("farseer", {"params": "N", "tokens": "D"}, ("loss",), ("params", "tokens"), ("farseer",)),
}


def read(task: Task, part: str) -> Columns:
    """The columns of one part, ``train`` or ``test``: features as laws call them, targets, and the group."""
    raw = read_columns(local(PART.format(task=task.folder, part=part)))
    return {
        **{name: raw[column] for name, column in task.features.items()},
        **{t: raw[t] for t in task.targets},
        "group": raw["group"],
    }


def cost_of(task: Task, columns: Columns) -> NDArray[np.float64] | None:
    """``(row,)`` what a row cost, up to a factor; None where all cost the same."""
    return np.prod([columns[name] for name in task.cost], axis=0) if task.cost else None


def r_squared(forecast: NDArray[np.float64], measured: NDArray[np.float64]) -> float:
    """Mean over targets of R² on rows ``(row, target)``."""
    error = ((forecast - measured) ** 2).sum(axis=0)
    return float(np.mean(1.0 - error / ((measured - measured.mean(axis=0)) ** 2).sum(axis=0)))
