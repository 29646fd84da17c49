"""Which run next: against closed forms, brute force over subsets, and fits with the results in."""

import itertools
import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flpjax.errors import InputError
from flpjax.fitting import predicted
from flpjax.fitting.fit import fit, method
from flpjax.results.completion import completed, law_inputs, with_mixture
from flpjax.results.forecast import forecast
from flpjax.results.selection import first_ladder as first_ladder_module
from flpjax.results.selection.candidates import Candidates
from flpjax.results.selection.choice import choose
from flpjax.results.selection.conditioning import Conditioned, Joint, deviations_after_each, gains, joint_moments
from flpjax.results.selection.first_ladder import first_ladder
from flpjax.results.selection.gradient import expected_gain
from flpjax.results.selection.next_runs import next_runs
from flpjax.results.target import Target, parse_target

FACTORS, CANDIDATES, OUTPUTS, VALUES = 5, 7, 2, 3
TARGET = parse_target("N=70e9,D=2e13")


def linear(seed):
    """A linear-Gaussian world: numbers with a standard normal prior, whose roots are draws."""
    rng = np.random.default_rng(seed)
    measured = rng.standard_normal((FACTORS, CANDIDATES, OUTPUTS))
    wanted = rng.standard_normal((FACTORS, VALUES))
    noise = 0.3 + rng.random((CANDIDATES, OUTPUTS))
    cost = np.exp(rng.standard_normal(CANDIDATES))
    return Joint(measured, wanted, noise, np.array([1.0, 0.5, 2.0])), cost


def posterior(joint, chosen):
    """Weighted variance of what is wanted after a regression on the chosen rows, by its normal equations."""
    rows = joint.candidates[:, chosen].reshape(FACTORS, -1)
    precision = np.eye(FACTORS) + (rows / joint.noise[chosen].ravel()) @ rows.T
    return float(np.einsum("fv,fv,v->", joint.wanted, np.linalg.solve(precision, joint.wanted), joint.weight))


@pytest.mark.parametrize("seed", range(12))
def test_the_chosen_set_is_the_best_of_all_subsets(seed):
    joint, cost = linear(seed)
    spend = 0.4 * cost.sum()
    sets = [list(s) for n in range(CANDIDATES + 1) for s in itertools.combinations(range(CANDIDATES), n)]
    best = min(posterior(joint, s) for s in sets if cost[s].sum() <= spend)
    choice = choose(joint, cost, spend, least=0.0)
    assert cost[choice.order].sum() <= spend
    assert choice.left[-1] == pytest.approx(best, rel=1e-6)


def test_expected_variances_are_those_after_a_refit():
    joint, cost = linear(3)
    choice = choose(joint, cost, cost.sum(), least=0.0)
    after = [posterior(joint, choice.order[:n]) for n in range(len(choice.order) + 1)]
    np.testing.assert_allclose(choice.left, after, rtol=1e-6)
    drawn = [float((d**2).sum(axis=0) @ joint.weight) for d in deviations_after_each(joint, choice.order)]
    np.testing.assert_allclose(drawn, after, rtol=1e-6)
    alone = [posterior(joint, []) - posterior(joint, [j]) for j in range(CANDIDATES)]
    np.testing.assert_allclose(gains(joint), alone, rtol=1e-6)


def test_a_run_of_another_seed_halves_the_noise():
    joint, _ = linear(5)
    twice = Conditioned.of(joint).measured(2).measured(2)
    quieter = joint._replace(noise=joint.noise / 2)
    assert twice.variance == pytest.approx(posterior(quieter, [2]), rel=1e-6)


def test_draws_many_and_few_tell_the_same():
    rng = np.random.default_rng(0)
    world, cost = linear(1)
    numbers = rng.standard_normal((4000, FACTORS))
    numbers = (numbers - numbers.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(numbers.T, bias=True))).T
    measured, wanted = (np.tensordot(numbers, v, 1) for v in (world.candidates, world.wanted))
    drawn = joint_moments(measured, wanted, np.sqrt(world.noise), world.weight)
    few, many = (choose(j, cost, 0.5 * cost.sum(), least=0.0) for j in (world, drawn))
    assert few.order == many.order
    np.testing.assert_allclose(few.left, many.left, rtol=1e-6)


@pytest.fixture(scope="module")
def draws(sound):
    return sound


def test_a_plan_starts_at_the_forecast_and_narrows(draws):
    plan = next_runs(draws, TARGET, 1e23, most=3)
    now = forecast(draws, [TARGET]).loss[0]
    assert dict(plan.now) == {f"loss {name}": now[name] for name in draws.model.domains}
    widths = [dict(r.intervals)["loss general"] for r in plan.runs]
    widths = [v.upper - v.lower for v in (now["general"], *widths)]
    assert widths[-1] < 0.8 * widths[0]
    assert [r.place for r in plan.runs] == [1, 2, 3][: len(plan.runs)]
    assert plan.spent <= 1e23
    assert [r.left for r in plan.runs] == sorted((r.left for r in plan.runs), reverse=True)
    assert json.loads(plan.to_json())["runs"][0]["cost"] == plan.runs[0].cost
    assert {row["run"] for row in plan.to_dicts()} <= {row["run"] for row in plan.candidate_table()}


def test_what_is_planned_compiles_nothing_again(draws):
    next_runs(draws, TARGET, 1e23, most=2)
    before = predicted._block._cache_size()
    for spend in (2e23, 5e23):
        next_runs(draws, TARGET, spend, most=4)
    assert predicted._block._cache_size() == before


def test_candidates_of_ones_own_with_costs(draws):
    columns = {"run": ["a", "b"], "params": [2e9, 6e9], "tokens": [1e11, 1e11], "cost": [3.0, 5.0]}
    plan = next_runs(draws, TARGET, 4.0, candidates=Candidates.read(columns), domains=["general"])
    assert [r.run.name for r in plan.runs] == ["a"]
    assert plan.spent == 3.0
    assert [name for name, _ in plan.now] == ["loss general"]


def test_what_a_run_tells_has_a_gradient(draws):
    """As the plan has it; many runs at once; and slopes as differences have them."""
    columns = {"params": [2e9, 6e9, 3e10], "tokens": [1e11, 3e11, 1e11], "cost": [1.0, 1.0, 1.0]}
    offered = Candidates.read(columns)
    plan = next_runs(draws, TARGET, 1.0, candidates=offered, domains=["general"])
    gain = expected_gain(draws, TARGET, domains=["general"])
    runs = [completed(with_mixture(r.run, draws), draws.ladder) for r in plan.candidates]
    x = law_inputs(runs, draws)
    found = jax.jit(jax.vmap(gain))(x)
    np.testing.assert_allclose(found, [c.alone for c in plan.candidates], rtol=1e-6)
    one = jax.tree.map(lambda v: jnp.asarray(v)[1], x)
    slope = jax.jit(jax.grad(gain))(one)
    ahead, behind = (float(jax.jit(gain)(one.replace(flops=one["flops"] + h))) for h in (1e-4, -1e-4))
    assert ahead != behind
    np.testing.assert_allclose(slope["flops"], (ahead - behind) / 2e-4, rtol=1e-5)
    both = jax.jit(jax.vmap(expected_gain(draws, TARGET, domains=["general"], tasks=["bbh"])))(x)
    plan = next_runs(draws, TARGET, 1.0, candidates=offered, domains=["general"], tasks=["bbh"])
    np.testing.assert_allclose(both, [c.alone for c in plan.candidates], rtol=1e-6)


def test_the_run_that_tells_most_comes_first():
    joint, cost = linear(4)
    choice = choose(joint, cost, cost.sum(), least=0.0)
    for k in range(len(choice.order)):
        others = [posterior(joint, [*choice.order[:k], j]) for j in choice.order[k:]]
        assert others[0] == min(others)


def test_scores_can_count(draws):
    plan = next_runs(draws, TARGET, 1e23, tasks=["bbh"], most=1)
    assert [name for name, _ in plan.now] == ["bbh"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"run": ["a"]}, r"candidates have no cost: there is neither 'flops' nor both"),
        ({"run": ["a"], "params": [1e9]}, r"candidates have no cost"),
        ({"N": [1e9, 1e9], "D": [1e9, 1e9], "cost": [1.0, np.nan]}, r"column 'cost': there is no cost in row 2"),
        ({"params": [1e9], "tokens": [-1.0]}, r"column 'tokens': there is no usable number in row 1, but -1"),
        ({}, r"there is no candidate"),
    ],
)  # fmt: skip
def test_candidates_without_cost_are_refused(columns, message):
    with pytest.raises(InputError, match=message):
        Candidates.read(columns)


@pytest.mark.parametrize(
    ("target", "spend", "more", "message"),
    [
        (TARGET, 1e10, {}, r"the spend 1e\+10 is below the cheapest candidate"),
        (TARGET, float("nan"), {}, r"the spend is nan"),
        (Target("small", 1e8, 1e10), 1e21, {}, r"target 'small' lies inside the ladder"),
        (TARGET, 1e21, {"domains": ["cod"]}, r"there is no loss 'cod'.*Did you mean 'code'"),
        (TARGET, 1e21, {"most": 0}, r"next_runs: 0 runs. Give a whole number, 1 at least"),
        (TARGET, 1e21, {"candidates": []}, r"there is no candidate"),
        (TARGET, 1e21, {"candidates": Candidates((TARGET,), (-1.0,))}, r"the cost of 'N=70e9,D=2e13' is -1"),
    ],
)
def test_wrong_uses_of_draws(draws, target, spend, more, message):
    with pytest.raises(InputError, match=message):
        next_runs(draws, target, spend, **more)


def test_a_point_fit_has_nothing_to_narrow(draws):
    with pytest.raises(InputError, match="this is a point fit: it has no intervals"):
        next_runs(replace(draws, kind="point"), TARGET, 1e21)


def test_scores_alone(noisy, key):
    runs = noisy.runs
    alone = replace(
        runs,
        tasks=runs.tasks[:1],
        score=runs.score[:, :1],
        stderr=runs.stderr[:, :1],
        domains=(),
        loss=runs.loss[:, :0],
    )
    plan = next_runs(fit(method("fp"), alone, key, draws=16), TARGET, 1e23, most=2)
    assert [name for name, _ in plan.now] == ["bbh"]


@pytest.fixture(scope="module")
def first(key):
    with pytest.MonkeyPatch.context() as patch:  # two ladders in place of ten, tried on few laws
        patch.setattr(first_ladder_module, "TRUTHS", 8)
        patch.setattr(first_ladder_module, "POWERS", (0.5,))
        return first_ladder(parse_target("N=7e9,D=4e12,mix/web=0.7,mix/code=0.3"), 1e21, key, most=9)


def test_a_first_ladder_varies_size_tokens_mixture_and_seed(first):
    assert 8 <= len(first.runs) <= 9
    assert 0.0 < first.spent <= 1e21
    for values in ({r.run.params for r in first.runs}, {r.run.tokens for r in first.runs}):
        assert len(values) > 2
    assert len({tuple(r.run.mix.items()) for r in first.runs}) > 1
    names = [r.run.name for r in first.runs]
    assert len(names) - len(set(names)) >= 1
    assert 0.0 < first.error < 1.0


@pytest.mark.parametrize(
    ("target", "spend", "message"),
    [
        ("C=1e23", 1e21, "without a ladder a target needs N and D"),
        ("N=7e9,D=4e12,x/lr=1e-3", 1e21, "nothing is known of x/lr before a run"),
        ("N=7e9,D=4e12", 0.0, "the spend is 0"),
    ],
)
def test_wrong_uses_from_nothing(target, spend, message, key):
    with pytest.raises(InputError, match=message):
        first_ladder(parse_target(target), spend, key)


def test_runs_that_would_not_narrow_what_is_measured_are_left_out():
    joint, cost = linear(2)
    everything = choose(joint, cost, cost.sum(), least=0.05)
    some = choose(joint, cost, cost.sum(), least=0.05, irreducible=2.0 * joint.variance)
    assert len(some.order) < len(everything.order)
    gained = -np.diff(some.left)
    assert (gained[-1:] > 0.05 * (some.left[-1] + 2.0 * joint.variance)).all()
