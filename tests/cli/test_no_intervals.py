"""One fit has no intervals, nor have fits that tie on the ladder: none is printed, and JSON says none."""

import json
from dataclasses import replace

import numpy as np
import pytest

from flpjax.cli.show import show_forecast
from flpjax.cli.show_mix import show_mix, words
from flpjax.results.forecast import Interval, forecast
from flpjax.results.mix import Baseline, Change, Mix
from flpjax.results.target import Target

TARGET = Target("t", flops=1e23)


def printed(sheets):
    return "\n".join(line for sheet in sheets for line in [sheet.title, *sheet.lines(200)])


@pytest.mark.parametrize("kind", ["point", "tied", "bootstrap"])
def test_a_forecast(staged, booted, kind):
    seen = forecast(replace(booted if kind == "bootstrap" else staged, kind=kind), [TARGET])
    shown = printed(show_forecast(seen, {}, seen.loss[0]))
    (target,) = json.loads(seen.to_json())["targets"]
    bounds = [v[end] for each in (target["loss"], target["score"]) for v in each.values() for end in ("lower", "upper")]
    assert bounds
    if kind == "bootstrap":
        assert " to " in shown
        assert None not in bounds
        assert "[" in str(seen)
    else:
        assert " to " not in shown
        assert "interval" not in shown
        assert set(bounds) == {None}
        assert "[" not in str(seen)
        assert any("no interval" in warning for warning in seen.warnings)


@pytest.mark.parametrize(("intervals", "draws"), [(True, 7), (False, 5), (False, 1)])
def test_a_mixture(intervals, draws):
    value = Interval(0.4, 0.3, 0.5)
    found = Mix(
        method="m", target=TARGET, sources=("web", "code"), weights=np.array([0.7, 0.3]), value=0.4,
        baseline=Baseline("best tried", {"web": 0.8, "code": 0.2}), gain=value, p_gain=0.9, level=0.9,
        spread={"web": value, "code": value}, draw_weights=np.full((draws, 2), 0.5),
        changes=(Change("quiz", "score", 1.0, value, value, value),), binding=(), nearest=0.1, beyond=0.0, kkt=0.0,
        agree=1.0, status="converged", draws=draws, warnings=(), intervals=intervals,
    )  # fmt: skip
    shown = printed(show_mix(found)) + "\n".join(words(found))
    parsed = json.loads(found.to_json())
    assert (" to 0.5" in shown, "interval" in shown, "P(gain" in shown) == (intervals, True, intervals)
    assert ("there are no intervals" in shown) == (not intervals)
    assert ("[" in str(found)) == intervals
    assert (parsed["gain"]["lower"] is not None) == (parsed["p_gain"] is not None) == intervals
    assert (parsed["spread"]["web"]["upper"] is not None) == intervals
    assert parsed["changes"][0]["gain"]["median"] == 0.4
