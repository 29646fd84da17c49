"""A blend of mixture laws at one target, reduced: losses and scores are those of the blend, at every mixture."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flpjax.fitting.predicted import predict
from flpjax.ladder.features import Features
from flpjax.laws.discrepancy import Discrepancy
from flpjax.laws.domain_sigmoid import DomainSigmoid
from flpjax.laws.mixture_laws import M3E, MixChinchilla
from flpjax.laws.mixture_loss import M2, M3
from flpjax.laws.network import DomainLinear, Network
from flpjax.methods.at_target import at_target
from flpjax.methods.blend import SHARES, Blend, LossLaw, ScoreMap
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
    """A blend of laws and maps with shares, and its numbers."""
    params, laws, maps = {}, [], []
    for chain in chains:
        places = tuple(DOMAINS.index(d) for d in chain.domains)
        params[f"loss {len(laws)}"] = parameters(chain.compute_loss, len(chain.domains), rng)
        laws.append(LossLaw(f"law {len(laws)}", chain.compute_loss, places))
        if chain.tasks:
            params[f"score {len(maps)}"] = parameters(chain.loss_score, len(chain.tasks), rng)
            tasks = tuple(TASKS.index(t) for t in chain.tasks)
            maps.append(ScoreMap(f"map {len(maps)}", chain.loss_score, tasks, (places,) * len(tasks), single=False))
    has = {
        "loss": np.array([[i in law.domains for i in range(len(DOMAINS))] for law in laws], float),
        "score": np.array([[i in one.tasks for i in range(len(TASKS))] for one in maps], float),
    }
    shares = {}
    for what, there in has.items():
        share = rng.uniform(size=(DRAWS, *there.shape)) * there
        shares[what] = jnp.asarray(share / share.sum(axis=1, keepdims=True))
    return Blend(tuple(laws), tuple(maps), DOMAINS, TASKS, SOURCES), {**params, SHARES: shares}


def at(mixtures):
    return Features.of_logs(*(np.full(len(mixtures), v) for v in AT), mixtures)


def reduced(model, params):
    return at_target(model, params, Features.of_logs(*map(jnp.asarray, AT), ()))


def test_a_blend_gives_the_same_at_every_mixture():
    model, params = blend_of(CHAINS, np.random.default_rng(5))
    whole, part = predict(model, params, at(MIXTURES)), predict(*reduced(model, params), at(MIXTURES))
    assert np.isfinite(whole.loss).all()
    assert np.isfinite(whole.score).all()
    np.testing.assert_allclose(part.loss, whole.loss, rtol=1e-12)
    np.testing.assert_allclose(part.score, whole.score, rtol=1e-11)


def test_one_law_is_a_blend_of_one():
    rng, chain = np.random.default_rng(6), CHAINS[0]
    params = {"loss": parameters(chain.compute_loss, 2, rng), "score": parameters(chain.loss_score, 3, rng)}
    whole, part = predict(chain, params, at(MIXTURES)), predict(*reduced(chain, params), at(MIXTURES))
    np.testing.assert_allclose(part.loss, whole.loss, rtol=1e-12)
    np.testing.assert_allclose(part.score, whole.score, rtol=1e-11)


def test_what_failed_in_most_of_a_draw_is_not_known():
    model, params = blend_of(CHAINS[:2], np.random.default_rng(7))
    share = params[SHARES]["score"].at[3, :, 0].set(jnp.array([0.7, 0.3]))
    level = params["score 0"]["level"].at[3, 0].set(jnp.nan)
    params = {**params, SHARES: {**params[SHARES], "score": share}}
    params["score 0"] = {**params["score 0"], "level": level}
    known = np.isfinite(predict(*reduced(model, params), at(MIXTURES)).score)
    assert not known[3, :, 0].any()
    assert known.sum() == known.size - len(MIXTURES)


def test_a_discrepancy_of_law_and_map_is_kept():
    mixtures = np.repeat(MIXTURES[:2], 4, axis=0)
    x = Features.of_logs(*(v + np.linspace(-4.0, 0.0, 8) for v in AT), mixtures)
    wide = Discrepancy(MixChinchilla(3)).centred(x)
    map_ = Discrepancy(DomainSigmoid((2.2, 1.9)), "linear")
    map_ = replace(map_, axes=map_.centred(np.linspace(1.5, 4.0, 16).reshape(8, 2)).axes)
    assert wide.cells
    assert map_.cells
    chain = replace(CHAINS[0], compute_loss=wide, loss_score=map_)
    model, params = blend_of((chain, CHAINS[1]), np.random.default_rng(9))
    whole, part = predict(model, params, at(MIXTURES)), predict(*reduced(model, params), at(MIXTURES))
    np.testing.assert_allclose(part.loss, whole.loss, rtol=1e-12)
    np.testing.assert_allclose(part.score, whole.score, rtol=1e-11)


@pytest.mark.parametrize("law", [M2(3), "of compute"])
def test_other_laws_are_left_as_they_are(law):
    model, params = blend_of(CHAINS[:1], np.random.default_rng(9))
    if law == "of compute":
        model = replace(model, maps=(replace(model.maps[0], through=()),))
    else:
        model = replace(model, laws=(replace(model.laws[0], law=law),))
    assert reduced(model, params) is None


def test_gradients_are_finite_without_a_source():
    model, params = reduced(*blend_of(CHAINS, np.random.default_rng(8)))

    def total(w):
        seen = jax.vmap(lambda p: model.apply(p, Features.of_logs(*AT, w)))(params)
        return seen.loss.sum() + seen.score.sum()

    assert np.isfinite(jax.jit(jax.grad(total))(jnp.array([1.0, 0.0, 0.0]))).all()
