"""The joint fit, against its own objective written again from the docstring, and against a known truth."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flpjax.errors import FitError
from flpjax.fitting.bootstrap import CANDIDATES, RESAMPLE_SALT, bootstrap, resample_runs
from flpjax.fitting.joint import refine
from flpjax.fitting.point import bind, fit_stages, point
from flpjax.methods.direct import FP
from flpjax.methods.flp import FLP
from flpjax.numerics import generator
from flpjax.results.forecast import forecast
from flpjax.results.target import targets_of

SMALLEST = 1e-4
# an accelerator adds in an order that depends on the others, and L-BFGS then stops elsewhere on a valley's flat floor
SAME = 0.0 if jax.default_backend() == "cpu" else 1e-4


class Objective(NamedTuple):
    value: Callable
    gradient: Callable
    hessian: Callable


@pytest.fixture(scope="module")
def objective(noisy):
    """Negative log-likelihood of (stage 1's, stage 2's) parameters, each scale at its own optimum."""
    plan = bind(FLP(), noisy.runs)
    loss, score = plan.stages
    finals = plan.runs.finals()
    emerged = np.stack([[score.weight[i][score.run == r].any() for r in range(11)] for i in range(3)])

    def part(off, weight):
        """``n/2·log(RSS/n)`` of every output, the profile of a normal likelihood."""
        count = weight.sum(1)
        return 0.5 * jnp.sum(count * jnp.log(SMALLEST**2 + (weight * off**2).sum(1) / count))

    def value(params):
        level, exponent, at_centre, slope = params.reshape(4, -1)[:, :5]
        at_centre, slope = at_centre[:3, None], slope[:3, None]
        x = jnp.log(finals.flops)[None, :] - loss.law.centre
        log_loss = level[:, None] + exponent[:, None] * x
        total = part(log_loss - np.log(finals.loss.T), np.ones((5, 11)))
        total += part(at_centre + slope * (score.x - score.law.centre) - score.y, score.weight)
        chained = at_centre + slope * (jnp.exp(log_loss[:1]) - score.law.centre)
        return total + part(chained - finals.score.T, emerged.astype(float))

    return Objective(jax.jit(value), jax.jit(jax.grad(value)), jax.jit(jax.hessian(value)))


def flat(draws):
    """Level and exponent of five domains, level and slope of three tasks; padded with zeros to ``(20,)``."""
    rows = [draws.params[s][n][0] for s, n in NAMES]
    return np.concatenate([np.pad(np.asarray(r), (0, 5 - len(r))) for r in rows])


NAMES = (("loss", "log_level"), ("loss", "exponent"), ("score", "level"), ("score", "slope"))
FREE = np.array([*range(13), 15, 16, 17])


def gradient_in_standard_errors(objective, at):
    g = np.asarray(objective.gradient(at))[FREE]
    h = np.asarray(objective.hessian(at))[np.ix_(FREE, FREE)]
    return float(np.sqrt(g @ np.linalg.solve(h, g)))


def test_the_gradient_vanishes_at_the_end(objective, joint, staged):
    assert gradient_in_standard_errors(objective, flat(joint)) < 0.05
    assert gradient_in_standard_errors(objective, flat(staged)) > 0.2


def test_it_is_no_worse_than_the_staged_fit(objective, joint, staged):
    assert objective.value(flat(joint)) < objective.value(flat(staged)) - 0.01


def test_no_nearby_point_is_better(objective, joint):
    end = flat(joint)
    h = np.asarray(objective.hessian(end))[np.ix_(FREE, FREE)]
    root = np.linalg.cholesky(np.linalg.inv(h))
    rng = np.random.default_rng(3)
    for _ in range(23):
        away = end.copy()
        away[FREE] += 0.5 * root @ rng.standard_normal(len(FREE))
        assert objective.value(away) > objective.value(end)


def test_domains_that_no_score_depends_on_stay_where_they_were(joint, staged):
    for name in ("log_level", "exponent"):
        a, b = joint.params["loss"][name][0], staged.params["loss"][name][0]
        np.testing.assert_allclose(a[1:], b[1:], rtol=1e-3)
        assert abs(a[0] / b[0] - 1) > 1e-6


def test_without_noise_joint_staged_and_truth_agree(exact, key):
    fits = {joint: point(FLP(), exact.runs, key, joint=joint) for joint in (False, True)}
    targets = targets_of(exact.runs.targets())
    flops = np.array([t.flops for t in targets])
    for draws in fits.values():
        seen = forecast(draws, targets)
        np.testing.assert_allclose(seen.loss_draws[0], exact.truth.loss(flops), rtol=1e-6)
        np.testing.assert_allclose(seen.score_draws[0], exact.truth.score(flops)[:, [1, 2, 5]], rtol=1e-6)


def test_one_stage_has_nothing_to_join(noisy, key):
    with pytest.raises(FitError, match=r"^there is one stage only, nothing to fit jointly\. Leave joint=True out$"):
        point(FP(), noisy.runs, key, joint=True)


@pytest.mark.parametrize("fit", [point, bootstrap])
def test_a_huber_loss_is_refused(noisy, key, fit):
    with pytest.raises(FitError, match=r"^the joint objective has no Huber loss\. Leave huber or joint=True out$"):
        fit(FLP(huber=0.01), noisy.runs, key, joint=True)


@pytest.fixture(scope="module")
def fits(noisy, key):
    """A plan, the counts of six draws after the point fit, and its staged fits."""
    plan = bind(FLP(), noisy.runs)
    rng = generator(key, RESAMPLE_SALT)
    drawn, _ = resample_runs(plan, rng, rng.uniform(size=CANDIDATES * 7), 7)
    counts = np.concatenate([np.ones((1, 11)), drawn[[0, 1, 2, 4, 5, 6]]])  # draw 3 lost two tasks on its own
    vectors, _, _ = fit_stages(plan, counts, key, 8, None)
    assert all(np.isfinite(v).all() for v in vectors.values())
    return plan, counts, vectors


def without(vectors, stage, draw, output):
    left = vectors[stage].copy()
    left[draw, output] = np.nan
    return vectors | {stage: left}


@pytest.mark.parametrize(("draws", "tasks"), [([2, 4], [1]), ([0, 5], [0, 2]), ([3], [0, 1, 2])])
def test_tasks_that_failed_in_some_draws_take_nothing_with_them(fits, draws, tasks):
    plan, counts, vectors = fits
    whole = refine(plan, vectors, counts)
    gone = np.ix_(draws, tasks)
    found = refine(plan, without(vectors, "score", *gone), counts)
    expected = np.zeros((7, 3), bool)
    expected[gone] = True
    np.testing.assert_array_equal(np.isnan(found["score"]), np.repeat(expected[:, :, None], 2, axis=2))
    assert np.isfinite(found["loss"]).all()
    others = [d for d in range(7) if d not in draws]
    for stage in ("loss", "score"):
        np.testing.assert_allclose(found[stage][others], whole[stage][others], rtol=SAME)
    # domains that no score depends on stay; the first does if no task is left to pull at it
    still = slice(0 if len(tasks) == 3 else 1, None)
    np.testing.assert_allclose(found["loss"][draws, still], vectors["loss"][draws, still], rtol=1e-3)
    if len(tasks) < 3:
        left = [t for t in range(3) if t not in tasks]
        assert (found["score"][np.ix_(draws, left)] != vectors["score"][np.ix_(draws, left)]).all()
        assert (found["loss"][draws, 0] != vectors["loss"][draws, 0]).all()


def test_a_loss_that_failed_leaves_scores_given_it_to_their_own_stage(fits):
    plan, counts, vectors = fits
    found = refine(plan, without(vectors, "loss", 2, 0), counts)
    assert np.isnan(found["loss"][2, 0]).all()
    assert np.isnan(found["loss"]).sum() == 2
    np.testing.assert_allclose(found["score"][2], vectors["score"][2], rtol=2e-3)
    assert np.isfinite(found["score"]).all()


def test_a_joint_bootstrap_loses_the_tasks_that_the_staged_one_loses(noisy, key, booted):
    draws = bootstrap(FLP(), noisy.runs, key, draws=len(booted), joint=True)
    lost = np.isnan(booted.params["score"]["slope"])
    assert 0 < lost.sum() < lost.any(1).sum() * lost.shape[1]  # of the draws that lose a task, none loses all
    np.testing.assert_array_equal(np.isnan(draws.params["score"]["slope"]), lost)
    assert np.isfinite(draws.params["loss"]["exponent"]).all()
