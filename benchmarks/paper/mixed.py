"""FLP-M beside FLP on the average loss: over mixtures (§5, figures 4 and 5) and within one (§6.3, figures 9 and 16)."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.methods import key
from benchmarks.paper.errors import backtest_figures, show_errors
from benchmarks.paper.ladders import grid, of_size, one_mixture, target_sizes
from flpjax import Runs, backtest, method

FLP_NAME, FLPM_NAME, BY_M3 = "FLP", "FLP-M", "FLP-M by M3"
LAW = "m4-floor+network"  # the paper's, with a floor that lets the runs without code take part
METHODS = {FLP_NAME: "flp-average", FLPM_NAME: LAW, BY_M3: "m3+network"}
WITHIN = {FLP_NAME: "flp-average", FLPM_NAME: "m1+network"}  # M4 where the mixture is constant
WARM_UP = 0.1


def mixed(runs: Runs) -> dict[str, Any]:
    """Figures 4 and 5, with all targets held out, and with the paper's split, where some of them train."""
    all_held, split = grid(runs), papers_split(grid(runs))
    figures: dict[str, Any] = {"tasks": list(runs.task_names)}
    for name, table in (("held out", all_held), ("the paper's split", split)):
        if table is not None:
            found = backtest({m: method(n) for m, n in METHODS.items()}, table, key(), draws=0)
            figures[name] = backtest_figures(found, table)
    return figures


def papers_split(runs: Runs) -> Runs | None:
    """The smallest targets of the common mixture join the sampling runs, as 3B at 30 % does; None for one size only."""
    if len(target_sizes(runs)) < 2:
        return None
    join = set(of_size(runs, target_sizes(runs)[0])) & set(one_mixture(runs).names)
    return runs.hold_out([name for name in runs.targets().names if name not in join])


def within(runs: Runs) -> dict[str, Any]:
    """Figure 9: both fitted to one mixture, and how collinear domain losses are there and over all mixtures."""
    one = one_mixture(runs)
    found = backtest({m: method(n) for m, n in WITHIN.items()}, one, key(), draws=0)
    return {
        "tasks": list(runs.task_names),
        "methods": backtest_figures(found, one),
        "condition": {"one mixture": condition(one), "all mixtures": condition(grid(runs))},
    }


def condition(runs: Runs) -> float | None:
    """Condition number of the correlations between log domain losses, over training checkpoints after warm-up."""
    training = runs.training()
    most = np.zeros(len(training.names))
    np.maximum.at(most, training.run, training.tokens)
    loss = np.stack([training.loss_of(d) for d in training.general_domains], axis=1)
    used = (training.tokens >= WARM_UP * most[training.run]) & np.isfinite(loss).all(axis=1)
    if loss.shape[1] < 2:
        return None
    values = np.linalg.eigvalsh(np.corrcoef(np.log(loss[used]).T))
    return float(values[-1] / max(values[0], np.finfo(float).eps))


def show_mixed(figures: dict[str, Any]) -> None:
    """Figure 5 as tables."""
    for name in (n for n in figures if n != "tasks"):
        for size in figures[name][FLP_NAME]["by_size"]:
            errors = {m: found["by_size"].get(size, {}) for m, found in figures[name].items()}
            show_errors(f"Figure 5, {name}: targets of {size}", figures["tasks"], errors)


def show_within(figures: dict[str, Any]) -> None:
    """Figure 9 as a table."""
    numbers = ", ".join(f"{name} {c:.3g}" for name, c in figures["condition"].items() if c is not None)
    errors = {m: found["errors"] for m, found in figures["methods"].items()}
    caption = f"condition number of the correlations between domain losses: {numbers}"
    show_errors("Figure 9: one mixture", figures["tasks"], errors, caption)
