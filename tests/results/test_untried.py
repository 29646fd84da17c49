"""What a review says of a target whose mixture, or another feature, is like no run's."""

from types import SimpleNamespace

import numpy as np
import pytest

from flpjax.ladder.build import build_runs
from flpjax.ladder.compute import FlopsRule
from flpjax.laws.repeated import UNIQUE
from flpjax.results.target import Target
from flpjax.results.untried import check_features, check_hull, hull_distance
from flpjax.results.verdicts import Verdict

PASS, REVIEW, FAIL = Verdict
RULE = FlopsRule(0.0, 0.0, 0.0, 0.0)  # 6·N·D


def test_the_distance_to_blends():
    corners = np.eye(3)[:2]
    assert hull_distance(corners, np.array([0.3, 0.7, 0.0])) == pytest.approx(0.0, abs=1e-9)
    assert hull_distance(corners, np.array([0.2, 0.2, 0.6])) == pytest.approx(0.6 * np.sqrt(1.5), rel=1e-5)


def with_mixtures(*code, sources=("code", "web")):
    tried = tuple((share, 1.0 - share) for share in code)
    return SimpleNamespace(model=SimpleNamespace(sources=sources), ladder=SimpleNamespace(mixtures=tried, rule=RULE))


def mixed(code):
    return Target(f"code {code}", params=7e9, tokens=1e12, mix={"code": code, "web": 1.0 - code})


@pytest.mark.parametrize(
    ("code", "verdict", "figure"),
    [
        (0.3, PASS, "every mixture asked for is a blend of mixtures tried"),
        (0.52, PASS, "the mixture of 'code 0.52' lies 0.028 beyond"),
        (0.6, REVIEW, "the mixture of 'code 0.6' lies 0.14 beyond"),
        (0.9, FAIL, "the mixture of 'code 0.9' lies 0.57 beyond"),
    ],
)
def test_a_mixture_beyond_all_blends_of_those_tried(code, verdict, figure):
    (finding,) = check_hull(with_mixtures(0.1, 0.2, 0.5), [mixed(0.2), mixed(code), mixed(0.3)])
    assert finding.name == "hull"
    assert (finding.verdict, finding.remedy != "") == (verdict, verdict != PASS)
    assert finding.figure.startswith(figure)


def test_without_a_mixture_there_is_none_beyond():
    assert not list(check_hull(with_mixtures(0.1, 0.5), [Target("plain", params=7e9, tokens=1e12)]))
    assert not list(check_hull(with_mixtures(sources=()), [mixed(0.9)])), "laws that are blind to it have their own"


def ladder(**others):
    params = 1e7 * 4.0 ** np.arange(5)
    tokens = 20.0 * params
    columns = {"run": np.array([f"r{i}" for i in range(5)], object), "params": params, "tokens": tokens}
    return build_runs(columns | {"loss/val": 5.0 * params**-0.05} | {f"x/{name}": v for name, v in others.items()})


def asked(name, value, params=4e10):
    """A target 16 times as large as the largest run."""
    return Target("big", params=params, tokens=20.0 * params, features={name: value})


def reads(name):
    return SimpleNamespace(model=SimpleNamespace(inputs={name: "a law"}), ladder=SimpleNamespace(rule=RULE))


@pytest.mark.parametrize(
    ("value", "verdict"), [(1e-3, PASS), (9e-3, PASS), (1.1e-2, PASS), (0.1, REVIEW), (1e-5, REVIEW), (10.0, FAIL)]
)
def test_a_feature_outside_of_what_was_tried(value, verdict):
    runs = ladder(lr=np.array([1e-3, 1e-4, 1e-2, 3e-3, 3e-4]))
    (finding,) = check_features(reads("lr"), runs, [asked("lr", 2e-3), asked("lr", value)])
    assert (finding.verdict, finding.remedy != "") == (verdict, verdict != PASS)
    if verdict != PASS:
        assert finding.figure == f"lr {value:.3g} of 'big' lies outside of what runs tried (0.0001 to 0.01)"


def test_what_grows_with_the_model_goes_on_growing():
    runs = ladder(width=128.0 * 2.0 ** np.arange(5))
    for value, verdict in ((128.0 * 2.0**6, PASS), (128.0 * 2.0**16, FAIL), (128.0, PASS)):
        (finding,) = check_features(reads("width"), runs, [asked("width", value)])
        assert finding.verdict == verdict


def test_a_feature_that_all_runs_share():
    runs = ladder(experts=np.full(5, 8.0))
    (same,), (other,) = (check_features(reads("experts"), runs, [asked("experts", v)]) for v in (8.0, 64.0))
    assert same.verdict == PASS
    assert other.verdict == FAIL
    assert other.figure.endswith("(8)")


def test_unique_tokens_count_by_how_often_they_are_seen():
    tokens = 20.0 * 1e7 * 4.0 ** np.arange(5)
    runs = ladder(**{UNIQUE: tokens / np.array([1.0, 4.0, 2.0, 4.0, 1.0])})
    new, often = (asked(UNIQUE, 8e11 * share) for share in (3.0, 0.001))
    assert [f.verdict for f in check_features(reads(UNIQUE), runs, [new])] == [PASS]
    assert [f.verdict for f in check_features(reads(UNIQUE), runs, [often])] == [FAIL]
