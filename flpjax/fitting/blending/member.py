"""One method at all origins of a ladder, as one batch: an origin is the ladder as it stood when it was smaller.

From an origin the ladder's own later runs are forecast; each row is weighed by its own noise.
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

MOST = 12  # origins: more are nearly the same
FEWEST_RUNS = 3  # that a law is fitted to at an origin
SAME_COMPUTE = 0.05  # log FLOPs; runs nearer than this are one step of the ladder
FOLDS = 5


@dataclass(frozen=True, eq=False)
class Origins:
    """Which runs are seen from each origin, and which runs are then forecast.

    Attributes:
        train_mask: ``(origin, run)`` the runs that a fit may see; the first origin sees all.
        forecast_mask: ``(origin, run)`` runs with a final value that are forecast from there; none from the first.
        distance: ``(origin, run)`` e-folds of FLOPs from the largest run seen that a fit uses to a run, 0 inside.
        upper_half: ``(origin, run)`` the runs seen that are in the upper half of their range of log FLOPs.
    """

    train_mask: NDArray[np.bool_]
    forecast_mask: NDArray[np.bool_]
    distance: NDArray[np.float64]
    upper_half: NDArray[np.bool_]

    @classmethod
    def of(cls, runs: Runs, rng: np.random.Generator) -> Origins:
        """The k smallest runs see all larger ones, for up to :data:`MOST` values of k.

        On a ladder of one scale, where nothing is larger, some runs at random see the others: distances are 0 then.
        """
        log_flops, finished, fitted = _finished(runs)
        order = np.argsort(log_flops, kind="stable")
        step = np.r_[True, np.diff(log_flops[order]) > SAME_COMPUTE]
        cuts = [k for k in np.flatnonzero(step) if fitted[order[:k]].sum() >= FEWEST_RUNS]
        cuts = [cuts[i] for i in np.unique(np.linspace(0, len(cuts) - 1, MOST).round().astype(int))] if cuts else []
        seen = [np.isin(np.arange(len(order)), order[:k]) for k in cuts]
        if len(cuts) < 2:
            fold = rng.permutation(len(order)) % max(min(FOLDS, len(order)), 2)
            seen += [fold != f for f in range(fold.max() + 1) if fitted[fold != f].sum() >= FEWEST_RUNS]
        table = np.array([np.ones(len(order), bool), *seen])
        edge = np.array([log_flops[s & fitted].max(initial=-np.inf) for s in table])
        distance = np.maximum(log_flops[None, :] - edge[:, None], 0.0)
        return cls(table, ~table & finished[None, :], distance, upper_half(log_flops, table & fitted))


def _finished(runs: Runs) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """``(run,)`` log FLOPs; whether a run has a final value; and whether it has one that laws of compute are fitted to.

    Those are losses, or scores on a ladder without losses. Unfinished runs are placed by where they stand.
    """
    log_flops = np.full(len(runs.names), -np.inf)
    np.maximum.at(log_flops, runs.run, np.log(runs.flops))
    finals = runs.finals()
    place = np.array([runs.names.index(finals.names[r]) for r in finals.run], np.intp)
    finished, fitted = np.zeros(len(runs.names), bool), np.zeros(len(runs.names), bool)
    log_flops[place] = np.log(finals.flops)
    finished[place] = True
    fitted[place] = np.isfinite(finals.loss).any(axis=1) if runs.domains else True
    return log_flops, finished, fitted


PASSES = 2  # fits that tell the noise


class StageAt(NamedTuple):
    """One stage at all origins."""

    stage: Stage  # as it was weighed
    fitted: Fitted  # first axis: origin
    noise: Noise


@dataclass(frozen=True, eq=False)
class Member:
    """A method, fitted at all origins.

    Attributes:
        name: The method.
        bound: As it was bound to all runs.
        stages: Stage → its fits.
        fitted_to: ``(run,)`` the runs that its law of losses is fitted to: all, or those of the ladder's upper half.
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
        """Stage → how the fit to all runs ended."""
        return {name: at.fitted.report for name, at in self.stages.items()}

    @property
    def no_irreducible_loss(self) -> bool:
        """Whether its losses fall to 0 with compute, as none does in the end."""
        return "loss" in self.stages and getattr(self.stages["loss"].stage.law, "no_irreducible_loss", False)

    def draw(
        self, origins: NDArray[np.intp], level: NDArray[np.float64], rng: np.random.Generator, spread_scale: float = 1.0
    ) -> StageParams:
        """Draws of the parameters at some origins, of each stage on its own: the same departures at every origin.

        Args:
            origins: ``(origin,)`` which.
            level: ``(draw,)`` from 0 to 1, where in the distribution of its scale each draw lies.
            rng: For the directions.
            spread_scale: Factor on departures from the optimum.

        Returns:
            Stage → parameter → ``(origin · draw, output, …)``; NaN where a fit failed.
        """
        drawn = {}
        for name, at in self.stages.items():
            vectors = at.fitted.vectors[origins]
            if at.stage.recipe is None:
                root = spread_scale * typical_noise(at.stage) * covariance_roots(at.fitted.hessian)
                freedom = PRIOR_DF + np.maximum(at.noise.n_effective - size(at.stage.law), 0.0)
                every = student_t_draws(vectors, root[origins], freedom, level, rng)
            else:
                every = np.repeat(vectors[:, None], len(level), axis=1)
            drawn[name] = unpack_all(at.stage.law, jnp.asarray(every.reshape(-1, *vectors.shape[1:])))
        return drawn


Known = dict[object, StageAt]
"""Stages that were fitted before: methods share them."""


def fit_member(name: str, method: Method, runs: Runs, origins: Origins, key: Array, known: Known) -> Member:
    """Fit a method at all origins.

    Fits to all runs tell the noise first; the last one, at all origins at once, weighs rows by it, as a posterior does.

    Args:
        name: What to call it.
        method: The method.
        runs: The runs that a fit may see.
        origins: Where to fit.
        key: JAX random key, for the starts.
        known: Filled with what is fitted here.

    Raises:
        InputError: The ladder can't carry the method.
    """
    bound, recent = method.bind(runs), getattr(method, "recent", False)
    if recent:  # each origin has an upper half of its own: rows of all runs are needed
        bound = method.everywhere().bind(runs)  # type: ignore[attr-defined]
    stages: dict[str, StageAt] = {}
    near = origins.upper_half if recent else origins.train_mask
    for i, stage in enumerate(bound.stages):
        train_mask = near if stage.name == "loss" else origins.train_mask
        same = _identity(stage), train_mask.tobytes()
        if same not in known:
            known[same] = _at_origins(stage, runs, train_mask, generator(key, i))
        stages[stage.name] = known[same]
    return Member(name, bound, stages, near[0])


def _identity(stage: Stage) -> object:
    """What makes two stages the same."""
    numbers = jax.tree.leaves((stage.x, stage.y, stage.weight))
    return stage.residual, stage.outputs, stage.units, tuple(np.asarray(n).tobytes() for n in numbers)


def _at_origins(stage: Stage, runs: Runs, train_mask: NDArray[np.bool_], rng: np.random.Generator) -> StageAt:
    """Fit a stage to the runs ``(origin, run)`` that each origin lets it see."""
    settings, counts = Settings(steps=STEPS), train_mask.astype(float)
    if stage.recipe is not None:
        fitted = fit_stage(stage, counts, rng, None, settings)
        return StageAt(stage, fitted, noise_of(stage, fitted.vectors[0]))
    now = replace(stage, weight=stage.weight * counts[0, stage.run])
    sampling, noise = _sampling(stage, runs), unknown_noise(stage)
    for _ in range(PASSES):
        fitted = fit_stage(weighed(now, noise, sampling), counts[:1], rng, None, settings)
        noise = noise_of(now, fitted.vectors[0])
    sized = weighed(stage, noise, sampling)
    at = fit_stage(sized, counts, rng, None, settings, random_prior=False)
    return StageAt(sized, at._replace(report=fitted.report), noise)


def _sampling(stage: Stage, runs: Runs) -> NDArray[np.float64]:
    """``(output, row)`` variance of scores by the questions that were asked, in the stage's units; NaN unknown."""
    if stage.name != "score" or stage.y.shape[1] != len(runs):
        return np.full(stage.y.shape, np.nan)
    columns = [runs.task_names.index(t) for t in stage.outputs]
    score, stderr = runs.score[:, columns].T, runs.stderr[:, columns].T
    asked = np.array([[runs.tasks[i].questions or np.nan] for i in columns])
    middle = (np.nan_to_num(score) * asked + 1.0) / (asked + 2.0)  # no score of 0 or 1 is exact
    variance = np.where(np.isfinite(stderr) & (stderr > 0), stderr**2, middle * (1.0 - middle) / asked)
    unit = np.array(stage.units or ((0.0, 1.0),))[:, 1][:, None]
    return np.asarray(variance / unit**2)
