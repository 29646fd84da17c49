"""The fast posterior's machinery: mixtures of Student's t, rounds of them, and populations that wander."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from flpjax.fitting.point import bind
from flpjax.fitting.posterior import by_group, importance
from flpjax.fitting.posterior.by_group import draw_outputs
from flpjax.fitting.posterior.importance import TAILS, StudentTMixture, de_mcmc, draw, explore
from flpjax.fitting.posterior.laplace import find_modes, of_outputs
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


@pytest.fixture(scope="module")
def wandered(bent):
    """Of the right population and one half as wide: ``(member, output, parameter)`` before and after they wander."""
    layer, _, known = bent
    kept, *_ = draw(*bent, 2 * importance.POPULATION, 8000, np.random.default_rng(1))
    kept = kept[: importance.POPULATION]  # of as many as :func:`draw` lets wander, so that their program serves
    middle = kept.mean(axis=0)
    moved = {}
    for name, start in (("right", kept), ("narrow", middle + 0.5 * (kept - middle))):
        seen = np.asarray(de_mcmc(layer, jnp.asarray(start), known, jax.random.key(3), 2))
        assert seen.shape == (2, *kept.shape)
        assert (seen[0] != seen[1]).any()
        moved[name] = seen[1]
    return kept, moved


def spread_of(layer, population, name):
    """Standard deviation ``(output,)`` of a parameter over members."""
    return population[..., list(layer.parameters()).index(name)].std(axis=0)


SPREAD = ("log_level", "alpha", "beta")


def test_a_population_that_is_too_narrow_widens_and_one_that_is_right_stays(bent, wandered):
    kept, moved = wandered
    for name in SPREAD:
        for found in moved.values():
            ratio = spread_of(bent[0], found, name) / spread_of(bent[0], kept, name)
            assert np.median(ratio) == pytest.approx(1.0, abs=0.25)


@pytest.mark.thorough
def test_populations_are_as_wide_as_chains_of_nuts(bent, wandered, losses, key):
    exact = posterior(method("chinchilla+linear"), losses, key, draws=1000, strict=False).params["loss"]
    for name in SPREAD:
        values = np.asarray(exact[name])
        spread = (np.log(values) if name != "log_level" else values).std(axis=0)
        for found in wandered[1].values():
            assert np.median(spread_of(bent[0], found, name) / spread) == pytest.approx(1.0, abs=0.25)


def test_any_number_of_draws_can_be_asked_for(bent):
    for draws, proposals in ((1, 8), (501, 1003)):
        vectors, khat, worth = draw(*bent, draws, proposals, np.random.default_rng(0))
        assert vectors.shape == (draws, *np.asarray(bent[1].mode).shape[1:])
        assert len(khat) == len(worth) == vectors.shape[1]
        assert (worth <= draws).all()


def test_outputs_drawn_in_groups_are_drawn_as_together(bent, wandered, monkeypatch):
    """Each output twice, in two groups, which go through rounds and wander as those that are drawn together."""
    layer, around, known = bent
    twice = np.array([0, 1, 0, 1])
    monkeypatch.setattr(by_group, "GROUP", 2)
    whitening = type(around)(*(leaf[:, twice] for leaf in around))
    apart, khat, worth = draw_outputs(
        layer, whitening, of_outputs(known, twice), 2 * importance.POPULATION, 4001, np.random.default_rng(2)
    )
    assert np.isfinite(khat).all()
    assert (worth > 100).all()
    together = wandered[0][:, twice]
    assert np.abs((np.median(apart, axis=0) - np.median(together, axis=0)) / together.std(axis=0)).max() < 0.4
    assert np.median(apart.std(axis=0) / together.std(axis=0)) == pytest.approx(1.0, abs=0.25)
    assert not np.allclose(apart[:, :2], apart[:, 2:])
