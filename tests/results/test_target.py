"""Targets as a person writes them."""

import re

import numpy as np
import pytest

from flpjax.errors import InputError
from flpjax.ladder.simulate_mixtures import simulate_mixtures
from flpjax.results.target import Target, mixture_of, named_targets, parse_mix, parse_target, targets_from, targets_of

READ = {
    "N=7e9,D=4e12": Target("N=7e9,D=4e12", 7e9, 4e12),
    "n=7B,d=4T": Target("n=7B,d=4T", 7e9, 4e12),
    "C=1e23": Target("C=1e23", flops=1e23),
    "7B: N=7e9, D=4e12": Target("7B", 7e9, 4e12),
    "params=30m, tokens=600M, flops=1.25e17": Target("params=30m, tokens=600M, flops=1.25e17", 3e7, 6e8, 1.25e17),
    "N = 7_000_000_000 , D = 350k": Target("N = 7_000_000_000 , D = 350k", 7e9, 3.5e5),
    "a:b: C=1E23": Target("a:b", flops=1e23),
    " : C=1e23": Target("target", flops=1e23),
    "C=1.5e+23,": Target("C=1.5e+23,", flops=1.5e23),
    "C=1e23,mix/code=0.3,mix/general=0.7": Target(
        "C=1e23,mix/code=0.3,mix/general=0.7", flops=1e23, mix={"code": 0.3, "general": 0.7}
    ),
    "web: mix/my web=1, N=7B, D=4T": Target("web", 7e9, 4e12, mix={"my web": 1.0}),
    "C=1e23, lr peak=1e-3, batch-size=2M": Target(
        "C=1e23, lr peak=1e-3, batch-size=2M", flops=1e23, features={"lr peak": 1e-3, "batch-size": 2e6}
    ),
    "x: C=1e23, mix/C=0.25, mix/Code = 0.75": Target("x", flops=1e23, mix={"C": 0.25, "Code": 0.75}),
}


@pytest.mark.parametrize("text", READ)
def test_a_target_is_read(text):
    assert parse_target(text) == READ[text]


REFUSED = {
    "7B": "target '7B': '7B' is not understood. Write N=7e9,D=4e12 or C=1.7e23",
    "M=7e9,D=4e12": "target 'M=7e9,D=4e12': 'M=7e9' is not understood. Write N=7e9",
    "N=seven,D=4e12": "target 'N=seven,D=4e12': 'seven' is not a number. Write 7e9 or 7B",
    "N=,D=4e12": "target 'N=,D=4e12': '' is not a number. Write 7e9 or 7B",
    "N=1.2.3,D=4e12": "target 'N=1.2.3,D=4e12': '1.2.3' is not a number. Write 7e9 or 7B",
    "N=-7e9,D=4e12": "target 'N=-7e9,D=4e12': params -7e+09 is not a positive number",
    "C=nan": "target 'C=nan': 'nan' is not a number. Write 7e9 or 7B",
    "N=0,D=4e12": "target 'N=0,D=4e12': params 0 is not a positive number",
    "C=1e999": "target 'C=1e999': flops inf is not a positive number",
    "N=7e9": "target 'N=7e9': neither FLOPs nor both N and D are given. Write N=7e9,D=4e12 or C=1.7e23",
    "D=4e12": "target 'D=4e12': neither FLOPs nor both N and D are given",
    "C=1e23,mix/code=some": "target 'C=1e23,mix/code=some': 'some' is not a number. Write 7e9 or 7B",
    "C=1e23,mix/code": "target 'C=1e23,mix/code': 'mix/code' is not understood",
    "": "target 'target': neither FLOPs nor both N and D are given",
    "N=7e9,params=8e9,D=1e12": "target 'N=7e9,params=8e9,D=1e12': 'params' is given twice. Give it once",
}


@pytest.mark.parametrize("text", REFUSED)
def test_anything_else_is_refused(text):
    with pytest.raises(InputError, match=f"^{re.escape(REFUSED[text])}"):
        parse_target(text)


def test_held_out_runs_are_targets_as_they_ended(noisy):
    runs = noisy.runs.targets()
    for target, run in zip(targets_of(runs), range(2), strict=True):
        last = max(i for i in range(len(runs)) if runs.run[i] == run)
        assert target == Target(runs.names[run], runs.params[last], runs.tokens[last], runs.flops[last])


def test_a_source_given_twice_is_refused():
    with pytest.raises(InputError, match="given twice"):
        parse_target("C=1e23,mix/code=0.3,mix/code=0.7,mix/general=0.3")


SOURCES = ("general", "code", "math")


def test_weights_are_in_the_order_of_the_sources_and_those_not_named_have_none():
    target = Target("t", flops=1e23, mix={"math": 0.25, "general": 0.75})
    np.testing.assert_array_equal(target.weights(SOURCES), [0.75, 0.0, 0.25])
    assert np.isnan(Target("t", flops=1e23).weights(SOURCES)).all()


def test_rounded_weights_are_scaled_to_sum_to_1():
    weights = mixture_of({"general": 0.333, "code": 0.333, "math": 0.333}, SOURCES, "here")
    np.testing.assert_allclose(weights, 1.0 / 3.0, rtol=1e-12)


NO_MIXTURE = {
    "target 't': there is no data source 'coed'. Did you mean 'code'?": {"coed": 0.3, "general": 0.7},
    "target 't': the weight of 'code' is -0.1. Give a share from 0 to 1": {"code": -0.1, "general": 1.0},
    "target 't': the weight of 'code' is 30. Give a share from 0 to 1": {"code": 30.0, "general": 70.0},
    "target 't': the weight of 'code' is nan. Give a share from 0 to 1": {"code": float("nan"), "general": 0.7},
    "target 't': the mixture weights code=0.3, general=0.6 sum to 0.9, not to 1. The sources are general, code, math": {
        "code": 0.3,
        "general": 0.6,
    },
    "target 't': the mixture weights code=0.9, general=0.9 sum to 1.8, not to 1": {"code": 0.9, "general": 0.9},
    "target 't': the mixture weights  sum to 0, not to 1": {},
}


@pytest.mark.parametrize("text", NO_MIXTURE)
def test_what_is_no_mixture_of_the_sources_is_refused(text):
    with pytest.raises(InputError, match=f"^{re.escape(text)}"):
        Target("t", flops=1e23, mix=NO_MIXTURE[text]).weights(SOURCES)


def test_a_mixture_alone_is_read():
    assert parse_mix("code=0.3, general=0.7,") == {"code": 0.3, "general": 0.7}
    assert parse_mix("a=b=1") == {"a=b": 1.0}
    for text in ("code", "code=0.3,code=0.7"):
        with pytest.raises(
            InputError, match=rf"^mixture '{text}': 'code.*' is not understood\. Write SOURCE=WEIGHT,…$"
        ):
            parse_mix(text)


def test_held_out_runs_are_targets_with_their_mixture():
    runs = simulate_mixtures(noise=0, checkpoints=2, sizes=("1B", "3B"), ratios=(0.0, 0.3)).runs
    (target,) = targets_of(runs.targets())
    assert target.name == "3B-code0"
    assert target.mix == {"general": 1.0, "code": 0.0}
    np.testing.assert_array_equal(target.weights(runs.sources), [1.0, 0.0])


def test_other_features_need_no_prefix_and_are_the_ladders_own():
    target = parse_target("7B: N=7e9, D=4e12, lr=3e-4, x/experts=8")
    assert target.features == {"lr": 3e-4, "experts": 8.0}
    with pytest.raises(InputError, match="'lr' is given twice"):
        parse_target("N=7e9,D=4e12,lr=3e-4,lr=1e-4")
    with pytest.raises(InputError, match=r"no column 'x/code'.*shares of a mixture are mix/code=…"):
        parse_target("C=1e23,code=0.3").transformed((), {})


def test_a_target_may_be_given_as_text_alone_or_among_others():
    big = Target("big", params=7e9, tokens=4e12)
    assert targets_from("big: N=7e9, D=4e12") == targets_from(big) == targets_from([big]) == (big,)
    assert targets_from(["C=1e23", big]) == (parse_target("C=1e23"), big)
    assert targets_from([]) == ()
    for wrong in (1e22, {"N": 1e10}, [["C=1e23"]], None):
        with pytest.raises(InputError, match=r"is no target\. Write 'N=7e9,D=4e12', or flpjax\.Target"):
            targets_from(wrong)
    assert len(named_targets([big, big])) == len(targets_from([big, "big: C=1e23"])) == 2
    with pytest.raises(InputError, match=r"two targets are called 'big'\. Give each a name of its own"):
        named_targets([big, "big: C=1e23"])
    with pytest.raises(InputError, match=r"params '7e9' is not a positive number\. Write N=7e9"):
        Target("text", params="7e9", tokens=4e12)
