"""Data Mixing Laws: losses of six unseen mixtures of five sources, and whether tokens carry over."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks.mixtures.laws import OURS, Floats, by_domain, fit, losses, whole_mean, written
from benchmarks.report import show
from flpjax import InputError, Runs, read_runs
from flpjax.laws.power_mix import PowerMix
from flpjax.methods.flpm import FLPM
from flpjax.readers.public import fetch

SIZES = ("70M", "160M", "305M", "410M")
STEP, EARLY = 30_000, 3_000
UNSEEN = 6  # of 26 mixtures
SEEDS = (0, 1, 2)
PRIORS = (0.03, PowerMix.prior_sd, 0.2)
TRANSFER_STARTS = 8  # from one, two of 22 fits at 70M fail
PUBLISHED = {"authors": 0.0180, "seconds": 85.0, "plain fits of their form": (0.029, 0.026, 0.023, 0.026)}


def at_step(size: str, step: int) -> Runs:
    """The runs of one size at one step, which is their final one here; runs that did not get there are left out."""
    runs = read_runs("mixinglaws-5").only([f"{size}_*"])
    kept = runs.rows((runs.step == step) & np.isfinite(runs.loss).all(axis=1))
    return replace(kept, final=np.ones(len(kept), bool))


def valid_weights(domains: Sequence[str]) -> Floats:
    """``(domain,)`` shares of the validation sets in the authors' overall loss."""
    given = json.loads(_file("valid_weight.json").read_text(encoding="utf-8"))
    weights = np.array([float(given[d]) for d in domains])
    return weights / weights.sum()


def proportions() -> Floats:
    """``(mixture, source)`` the 26 mixtures in the authors' order, the one that their last 6 are last in."""
    lines = _file("5Mix_proportions.txt", "data/5Mix/proportions.txt").read_text(encoding="utf-8").split()
    weights = np.array([[float(part) for part in line.split("-")] for line in lines])
    return weights / weights.sum(axis=1, keepdims=True)


def _file(*names: str) -> Path:
    """A file of the data set, as it lies in a folder of tables or in a clone."""
    folder = fetch("mixinglaws")
    for path in (folder / place / name for name in names for place in ("", "pipeline")):
        if path.is_file():
            return path
    raise InputError(f"there is no {names[0]}", where=str(folder), remedy="Copy it from the authors' repository")


def splits(runs: Runs) -> Iterator[tuple[str, Runs]]:
    """The published split and three random ones: 20 mixtures to fit on, six held out."""
    yield "published", runs
    order = [int(np.abs(runs.mix - w).max(axis=1).argmin()) for w in proportions()]
    for seed in SEEDS:
        unseen = np.random.default_rng(seed).permutation(len(order))[-UNSEEN:]
        yield f"random {seed}", runs.hold_out(runs.names[runs.run[order[i]]] for i in unseen)


def errors(runs: Runs) -> dict[str, dict[str, Any]]:
    """Split → mean absolute error of the overall loss of six unseen mixtures, and of each domain's; failures.

    The splits are one batch, in which a loss that a split holds out is missing: each fit sees its 20 mixtures only.
    """
    weights, known, count = valid_weights(runs.domains), dict(splits(runs)), len(runs.domains)
    fitted = fit(side_by_side(known))
    predicted = losses(fitted.draws, runs.law_inputs)
    found = {}
    for i, (name, split) in enumerate(known.items()):
        own, unseen = slice(i * count, (i + 1) * count), split.held_out[split.run]
        gap = (predicted[:, own] - runs.loss)[unseen]
        overall = float(np.abs(gap @ weights).mean())
        found[name] = {
            "mae": _finite(overall),
            "mae_of_domains": _finite(float(np.abs(gap).mean())),
            "spread": float((runs.loss[unseen] @ weights).std()),
            "failed": [d.removeprefix(f"{name}: ") for d in fitted.failed if d.startswith(f"{name}: ")],
        }
    return found


def side_by_side(splits: Mapping[str, Runs]) -> Runs:
    """One table of all mixtures, with the domains of each split beside those of the others, and no run held out."""
    first = next(iter(splits.values()))
    loss = [np.where(split.held_out[split.run][:, None], np.nan, split.loss) for split in splits.values()]
    domains = tuple(f"{name}: {domain}" for name, split in splits.items() for domain in split.domains)
    return replace(first.hold_out([]), domains=domains, loss=np.concatenate(loss, axis=1))


@dataclass(frozen=True)
class Weighed(PowerMix):
    """The same law with its priors weighed against another residual s.d."""

    prior_sd: float = PowerMix.prior_sd


def transfer(size: str, prior_sd: float = PowerMix.prior_sd) -> dict[str, Any]:
    """Fit all mixtures at step 3,000 and predict step 30,000: a source's tokens ten times as many, or the same.

    At one step a law in tokens and a law in shares fit alike; they part where tokens grow. Losses are centred, domain
    by domain, on their mean over the mixtures: what mixtures differ by is what a choice among them needs.

    Args:
        size: Of the models.
        prior_sd: Residual s.d. that the priors are weighed against, in standard deviations of the losses.
    """
    early, late = at_step(size, EARLY), at_step(size, STEP)
    both = [name for name in early.names if name in late.names]
    early, late = early.only(both).hold_out([]), late.only(both).hold_out([])
    law = OURS if prior_sd == PowerMix.prior_sd else FLPM(Weighed(prior_sd=prior_sd))
    fitted = fit(early, law=law, starts=TRANSFER_STARTS)
    grown = late.law_inputs
    compute = {"tokens": grown, "shares": grown.replace(tokens=early.law_inputs.log_tokens)}
    truth = late.loss - late.loss.mean(axis=0)
    result: dict[str, Any] = {"mixtures": len(both), "spread": float(np.abs(truth).mean())}
    for what, x in compute.items():
        predicted = losses(fitted.draws, x)
        gap = predicted - predicted.mean(axis=0) - truth
        ranks = whole_mean(by_domain(predicted, late.loss))
        result[what] = {"mae": _finite(float(np.abs(gap).mean())), "spearman": ranks}
    return result | {"failed": list(fitted.failed)}


@contextmanager
def compile_times() -> Iterator[list[float]]:
    """Seconds that XLA took for each program compiled inside."""
    taken: list[float] = []

    def listen(event: str, duration_secs: float, **_: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            taken.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield taken
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def mixinglaws(*, quick: bool = False) -> dict[str, Any]:
    """Run, print and return everything about this ladder."""
    sizes = SIZES[:1] if quick else SIZES
    runs = {size: at_step(size, STEP) for size in sizes}
    with compile_times() as compiling:
        begun = time.perf_counter()
        found = {sizes[0]: errors(runs[sizes[0]])}
        cold = time.perf_counter() - begun
    begun = time.perf_counter()
    errors(runs[sizes[0]])
    warm = time.perf_counter() - begun
    found |= {size: errors(runs[size]) for size in sizes[1:]}
    mae = {size: whole_mean([split["mae"] for split in by_split.values()]) for size, by_split in found.items()}
    moved = {size: {f"{sd:g}": transfer(size, sd) for sd in PRIORS} for size in SIZES[:2]}
    show(
        "Data Mixing Laws, five sources: mean absolute error of the overall loss of 6 unseen mixtures, fitted on 20",
        ("size", *found[sizes[0]], "mean", "s.d. of the losses", "failed fits"),
        [
            (
                size,
                *(written(split["mae"], digits=4) for split in by_split.values()),
                written(mae[size], digits=4),
                written(whole_mean([split["spread"] for split in by_split.values()])),
                sum(len(split["failed"]) for split in by_split.values()),
            )
            for size, by_split in found.items()
        ],
        f"The four fits of {sizes[0]} with predictions: {cold:.1f} s with compilation (XLA {sum(compiling):.1f} s for "
        f"{len(compiling)} programs, {max(compiling):.1f} s of it the solver), {warm:.2f} s without. "
        f"Published: .0180 in 85 s (authors' code).",
    )
    show(
        "Fitted at step 3,000, predicted at step 30,000: centred losses of 22 domains",
        (
            "size",
            "residual s.d. of the prior",
            "error, tokens",
            "error, shares",
            "mean size of the losses",
            "Spearman, tokens",
            "Spearman, shares",
            "failed fits",
        ),
        [
            (
                size,
                sd,
                *(written(m[w]["mae"]) for w in ("tokens", "shares")),
                written(m["spread"]),
                *(written(m[w]["spearman"]) for w in ("tokens", "shares")),
                len(m["failed"]),
            )
            for size, by_sd in moved.items()
            for sd, m in by_sd.items()
        ],
        f"PowerMix has {PowerMix.prior_sd:g}; the others show what hangs on it.",
    )
    return {
        "mae": mae[sizes[0]],
        "seconds": cold,
        "seconds_warm": warm,
        "seconds_compiling": sum(compiling),
        "seconds_compiling_solver": max(compiling),
        "mae_by_size": mae,
        "splits": found,
        "transfer": {size: by_sd[f"{PowerMix.prior_sd:g}"] for size, by_sd in moved.items()},
        "transfer_by_prior_sd": moved,
        "published": PUBLISHED,
    }


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
