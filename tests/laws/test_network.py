"""The network and the straight line of domain losses: standardising, starts, and what they share with known maps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flpjax.laws.law import pack, prior_normal, size, unpack
from flpjax.laws.network import DomainLinear, Network

ROWS, DOMAINS = 29, 3


@pytest.fixture(scope="module")
def losses():
    rng = np.random.default_rng(6)
    return rng.normal([3.1, 1.2, 2.3], [0.31, 0.17, 0.05], (ROWS, DOMAINS))


@pytest.fixture(scope="module")
def scores(losses):
    return 0.9 - 0.2 * losses.mean(axis=1)


def predict(law, params, x):
    return np.asarray(jax.vmap(law.apply, (None, 0))(params, jnp.asarray(x)))


@pytest.mark.parametrize(("domains", "hidden"), [(1, 3), (2, 3), (5, 3), (5, 7)])
def test_number_of_weights(domains, hidden):
    law = Network(hidden, (2.0,) * domains, (0.3,) * domains)
    assert size(law) == hidden * domains + hidden + hidden + 1
    assert law.constants(unpack(law, jnp.zeros(size(law)))) == {}


def test_standardised_by_what_it_is_centred_on(losses, scores):
    law = Network().centred(losses).scaled(scores)
    np.testing.assert_allclose(law.centre, losses.mean(axis=0), atol=0.1)  # to fifths, and powers of two
    np.testing.assert_allclose(np.log2(law.spread), np.log2(losses.std(axis=0)), atol=0.5)
    assert law.level == pytest.approx(scores.mean(), abs=0.05)
    assert np.log2(law.scale) == pytest.approx(np.log2(scores.std()), abs=0.5)
    assert law.hidden == 3


def test_domains_and_scores_that_do_not_vary_are_not_divided_by_0(losses):
    flat = losses.copy()
    flat[:, 1] = 1.2
    law = Network().centred(flat).scaled(np.full(ROWS, 0.31))
    assert law.spread[1] == 1.0
    assert law.scale == 1.0
    params = unpack(law, jnp.full(size(law), 0.3))
    assert np.isfinite(predict(law, params, flat)).all()


def test_units_of_losses_and_scores_do_not_matter(losses, scores):
    """Weights belong to standardised numbers: a network of losses in other units has the same ones."""
    law = Network(3, (3.1, 1.2, 2.3), (0.3, 0.2, 0.1), 0.3, 0.1)
    other = Network(3, (6.2, 2.4, 4.6), (0.6, 0.4, 0.2), 30.0, 10.0)
    params = unpack(law, jnp.asarray(np.random.default_rng(0).standard_normal(size(law))))
    np.testing.assert_allclose(predict(other, params, 2.0 * losses), 100.0 * predict(law, params, losses), rtol=1e-12)


def test_order_of_the_hidden_units_does_not_matter(losses):
    law = Network().centred(losses)
    params = unpack(law, jnp.asarray(np.random.default_rng(1).standard_normal(size(law))))
    order = np.array([2, 0, 1])
    moved = {name: value if name == "out_bias" else value[order] for name, value in params.items()}
    np.testing.assert_allclose(predict(law, moved, losses), predict(law, params, losses), rtol=1e-12)


def test_guess_is_a_falling_line_in_the_average_standardised_loss(losses, scores):
    law = Network().centred(losses).scaled(scores)
    weight = (np.arange(ROWS) % 4 > 0).astype(float)
    start = law.guess(jnp.asarray(losses), jnp.asarray(scores), jnp.asarray(weight))
    near = np.abs((losses - law.centre) / law.spread).max(axis=1) < 2.5
    assert near.sum() > 20
    z = ((losses - law.centre) / law.spread).mean(axis=1)
    line = np.average(scores, weights=weight) - law.scale * z
    np.testing.assert_allclose(predict(law, start, losses)[near], line[near], rtol=1e-12)


def test_starts_have_the_spread_of_he_et_al(losses):
    """Variance 2 over the inputs of a layer (He et al. 2015, eq. 10)."""
    law = Network(hidden=7).centred(losses)
    scale = prior_normal(law)[1]
    parts = unpack(law, jnp.asarray(scale))
    np.testing.assert_allclose(parts["hidden_weight"] ** 2, np.full((7, DOMAINS), 2.0 / DOMAINS))
    np.testing.assert_allclose(parts["out_weight"] ** 2, np.full(7, 2.0 / 7.0))


def test_silent_units_have_no_gradient_and_the_others_do(losses):
    law = Network().centred(losses)
    params = unpack(law, jnp.asarray(np.random.default_rng(2).standard_normal(size(law))))
    params["hidden_bias"] = jnp.array([-50.0, 50.0, 50.0])
    slope = jax.grad(law.apply)(params, jnp.asarray(losses[4]))
    z = (losses[4] - law.centre) / np.array(law.spread)
    np.testing.assert_array_equal(slope["hidden_weight"][0], np.zeros(DOMAINS))
    np.testing.assert_allclose(slope["hidden_weight"][1], law.scale * float(params["out_weight"][1]) * z, rtol=1e-12)
    np.testing.assert_allclose(slope["out_bias"], law.scale)


@pytest.mark.parametrize("average", [False, True])
def test_domain_linear_is_a_line_whose_constants_do_not_know_the_centre(losses, average):
    law = DomainLinear(average=average).centred(losses)
    assert size(law) == (2 if average else 1 + DOMAINS)
    np.testing.assert_allclose(law.centre, losses.mean(axis=0), atol=0.1)
    params = unpack(law, jnp.asarray(np.random.default_rng(3).standard_normal(size(law))))
    c = {name: float(value) for name, value in law.constants(params).items()}
    slopes = np.full(DOMAINS, c["w1"] / DOMAINS) if average else np.array([c[f"w{i + 1}"] for i in range(DOMAINS)])
    np.testing.assert_allclose(predict(law, params, losses), c["w0"] + losses @ slopes, rtol=1e-12)
    assert len(c) == size(law)


def test_guess_of_a_line_is_the_weighted_mean(losses, scores):
    law = DomainLinear().centred(losses)
    weight = (np.arange(ROWS) % 4 > 0).astype(float)
    start = law.guess(jnp.asarray(losses), jnp.asarray(scores), jnp.asarray(weight))
    np.testing.assert_allclose(predict(law, start, losses), np.average(scores, weights=weight), rtol=1e-12)
    assert pack(law, start).shape == (1 + DOMAINS,)
