"""What a fit with priors has to weigh rows by: noise, what checkpoints of a run share, and how it grows."""

from dataclasses import replace

import numpy as np
import pytest

from flpjax.fitting.noise import MOST_STEEP, PRIOR_DF, Noise, noise_of, typical_noise, unknown_noise, weighed
from flpjax.ladder.features import Features
from flpjax.laws.loss_score import Linear
from flpjax.laws.power_law import PowerLaw
from flpjax.laws.residual import Residual
from flpjax.methods.method import Stage

SEED = 29


def score_stage(runs, steps, sd, share, seed=SEED):
    """A straight line of known parameters with run effects: two tasks, of noise ``sd`` and twice that."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(2.0, 3.0, (2, runs * steps))
    of_run = np.repeat(rng.standard_normal((2, runs)), steps, axis=1)
    own = rng.standard_normal((2, runs * steps))
    off = np.sqrt(share) * of_run + np.sqrt(1.0 - share) * own
    y = 0.5 - 0.3 * (x - 2.5) + np.array([[sd], [2 * sd]]) * off
    run = np.repeat(np.arange(runs), steps).astype(np.int64)
    return Stage("score", Residual(Linear(2.5), "linear", None, 0.01), ("a", "b"), x, y, np.ones(y.shape), run)


def loss_stage(runs, sd, seed=SEED):
    """A power law of known parameters, one row a run; ``sd`` may be ``(run,)``."""
    rng = np.random.default_rng(seed)
    c = np.linspace(40.0, 50.0, runs)
    y = np.exp(1.0 - 0.05 * (c - 45.0) + sd * rng.standard_normal(runs))
    compute = Features.of_logs(*(np.broadcast_to(v, (1, runs)) for v in (c / 2, c / 2, c)))
    residual = Residual(PowerLaw(45.0), "log", None, 0.01)
    return Stage("loss", residual, ("general",), compute, y[None], np.ones((1, runs)), np.arange(runs))


LINE, LAW = np.array([[0.5, -0.3]] * 2), np.array([[1.0, -0.05]])


@pytest.mark.parametrize("share", [0.0, 0.4, 0.8])
def test_known_noise_and_share_are_recovered(share):
    noise = noise_of(score_stage(211, 7, 0.03, share), LINE)
    np.testing.assert_allclose(noise.sd, [0.03, 0.06], rtol=0.12)
    np.testing.assert_allclose(noise.shared, share, atol=0.09)
    np.testing.assert_array_equal(noise.n_effective, 211)
    np.testing.assert_array_equal(noise.growth, 1.0)


def test_copies_of_checkpoints_are_no_new_facts():
    stage = score_stage(13, 5, 0.03, 0.5)
    copy = replace(
        stage,
        x=np.tile(stage.x, 3),
        y=np.tile(stage.y, 3),
        weight=np.tile(stage.weight, 3),
        run=np.tile(stage.run, 3),
    )
    once, thrice = noise_of(stage, LINE), noise_of(copy, LINE)
    np.testing.assert_array_equal(once.n_effective, thrice.n_effective)
    np.testing.assert_allclose(thrice.sd, once.sd, rtol=0.15)
    one_run = noise_of(replace(stage, run=np.zeros_like(stage.run)), LINE)
    np.testing.assert_array_equal(one_run.n_effective, 1)
    np.testing.assert_allclose(one_run.sd, typical_noise(stage), rtol=1e-9), "one fact tells nothing of two parameters"


def test_little_is_shrunk_towards_what_is_usual():
    stage = loss_stage(4, 0.1)
    sd = noise_of(stage, LAW).sd[0]
    r = np.log(stage.y[0]) - (1.0 - 0.05 * (stage.x.log_flops[0] - 45.0))
    assert sd == pytest.approx(np.sqrt((PRIOR_DF * 0.01**2 + 2 * 2 * np.mean(r**2)) / (PRIOR_DF + 2)), rel=1e-6)


def test_nothing_seen_is_typical_noise_and_no_fact():
    stage = loss_stage(7, 0.1)
    noise = noise_of(replace(stage, weight=np.zeros((1, 7))), LAW)
    assert (noise.sd[0], noise.n_effective[0]) == (0.01, 0.0)
    failed = noise_of(stage, np.full((1, 2), np.nan))
    assert (failed.sd[0], failed.n_effective[0]) == (0.01, 0.0)


def test_small_runs_that_scatter_more_count_less():
    size, many = np.linspace(40.0, 50.0, 97), np.linspace(40.0, 50.0, 397)
    growing = noise_of(loss_stage(397, 0.2 * np.exp(0.2 * (50.0 - many))), LAW)
    slope = np.log(growing.growth[0]) / 10.0
    assert growing.growth[-1] == 1.0
    assert slope == pytest.approx(0.2, abs=0.06)
    assert growing.sd[0] == pytest.approx(0.2, rel=0.3), "of the largest run"
    even = noise_of(loss_stage(97, 0.02), LAW)
    assert np.log(even.growth[0]) / 10.0 < 0.05
    steep = noise_of(loss_stage(97, 0.02 * np.exp(1.0 * (50.0 - size))), LAW)
    assert np.log(steep.growth[0]) / 10.0 <= MOST_STEEP + 1e-12
    np.testing.assert_array_equal(noise_of(loss_stage(5, 0.02), LAW).growth, 1.0)


def test_weights_are_inverse_variances_and_share_them():
    stage = score_stage(3, 4, 0.03, 0.5)
    noise = Noise(np.array([0.02, 0.05]), np.array([0.25, 1.0]), np.full(2, 3.0), np.repeat([2.0, 1.5, 1.0], 4))
    seen = weighed(stage, noise, np.full((2, 12), np.nan))
    alike = 1.0 + 3.0 * noise.shared[:, None]
    np.testing.assert_allclose(seen.weight, 0.01**2 / (noise.sd[:, None] ** 2 * noise.growth**2 * alike))
    per_run = seen.weight[1, :4].sum()
    assert per_run == pytest.approx(0.01**2 / (0.05**2 * 4.0)), "four checkpoints that share all are one"
    assert seen.residual.prior_sd == 0.01


def test_questions_asked_add_to_the_noise_of_their_rows():
    stage = score_stage(3, 1, 0.03, 0.5)
    noise = Noise(np.array([0.05, 0.05]), np.zeros(2), np.full(2, 3.0), np.ones(3))
    variance = np.array([[0.01**2, 0.02**2, np.nan], [0.05**2] * 3])
    weight = weighed(stage, noise, variance).weight
    usual = (0.01**2 + 0.02**2) / 3
    np.testing.assert_allclose(weight[0], 0.01**2 / (0.05**2 - usual + np.array([0.01**2, 0.02**2, 0.0])))
    np.testing.assert_allclose(weight[1], 0.01**2 / (0.25 * 0.05**2 + 0.05**2), err_msg="some is always a run's own")


def test_unknown_noise_shares_half():
    noise = unknown_noise(score_stage(3, 4, 0.03, 0.5))
    np.testing.assert_array_equal(noise.shared, 0.5)
    np.testing.assert_array_equal(noise.sd, 0.01)
