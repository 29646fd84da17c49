"""Budgets divided by the envelope of training curves alone, where runs end at one D/N and a law can't tell."""

import jax
import numpy as np
import pytest

from flpjax.errors import FitError, InputError
from flpjax.ladder.build import build_runs
from flpjax.results.allocation.plan import plan
from tests.results.allocation_truth import law, optimum, table

DRAWS = 29
BUDGETS = (1e19, 1e20)
CHECKPOINTS = 31


def curves(sizes, ratio, undecayed=0.02, seed=0):
    """Curves that end at one D/N; before a run's end its loss is higher, by up to a share, for want of decay."""
    share = np.linspace(0.03, 1.0, CHECKPOINTS)
    params = np.repeat(sizes, CHECKPOINTS)
    tokens = params * ratio * np.tile(share, len(sizes))
    noise = np.repeat(0.002 * np.random.default_rng(seed).standard_normal(len(sizes)), CHECKPOINTS)
    loss = law(params, tokens) * np.exp(noise) * (1.0 + undecayed * (1.0 - np.tile(share, len(sizes))))
    names = np.repeat(np.array([f"run {i}" for i in range(len(sizes))], object), CHECKPOINTS)
    return build_runs({**table(params, tokens, loss), "run": names})


@pytest.fixture(scope="module")
def found(key):
    return plan(curves(np.geomspace(3e7, 1e9, 9), 60), BUDGETS, key, draws=DRAWS)


def test_curves_that_cross_tell_where_final_values_do_not(found):
    assert [a.name for a in found.approaches] == ["envelope"]
    assert found.headline == "envelope"
    for optimum_of, budget in zip(found.optima, BUDGETS, strict=True):
        n = optimum_of.params
        assert n.lower < optimum(budget) < n.upper
        assert abs(np.log(n.median / optimum(budget))) < 0.4
        assert 6.0 * n.median * optimum_of.tokens.median == pytest.approx(budget, rel=1e-6)
        assert optimum_of.flat[0] < n.median < optimum_of.flat[1]
        best = law(optimum(budget), budget / 6.0 / optimum(budget))
        assert best < optimum_of.loss.median < best * 1.03  # of curves whose rates have not decayed
    assert all(r.median.min() < 1e-3 for r in found.regrets)
    assert "No law stands beside it: all runs have 60 tokens per parameter" in found.explained


def test_where_runs_end_before_others_take_over_it_says_that_n_may_be_lower(key):
    """Eight tokens per parameter, where some thirty were best: every curve is lowest until it ends."""
    short = plan(curves(np.geomspace(3e7, 1e9, 9), 8, undecayed=0.0), BUDGETS, key, draws=DRAWS)
    assert short.headline == "envelope"
    assert all(o.params.median > 1.5 * optimum(b) for o, b in zip(short.optima, BUDGETS, strict=True))
    assert "smaller models may do better, and N* be lower" in short.approaches[0].why
    long = plan(curves(np.geomspace(3e7, 1e9, 9), 300, undecayed=0.0), BUDGETS, key, draws=DRAWS)
    assert "be lower" not in long.approaches[0].why


def test_it_says_by_how_much_a_law_of_checkpoints_errs(found):
    """Undecayed rates look like the worth of tokens, so that a law of checkpoints puts N* too low."""
    words = found.explained
    assert "below at 1e+20 FLOPs" in words
    assert float(words.split("its own N*, ")[1].split("%")[0]) > 20


@pytest.mark.parametrize("options", [{"most_params": 1e9}, {"inference_tokens": 1e9}])
def test_limits_are_a_laws_business(options):
    with pytest.raises(InputError, match="all runs have 60 tokens per parameter"):
        plan(curves(np.geomspace(3e7, 1e9, 4), 60), 1e20, jax.random.key(0), draws=DRAWS, **options)


def test_curves_that_do_not_cross_are_refused():
    """Each size is trained where no other has begun."""
    with pytest.raises(InputError, match="all runs have 60 tokens per parameter"):
        plan(curves(np.geomspace(1e6, 1e12, 4), 60), 1e20, jax.random.key(0), draws=DRAWS)


def test_an_envelope_beside_a_law_without_an_optimum_is_refused(key):
    """Tokens in billions: the envelope has an optimum, the law that says what its loss is has none."""
    sizes = np.geomspace(7e7, 7e9, 7)
    share = np.tile(np.linspace(0.1, 1.0, 10), len(sizes))
    params = np.repeat(sizes, 10)
    columns = table(params, 20 * params * share / 1e9, law(params, 20 * params * share))
    names = np.repeat(np.array([f"run {i}" for i in range(len(sizes))], object), 10)
    with pytest.raises(FitError, match=r'has no lowest point over N in 100% of the draws\..*unit = "Btokens"'):
        plan(build_runs({**columns, "run": names}), 1e13, key, draws=DRAWS)
