"""``auto``: all methods that a ladder can carry, weighed by its own past, with the drift that its past shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from flpjax.errors import FitError, InputError, count
from flpjax.fitting.blending.member import Known, Member, Origins, fit_member
from flpjax.fitting.blending.rolling import Outputs, RollingErrors, blended, next_error, rolling_forecast_errors
from flpjax.fitting.blending.stacking import (
    FREEDOM,
    GRID,
    NO_IRREDUCIBLE_LOSS_WEIGHT,
    Drift,
    covered,
    drift_of,
    single_model_share,
    stack,
)
from flpjax.fitting.diagnostics import FEW_AHEAD, RollingValidation
from flpjax.fitting.draws import Draws, LadderSummary, check_draw_count
from flpjax.fitting.point import training_of
from flpjax.fitting.student_t import even_levels, even_normal, mirrored_levels
from flpjax.ladder.table import Runs
from flpjax.methods.blend import MIXED, Blend
from flpjax.methods.method import Method, Prediction, StageParams
from flpjax.methods.registry import Auto
from flpjax.numerics import generator, require_x64

TOGETHER = 0.5  # share of the variance of drifts that all outputs have in common: a loss too high, all scores too low
ORIGINS_SALT, BLEND_SALT = 5, 6
BLENDED = 2000  # draws: more cost next to nothing, and 400 blur medians of scores by .2 points
MEMBERS = 16  # about as many as any table has


class Methods(Protocol):
    """What is to be blended."""

    def members(self, runs: Runs) -> dict[str, Method]:
        """Name → method, of the runs that a fit may see."""
        ...


class BlendWeights(NamedTuple):
    """What a blend takes from whom."""

    weight: NDArray[np.float64]  # (member, output)
    single_model_share: NDArray[np.float64]  # (output,) how much a draw is one member rather than the mean of all


def auto(
    runs: Runs,
    key: Array,
    *,
    draws: int = BLENDED,
    methods: Methods | None = None,
    progress: Callable[[str], None] | None = None,
) -> Draws:
    """Blend methods by how well each forecast the ladder's own larger runs, with intervals that its past bears out.

    Every method is fitted as the ladder stood when its k smallest runs were all there was, for many k, and forecasts
    the runs that came. Their errors tell the weights of the methods, for each loss and task
    (:mod:`flpjax.fitting.blending.stacking`), and by how much forecasts of the blend drift with distance, beyond what
    the parameters' uncertainty, the choice of method and noise explain (the same). A draw
    is partly one of the methods, partly the weighted mean of all, each around its own fit.

    Args:
        runs: The ladder; held-out runs are not used.
        key: JAX random key.
        draws: Number of draws.
        methods: Which methods, and through which loss; None takes those that suit the table.
        progress: Called with each method's name before it is fitted.

    Returns:
        Draws of a :class:`~flpjax.methods.blend.Blend`, with the record of its past forecasts.

    Raises:
        InputError: No method can be fitted, or there are no draws.
        PrecisionError: JAX is in 32 bits.
    """
    require_x64("fitting")
    if draws < 2:
        raise InputError(f"{draws} draws", where="auto", remedy="Ask for 2 at least; a blend has no point fit")
    check_draw_count(draws, "auto", MEMBERS * (len(runs.domains) + len(runs.tasks)))
    training = training_of(runs)
    origins = Origins.of(training, generator(key, ORIGINS_SALT))
    members, left_out = _fitted((methods or Auto()), training, origins, key, progress)
    outputs = Outputs.of(members, training)
    available = np.stack([_available(m, outputs) for m in members])
    available &= ~(outputs.is_loss & _repeats(members)[:, None])
    errors = rolling_forecast_errors(members, outputs, training, origins)
    emerged = outputs.emerged(training)
    before = np.array([NO_IRREDUCIBLE_LOSS_WEIGHT if m.no_irreducible_loss else 1.0 for m in members])
    weight = stack(drift_of(errors, outputs.is_loss), outputs.is_loss, emerged, available, before)
    blend_weights = BlendWeights(weight, single_model_share(outputs.is_loss, emerged))
    blend = _blended(members, outputs, training, errors, blend_weights, generator(key, BLEND_SALT), draws)
    return replace(blend, warnings=(*blend.ladder.remarks, *left_out, *_warnings(members, training, blend.validation)))


def _fitted(
    methods: Methods, training: Runs, origins: Origins, key: Array, progress: Callable[[str], None] | None
) -> tuple[list[Member], list[str]]:
    """The methods that can be fitted, and why the others can't."""
    members, left_out = [], []
    known: Known = {}
    for name, method in methods.members(training).items():
        if progress is not None:
            progress(name)
        try:
            members.append(fit_member(name, method, training, origins, key, known))
        except (InputError, FitError) as error:
            left_out.append(f"{name} takes no part: {error}")
    if not members:
        raise InputError(
            f"no method can be fitted: {left_out[0]}", where=training.source, remedy="The others fail likewise"
        )
    return members, left_out


def _repeats(members: Sequence[Member]) -> NDArray[np.bool_]:
    """``(member,)`` whether a member's losses are those of one before it, which must not have a say twice."""
    losses = [id(m.stages["loss"].stage) if "loss" in m.stages else None for m in members]
    return np.array([loss is not None and loss in losses[:i] for i, loss in enumerate(losses)])


def _available(member: Member, outputs: Outputs) -> NDArray[np.bool_]:
    """``(output,)`` whether the fit to all runs forecasts it."""
    fitted = {name: np.isfinite(at.fitted.vectors[0]).all(axis=1) for name, at in member.stages.items()}
    loss = fitted.get("loss", np.zeros(0, bool))
    score = fitted.get("score", np.zeros(0, bool)).copy()
    for i, through in enumerate(member.model.via[: len(score)]):
        score[i] &= loss[list(through)].all()
    place = outputs.places(member)
    both = np.concatenate([loss, score])
    return np.asarray((place >= 0) & both[np.maximum(place, 0)])


def _blended(
    members: Sequence[Member],
    outputs: Outputs,
    runs: Runs,
    errors: RollingErrors,
    blend_weights: BlendWeights,
    rng: np.random.Generator,
    draws: int,
) -> Draws:
    """Draws of the blend: what each takes from which member, and how far it drifts."""
    kept = [int(m) for m in np.flatnonzero(blend_weights.weight.max(axis=1) > 0)]
    weight = blend_weights.weight[kept]
    own = blended(errors, blend_weights.weight, blend_weights.single_model_share)
    drift = drift_of(own, outputs.is_loss)
    split = len(outputs.domains)
    share, drifts = (
        _shares(weight, blend_weights.single_model_share, draws, rng),
        _departures(drift, weight, outputs.is_loss, draws, rng),
    )
    params: StageParams = {
        MIXED: {
            "loss_share": jnp.asarray(share[..., :split]),
            "score_share": jnp.asarray(share[..., split:]),
            "loss_drift": jnp.asarray(drifts[:, :split]),
            "score_drift": jnp.asarray(drifts[:, split:]),
        }
    }
    level = mirrored_levels(draws, rng)
    for i, m in enumerate(kept):
        drawn = members[m].draw(np.zeros(1, np.intp), level, rng, float(drift.spread_scale[0]))
        params |= {f"{i}/{stage}": values for stage, values in drawn.items()}
    names = tuple(members[m].name for m in kept)
    ladder = LadderSummary.of(runs, [at.stage for m in kept for at in members[m].stages.values()])
    model = Blend(
        tuple(members[m].model for m in kept),
        names,
        outputs.domains,
        outputs.tasks,
        float(np.log(ladder.flops[1])),
        max((members[m].model.sources for m in kept), key=len),
    )
    fits = {f"{n}, {stage}": f for n, m in zip(names, kept, strict=True) for stage, f in members[m].fits.items()}
    validation = RollingValidation(
        *covered(drift, errors.run, errors.distance),
        (*outputs.domains, *outputs.tasks),
        dict(zip(names, weight, strict=True)),
        next_error(own, outputs.is_loss),
    )
    scatter = jnp.asarray(np.broadcast_to(own.noise, (draws, own.noise.shape[1])))
    noise = Prediction(scatter[:, :split], scatter[:, split:])
    return Draws(model, params, "blend", fits, ladder, fitted_noise=noise, validation=validation)


def _shares(
    weight: NDArray[np.float64], single_model_share: NDArray[np.float64], draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """``(draw, member, output)``: partly of one member, which members are in turn by weight, partly the weights."""
    level = even_levels(draws, rng)[:, None, None]
    upper = np.cumsum(weight, axis=0)
    upper[-1] = np.where(upper[-1] > 0, 1.0, 0.0)  # so that none falls between rounding and 1
    one = (level <= upper) & (level > np.concatenate([np.zeros_like(upper[:1]), upper[:-1]]))
    return np.asarray(single_model_share * one + (1.0 - single_model_share) * weight)


def _departures(
    drift: Drift, weight: NDArray[np.float64], is_loss: NDArray[np.bool_], draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """``(draw, output)`` per e-fold, τ evenly over its posterior; NaN for what no member forecasts."""
    outputs = len(is_loss)
    cumulative = np.cumsum(drift.probability[0], axis=-1)
    level = np.stack([even_levels(draws, rng) for _ in range(outputs)], axis=1)
    tau = GRID[np.minimum((cumulative < level[..., None]).sum(axis=-1), len(GRID) - 1)]
    independent = np.stack([even_normal(draws, rng) for _ in range(outputs)], axis=1)
    sign = np.where(is_loss, 1.0, -1.0)
    normal = np.sqrt(TOGETHER) * sign * even_normal(draws, rng)[:, None] + np.sqrt(1.0 - TOGETHER) * independent
    return np.where(weight.max(axis=0) > 0, tau * stdtrit(FREEDOM, ndtr(normal)), np.nan)


def _warnings(members: Sequence[Member], training: Runs, validation: RollingValidation | None) -> list[str]:
    """What no member forecasts and why, chance levels that nobody gave, a ladder without a past."""
    assert validation is not None
    total = dict(zip(validation.outputs, np.sum(list(validation.weights.values()), axis=0), strict=True))
    silent = [n for n in dict.fromkeys((*training.domains, *training.task_names)) if not total.get(n)]
    warnings = [t.chance_warning for t in training.tasks if not t.chance_known]
    for name in silent:
        why = next((w for m in members for w in m.bound.warnings if f"'{name}'" in w), "")
        warnings.append(why or f"'{name}' is not forecast: no method could be fitted to it")
    if validation.runs < FEW_AHEAD:
        warnings.append(
            f"the ladder's past has {count(validation.runs, 'run')} to learn from: how far forecasts drift is what is "
            "usual elsewhere"
        )
    return warnings
