"""N, D and the mixture chosen at once, against every mixture tried one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flpjax.engine.ascent import nearest_feasible
from flpjax.engine.polytope import conflict, simplex
from flpjax.errors import InputError
from flpjax.fitting.point import point
from flpjax.ladder.build import build_runs
from flpjax.methods.registry import method
from flpjax.results.allocation.jointly import SHARPER, MeanLoss, _scene, _widened
from flpjax.results.allocation.limits import Limits
from flpjax.results.allocation.plan import plan
from flpjax.results.constraints import Constraints
from flpjax.results.forecast import forecast
from flpjax.results.target import Target
from tests.results.allocation_truth import isoflops, law


@pytest.fixture(scope="module")
def mixed(key):
    """Draws of a law of N, D and two sources, of which the first is worth more."""
    sizes = (np.geomspace(1e8, 2e9, 3), np.geomspace(2e9, 6e10, 3), [0.1, 0.5, 0.9])
    params, tokens, web = (v.ravel() for v in np.meshgrid(*sizes, indexing="ij"))
    loss = law(params, tokens) * (1.0 + 0.1 * (web - 1.0) ** 2)
    names = np.array([f"run {i}" for i in range(len(web))], object)
    columns = {"run": names, "params": params, "tokens": tokens, "loss/web": loss, "mix/web": web, "mix/code": 1 - web}
    return point(method("mix-chinchilla+domain-sigmoid"), build_runs(columns), key)


def test_what_is_minimised_is_the_loss_of_a_mixture_and_a_size(mixed):
    """At one place, against the forecast; the polytope holds half a mixture, and N's share and its rest."""
    scene, _ = _scene(mixed, 1e20, Limits(5e9), {})
    weights = np.array([0.15, 0.35, 0.2, 0.3])  # code .3, web .7; u .4
    log_n = scene.ends[0] + 0.4 * (scene.ends[1] - scene.ends[0])
    tokens = (1e20 - 1e10 * np.exp(log_n)) / 6 / np.exp(log_n)
    mix = dict(zip(mixed.model.sources, (0.3, 0.7), strict=True))
    there = forecast(mixed, [Target("there", float(np.exp(log_n)), float(tokens), mix=mix)], measured=False)
    value = MeanLoss(mixed.model, 0)(jnp.asarray(weights), scene)
    assert float(value) == pytest.approx(-SHARPER * there.loss[0]["web"].median, rel=1e-6)
    wide = _widened(simplex(2))
    assert conflict(wide) is None
    np.testing.assert_allclose(nearest_feasible(wide, weights[None]), weights[None], atol=1e-12)


@pytest.mark.thorough
def test_the_mixture_and_the_size_are_best_together(mixed):
    bound = Constraints(bounds={"web": (0.2, 0.7)})
    free = plan(mixed, 1e20, jax.random.key(0), mix="free", constraints=bound, inference_tokens=5e9).optima[0]
    tried = [
        plan(mixed, 1e20, jax.random.key(0), mix={"web": w, "code": 1 - w}, inference_tokens=5e9).optima[0]
        for w in np.linspace(0.2, 0.7, 6)
    ]
    best = min(tried, key=lambda o: o.loss.median)
    assert free.mix["web"] == pytest.approx(best.mix["web"], abs=0.01)
    assert free.loss.median == pytest.approx(best.loss.median, rel=1e-6)
    assert free.params.median == pytest.approx(best.params.median, rel=1e-3)


def test_what_a_mixture_can_not_be(mixed, key):
    with pytest.raises(InputError, match=r"constraints have no free mixture to bind"):
        plan(mixed, 1e20, jax.random.key(0), constraints=Constraints())
    with pytest.raises(InputError, match=r"mix is 'best'.*or 'free'"):
        plan(mixed, 1e20, jax.random.key(0), mix="best")
    with pytest.raises(InputError, match=r"there is no data source 'books'"):
        plan(mixed, 1e20, jax.random.key(0), mix={"books": 1.0})
    blind = point(method("chinchilla+sigmoid"), isoflops(0.0), jax.random.key(0))
    with pytest.raises(InputError, match=r"does not know data sources"):
        plan(blind, 1e20, jax.random.key(0), mix="free")
