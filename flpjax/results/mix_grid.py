"""A grid of mixtures of two or three sources, and what is expected of a target at them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.draws import Draws
from flpjax.ladder.compute import Compute
from flpjax.results.forecast import compute_of, predict
from flpjax.results.target import Target


def mixture_grid(sources: int, steps: int) -> NDArray[np.float64]:
    """``(point, source)`` all mixtures whose weights are multiples of ``1/steps``; the last source varies fastest."""
    if sources == 2:
        last = np.arange(steps + 1) / steps
        return np.stack([1.0 - last, last], axis=1)
    pairs = [(a, b) for a in range(steps + 1) for b in range(steps + 1 - a)]
    return np.array([((steps - a - b) / steps, a / steps, b / steps) for a, b in pairs])


def expected_at(
    draws: Draws, target: Target, weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected losses ``(draw, mixture, domain)`` and scores ``(draw, mixture, task)`` of a target at mixtures.

    Args:
        draws: Of a model with sources.
        target: With its FLOPs.
        weights: ``(mixture, source)``; NaN comes out where the law has no finite value without a source.
    """
    params, tokens, flops = (np.repeat(leaf, len(weights)) for leaf in compute_of([target])[:3])
    lacking = (weights == 0.0).any(axis=1, keepdims=True) & draws.model.singular
    points = Compute(params, tokens, flops, np.where(lacking, np.nan, weights))
    seen = predict(draws.model, draws.params, points, None)
    return np.asarray(seen.loss), np.asarray(seen.score)
