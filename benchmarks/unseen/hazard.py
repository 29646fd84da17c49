"""When tasks leave chance, and how steeply they rise then: learned from what ladders' tasks did.

A distance is known to lie between two states of a ladder, or beyond its end (censored); its distribution is that of a
survival time (Cox & Oakes 1984). Broad priors keep few tasks from making a spread 0 or boundless.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.special import logsumexp

from benchmarks.calibration.scoring import Floats
from benchmarks.report import percent, show
from benchmarks.unseen.waiting import RISES, Wait, weights
from flpjax.fitting.averaging import hyperpriors
from flpjax.fitting.averaging.hyperpriors import WAITS

BROAD: Mapping[str, tuple[tuple[float, float], ...]] = {
    "loss": ((float(np.log(2.3)), 1.5), (0.0, 1.0), (0.0, 1.5), (0.0, 0.5)),
    "compute": ((float(np.log(0.14)), 1.5), (0.0, 1.0), (float(np.log(0.05)), 1.5), (0.0, 0.5)),
}
"""Location and s.d. of the logarithms of the four numbers: that half of the tasks leave chance by a quarter less loss,
or by two decades of compute, is a guess that may be off by a factor of 20 either way."""
NAMES = ("hazard", "hazard_spread", "rise_median", "rise_sd")
POINTS = 41  # of each of the two numbers, from 4 s.d. below to 4 above
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
    of_task, place = np.unique([(w.ladder, w.task) for w in known], axis=0, return_inverse=True)
    total = np.bincount(place.ravel(), weight, len(of_task))  # all states of a ladder tell the same of a task's rise
    rises = np.stack([known[int(np.flatnonzero(place.ravel() == i)[0])].rise for i in range(len(of_task))])
    wait, rise = BROAD[by][:2], BROAD[by][2:]

    def waited(log_hazard: Floats, log_spread: Floats) -> Floats:
        each = [
            [log_probability(after, before, hyperpriors.Wait(h, s, 1.0, 1.0)) @ weight for s in np.exp(log_spread)]
            for h in np.exp(log_hazard)
        ]
        return np.array(each)

    def rose(log_median: Floats, log_sd: Floats) -> Floats:
        off = (np.log(RISES) - log_median[:, None, None]) / np.exp(log_sd)[:, None]
        prior = np.exp(-0.5 * off**2)
        return np.log((prior / prior.sum(axis=2, keepdims=True)) @ np.exp(rises).T + LEAST) @ total

    (hazard, doubt), (spread, _) = posterior(waited, wait)
    (median, shift), (sd, _) = posterior(rose, rise)
    # What is not known of the hazard and of the median adds to how much the next task's may differ.
    of_next = (
        np.exp(hazard + 0.5 * doubt),
        (1.0 + np.exp(spread)) * np.exp(doubt) - 1.0,
        np.exp(median),
        np.sqrt(np.exp(2.0 * sd) + shift),
    )
    return dict(zip(NAMES, map(float, of_next), strict=True))


def posterior(
    told: Callable[[Floats, Floats], Floats], broad: Sequence[tuple[float, float]]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Mean and variance of each of two logarithms.

    Args:
        told: What tasks say of both, a log likelihood, at all pairs of values.
        broad: Location and s.d. of each before.
    """
    places = [loc + sd * np.linspace(-4.0, 4.0, POINTS) for loc, sd in broad]
    log_weight = told(*places)
    for axis, (place, (loc, sd)) in enumerate(zip(places, broad, strict=True)):
        log_weight += np.expand_dims(-0.5 * ((place - loc) / sd) ** 2, 1 - axis)
    share = np.exp(log_weight - logsumexp(log_weight))

    def moments(axis: int) -> tuple[float, float]:
        own, place = share.sum(axis=1 - axis), places[axis]
        mean = float(own @ place)
        return mean, float(own @ (place - mean) ** 2)

    return moments(0), moments(1)


def log_probability(after: Floats, before: Floats, of: hyperpriors.Wait) -> Floats:
    """``(wait,)`` of leaving chance between two distances, the second of which may be infinite."""
    return np.asarray(np.log(np.maximum(of.by(before) - of.by(after), LEAST)))


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
            told += share * float(hyperpriors.Wait(*of[w.experiment].values()).by(np.array(at)))
            came += share * float(w.before <= at)
            total += share
        if total:
            rows.append({"beyond": low, "to": high, "tasks": total, "forecast": told / total, "came": came / total})
    return rows


def show_reliability(waits: Mapping[str, Sequence[Wait]]) -> None:
    """Print take-offs by distance, forecast with the task's experiment left out, and by all."""
    for by, known in waits.items():
        experiments = dict.fromkeys(w.experiment for w in known)
        whole = learn_waits(known, by)
        assert whole is not None
        without = {e: learn_waits(known, by, e) or whole for e in experiments}
        honest, fitted = reliability(known, by, without), reliability(known, by, dict.fromkeys(experiments, whole))
        show(
            f"Tasks at chance that left it, by e-folds of {by} ahead, %",
            ("to", "tasks", "came", "forecast, left out", "forecast, by all"),
            [
                (
                    f"{a['to']:g}",
                    f"{a['tasks']:.0f}",
                    percent(a["came"]),
                    percent(a["forecast"]),
                    percent(b["forecast"]),
                )
                for a, b in zip(honest, fitted, strict=True)
            ],
            f"tasks of {', '.join(experiments)}; each counts once, whatever its states and sibling ladders",
        )
