"""The most probable parameters of many joint laws at once, by damped Newton steps on the host."""

from __future__ import annotations

import jax
import numpy as np

from flpjax.fitting.comparison.density import Lane, derivatives
from flpjax.fitting.even import covariance_roots
from flpjax.ladder.table import Floats
from flpjax.laws.compared import ComparedLaw
from flpjax.numerics import on_device

STEPS = 60
GAIN = 1e-6  # of the log density: a smaller one ends the climb
LANES = 32  # lanes come in multiples, so that comparisons of few outputs share a program
LEAST_CURVATURE = 0.05  # of the log density; the prior's own is 1, and what lies below is no mode yet


def modes(law: ComparedLaw, lanes: Lane, starts: Floats) -> tuple[Floats, Floats]:
    """Climb from every start of every lane.

    Args:
        law: Of all lanes.
        lanes: Leaves ``(lane, …)``.
        starts: ``(start, lane, p)`` whitened.

    Returns:
        The best ends ``(lane, p)``, and square roots of covariances ``(lane, p, p)`` there.
    """
    count, every, size = starts.shape
    place = starts.reshape(-1, size)
    many: Lane = jax.tree.map(lambda leaf: np.concatenate([np.asarray(leaf)] * count), lanes)
    more = -len(place) % LANES
    many = on_device(jax.tree.map(lambda leaf: np.concatenate([leaf, np.repeat(leaf[-1:], more, axis=0)]), many))

    def at(vectors: Floats) -> tuple[Floats, Floats, Floats]:
        padded = np.concatenate([vectors, np.repeat(vectors[-1:], more, axis=0)])
        return tuple(np.asarray(v)[: len(vectors)] for v in derivatives(law, padded, many))  # type: ignore[return-value]

    value, gradient, hessian = at(place)
    value = np.where(np.isfinite(value), value, np.inf)
    damping = np.full(len(place), 1e-2)
    for _ in range(STEPS):
        curvature, axes = np.linalg.eigh(np.nan_to_num(hessian))
        curvature = np.maximum(np.abs(curvature), LEAST_CURVATURE) * (1.0 + damping[:, None])
        step = np.einsum("lpq,lq->lp", axes, np.einsum("lpq,lp->lq", axes, np.nan_to_num(gradient)) / curvature)
        new = at(place - step)
        better = np.isfinite(new[0]) & (new[0] < value)
        gain = np.where(better, value - new[0], np.where(damping > 1e6, 0.0, np.inf))
        place = np.where(better[:, None], place - step, place)
        value = np.where(better, new[0], value)
        gradient = np.where(better[:, None], new[1], gradient)
        hessian = np.where(better[:, None, None], new[2], hessian)
        damping = np.where(better, damping / 10.0, damping * 10.0)
        if (gain < GAIN).all():
            break
    best = value.reshape(count, every).argmin(axis=0)
    at_best = best, np.arange(every)
    curvature = hessian.reshape(count, every, size, size)[at_best]
    low = np.linalg.eigvalsh(np.nan_to_num(curvature))[:, 0]
    curvature = curvature + np.maximum(LEAST_CURVATURE - low, 0.0)[:, None, None] * np.eye(size)
    return place.reshape(starts.shape)[at_best], covariance_roots(curvature)
