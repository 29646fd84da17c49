"""Clean ladders: real ones, of the package and of ``FLPJAX_DATA``, and simulated ones."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flpjax.ladder.build import build_runs
from flpjax.ladder.simulate import LADDER, simulate_ladder
from flpjax.ladder.simulate_mixtures import simulate_mixtures
from flpjax.ladder.table import Runs
from flpjax.readers.read import read_runs

NAMED = (
    "ladder",
    "olmo-ladder",
    "gadre2024-c4",
    "gadre2024-rpj",
    "gadre2024-rw",
    "mixinglaws-5",
    "mixinglaws-rpj",
    "regmix-1m",
    "datablations",
    "datablations-code",
)
PYTHIA = {"160m": 85_056_000, "410m": 302_311_424, "1.4b": 1_208_602_624}  # non-embedding parameters
PYTHIA_BATCH = 2_097_152  # tokens a step
SIZES = list(LADDER)[:10]


def simulated_ladders() -> Iterator[tuple[str, Runs]]:
    """Ladders of the paper's law and of mixtures, with noise, of several sizes; all without held-out runs."""
    yield "simulated, 12 runs", simulate_ladder(11, checkpoints=30).runs.training()
    yield "simulated, 6 runs", simulate_ladder(12, checkpoints=10, sizes=SIZES[2:8]).runs
    yield "simulated, finals only", simulate_ladder(13, checkpoints=1, sizes=SIZES).runs
    yield "simulated, loud", simulate_ladder(14, checkpoints=30, noise=2.0, sizes=SIZES).runs
    yield "simulated, exact", simulate_ladder(15, checkpoints=10, noise=0.0, sizes=SIZES).runs
    mixed = simulate_mixtures(16, sizes=SIZES[2:7], checkpoints=10).runs
    yield "simulated mixtures", mixed.training()
    for seed in range(20, 26):
        yield (
            f"simulated, seed {seed}",
            simulate_ladder(seed, checkpoints=5 * (seed - 18), sizes=SIZES[seed - 20 :]).runs,
        )


def real_ladders() -> Iterator[tuple[str, Runs]]:
    """The package's own ladder and, where ``FLPJAX_DATA`` names a folder that holds them, public ones."""
    folder = os.environ.get("FLPJAX_DATA", "")
    for name in NAMED if folder else NAMED[:1]:
        yield name, read_runs(name)
    if not folder:
        return
    data = Path(folder)
    yield from _isoflops(data)
    yield "chinchilla", _chinchilla(data)
    for name in ("farseer", "data_constrained", "lr_bsz"):
        yield name, _scalebench(data, name)
    yield "pythia", _pythia(data)


def _runs(name: str, params: Sequence[float], tokens: Sequence[float], loss: Sequence[float]) -> Runs:
    """A run a row, of final losses."""
    columns = {
        "run": np.array([f"{name}-{i}" for i in range(len(params))], object),
        "params": np.asarray(params, float),
        "tokens": np.asarray(tokens, float),
        "loss/val": np.asarray(loss, float),
    }
    return build_runs(columns, source=name)


def _isoflops(data: Path) -> Iterator[tuple[str, Runs]]:
    with open(data / "isoflops/isoflops.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for name in dict.fromkeys(r["experiment"] for r in rows):
        own = [r for r in rows if r["experiment"] == name]
        yield name, _runs(name, *([float(r[c]) for r in own] for c in ("params", "tokens", "loss")))


def _chinchilla(data: Path) -> Runs:
    """The 240 points that Besiroglu et al. fit: without the five highest losses."""
    with open(data / "chinchilla/data/svg_extracted_data.csv", encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda r: float(r["loss"]))[:-5]
    params = np.array([float(r["Model Size"]) for r in rows])
    flops = np.array([float(r["Training FLOP"]) for r in rows])
    return _runs("chinchilla", params.tolist(), (flops / (6.0 * params)).tolist(), [float(r["loss"]) for r in rows])


def _scalebench(data: Path, name: str) -> Runs:
    import polars as pl

    table = pl.read_parquet(data / f"scalebench/{name}_scaling_law/train-00000-of-00001.parquet")
    params, tokens, loss = {
        "farseer": ("N", "D", "loss"),
        "data_constrained": ("params", "tokens", "loss"),
        "lr_bsz": ("non_embedding_param_size", "data_size", "lm_loss"),
    }[name]
    if name == "lr_bsz":  # at the best learning rate and batch size of each size
        table = table.group_by(params, tokens, maintain_order=True).agg(pl.col(loss).min())
    return _runs(name, *(table[c].to_list() for c in (params, tokens, loss)))


def _pythia(data: Path) -> Runs:
    """Three models at four checkpoints each, accuracies of five shots."""
    rows: list[dict[str, Any]] = []
    for path in sorted((data / "pythia-lm-eval").glob("*-5shot_step*.json")):
        size, step = path.stem.replace("-5shot_step", " ").split()
        results = json.loads(path.read_text(encoding="utf-8"))["results"]
        scores = {
            f"score/{task}": r["acc"] for task, r in results.items() if "acc" in r and not task.startswith("hendr")
        }
        rows.append({"run": size, "params": PYTHIA[size], "tokens": int(step) * PYTHIA_BATCH, **scores})
    columns = {c: np.array([r[c] for r in rows], object if c == "run" else float) for c in rows[0]}
    return build_runs(columns, source="pythia")


Ladders = Callable[[], Iterator[tuple[str, Runs]]]
