"""The rule of sizes, against NumPy's line and SciPy's predictive interval; and where there is none."""

import numpy as np
import pytest
from scipy import stats

from flpjax.ladder.compute import FlopsRule, flops_rule
from flpjax.ladder.size_rule import size_rule


def test_it_is_the_line_with_its_predictive_scatter():
    rng = np.random.default_rng(5)
    flops = np.exp(np.linspace(40.0, 48.0, 11))
    params = np.exp(0.5 * np.log(flops) - 3.0 + 0.2 * rng.standard_normal(11))
    rule, why = size_rule(params, flops)
    assert why == ""
    x, y = np.log(flops), np.log(params)
    line = stats.linregress(x, y)
    sd = np.sqrt(((y - line.intercept - line.slope * x) ** 2).sum() / 9)
    at = x.max() + 3.0
    assert np.log(rule.params(np.exp(at))) == pytest.approx(line.intercept + line.slope * at)
    assert rule.freedom == 9
    expected = sd * np.sqrt(1 + 1 / 11 + (at - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum())
    assert rule.sd_at(float(np.exp(at))) == pytest.approx(expected)


def test_reruns_are_one_fact():
    flops = np.array([1e18, 1e19, 1e20])
    params = np.array([1e8, 3e8, 8e8])
    once, twice = (size_rule(np.tile(params, k), np.tile(flops, k))[0] for k in (1, 2))
    assert once == twice


BUDGETS = np.repeat([1e19, 1e20, 1e21], 5)
NO_RULE = {
    "isoFLOP grid": (np.sqrt(BUDGETS) * np.tile([0.25, 0.5, 1.0, 2.0, 4.0], 3), BUDGETS, "differ in N by a factor 2.9"),
    "every size on every D": (
        np.repeat([1e8, 4e8, 16e8], 3),
        6.0 * np.repeat([1e8, 4e8, 16e8], 3) * np.tile([1e9, 4e9, 16e9], 3),
        "differ in N by a factor",
    ),
    "one budget": (np.array([1e8, 2e8, 4e8]), np.full(3, 1e19), "all its models have the same C"),
    "two models": (np.array([1e8, 2e8]), np.array([1e18, 4e18]), "it has 2 different models, and a rule takes 3"),
    "one model": (np.array([1e8]), np.array([1e18]), "it has 1 different model, and a rule takes 3"),
    "none": (np.zeros(0), np.zeros(0), "it has 0 different models"),
}


@pytest.mark.parametrize("case", NO_RULE)
def test_there_is_none(case):
    params, flops, why = NO_RULE[case]
    rule, said = size_rule(params, flops)
    assert rule is None
    assert why in said


def test_one_size_trained_longer_and_longer_stays_that_size():
    rule, _ = size_rule(np.full(4, 1e8), np.array([1e17, 1e18, 1e19, 1e20]))
    assert rule.params(1e22) == pytest.approx(1e8)


@pytest.mark.parametrize("rule", [FlopsRule(0.0, 0.0, 18.0, 0.0), FlopsRule(2.0, -0.4, 18.0, 0.0)])
def test_n_and_d_follow_from_flops_and_the_other(rule):
    flops = rule(3e8, 7e9)
    assert rule.tokens(np.array(3e8), flops) == pytest.approx(7e9, rel=1e-12)
    assert rule.params(7e9, flops) == pytest.approx(3e8, rel=1e-9)


def test_the_rule_of_a_ladder_s_flops_is_read_off():
    params, tokens = np.array([1e8, 3e8, 9e8]), np.array([2e9, 6e9, 2e10])
    assert flops_rule(params, tokens, 6 * params * tokens).tokens(params, 6 * params * tokens) == pytest.approx(tokens)
