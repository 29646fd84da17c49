"""The JSON of a forecast is what other programs read: its keys are fixed."""

import json
import math

import pytest

from flpjax.fitting.point import point
from flpjax.methods.direct import FP
from flpjax.results.forecast import forecast
from flpjax.results.target import Target, targets_of

INTERVAL = {"median", "lower", "upper"}


def no_constant(text):
    raise AssertionError(f"{text} is no JSON")


@pytest.fixture(scope="module")
def seen(sound, noisy):
    targets = [*targets_of(noisy.runs.targets()), Target("C only", flops=1e23)]
    return forecast(sound, targets, level=0.8, method="flp")


@pytest.fixture(scope="module")
def parsed(seen):
    return json.loads(seen.to_json(), parse_constant=no_constant)


def test_the_keys_are_those_of_the_contract(parsed):
    assert {"method", "level", "targets", "warnings"} <= set(parsed)
    assert (parsed["method"], parsed["level"]) == ("flp", 0.8)
    assert all(isinstance(w, str) for w in parsed["warnings"])
    assert [t["name"] for t in parsed["targets"]] == ["7B", "13B", "C only"]
    for target in parsed["targets"]:
        assert {"name", "flops", "params", "tokens", "extrapolation", "loss", "score"} <= set(target)
        assert set(target["loss"]) == {"general", "code", "math", "paper", "wikipedia"}
        assert set(target["score"]) == {"bbh", "hellaswag", "triviaqa"}
        for interval in (*target["loss"].values(), *target["score"].values()):
            assert set(interval) >= INTERVAL
            assert interval["lower"] <= interval["median"] <= interval["upper"]
            assert all(math.isfinite(interval[k]) for k in INTERVAL)


def test_what_a_target_does_not_say_is_null(parsed):
    assert (parsed["targets"][2]["params"], parsed["targets"][2]["tokens"]) == (None, None)
    assert parsed["targets"][2]["flops"] == 1e23


def test_numbers_keep_every_digit(parsed, seen):
    for i, target in enumerate(parsed["targets"]):
        assert target["extrapolation"] == seen.extrapolation[i]
        assert target["loss"]["code"]["lower"] == seen.loss[i]["code"].lower


def test_the_table_and_the_text_are_its_twins(parsed, seen):
    rows = seen.to_dicts()
    assert len(rows) == 3 * (5 + 3)
    for row in rows:
        (target,) = (t for t in parsed["targets"] if t["name"] == row["target"])
        assert target[row["kind"]][row["name"]] == {k: row[k] for k in INTERVAL | {"monte_carlo_error"}}
    assert str(seen).count("\n") == len(rows) - 1


def test_a_method_without_losses_has_none(noisy, key):
    parsed = json.loads(forecast(point(FP(), noisy.runs, key), targets_of(noisy.runs.targets())).to_json())
    assert [t["loss"] for t in parsed["targets"]] == [{}, {}]
    assert set(parsed["targets"][0]["score"]) == {"bbh", "hellaswag", "triviaqa"}
