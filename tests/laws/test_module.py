"""A Flax module as a law of losses, and as a map from losses to scores."""

import subprocess
import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import flpjax
from flpjax.engine.recipe import Recipe
from flpjax.errors import InputError
from flpjax.ladder.simulate import simulate_ladder

RECIPE = Recipe(steps=400)
KEY = jax.random.key(3)


class Net(nnx.Module):
    """The paper's network: two layers of three units, ReLU."""

    def __init__(self, inputs, hidden=3):
        rngs = nnx.Rngs(0)
        self.first = nnx.Linear(inputs, hidden, rngs=rngs)
        self.second = nnx.Linear(hidden, 1, rngs=rngs)

    def __call__(self, x):
        return self.second(nnx.relu(self.first(x)))


@pytest.fixture(scope="module")
def runs():
    """One domain, one task."""
    made = simulate_ladder(5, noise=0.1).runs
    kept = replace(made, domains=made.domains[:1], loss=made.loss[:, :1])
    return replace(kept, tasks=made.tasks[2:3], score=made.score[:, 2:3], stderr=made.stderr[:, 2:3])


@pytest.fixture(scope="module")
def network():
    return flpjax.law(Net(2), features=("N", "D"))


@pytest.fixture(scope="module")
def drawn(runs, network):
    """Resamples of a network from N and D to the loss, and of another from the loss to the score."""
    method = flpjax.method("mine+net", laws={"mine": network, "net": flpjax.law(Net(1))})
    return flpjax.bootstrap(replace(method, recipe=RECIPE), runs, KEY, draws=12, starts=8)


def test_the_papers_network_is_an_instance():
    ours = flpjax.Network(centre=(2.0, 3.0, 2.5), spread=(0.25, 0.5, 0.5), level=0.4, scale=0.25)
    law = replace(flpjax.law(Net(3)), centre=ours.centre, spread=ours.spread, level=0.4, scale=0.25)
    rng = np.random.default_rng(0)
    weights = {n: jnp.asarray(rng.standard_normal(p.shape)) for n, p in ours.parameters().items()}
    same = {
        "first.kernel": weights["hidden_weight"].T,
        "first.bias": weights["hidden_bias"],
        "second.kernel": weights["out_weight"][:, None],
        "second.bias": weights["out_bias"][None],
    }
    losses = jnp.asarray(rng.uniform(1.5, 3.5, (7, 3)))
    by_theirs = jax.vmap(law.apply, (None, 0))(same, losses)
    np.testing.assert_allclose(by_theirs, jax.vmap(ours.apply, (None, 0))(weights, losses), rtol=1e-12)
    scale = {n: p.scale for n, p in law.parameters().items()}
    assert scale["first.kernel"] == ours.parameters()["hidden_weight"].scale
    assert scale["second.kernel"] == ours.parameters()["out_weight"].scale


def test_it_is_equal_and_hashed_by_what_it_is():
    one, same, other = (flpjax.law(Net(2, hidden), features=("N", "D")) for hidden in (3, 3, 4))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other


def test_a_network_fits_the_ladder_and_resamples_give_intervals(runs, drawn):
    finals = runs.training().finals()
    targets = [
        flpjax.Target(n, params=p, tokens=d) for n, p, d in zip(finals.names, finals.params, finals.tokens, strict=True)
    ]
    found = flpjax.forecast(drawn, targets)
    losses = np.array([r["median"] for r in found.to_dicts() if r["kind"] == "loss"])
    np.testing.assert_allclose(losses, finals.loss[:, 0], rtol=0.03)
    assert drawn.has_intervals
    assert all(r["lower"] < r["median"] < r["upper"] for r in found.to_dicts())
    assert "Net(13)" in str(drawn)


def test_draws_are_saved_without_it_and_loaded_with_it(drawn, network, tmp_path):
    path = tmp_path / "draws.flp"
    drawn.save(path)
    with pytest.raises(InputError, match=r"needs the law of '.*test_module:Net', .*yours.*classes=\[law\]"):
        flpjax.load(path)
    with pytest.raises(InputError, match="is not the one that was saved"):
        flpjax.load(path, classes=[flpjax.law(Net(2, 5), features=("N", "D")), flpjax.law(Net(1, 5))])


def test_starts_of_a_map_that_tie_are_draws_and_forecast_alike_when_loaded(runs, tmp_path):
    law = flpjax.law(Net(1))
    method = replace(flpjax.method("power+net", laws={"net": law}), recipe=RECIPE)
    drawn = flpjax.point(method, runs, KEY, starts=8)
    assert drawn.kind == "tied"
    assert 1 < len(drawn) <= 8
    assert not drawn.has_intervals
    drawn.save(tmp_path / "draws.flp")
    again = flpjax.load(tmp_path / "draws.flp", classes=[law])
    assert again.model == drawn.model
    target = [flpjax.Target("T", params=1e9, tokens=2e10)]
    assert flpjax.forecast(again, target).to_dicts() == flpjax.forecast(drawn, target).to_dicts()


def test_what_is_no_law_is_refused(runs, network):
    kept = nnx.Sequential(nnx.Linear(2, 3, rngs=nnx.Rngs(0)), nnx.BatchNorm(3, rngs=nnx.Rngs(0)))
    with pytest.raises(InputError, match=r"holds BatchStat, beside parameters.*weight decay"):
        flpjax.law(kept, features=("N", "D"))
    with pytest.raises(InputError, match=r"makes no number of 2 features.*array of shape \(2,\)"):
        flpjax.bind(flpjax.FLP(flpjax.law(Net(3), features=("N", "D"))), runs)
    with pytest.raises(InputError, match=r"'mine' is a network, which has no evidence.*method of its own, 'mine'"):
        flpjax.method("auto", laws={"mine": network})
    with pytest.raises(InputError, match="parameters are given with a module"):
        flpjax.law(Net(2), features=("N",), parameters={"E": flpjax.real()})


def test_flax_is_imported_when_it_is_used():
    said = "import sys, flpjax; flpjax.law('E + A*N^-a'); flpjax.method('auto'); sys.exit('flax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", said], timeout=60, check=False).returncode == 0
