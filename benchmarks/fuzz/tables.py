"""Small valid tables to begin with: losses only, losses and scores, and mixtures."""

from __future__ import annotations

from itertools import product
from math import log
from typing import Any

Columns = dict[str, list[Any]]
SIZES = (5e6, 1e7, 2e7, 4e7, 8e7, 1.6e8)
TOKENS = (1e8, 4e8, 1.6e9, 6.4e9)
CHECKPOINTS = (0.5, 1.0)


def losses() -> Columns:
    """Six runs of two checkpoints and one loss, which follows a power law of compute."""
    rows = [(i, n, 20 * n * share) for i, n in enumerate(SIZES) for share in CHECKPOINTS]
    return {
        "run": [f"run {i}" for i, _, _ in rows],
        "params": [n for _, n, _ in rows],
        "tokens": [d for _, _, d in rows],
        "loss/c4": [round(_loss(n, d), 4) for _, n, d in rows],
    }


def scores() -> Columns:
    """The same runs with what a table may hold besides: a second loss, scores, flags, steps and a comment."""
    table = losses()
    loss = table["loss/c4"]
    return table | {
        "loss/code": [round(0.5 * value, 4) for value in loss],
        "score/hellaswag": [round(0.25 + 0.5 / (1 + 3 ** (4 * (value - 3.5))), 4) for value in loss],
        "score/mmlu": [round(0.25 + 0.2 / (1 + 3 ** (4 * (value - 3.2))), 4) for value in loss],
        "stderr/mmlu": [0.004 for _ in loss],
        "step": [int(d // 1e5) for d in table["tokens"]],
        "train_loss": [round(value + 0.01, 4) for value in loss],
        "held_out": [n == SIZES[-1] for n in table["params"]],
        "comment": ["a text, with a comma" for _ in loss],
    }


def mixtures() -> Columns:
    """Two sizes at six shares of code, one checkpoint a run, and a score that is best in between."""
    rows = [(n, share) for n in SIZES[:2] for share in (0.1, 0.25, 0.4, 0.55, 0.7, 0.85)]
    return {
        "run": [f"{n:g}-{share}" for n, share in rows],
        "params": [n for n, _ in rows],
        "tokens": [20 * n for n, _ in rows],
        "mix/web": [round(1 - share, 2) for _, share in rows],
        "mix/code": [share for _, share in rows],
        "loss/web": [round(_loss(n, 20 * n) * (1 + 0.1 * share), 4) for n, share in rows],
        "loss/code": [round(_loss(n, 20 * n) * (1 - 0.2 * share), 4) for n, share in rows],
        "score/arc_easy": [round(0.25 + 0.5 * share * (1 - share) + 2e-9 * n, 4) for n, share in rows],
    }


def with_features() -> Columns:
    """Sizes by tokens, once each, with two features that laws of one's own read, losses and a score."""
    rows = [(i, n, d) for i, (n, d) in enumerate(product(SIZES, TOKENS))]
    web = [round(0.1 + 0.8 * ((3 * i) % 7) / 6, 3) for i, _, _ in rows]
    experts = [2 ** ((5 * i) % 7) for i, _, _ in rows]
    loss = [_loss(n * e**0.3, d) * (1 + 0.1 * w) for (_, n, d), w, e in zip(rows, web, experts, strict=True)]
    return {
        "run": [f"run {i}" for i, _, _ in rows],
        "params": [n for _, n, _ in rows],
        "tokens": [d for _, _, d in rows],
        "x/web": web,
        "x/experts": experts,
        "loss/c4": [round(value, 4) for value in loss],
        "score/hellaswag": [round(0.25 + 0.5 / (1 + 3 ** (4 * (value - 3.2))), 4) for value in loss],
    }


def mapped() -> Columns:
    """:func:`scores` as :data:`MAPPING` expects it."""
    table = {RENAMED.get(name, name): cells for name, cells in scores().items()}
    return table | {"N (M)": [n / 1e6 for n in table["N (M)"]], "val_bits": [b / log(2) for b in table["val_bits"]]}


TABLES = (losses, scores, mixtures)

MAPPING = """\
[table]
final_average = 2            # evaluations
allow_missing = ["loss/code"]
ignore = ["comment", "core/*"]

[columns]
run = "name"
params = { column = "N (M)", unit = "Mparams" }
tokens = { column = "tokens", unit = "tokens" }
"loss/c4" = { column = "val_bits", unit = "bits" }

[tasks.mmlu]
scale = "fraction"
chance = 0.25
questions = 14042
"""
RENAMED = {"run": "name", "params": "N (M)", "loss/c4": "val_bits"}
"""Canonical name → what :data:`MAPPING` says the table calls it."""


def _loss(params: float, tokens: float) -> float:
    return 1.7 + 400.0 / params**0.34 + 410.0 / tokens**0.28
