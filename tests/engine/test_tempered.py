"""Tempered populations against posteriors in closed form: shares of far modes, evidence, moments."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from flpjax.engine.tempered import Tempering, temper

APART, WIDTH, SHARE = 6.0, 0.3, 0.3
TEMPERING = Tempering(members=150)
POPULATIONS = 5
LOC, SCALE = np.array([[0.5, 0.0, 0.0], [0.0, 0.0, 0.0]]), np.array([[4.0, 1.0, 2.0], [3.0, 1.0, 2.0]])


@dataclass(frozen=True)
class TwoModes:
    """Two narrow modes along the first axis, too far apart for any chain; the second axis is normal, the third free."""

    def __call__(self, v, data):
        one, other = (
            jnp.log(share) - 0.5 * ((v[0] - at) / WIDTH) ** 2 for share, at in ((SHARE, -APART), (1.0 - SHARE, APART))
        )
        return jnp.logaddexp(one, other) - 0.5 * ((v[1] - data) / WIDTH) ** 2


@pytest.fixture(scope="module")
def ran():
    return temper(TwoModes(), np.array([1.0, -2.0]), LOC, SCALE, TEMPERING, POPULATIONS, jax.random.key(3))


def closed_form(problem, data):
    """Log evidence, the first mode's share of the posterior, mean and s.d. of the second axis."""
    spread = np.hypot(SCALE[problem], WIDTH)
    root = np.log(WIDTH * np.sqrt(2.0 * np.pi))
    modes = [np.log(s) + root + norm.logpdf(at, LOC[problem, 0], spread[0]) for s, at in ((0.3, -6.0), (0.7, 6.0))]
    second = root + norm.logpdf(data, LOC[problem, 1], spread[1])
    weight = (SCALE[problem, 1] / spread[1]) ** 2
    total = logsumexp(modes)
    mean = LOC[problem, 1] + weight * (data - LOC[problem, 1])
    return total + second, np.exp(modes[0] - total), mean, np.sqrt(weight) * WIDTH


@pytest.mark.parametrize(("problem", "data"), [(0, 1.0), (1, -2.0)])
def test_modes_evidence_and_moments(ran, problem, data):
    evidence, share, mean, sd = closed_form(problem, data)
    draws = ran.vectors[:, :, problem]
    assert draws.shape == (POPULATIONS, TEMPERING.members * TEMPERING.looks, 3)
    each = (draws[..., 0] < 0).mean(axis=1)
    error = each.std(ddof=1) / np.sqrt(POPULATIONS)
    assert abs(each.mean() - share) < 4.0 * max(error, 0.01)
    assert ran.log_evidence[:, problem] == pytest.approx(evidence, abs=1.0)
    assert logsumexp(ran.log_evidence[:, problem]) - np.log(POPULATIONS) == pytest.approx(evidence, abs=0.4)
    assert draws[..., 1].mean() == pytest.approx(mean, abs=0.15 * sd)
    assert draws[..., 1].std() == pytest.approx(sd, rel=0.12)
    assert draws[..., 2].std() == pytest.approx(SCALE[problem, 2], rel=0.12), "what data leave open is as the prior"


def test_the_way_there(ran):
    assert ran.reached.all()
    assert (ran.acceptance > 0.6).all()
    assert len(np.unique(ran.vectors[:, :, 0, 2])) > 0.9 * ran.vectors[:, :, 0, 2].size, "relatives part"
    again = temper(TwoModes(), np.array([1.0, -2.0]), LOC, SCALE, TEMPERING, POPULATIONS, jax.random.key(3))
    np.testing.assert_array_equal(again.vectors, ran.vectors)


def test_a_likelihood_that_is_nowhere_finite_is_named():
    none = temper(TwoModes(), np.array([np.nan, 1.0]), LOC, SCALE, TEMPERING, POPULATIONS, jax.random.key(0))
    assert not none.reached[:, 0].any()
    assert none.reached[:, 1].all()
