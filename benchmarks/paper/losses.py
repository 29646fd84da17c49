"""Compute → loss (figure 2): how straight final losses are in logarithms, ratio by ratio, and how far seeds differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.methods import key
from benchmarks.paper.ladders import grid, losses_only, shares, sizes
from benchmarks.report import percent, show
from flpjax import FitError, InputError, Runs, forecast, method, point, targets_of
from flpjax.fitting.draws import Draws

POWER, BENT = "eq. 1", "with irreducible loss"
METHODS = {POWER: "flp", BENT: "power-e+linear"}


def losses(runs: Runs) -> dict[str, Any]:
    """Both laws fitted to the final checkpoints of each ratio's sampling runs, and the seeds beside each other."""
    table = losses_only(grid(runs).with_average())
    ratio = np.array([f"{share:.3g}" for share in shares(table)])
    figures: dict[str, Any] = {"domains": list(table.domains), "ratios": {}, "seeds": seeds(table)}
    for each in sorted(set(ratio[~table.held_out]), key=float):
        own = table.only([name for name, r in zip(table.names, ratio, strict=True) if r == each])
        figures["ratios"][each] = one_ratio(own)
    return figures


def one_ratio(own: Runs) -> dict[str, dict[str, dict[str, Any]]]:
    """Domain → law → R² on the sampling runs, and the mean signed error of the targets' losses.

    And, of the law as all runs give it, how straight it is over the sampling runs: the R² that eq. 1 would have if
    these lay on the law exactly.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {domain: {} for domain in own.domains}
    for name, law in METHODS.items():
        try:
            draws = point(method(law), own, key(), strict=False)
        except (InputError, FitError):  # too few runs of this ratio
            continue
        finals, targets = own.training().finals(), own.targets().finals()
        whole = _losses(point(method(law), own.hold_out([]), key(), strict=False), finals)
        fitted = _losses(draws, finals)
        ahead = _losses(draws, targets) if targets.names else {}
        for domain in draws.model.domains:
            row: dict[str, Any] = {"r_squared": r_squared(finals.loss_of(domain), fitted[domain])}
            row["straightness"] = straightness(finals.flops, whole[domain])
            if ahead:
                row["target_error"] = float(np.mean(ahead[domain] / targets.loss_of(domain) - 1))
            found[domain][name] = row
    return {domain: laws for domain, laws in found.items() if laws}


def r_squared(actual: NDArray[np.float64], fitted: NDArray[np.float64]) -> float:
    """Of logarithms."""
    y, f = np.log(actual), np.log(fitted)
    return float(1.0 - ((y - f) ** 2).sum() / ((y - y.mean()) ** 2).sum())


def straightness(flops: NDArray[np.float64], loss: NDArray[np.float64]) -> float:
    """R² of a straight line through log loss against log compute."""
    x, y = np.log(flops), np.log(loss)
    return r_squared(loss, np.exp(np.polyval(np.polyfit(x, y, 1), x)))


def seeds(runs: Runs) -> dict[str, dict[str, float]]:
    """Size → domain → spread of final losses of runs alike but for their seed: largest over smallest, less 1."""
    finals = runs.finals()
    place = list(zip(sizes(finals), shares(finals).round(3).tolist(), strict=True))
    loss = finals.loss[np.argsort(finals.run)]
    found: dict[str, dict[str, float]] = {}
    for size, share in dict.fromkeys(place):
        rows = loss[[p == (size, share) for p in place]]
        if len(rows) > 1:
            found[size] = dict(zip(finals.domains, (rows.max(axis=0) / rows.min(axis=0) - 1.0).tolist(), strict=True))
    return found


def show_losses(figures: dict[str, Any]) -> None:
    """Figure 2 as tables."""
    domains = figures["domains"]
    for what, title in (("r_squared", "R², %"), ("target_error", "signed error of the targets' losses, %")):
        signed = what != "r_squared"
        rows: list[list[object]] = []
        for ratio, found in figures["ratios"].items():
            cells: list[Mapping[str, Any]] = [found.get(d, {}) for d in domains]
            if not any(what in laws.get(name, {}) for laws in cells for name in METHODS):
                continue
            pairs = [
                " / ".join(percent(laws.get(name, {}).get(what), 1, signed=signed) or "–" for name in METHODS)
                for laws in cells
            ]
            rows.append([ratio, *pairs])
        if rows:
            show(f"Figure 2, share of code: {POWER} / {BENT}, {title}", ["", *domains], rows)
    rows = [
        [ratio, *(percent(found.get(d, {}).get(BENT, {}).get("straightness"), 1) for d in domains)]
        for ratio, found in figures["ratios"].items()
    ]
    if rows:
        show(f"R² of a line through the law {BENT}, fitted to all runs of a ratio, %", ["", *domains], rows)
    rows = [[size, *(percent(gap[d], 1) for d in domains)] for size, gap in figures["seeds"].items()]
    if rows:
        show("Two seeds: final losses differ by, %", ["", *domains], rows)


def _losses(draws: Draws, finals: Runs) -> dict[str, NDArray[np.float64]]:
    """Domain → ``(row,)`` fitted losses at the compute of these rows."""
    rows = forecast(draws, targets_of(finals)).loss
    return {domain: np.array([row[domain].median for row in rows]) for domain in draws.model.domains}
