"""When tasks leave chance, and how steeply they rise then: the most probable log-normals of what ladders' tasks did.

A distance is known to lie between two states of a ladder, or beyond its end (censored); its distribution is that of a
survival time (Cox & Oakes 1984). Broad priors keep few tasks from making a spread 0 or boundless.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_ndtr, logsumexp, ndtr

from benchmarks.calibration.scoring import Floats
from benchmarks.unseen.waiting import RISES, Wait, weights
from flpjax.fitting.averaging.hyperpriors import WAITS

BROAD: Mapping[str, tuple[tuple[float, float], ...]] = {
    "loss": ((float(np.log(0.3)), 1.5), (0.0, 0.5), (0.0, 1.5), (0.0, 0.5)),
    "compute": ((float(np.log(5.0)), 1.5), (0.0, 0.5), (float(np.log(0.05)), 1.5), (0.0, 0.5)),
}
"""Location and s.d. of the logarithms of the four numbers: that half of the tasks leave chance by a quarter less loss, or
by two decades of compute, is a guess that may be off by a factor of 20 either way."""
NAMES = ("wait_median", "wait_sd", "rise_median", "rise_sd")
LEAST = 1e-12
BINS = {"loss": (0.0, 0.05, 0.1, 0.2, 0.4), "compute": (0.0, 1.0, 2.3, 4.6, 7.0)}
"""Lower edges of distances at which take-offs that were forecast are held against those that came."""


def learn_waits(waits: Sequence[Wait], by: str, without: str = "") -> dict[str, float] | None:
    """The four numbers of one section of the file; None where no other experiment has a task at chance.

    Args:
        waits: What tasks did.
        by: What distances are of.
        without: The experiment that is left out.
    """
    known = [w for w in waits if w.experiment != without]
    if not known:
        return None
    weight = weights(known)
    after, before = (np.array([getattr(w, name) for w in known]) for name in ("after", "before"))
    rises = np.stack([w.rise for w in known])
    loc, sd = np.array(BROAD[by]).T

    def cost(vector: Floats) -> float:
        waited = np.dot(weight, log_probability(after, before, vector[0], np.exp(vector[1])))
        prior = -0.5 * ((np.log(RISES) - vector[2]) / np.exp(vector[3])) ** 2
        rose = np.dot(weight, logsumexp(rises + prior - logsumexp(prior), axis=1))
        return float(0.5 * (((vector - loc) / sd) ** 2).sum() - waited - rose)

    end = minimize(cost, loc, method="Nelder-Mead", options={"maxiter": 4000, "xatol": 1e-5, "fatol": 1e-7}).x
    return dict(zip(NAMES, map(float, np.exp(end)), strict=True))


def log_probability(after: Floats, before: Floats, log_median: float, sd: float) -> Floats:
    """``(wait,)`` of leaving chance between two distances, the second of which may be infinite."""
    with np.errstate(divide="ignore"):
        low, high = ((np.log(v) - log_median) / sd for v in (after, before))
    return np.where(np.isinf(before), log_ndtr(-low), np.log(np.maximum(ndtr(high) - ndtr(low), LEAST)))


def all_learned_waits(waits: Mapping[str, Sequence[Wait]], without: str = "") -> dict[str, dict[str, float]]:
    """Section of the file → its numbers, with one experiment left out, or of all."""
    each = {section: learn_waits(waits[by], by, without) for by, section in WAITS.items()}
    return {section: one for section, one in each.items() if one is not None}


def reliability(waits: Sequence[Wait], by: str, of: Mapping[str, Mapping[str, float]]) -> list[dict[str, float]]:
    """Take-offs by distance: the share that was forecast, and the share that came; every task counts once.

    A forecast is from one state of a ladder to every later distance of the bins that the ladder reaches.

    Args:
        waits: What tasks did.
        by: What distances are of.
        of: Experiment → what was learned without it.
    """
    weight, rows = weights(list(waits)), []
    for low, high in zip(BINS[by], (*BINS[by][1:], np.inf), strict=True):
        told, came, total = 0.0, 0.0, 0.0
        for w, share in zip(waits, weight, strict=True):
            at = min(high, w.end)
            if at <= low:
                continue
            numbers = of[w.experiment]
            told += share * float(ndtr((np.log(at) - np.log(numbers["wait_median"])) / numbers["wait_sd"]))
            came += share * float(w.before <= at)
            total += share
        if total:
            rows.append({"beyond": low, "to": high, "tasks": total, "forecast": told / total, "came": came / total})
    return rows
