"""A blend of mixture laws at one target, reduced: losses and scores are those of the blend, at every mixture."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flpjax.fitting.draws import expected
from flpjax.ladder.features import Features
from flpjax.laws.domain_sigmoid import DomainSigmoid
from flpjax.laws.mixture_laws import M3E, MixChinchilla
from flpjax.laws.mixture_loss import M2, M3
from flpjax.laws.network import DomainLinear, Network
from flpjax.methods.at_target import at_target
from flpjax.methods.blend import MIXED, Blend
from flpjax.methods.flpm import MixtureModel

DOMAINS, TASKS, SOURCES = ("prose", "code"), ("t", "u", "v"), ("web", "git", "math")
AT = (np.log(7e9), np.log(1.4e12), np.log(6e22))
MIXTURES = np.array([[1.0, 0.0, 0.0], [0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.2, 0.8, 0.0], [0.3, 0.3, 0.4]])
DRAWS = 7
CHAINS = (
    MixtureModel(M3(3), DomainLinear((2.2, 1.9)), SOURCES, DOMAINS, TASKS),
    MixtureModel(M3E(3), DomainLinear((2.2, 1.9), average=True), SOURCES, DOMAINS, TASKS),
    MixtureModel(MixChinchilla(3), DomainSigmoid((2.2,)), SOURCES, DOMAINS[1:], TASKS[1:]),
    MixtureModel(M3E(3), Network(centre=(2.2, 1.9), spread=(0.5, 0.25)), SOURCES, DOMAINS, TASKS[:1]),
    MixtureModel(M3E(3), None, SOURCES, DOMAINS, ()),
)


def parameters(form, outputs, rng):
    """``(draw, output, …)`` of ordinary size."""
    table = form.parameters()
    return {
        n: p.bijector(jnp.asarray(p.loc + 0.3 * rng.standard_normal((DRAWS, outputs, *p.shape))))
        for n, p in table.items()
    }


def blend_of(chains, rng):
    """A blend with shares, drift, and its numbers."""
    params = {}
    for i, chain in enumerate(chains):
        params[f"{i}/loss"] = parameters(chain.compute_loss, len(chain.domains), rng)
        if chain.tasks:
            params[f"{i}/score"] = parameters(chain.loss_score, len(chain.tasks), rng)
    has = {
        "loss": np.array([[d in c.domains for d in DOMAINS] for c in chains], float),
        "score": np.array([[t in c.tasks for t in TASKS] for c in chains], float),
    }
    mixed = {}
    for what, there in has.items():
        share = rng.uniform(size=(DRAWS, *there.shape)) * there
        mixed[f"{what}_share"] = jnp.asarray(share / share.sum(axis=1, keepdims=True))
        mixed[f"{what}_drift"] = jnp.asarray(0.01 * rng.standard_normal((DRAWS, there.shape[1])))
    names = tuple(f"m{i}" for i in range(len(chains)))
    model = Blend(chains, names, DOMAINS, TASKS, AT[2] - 2.0, SOURCES)
    return model, {**params, MIXED: mixed}


def at(mixtures):
    return Features.of_logs(*(np.full(len(mixtures), v) for v in AT), mixtures)


def reduced(model, params):
    return at_target(model, params, Features.of_logs(*map(jnp.asarray, AT), ()))


def test_a_blend_gives_the_same_at_every_mixture():
    model, params = blend_of(CHAINS, np.random.default_rng(5))
    whole, part = expected(model, params, at(MIXTURES)), expected(*reduced(model, params), at(MIXTURES))
    assert np.isfinite(whole.loss).all()
    assert np.isfinite(whole.score).all()
    np.testing.assert_allclose(part.loss, whole.loss, rtol=1e-12)
    np.testing.assert_allclose(part.score, whole.score, rtol=1e-11)


def test_one_law_is_a_blend_of_one():
    rng, chain = np.random.default_rng(6), CHAINS[0]
    params = {"loss": parameters(chain.compute_loss, 2, rng), "score": parameters(chain.loss_score, 3, rng)}
    whole, part = expected(chain, params, at(MIXTURES)), expected(*reduced(chain, params), at(MIXTURES))
    np.testing.assert_allclose(part.loss, whole.loss, rtol=1e-12)
    np.testing.assert_allclose(part.score, whole.score, rtol=1e-11)


def test_what_failed_in_most_of_a_draw_is_not_known():
    model, params = blend_of(CHAINS[:2], np.random.default_rng(7))
    share = params[MIXED]["score_share"].at[3, :, 0].set(jnp.array([0.7, 0.3]))
    level = params["0/score"]["level"].at[3, 0].set(jnp.nan)
    params = {**params, MIXED: {**params[MIXED], "score_share": share}}
    params["0/score"] = {**params["0/score"], "level": level}
    known = np.isfinite(expected(*reduced(model, params), at(MIXTURES)).score)
    assert not known[3, :, 0].any()
    assert known.sum() == known.size - len(MIXTURES)


@pytest.mark.parametrize("law", [M2(3), "no chain"])
def test_other_laws_are_left_as_they_are(law):
    chain = CHAINS[0] if law == "no chain" else replace(CHAINS[0], compute_loss=law)
    model = Blend((chain, object()), ("a", "b"), DOMAINS, TASKS, 50.0, SOURCES) if law == "no chain" else chain
    assert reduced(model, {}) is None


def test_gradients_are_finite_without_a_source():
    model, params = reduced(*blend_of(CHAINS, np.random.default_rng(8)))

    def total(w):
        seen = jax.vmap(lambda p: model.apply(p, Features.of_logs(*AT, w)))(params)
        return seen.loss.sum() + seen.score.sum()

    assert np.isfinite(jax.jit(jax.grad(total))(jnp.array([1.0, 0.0, 0.0]))).all()
