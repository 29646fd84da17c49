"""The fast posterior's machinery: mixtures of Student's t, rounds of them, and populations that wander."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from flpjax.fitting.point import bind
from flpjax.fitting.posterior import importance
from flpjax.fitting.posterior.importance import TAILS, StudentTMixture, de_mcmc, draw, explore
from flpjax.fitting.posterior.laplace import find_modes
from flpjax.fitting.posterior.posterior import posterior
from flpjax.fitting.posterior.priors import posterior_problem
from flpjax.methods.registry import method

OUTPUTS, SIZE = 2, 3


@pytest.fixture(scope="module")
def mixture():
    rng = np.random.default_rng(0)
    centre = rng.normal(size=(2, 5, OUTPUTS, SIZE))
    return StudentTMixture(centre, 0.3 * np.eye(SIZE) + 0.1 * rng.normal(size=(2, OUTPUTS, SIZE, SIZE)))


@pytest.fixture(scope="module")
def losses(noisy):
    """Two domains and no task: the losses' posterior stands alone."""
    runs, none = noisy.runs, np.empty((len(noisy.runs), 0))
    return replace(runs, domains=runs.domains[:2], loss=runs.loss[:, :2], tasks=(), score=none, stderr=none)


@pytest.fixture(scope="module")
def bent(losses):
    """The losses of ``chinchilla``, whose exponents and shares few runs determine: layer, whitening, evidence."""
    question = posterior_problem(bind(method("chinchilla+linear"), losses), None, None)
    layer, known = question.layers[0], question.evidence[0]
    return layer, find_modes(layer, np.asarray(known.loc)[None], known).whitening, known


def test_a_mixture_s_density_is_scipy_s(mixture):
    at = np.random.default_rng(1).normal(size=(7, OUTPUTS, SIZE))
    told = mixture.log_density(at)
    for o in range(OUTPUTS):
        each = [
            stats.multivariate_t(mixture.centre[r, c, o], mixture.root[r, o] @ mixture.root[r, o].T, df=TAILS)
            for r in range(2)
            for c in range(5)
        ]
        density = np.mean([np.exp(t.logpdf(at[:, o])) for t in each], axis=0)
        np.testing.assert_allclose(np.diff(told[:, o]), np.diff(np.log(density)), rtol=1e-9)


def test_its_draws_come_from_all_centres_alike(mixture):
    drawn = mixture.draw(20_000, np.random.default_rng(2))
    np.testing.assert_allclose(np.median(drawn, axis=0), np.median(mixture.centre, axis=(0, 1)), atol=0.5)
    np.testing.assert_allclose(drawn.mean(axis=0), mixture.centre.mean(axis=(0, 1)), atol=0.05)


def test_more_rounds_make_better_proposals(bent, monkeypatch):
    """Planted: with one round, a bent posterior is proposed from its mode alone."""
    effective = {}
    for rounds in (1, importance.ROUNDS):
        monkeypatch.setattr(importance, "ROUNDS", rounds)
        weight, khat = explore(*bent, 4001, np.random.default_rng(0)).weights()
        np.testing.assert_allclose(weight.sum(axis=0), 1.0)
        effective[rounds] = (1.0 / (weight**2).sum(axis=0), khat)
    once, often = effective.values()
    assert np.median(often[0]) > 2.0 * np.median(once[0])
    assert np.median(often[1]) < np.median(once[1])


def test_a_population_that_is_too_narrow_widens_to_the_posterior_and_stays(bent, losses, key):
    layer, _, known = bent
    exact = posterior(method("chinchilla+linear"), losses, key, draws=1000, strict=False).params["loss"]
    kept, *_ = draw(*bent, 2 * importance.POPULATION, 8000, np.random.default_rng(1))
    kept = kept[: importance.POPULATION]  # of as many as :func:`draw` lets wander, so that their program serves
    middle = kept.mean(axis=0)
    wide = {}
    for name, start in (("right", kept), ("narrow", middle + 0.5 * (kept - middle))):
        moved = np.asarray(de_mcmc(layer, jnp.asarray(start), known, jax.random.key(3), 2))
        assert moved.shape == (2, *kept.shape)
        assert (moved[0] != moved[1]).any()
        wide[name] = moved[1].std(axis=0)
    at = list(layer.parameters())
    for name in ("log_level", "alpha", "beta"):
        values = np.asarray(exact[name])
        spread = (np.log(values) if name != "log_level" else values).std(axis=0)
        for found in wide.values():
            np.testing.assert_allclose(np.median(found[:, at.index(name)] / spread), 1.0, atol=0.25)


def test_any_number_of_draws_can_be_asked_for(bent):
    for draws, proposals in ((1, 8), (501, 1003)):
        vectors, khat, worth = draw(*bent, draws, proposals, np.random.default_rng(0))
        assert vectors.shape == (draws, *np.asarray(bent[1].mode).shape[1:])
        assert len(khat) == len(worth) == vectors.shape[1]
        assert (worth <= draws).all()
