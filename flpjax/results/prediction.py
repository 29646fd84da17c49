"""What draws say of targets: losses and scores, draw by draw, with the scatter of one measurement."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray
from scipy.special import ndtri

from flpjax.fitting.draws import Draws
from flpjax.ladder.compute import Compute
from flpjax.methods.method import Model, Prediction, StageParams
from flpjax.numerics import compiled

GOLDEN = 0.5 * (np.sqrt(5.0) - 1.0)
WITHIN = 2.0  # standard deviations of scores about their line, by which a measured one may leave the range

Bounds = tuple[Array, Array]
"""The lowest and the highest score ``(target, task)``."""


def scatter(draws: Draws) -> Prediction:
    """What a measured value departs from the fit by: log losses ``(draw, domain)`` and scores ``(draw, task)``.

    Normal, with the draws' own noise, or else each fit's residual standard deviation; a point fit has none. The numbers
    are the quantiles at a golden-ratio sequence, which fills 0 to 1 evenly for any number of draws and needs no key.
    """
    order = np.arange(1, len(draws) + 1)

    def normal(sd: NDArray[np.float64], irrational: float) -> Array:
        level = (order[:, None] * irrational + 0.5 * irrational * np.arange(sd.shape[1])[None, :]) % 1.0
        return jnp.asarray(ndtri(level) * sd)

    def of_fits(stage: str, names: tuple[str, ...]) -> Any:
        known = stage in draws.fits and draws.kind not in ("point", "tied")
        return np.broadcast_to(draws.fits[stage].residual_sd if known else 0.0, (len(draws), len(names)))

    sd = draws.noise
    if sd is None:
        sd = Prediction(of_fits("loss", draws.model.domains), of_fits("score", draws.model.tasks))
    return Prediction(normal(np.asarray(sd.loss), GOLDEN), normal(np.asarray(sd.score), np.sqrt(2.0) - 1.0))


def bounds_of(draws: Draws, flops: Sequence[float]) -> tuple[Bounds, Bounds] | None:
    """What scores of tasks that fall with scale are kept within: expected ones, and measured ones; None without such.

    Expected scores stay above chance, or the lowest score if that is below it, and below what the ladder measured at
    as much compute: a score that has fallen so far is not expected back.

    Args:
        draws: With their ladder.
        flops: ``(target,)`` C.
    """
    falling = {f.task: f for f in draws.ladder.falling if f.task in draws.model.tasks}
    if not falling:
        return None
    each = [falling.get(task) for task in draws.model.tasks]

    def bounds(slack: float) -> Bounds:
        low = [-np.inf if f is None else f.lower - slack * f.noise for f in each]
        high = [[np.inf if f is None else f.upper(c) + slack * f.noise for f in each] for c in flops]
        return jnp.broadcast_to(jnp.asarray(low), (len(high), len(low))), jnp.asarray(high)

    return bounds(0.0), bounds(WITHIN)


@partial(compiled, static_argnums=0)
def predict(
    model: Model,
    params: StageParams,
    compute: Compute,
    noise: Prediction | None,
    bounds: tuple[Bounds, Bounds] | None = None,
) -> Prediction:
    """Losses ``(draw, target, domain)`` and scores ``(draw, target, task)``.

    Args:
        model: The model.
        params: Stage → parameter → ``(draw, …)``.
        compute: Leaves ``(target, …)``; or ``(draw, target, …)``, where draws differ in what a target is.
        noise: That of :func:`scatter`; what a run's loss departs from the law moves its scores with it.
        bounds: Those of :func:`bounds_of`.
    """

    def one(p: StageParams, off: Prediction | None, x: Compute, kept: tuple[Bounds, Bounds] | None) -> Prediction:
        loss, score = model.apply(p, x)
        if off is not None:
            loss = loss * jnp.exp(off.loss)
            through = model.score_from_loss(p, loss)
            score = score if through is None else through
        score = score if kept is None else jnp.clip(score, *kept[0])
        if off is not None:
            score = score + off.score
            score = score if kept is None else jnp.clip(score, *kept[1])
        return Prediction(loss, score)

    by_draw = 0 if jnp.ndim(compute.log_flops) == 2 else None
    of_targets = jax.vmap(one, (None, None, 0, 0))
    return jax.vmap(of_targets, (0, 0, by_draw, None))(params, noise, compute, bounds)


@partial(compiled, static_argnums=0)
def predict_from_loss(model: Model, params: StageParams, loss: Array) -> Array | None:
    """Scores ``(draw, target, task)`` at known losses ``(target, domain)``; None for a model without losses."""
    return jax.vmap(lambda p: jax.vmap(lambda value: model.score_from_loss(p, value))(loss))(params)
