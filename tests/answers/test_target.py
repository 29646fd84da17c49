"""Targets as a person writes them."""

import re

import pytest

from flpjax.answers.target import Target, parse_target, targets_of
from flpjax.errors import InputError

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
    "N=-7e9,D=4e12": "target 'N=-7e9,D=4e12': '-7e9' is not a number. Write 7e9 or 7B",
    "C=nan": "target 'C=nan': 'nan' is not a number. Write 7e9 or 7B",
    "N=0,D=4e12": "target 'N=0,D=4e12': params 0 is not a positive number",
    "C=1e999": "target 'C=1e999': flops inf is not a positive number",
    "N=7e9": "target 'N=7e9': neither FLOPs nor both N and D are given. Write N=7e9,D=4e12 or C=1.7e23",
    "D=4e12": "target 'D=4e12': neither FLOPs nor both N and D are given",
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
