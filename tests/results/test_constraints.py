"""Constraints by name: the set they make, what is said if there is none, and what a mixture is at."""

import re

import numpy as np
import pytest

from flpjax.engine.polytope import project
from flpjax.errors import InputError
from flpjax.results.constraints import Constraints, Group, feasible

SOURCES = ("general", "code", "math")
TRIED = np.array([[0.8, 0.1, 0.1], [0.5, 0.4, 0.1], [0.45, 0.1, 0.45]])
TOKENS = 1e12


def made(tokens=TOKENS, **what):
    return feasible(Constraints(**what), SOURCES, TRIED, tokens)


def limits(found):
    return np.asarray(found.polytope.lower), np.asarray(found.polytope.upper)


def test_weights_stay_in_the_ranges_tried_unless_they_may_leave_them():
    np.testing.assert_array_equal(limits(made()), [[0.45, 0.1, 0.1], [0.8, 0.4, 0.45]])
    np.testing.assert_array_equal(limits(made(outside=True)), [[0, 0, 0], [1, 1, 1]])


def test_bounds_and_fixed_weights_replace_the_ranges_tried():
    found = made(bounds={"code": (0.0, 0.9)}, fixed={"math": 0.05})
    np.testing.assert_array_equal(limits(found), [[0.45, 0.0, 0.05], [0.8, 0.9, 0.05]])
    assert found.why_lower == ("the least tried", "your bound", "fixed")
    assert found.why_upper == ("the most tried", "your bound", "fixed")


def test_tokens_are_seen_so_often_at_most():
    available = {"code": 5e10, "general": 1e14}
    for repeats, cap in ((4.0, 0.2), (2.5, 0.125), (16.0, 0.4)):
        found = made(available=available, repeats=repeats)
        lower, upper = limits(found)
        assert upper[1] == pytest.approx(cap), "16 times: the most tried is less"
        assert upper[0] == 0.8, "there is plenty"
        for vector in np.random.default_rng(0).normal(size=(7, 3)):
            weights = np.asarray(project(found.polytope, 3 * vector))
            assert weights[1] * TOKENS <= repeats * 5e10 * (1 + 1e-12)
            assert np.all((weights >= lower) & (weights <= upper))
    assert found.why_upper[1] == "the most tried"
    assert made(available=available).why_upper[1] == "5e+10 tokens, 4 times at most"
    outside = made(available={"code": 5e10}, outside=True, repeats=1.0)
    np.testing.assert_allclose(limits(outside)[1], [1.0, 0.05, 1.0])


def test_groups():
    found = made(groups={"stem": Group(("code", "math"), 0.3, 0.5)})
    np.testing.assert_array_equal(found.polytope.group, [-1, 0, 0])
    weights = np.asarray(project(found.polytope, np.array([5.0, 0.0, 0.0])))
    assert weights[1:].sum() == pytest.approx(0.3)
    assert found.binding(weights) == ("stem together ≥ 0.3",)
    weights = np.asarray(project(found.polytope, np.array([-5.0, 0.0, 0.0])))
    assert found.binding(weights) == ("stem together ≤ 0.5",)


def test_what_a_mixture_is_at_is_said_in_words():
    found = made(fixed={"math": 0.1}, bounds={"general": (0.2, 0.85)}, available={"code": 7e10})
    at = {
        (0.62, 0.28, 0.1): ("code ≤ 0.28 (7e+10 tokens, 4 times at most)", "math = 0.1 (fixed)"),
        (0.8, 0.1, 0.1): ("code ≥ 0.1 (the least tried)", "math = 0.1 (fixed)"),
        (0.85, 0.05, 0.1): (
            "general ≤ 0.85 (your bound)", "code ≥ 0.1 (the least tried)", "math = 0.1 (fixed)",
        ),
        (0.7, 0.2, 0.1): ("math = 0.1 (fixed)",),
    }  # fmt: skip
    for weights, words in at.items():
        assert found.binding(np.array(weights)) == words
    assert made().binding(np.array([0.5, 0.25, 0.25])) == ()
    assert made(outside=True).binding(np.array([1.0, 0.0, 0.0])) == (
        "general ≤ 1 (all there is)", "code ≥ 0 (no less than nothing)", "math ≥ 0 (no less than nothing)",
    )  # fmt: skip


NO_MIXTURE = {
    "bounds: there is no data source 'coed'. Did you mean 'code'?": {"bounds": {"coed": (0, 1)}},
    "fixed: there is no data source 'Math'. Did you mean 'math'?": {"fixed": {"Math": 0.1}},
    "available: there is no data source 'web'. There is: general, code, math": {"available": {"web": 1e9}},
    "group 'stem': there is no data source 'maths'. Did you mean 'math'?": {
        "groups": {"stem": Group(("code", "maths"))}
    },
    "groups: 'code' is in the groups 'a' and 'b'. Groups can't share sources": {
        "groups": {"a": Group(("code",)), "b": Group(("math", "code"))}
    },
    "constraints: 'code' has bounds and a fixed weight. Give one of them": {
        "bounds": {"code": (0, 1)}, "fixed": {"code": 0.2},
    },
    "bounds of 'code': 1.5 is no share. Give a number from 0 to 1": {"bounds": {"code": (0, 1.5)}},
    "bounds of 'code': -0.1 is no share": {"bounds": {"code": (-0.1, 1)}},
    "fixed weight of 'code': nan is no share": {"fixed": {"code": float("nan")}},
    "available, 'code': -1 tokens are no number of tokens": {"available": {"code": -1.0}},
    "available, 'code': nan tokens are no number of tokens": {"available": {"code": float("nan")}},
    "constraints: no mixture keeps to both 'code' ≥ 0.5 (your bound) and 'code' ≤ 0.4 (your bound): "
    "0.5 is needed where 0.4 is allowed. Loosen one of them": {"bounds": {"code": (0.5, 0.4)}},
    "constraints: no mixture keeps to both 'general' ≥ 0.7 (fixed) and 'code' ≥ 0.6 (fixed): 1.4 is needed where 1 is "
    "allowed. Loosen one of them": {"fixed": {"general": 0.7, "code": 0.6}},
    "constraints: no mixture keeps to both 'code' ≥ 0.3 (fixed) and 'code' ≤ 0.04 (1e+10 tokens, 4 times at most): "
    "0.3 is needed where 0.04 is allowed": {"fixed": {"code": 0.3}, "available": {"code": 1e10}},
    "constraints: no mixture keeps to both 'code' ≤ 0.01 (your bound) and 'math' ≤ 0.04 (1e+10 tokens, 4 times at "
    "most): 1 is needed where 0.85 is allowed": {
        "bounds": {"code": (0, 0.01), "math": (0, 1)}, "available": {"math": 1e10},
    },
    "constraints: no mixture keeps to both 'general' ≥ 0.45 (the least tried) and 'general' ≤ 0.1 (2.5e+10 tokens, 4 "
    "times at most): 0.45 is needed where 0.1 is allowed. Loosen one of them, or allow weights outside those tried "
    "(outside=True)": {"available": {"general": 2.5e10}},
    "constraints: no mixture keeps to both group 'stem' ≥ 0.9 and 'code' ≤ 0.4 (the most tried): 0.9 is needed where "
    "0.85 is allowed": {"groups": {"stem": Group(("code", "math"), 0.9, 1.0)}},
    "constraints: no mixture keeps to both 'math' ≥ 0.6 (fixed) and group 'stem' ≤ 0.5": {
        "fixed": {"math": 0.6}, "groups": {"stem": Group(("code", "math"), 0.0, 0.5)},
    },
    "constraints: no mixture keeps to both group 'stem' ≥ 0.6 and group 'stem' ≤ 0.5": {
        "groups": {"stem": Group(("code", "math"), 0.6, 0.5)}
    },
}  # fmt: skip


@pytest.mark.parametrize("words", NO_MIXTURE)
def test_what_no_mixture_keeps_to_is_named(words):
    with pytest.raises(InputError, match=f"^{re.escape(words)}"):
        made(**NO_MIXTURE[words])


def test_tokens_available_need_the_targets_tokens():
    with pytest.raises(
        InputError, match=r"^available: the target's training tokens are not known.*Give the target's N"
    ):
        made(tokens=None, available={"code": 1e10})
    assert made(tokens=None).why_upper[0] == "the most tried"
