"""Starts that tie: which they are, in what order, and what becomes of them in point fits and bootstraps."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from flpjax.engine.recipe import Recipe, train
from flpjax.engine.settings import Settings, Status
from flpjax.errors import FitError
from flpjax.fitting.bootstrap import bootstrap
from flpjax.fitting.point import point
from flpjax.fitting.staged import fit_stage, judge
from flpjax.fitting.trained import Ties, train_stage
from flpjax.ladder.simulate_mixtures import simulate_mixtures
from flpjax.laws.law import prior_normal
from flpjax.laws.network import DomainLinear, Network
from flpjax.laws.residual import Residual
from flpjax.methods.flpm import FLPM
from flpjax.methods.method import Stage
from flpjax.methods.registry import ALL_EMERGED

STARTS, RUNS, EACH, DOMAINS = 11, 7, 5, 2
OUTPUTS = ("bbh", "race", "triviaqa")
RECIPE = Recipe(steps=200)


@pytest.fixture(scope="module")
def stage():
    """Three outputs on 35 checkpoints of 7 runs, of which the last output sees 3 runs, and one row no output sees."""
    rng = np.random.default_rng(4)
    x = rng.uniform(1.9, 3.1, (RUNS * EACH, DOMAINS))
    run = np.repeat(np.arange(RUNS), EACH)
    clean = np.stack([0.9 - 0.2 * x[:, 0], np.exp(-x[:, 1]), 0.4 + 0.2 * np.tanh(6.0 * (2.4 - x.mean(axis=1)))])
    weight = np.ones(clean.shape)
    weight[2, run >= 3], weight[:, 8] = 0.0, 0.0
    law = Network().centred(x).scaled(clean)
    y = np.where(weight > 0, clean + 0.02 * rng.standard_normal(clean.shape), 1e9)
    return Stage("score", Residual(law, "linear"), OUTPUTS, np.broadcast_to(x, (3, *x.shape)), y, weight, run, RECIPE)


@pytest.fixture(scope="module")
def fit(stage):
    return train_stage(stage, np.ones((1, RUNS)), np.random.default_rng(1), STARTS)


def squares(stage, output, vectors):
    """``(lane,)`` sums of squares of one output, the network in NumPy."""
    law, x = stage.law, np.asarray(stage.x)[output]
    z = (x - np.array(law.centre)) / np.array(law.spread)
    cut = np.cumsum([3 * DOMAINS, 3, 3])
    total = []
    for vector in vectors:
        u, a, v, b = np.split(vector, cut)
        seen = np.maximum(0.0, z @ u.reshape(3, DOMAINS).T + a) @ v + b
        total.append(stage.weight[output] @ (law.level + law.scale * seen - stage.y[output]) ** 2)
    return np.array(total)


def test_ties_are_all_starts_within_a_unit_of_log_likelihood(stage, fit):
    """With σ² at its estimate S/k over k runs, log-likelihood is −k·S'/2S: one unit is a share 2/k of S."""
    loc, scale = prior_normal(stage.law)
    starts = loc + scale * np.random.default_rng(1).standard_normal((3, STARTS, len(loc)))
    ends = train(stage.residual, (stage.x, stage.y), stage.weight, np.ones((STARTS, RUNS * EACH)), starts, RECIPE)
    for i, runs in enumerate((7, 7, 3)):
        value = squares(stage, i, ends.vector[i])
        loss_of_likelihood = runs / 2.0 * (value / value.min() - 1.0)
        tied = np.flatnonzero(loss_of_likelihood <= 1.0)
        order = tied[np.argsort(value[tied])]
        np.testing.assert_allclose(fit.ties.vectors[i], ends.vector[i][order], rtol=1e-9, atol=1e-12)
        assert fit.agree[i] == len(tied) / STARTS
        assert fit.value[i] == pytest.approx(value.min(), rel=1e-9)
    assert any(1 < len(v) < STARTS for v in fit.ties.vectors), "a case that says something"
    assert fit.ties.most == max(len(v) for v in fit.ties.vectors)
    assert (fit.start_status == Status.TRAINED).all()


def test_the_best_comes_first_and_all_are_cycled(stage, fit):
    assert fit.vectors.shape == (fit.ties.most, 3, 13)
    for i, tied in enumerate(fit.ties.vectors):
        value = squares(stage, i, fit.vectors[:, i])
        assert value[0] == value.min()
        np.testing.assert_array_equal(fit.vectors[:, i], [tied[k % len(tied)] for k in range(fit.ties.most)])


def test_cycled_by_hand():
    ties = Ties([np.array([[1.0], [2.0], [3.0]]), np.array([[7.0]]), np.array([[4.0], [5.0]])])
    assert ties.most == 3
    np.testing.assert_array_equal(
        ties.cycled(5)[..., 0].T, [[1.0, 2.0, 3.0, 1.0, 2.0], [7.0] * 5, [4.0, 5.0, 4.0, 5.0, 4.0]]
    )


def test_where_there_is_one_optimum_all_starts_tie(stage):
    """A straight line has one, and the recipe finds the one of least squares."""
    law = DomainLinear(stage.law.centre)
    line = replace(stage, residual=Residual(law, "linear"), recipe=Recipe(decay=0.0))
    fit = train_stage(line, np.ones((1, RUNS)), np.random.default_rng(0), STARTS)
    np.testing.assert_array_equal(fit.agree, 1.0)
    for i in range(3):
        seen = stage.weight[i] > 0
        design = np.column_stack([np.ones(seen.sum()), np.asarray(stage.x)[i, seen] - law.centre])
        best = np.linalg.lstsq(design, stage.y[i, seen])[0]
        np.testing.assert_allclose(fit.vectors[:, i], np.tile(best, (STARTS, 1)), atol=1e-4)


def test_resamples_start_from_the_ties_in_turn(stage, fit):
    counts = np.ones((6, RUNS))
    counts[1:] = np.random.default_rng(3).multinomial(RUNS, np.full(RUNS, 1.0 / RUNS), 5)
    drawn = train_stage(stage, counts, np.random.default_rng(1), STARTS)
    assert drawn.vectors.shape == (6, 3, 13)
    np.testing.assert_array_equal(drawn.vectors[0], fit.vectors[0])
    for k in range(5):
        for i in range(3):
            tied = fit.ties.vectors[i]
            own = stage.weight[i] * counts[1 + k, stage.run]
            start = tied[k % len(tied)][None, None]
            x = np.asarray(stage.x)[i][None]
            single_model_share = train(
                stage.residual, (x, stage.y[i][None]), own[None], np.ones((1, len(own))), start, RECIPE
            )
            np.testing.assert_allclose(drawn.vectors[1 + k, i], single_model_share.vector[0, 0], rtol=1e-7, atol=1e-7)
    assert np.ptp(drawn.vectors[1:], axis=0).max(axis=1).min() > 1e-3, "they differ, output by output"


def test_an_output_that_is_not_finite_is_reported_and_the_others_are_fitted(stage, fit):
    y = stage.y.copy()
    y[1, 0] = np.nan
    vectors, status, report, _ = fit_stage(
        replace(stage, y=y), np.ones((1, RUNS)), np.random.default_rng(1), STARTS, Settings()
    )
    np.testing.assert_array_equal(status[0], [Status.TRAINED, Status.ALL_FAILED, Status.TRAINED])
    assert (report.start_status[1] == Status.NON_FINITE_START).all()
    assert np.isnan(vectors[:, 1]).any(axis=-1).all()
    np.testing.assert_array_equal(vectors[0, [0, 2]], fit.vectors[0, [0, 2]])
    (warning,) = judge({"score": report}, strict=False)
    assert warning.startswith("Network for score 'race': the fit did not converge and is left out: no start reached")
    with pytest.raises(FitError, match="Network for score 'race': the fit did not converge"):
        judge({"score": report}, strict=True)


# From a ladder.


@pytest.fixture(scope="module")
def ladder():
    return simulate_mixtures(3, checkpoints=5, sizes=("0.12B", "0.25B", "0.5B", "1B"), ratios=(0.1, 0.2, 0.4)).runs


PREDICTOR = FLPM(recipe=RECIPE, selection=ALL_EMERGED, domains=("general", "code"))


@pytest.fixture(scope="module")
def tied(ladder, key):
    return point(PREDICTOR, ladder, key)


def test_a_network_s_point_fit_is_as_many_draws_as_the_most_ties(tied):
    agree = tied.fits["score"].agree
    assert tied.kind == "tied"
    assert len(tied) == round(32 * agree.max()) > 1
    for output, share in enumerate(agree):
        draws = np.asarray(tied.params["score"]["out_bias"])[:, output]
        assert len(np.unique(draws)) == round(32 * share)
    for leaf in jax.tree.leaves(tied.params["loss"]):
        np.testing.assert_array_equal(leaf, np.broadcast_to(leaf[:1], leaf.shape))


def test_one_start_is_a_point_fit(ladder, key):
    draws = point(PREDICTOR, ladder, key, starts=1)
    assert draws.kind == "point"
    assert len(draws) == 1


def test_bootstrap_draws_differ_and_each_takes_both_stages_anew(ladder, key):
    draws = bootstrap(PREDICTOR, ladder, key, draws=5)
    assert draws.kind == "bootstrap"
    assert len(draws) == 5
    for leaf in (draws.params["loss"]["log_level"], draws.params["score"]["out_bias"]):
        assert np.isfinite(leaf).all()
        assert len(np.unique(np.asarray(leaf)[:, 0])) == 5
