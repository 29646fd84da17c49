"""Fit one method at all forecast origins of a ladder, as one batch, for rolling-origin validation.

An origin is a subset of the ladder, usually its k smallest runs by FLOPs: the method is fitted to these and forecasts
the remaining runs. The first origin is the whole ladder. Rows are weighted by an estimate of their noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.engine.settings import Settings
from flpjax.fitting.draws import StageFit, unpack_all
from flpjax.fitting.noise import PRIOR_DF, Noise, noise_of, typical_noise, unknown_noise, weighed
from flpjax.fitting.point import STEPS
from flpjax.fitting.staged import Fitted, fit_stage
from flpjax.fitting.student_t import covariance_roots, student_t_draws
from flpjax.ladder.table import Runs
from flpjax.laws.law import size
from flpjax.methods.method import BoundModel, Method, Model, Stage, StageParams
from flpjax.methods.mixtures import upper_half
from flpjax.numerics import generator

MOST = 12  # origins with k smallest runs; more would differ little from each other
FEWEST_RUNS = 3  # runs that a law can be fitted to; subsets with fewer are not used as origins
SAME_COMPUTE = 0.05  # log FLOPs; runs closer than this are never separated by an origin
FOLDS = 5  # of cross-validation, on ladders with fewer than two sizes to divide at


@dataclass(frozen=True, eq=False)
class Origins:
    """Which runs a fit may see at each origin, and which runs it then forecasts.

    Attributes:
        train_mask: ``(origin, run)`` the runs that a fit may see; the first origin sees all.
        forecast_mask: ``(origin, run)`` runs with a final value that are not seen there; none at the first.
        distance: ``(origin, run)`` how far a run's log FLOPs lie above those of the largest run that the origin's laws
            are fitted to; 0 if they don't.
        upper_half: ``(origin, run)`` the runs seen whose log FLOPs are in the upper half of the range of all runs
            that laws are fitted to at that origin.
    """

    train_mask: NDArray[np.bool_]
    forecast_mask: NDArray[np.bool_]
    distance: NDArray[np.float64]
    upper_half: NDArray[np.bool_]

    @classmethod
    def of(cls, runs: Runs, rng: np.random.Generator) -> Origins:
        """Fit to the k smallest runs and forecast all larger ones, for up to :data:`MOST` values of k.

        Where there are fewer than two such k (a ladder of one scale), random folds are left out and forecast from the
        other runs as well; between runs of one scale the distance is about 0.
        """
        log_flops, finished, fitted = _finished(runs)
        order = np.argsort(log_flops, kind="stable")
        starts_size = np.r_[True, np.diff(log_flops[order]) > SAME_COMPUTE]
        cuts = [k for k in np.flatnonzero(starts_size) if fitted[order[:k]].sum() >= FEWEST_RUNS]
        cuts = [cuts[i] for i in np.unique(np.linspace(0, len(cuts) - 1, MOST).round().astype(int))] if cuts else []
        seen_by_origin = [np.isin(np.arange(len(order)), order[:k]) for k in cuts]
        if len(cuts) < 2:
            fold = rng.permutation(len(order)) % max(min(FOLDS, len(order)), 2)
            seen_by_origin += [fold != f for f in range(fold.max() + 1) if fitted[fold != f].sum() >= FEWEST_RUNS]
        train_mask = np.array([np.ones(len(order), bool), *seen_by_origin])
        largest_fitted = np.array([log_flops[mask & fitted].max(initial=-np.inf) for mask in train_mask])
        distance = np.maximum(log_flops[None, :] - largest_fitted[:, None], 0.0)
        return cls(train_mask, ~train_mask & finished[None, :], distance, upper_half(log_flops, train_mask & fitted))


def _finished(runs: Runs) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """``(run,)`` log FLOPs; whether a run has a final value; and whether it has one that laws of compute are fitted to.

    Laws of compute are fitted to losses, or to scores on a ladder without losses. The FLOPs of an unfinished run are
    those of its last checkpoint.
    """
    log_flops = np.full(len(runs.names), -np.inf)
    np.maximum.at(log_flops, runs.run, np.log(runs.flops))
    finals = runs.finals()
    position = np.array([runs.names.index(finals.names[r]) for r in finals.run], np.intp)
    finished, fitted = np.zeros(len(runs.names), bool), np.zeros(len(runs.names), bool)
    log_flops[position] = np.log(finals.flops)
    finished[position] = True
    fitted[position] = np.isfinite(finals.loss).any(axis=1) if runs.domains else True
    return log_flops, finished, fitted


PASSES = 2  # fits to all runs, each of which gives the noise estimate that weights the next fit


class StageAt(NamedTuple):
    """One stage at all origins."""

    stage: Stage  # with the row weights of its fits at the origins
    fitted: Fitted  # first axis: origin
    noise: Noise  # estimated from the fit to all runs


@dataclass(frozen=True, eq=False)
class Member:
    """A method, fitted at all origins.

    Attributes:
        name: The method.
        bound: The method bound to all runs.
        stages: Name of a stage → its fits.
        fitted_to: ``(run,)`` the runs that its law of losses is fitted to: all, or those in the upper half of the range
            of log FLOPs.
    """

    name: str
    bound: BoundModel
    stages: dict[str, StageAt]
    fitted_to: NDArray[np.bool_]

    @property
    def model(self) -> Model:
        """The bound method."""
        return self.bound.model

    @property
    def fits(self) -> dict[str, StageFit]:
        """Name of a stage → how its fit to all runs ended."""
        return {name: at.fitted.report for name, at in self.stages.items()}

    @property
    def no_irreducible_loss(self) -> bool:
        """Whether its law lets losses fall to 0 with compute, which real losses do not."""
        return "loss" in self.stages and getattr(self.stages["loss"].stage.law, "no_irreducible_loss", False)

    def draw(
        self, origins: NDArray[np.intp], level: NDArray[np.float64], rng: np.random.Generator, spread_scale: float = 1.0
    ) -> StageParams:
        """Draw parameters at some origins from Student's t around the optima, independently for each stage.

        All origins use the same random numbers. A stage that is trained by a recipe stays at its optimum.

        Args:
            origins: ``(origin,)`` indices of origins.
            level: ``(draw,)`` from 0 to 1, the quantile of each draw's scale (the factor that turns a normal
                into Student's t).
            rng: For the directions in which draws depart from the optimum.
            spread_scale: Factor on departures from the optimum.

        Returns:
            Name of a stage → parameter → ``(origin · draw, output, …)``; NaN where a fit failed.
        """
        params = {}
        for name, at in self.stages.items():
            vectors = at.fitted.vectors[origins]
            if at.stage.recipe is None:
                root = spread_scale * typical_noise(at.stage) * covariance_roots(at.fitted.hessian)
                freedom = PRIOR_DF + np.maximum(at.noise.n_effective - size(at.stage.law), 0.0)
                sampled = student_t_draws(vectors, root[origins], freedom, level, rng)
            else:
                sampled = np.repeat(vectors[:, None], len(level), axis=1)
            params[name] = unpack_all(at.stage.law, jnp.asarray(sampled.reshape(-1, *vectors.shape[1:])))
        return params


Known = dict[object, StageAt]
"""Fits by :func:`_identity` of the stage and the runs seen, so that methods with the same stage share one fit."""


def fit_member(name: str, method: Method, runs: Runs, origins: Origins, key: Array, known: Known) -> Member:
    """Fit a method at all origins.

    Fits to all runs estimate the noise first. Then one batch of fits, at all origins, weights rows by that noise, as
    the posterior does.

    Args:
        name: The method's name.
        method: The method.
        runs: The runs that a fit may see.
        origins: Where to fit.
        key: JAX random key, for the starts.
        known: Fits to reuse; what is fitted here is added.

    Raises:
        InputError: The ladder lacks what the method needs.
    """
    bound, recent = method.bind(runs), getattr(method, "recent", False)
    if recent:  # its loss law takes the upper half of the runs seen, which differs by origin: bind with rows of all
        bound = method.everywhere().bind(runs)  # type: ignore[attr-defined]
    stages: dict[str, StageAt] = {}
    loss_mask = origins.upper_half if recent else origins.train_mask
    for i, stage in enumerate(bound.stages):
        train_mask = loss_mask if stage.name == "loss" else origins.train_mask
        identity = _identity(stage), train_mask.tobytes()
        if identity not in known:
            known[identity] = _at_origins(stage, runs, train_mask, generator(key, i))
        stages[stage.name] = known[identity]
    return Member(name, bound, stages, loss_mask[0])


def _identity(stage: Stage) -> object:
    """A hashable key that is equal for stages with the same residual, outputs and data."""
    numbers = jax.tree.leaves((stage.x, stage.y, stage.weight))
    return stage.residual, stage.outputs, stage.units, tuple(np.asarray(n).tobytes() for n in numbers)


def _at_origins(stage: Stage, runs: Runs, train_mask: NDArray[np.bool_], rng: np.random.Generator) -> StageAt:
    """Fit a stage at every origin to the runs that ``train_mask`` ``(origin, run)`` allows."""
    settings, counts = Settings(steps=STEPS), train_mask.astype(float)
    if stage.recipe is not None:
        fitted = fit_stage(stage, counts, rng, None, settings)
        return StageAt(stage, fitted, noise_of(stage, fitted.vectors[0]))
    all_runs = replace(stage, weight=stage.weight * counts[0, stage.run])
    sampling, noise = _sampling(stage, runs), unknown_noise(stage)
    for _ in range(PASSES):
        fitted = fit_stage(weighed(all_runs, noise, sampling), counts[:1], rng, None, settings)
        noise = noise_of(all_runs, fitted.vectors[0])
    weighted = weighed(stage, noise, sampling)
    at_origins = fit_stage(weighted, counts, rng, None, settings, random_prior=False)
    return StageAt(weighted, at_origins._replace(report=fitted.report), noise)


def _sampling(stage: Stage, runs: Runs) -> NDArray[np.float64]:
    """``(output, row)`` variance of scores because test sets are finite, in the stage's units; NaN if unknown."""
    if stage.name != "score" or stage.y.shape[1] != len(runs):
        return np.full(stage.y.shape, np.nan)
    columns = [runs.task_names.index(t) for t in stage.outputs]
    score, stderr = runs.score[:, columns].T, runs.stderr[:, columns].T
    questions = np.array([[runs.tasks[i].questions or np.nan] for i in columns])
    smoothed = (np.nan_to_num(score) * questions + 1.0) / (questions + 2.0)  # no variance of 0 at scores 0 and 1
    variance = np.where(np.isfinite(stderr) & (stderr > 0), stderr**2, smoothed * (1.0 - smoothed) / questions)
    unit = np.array(stage.units or ((0.0, 1.0),))[:, 1][:, None]
    return np.asarray(variance / unit**2)
