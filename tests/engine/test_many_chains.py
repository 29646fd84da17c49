"""Chains of many small densities against known ones, and against NumPyro's diagnostics."""

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

from flpjax.engine.many_chains import Asked, Ended, begin, settle, window_of
from flpjax.engine.mixing import effective_size, split_rhat

ASKED = Asked(draws=250, rhat=1.02, ess=300.0)
CHAINS, SIZE = 4, 2


def bent(vector, data):
    """Normal, of scale ``data[0]``, bent by ``data[1]``; two of them, ``data[2]`` to either side."""
    scale, bend, apart = data
    x, y = vector[0] / scale, vector[1] / scale
    y = y - bend * (x**2 - 1.0)
    both = jnp.logaddexp(-0.5 * (x - apart) ** 2, -0.5 * (x + apart) ** 2)
    return both - 0.5 * y**2


def itself(vector):
    return vector


def asked_for(data):
    """Centres, covariances, starts and seeds; as many chains at either of two places."""
    rng = np.random.default_rng(3)
    problems = len(data)
    seeds = rng.integers(0, 2**32, (problems, 2), dtype=np.uint32)
    starts = np.nan_to_num(data[:, :1, None] * rng.standard_normal((problems, CHAINS, SIZE)) + data[:, 2:, None])
    starts[:, ::2] -= 2 * np.nan_to_num(data[:, 2:, None])
    covariance = np.broadcast_to(np.eye(SIZE), (problems, SIZE, SIZE)) * np.nan_to_num(data[:, :1, None]) ** 2
    return np.zeros((problems, SIZE)), covariance, starts, seeds


def test_each_lane_settles_or_is_given_up():
    """Scales from 1e-3 to 1e3 at once, one bent: moments are known. One has two places, and one is not a number."""
    data = np.array([[1e-3, 0, 0], [1e3, 0, 0], [1.0, 0, 0], [1.0, 0.5, 0], [1.0, 0, 30.0], [np.nan, 0, 0], [2, 0, 0]])
    before = window_of._cache_size()
    told = []
    ran = settle(bent, itself, data, begin(*asked_for(data), ASKED, SIZE), ASKED, progress=told.append)
    assert ran.ended.tolist() == [0, 0, 0, 0, Ended.APART, Ended.NON_FINITE, 0]
    assert window_of._cache_size() == before + 1
    assert told[0].startswith("7 of 7")
    assert ran.windows[4] == 3, "it is given up before the last window"
    assert (ran.windows[[0, 1, 2, 6]] <= 2).all()
    for lane in (0, 1, 2, 3, 6):
        scale, bend, _ = data[lane]
        draws = ran.seen.vectors[lane].reshape(-1, SIZE) / scale
        spread = np.array([1.0, np.sqrt(1.0 + 2.0 * bend**2)])
        error = 4.0 * spread / np.sqrt(ran.seen.ess[lane])
        assert (np.abs(draws.mean(axis=0)) < error).all()
        np.testing.assert_allclose(draws.std(axis=0), spread, rtol=0.15)
    own = begin(*(v[3:4] for v in asked_for(data)), ASKED, SIZE)
    alone = settle(bent, itself, data[3:4], own, ASKED)
    np.testing.assert_allclose(alone.seen.vectors[0], ran.seen.vectors[3], rtol=1e-9)


def test_diagnostics_are_numpyros():
    """Of draws that alternate, that are independent, and that linger; of the last, one chain is elsewhere."""
    rng = np.random.default_rng(0)
    values, kept = rng.standard_normal((CHAINS, 250, 3)), np.array([-0.3, 0.0, 0.8])
    for t in range(1, 250):
        values[:, t] = kept * values[:, t - 1] + np.sqrt(1 - kept**2) * values[:, t]
    values[0, :, 2] += 1.0
    rhat, ess = jax.jit(lambda v: (split_rhat(v), effective_size(v)))(values)
    np.testing.assert_allclose(rhat, split_gelman_rubin(values), rtol=1e-10)
    np.testing.assert_allclose(ess, effective_sample_size(values), rtol=1e-6)
