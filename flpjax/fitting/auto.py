"""``auto``: all methods that a ladder can carry, weighed by its own past, with the drift that its past shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray
from scipy.special import stdtrit, ndtr

from flpjax.errors import FitError, InputError
from flpjax.fitting.draws import Draws, Ladder
from flpjax.fitting.drift import FREEDOM, GRID, Drift, drift_of
from flpjax.fitting.member import Member, StageAt, fit_member, normal_levels
from flpjax.fitting.origins import Origins
from flpjax.fitting.track import Outputs, Track, track_record
from flpjax.numerics import generator, require_x64
from flpjax.predictors.auto import Auto
from flpjax.predictors.blend import MIXED, Blend
from flpjax.predictors.predictor import Prediction, StageParams
from flpjax.runs.table import Runs

LEAST_WEIGHT = 0.01  # members with less of every output are left out
TOGETHER = 0.5  # share of the variance of drifts that all outputs have in common


def auto(
    config: Auto, runs: Runs, key: Array, *, draws: int = 200, progress: Callable[[str], None] | None = None
) -> Draws:
    """Blend all methods that a ladder can carry."""
    require_x64("fitting")
    training = runs.training()
    origins = Origins.of(training, generator(key, 5))
    members, left_out = [], []
    known: dict[object, StageAt] = {}
    for name, predictor in config.members(runs).items():
        if progress is not None:
            progress(name)
        try:
            members.append(fit_member(name, predictor, training, origins, key, known))
        except (InputError, FitError) as error:
            left_out.append(f"{name} is left out: {error}")
    if not members:
        raise InputError(
            f"no method can be fitted: {left_out[0]}", where=runs.source, remedy="Give more runs, or name a method"
        )
    outputs = Outputs.of(members, training)
    track = track_record(members, outputs, training, origins, key)
    available = np.stack([_available(m, outputs) for m in members])
    drift = drift_of(track, outputs.is_loss, available)
    return blended(members, outputs, training, track, drift, key, draws)


def _available(member: Member, outputs: Outputs) -> NDArray[np.bool_]:
    """``(output,)`` whether the fit to all runs forecasts it."""
    place = outputs.places(member)
    fitted = np.concatenate(
        [
            np.isfinite(member.stages[stage].fitted.vectors[0]).all(axis=1)
            if stage in member.stages
            else np.zeros(0, bool)
            for stage in ("loss", "score")
        ]
    )
    domains = len(member.model.domains)
    through = np.array([all(fitted[list(v)]) for v in member.model.via or ((),) * len(member.model.tasks)], bool)
    fitted[domains:] &= through
    return np.asarray((place >= 0) & fitted[np.maximum(place, 0)])


def blended(
    members: Sequence[Member],
    outputs: Outputs,
    runs: Runs,
    track: Track,
    drift: Drift,
    key: Array,
    draws: int,
) -> Draws:
    rng = generator(key, 6)
    weight = np.nan_to_num(drift.weight)
    weight = np.where(weight >= LEAST_WEIGHT, weight, 0.0)
    kept = np.flatnonzero(weight.any(axis=1))
    share = np.cumsum(weight[kept] / np.maximum(weight[kept].sum(axis=0), 1e-300), axis=0)  # (member, output)
    order = (rng.permutation(draws) + 0.5) / draws
    pick = np.minimum((order[:, None, None] > share[None]).sum(axis=1), len(kept) - 1)  # (draw, output)
    everywhere = np.arange(share.shape[1])
    tau = _drawn(drift.probability[kept], pick, rng)
    common = normal_levels(draws, rng)
    apart = np.stack([normal_levels(draws, rng) for _ in everywhere], axis=1)
    sign = np.where(outputs.is_loss, 1.0, -1.0)
    normal = np.sqrt(TOGETHER) * common[:, None] * sign + np.sqrt(1.0 - TOGETHER) * apart
    off = tau * stdtrit(FREEDOM, ndtr(normal))
    noise = track.noise[kept][pick, everywhere]
    split = len(outputs.domains)
    params: StageParams = {
        MIXED: {
            "loss_from": jnp.asarray(pick[:, :split]),
            "score_from": jnp.asarray(pick[:, split:]),
            "loss_drift": jnp.asarray(off[:, :split]),
            "score_drift": jnp.asarray(off[:, split:]),
        }
    }
    level = (rng.permutation(draws) + 0.5) / draws
    for i, m in enumerate(kept):
        drawn = members[m].draw(np.zeros(draws, np.intp), level, rng, float(drift.stretch[m]))
        params |= {f"{i}/{stage}": values for stage, values in drawn.items()}
    model = Blend(
        tuple(members[m].model for m in kept),
        tuple(members[m].name for m in kept),
        outputs.domains,
        outputs.tasks,
        float(np.log(runs.finals().flops.max())),
        next((members[m].model.sources for m in kept if members[m].model.sources), ()),
    )
    fits = {f"{members[m].name}, {stage}": fit for m in kept for stage, fit in members[m].fits.items()}
    return Draws(model, params, "posterior", fits, Ladder.of(runs), (), Prediction(noise[:, :split], noise[:, split:]))


def _drawn(probability: NDArray[np.float64], pick: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.float64]:
    """τ ``(draw, output)`` of the picked members, evenly over its posterior ``(member, output, grid)``."""
    draws, outputs = pick.shape
    cumulative = np.cumsum(probability, axis=-1)
    value = np.zeros(pick.shape)
    for q in range(outputs):
        u = (rng.permutation(draws) + 0.5) / draws
        at = (cumulative[pick[:, q], q] < u[:, None]).sum(axis=1)
        value[:, q] = GRID[np.minimum(at, len(GRID) - 1)]
    return value
