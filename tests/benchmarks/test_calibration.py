"""Scores of forecasts against closed laws, and the counting of cells, on simulated ladders."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from benchmarks.calibration.cells import Cell, count
from benchmarks.calibration.ladders import Part, rolled
from benchmarks.calibration.scoring import LEVELS, Scored, crps, interval_score, summary
from benchmarks.calibration.tables import figures, show_all
from flpjax import FLP, InputError, point
from flpjax.methods.method import Prediction

ACTUAL, MEAN, SD = 0.37, 0.11, 0.23


def normal(count):
    """Draws that are the quantiles of a normal distribution."""
    return MEAN + SD * norm.ppf((np.arange(count) + 0.5) / count)


def test_the_crps_of_many_normal_draws_is_that_of_the_normal():
    z = (ACTUAL - MEAN) / SD
    closed = SD * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    assert crps(normal(20011), ACTUAL) == pytest.approx(closed, rel=1e-4)


@pytest.mark.parametrize("actual", [-1.3, 0.2, 2.9])
def test_the_crps_of_few_draws_is_the_integral(actual):
    draws = np.sort(np.random.default_rng(5).standard_normal(7))
    grid = np.linspace(-6.0, 6.0, 600_001)
    square = ((draws[:, None] <= grid).mean(axis=0) - (actual <= grid)) ** 2
    assert crps(draws, actual) == pytest.approx(square.mean() * 12.0, rel=1e-4)


def test_one_draw_is_scored_by_its_absolute_error():
    scored = Scored.of(np.array([0.5, np.nan]), 0.8)
    assert (scored.crps, scored.width) == (pytest.approx(0.3), 0.0)
    assert not any(scored.covered)
    assert Scored.of(np.array([np.nan, np.inf]), 0.8) is None


def test_the_interval_score_pays_for_misses():
    assert interval_score(1.0, 3.0, 2.0, 0.9) == 2.0
    assert interval_score(1.0, 3.0, 0.5, 0.9) == pytest.approx(2.0 + 20.0 * 0.5)
    assert interval_score(1.0, 3.0, 3.5, 0.9) == pytest.approx(2.0 + 20.0 * 0.5)


def simulated(shrunk=1.0, cells=1009):
    """Scores of forecasts that are right about their spread, or say too little of it by a factor."""
    rng = np.random.default_rng(11)
    for centre in rng.standard_normal(cells):
        yield Scored.of(centre + shrunk * rng.standard_normal(199), centre + rng.standard_normal())


def test_coverage_is_nominal_where_the_spread_is_right():
    found = summary(simulated())
    assert found["cells"] == 1009
    for level in LEVELS:
        error = np.sqrt(level * (1 - level) / 1009)
        assert found["coverage"][f"{100 * level:.0f}"] == pytest.approx(level, abs=4 * error + 0.01)


def test_a_method_that_is_overconfident_on_purpose_is_flagged():
    right, sure = summary(simulated()), summary(simulated(1 / 3))
    assert sure["coverage"]["90"] == pytest.approx(norm.cdf(1.645 / 3) - norm.cdf(-1.645 / 3), abs=0.05)  # 0.42
    assert sure["width90"] < right["width90"]
    assert sure["crps"] > right["crps"]
    assert sure["interval_score90"] > right["interval_score90"]


# Whole parts, by methods that cost one point fit: all draws are that fit, and what runs scatter by is given.


FITS = {}


def fitted(runs, key):
    """The point fit, made once for each part."""
    names = runs.training().names
    if names not in FITS:
        FITS[names] = point(FLP(), runs, key)
    return FITS[names]


def scattered(factor):
    """A point fit with the simulation's own noise of a run, times a factor."""

    def fit(runs, key, draws):
        found = fitted(runs, key)
        params = jax.tree.map(lambda v: jnp.repeat(v, draws, axis=0), found.params)
        sd = [factor * np.broadcast_to(found.fits[s].residual_sd, (draws, n)) for s, n in sizes(found)]
        return replace(found, params=params, kind="bootstrap", fitted_noise=Prediction(*map(jnp.asarray, sd)))

    return fit


def sizes(found):
    return ("loss", len(found.model.domains)), ("score", len(found.model.tasks))


def failing(runs, key, draws):
    raise InputError("it has no legs", remedy="Carry it")


def buggy(runs, key, draws):
    raise ZeroDivisionError("by nothing")


METHODS = {"wide": scattered(30.0), "auto": scattered(3.0), "sure": scattered(0.01), "fails": failing}


@pytest.fixture(scope="module")
def counted(noisy, key):
    runs = noisy.runs
    return [count("simulated", seen, rolled(runs, seen) if seen else runs, METHODS, key, draws=53) for seen in (9, 0)]


@pytest.fixture(scope="module")
def found(counted):
    return figures(counted, tuple(METHODS))


def test_every_later_run_and_held_out_run_is_a_cell(noisy, counted):
    outputs = len(noisy.runs.domains) + len(noisy.runs.tasks)
    training = len(noisy.runs.training().names)
    assert [len(c.cells) for c in counted] == [(training - 9) * outputs, 2 * outputs]
    assert {c.target for c in counted[0].cells} == set(noisy.runs.training().largest(training - 9))
    assert {c.target for c in counted[1].cells} == set(noisy.runs.targets().names)
    assert all(c.distance > 0 for part in counted for c in part.cells)


def test_the_planted_method_covers_little(found):
    assert found["methods"]["wide"]["coverage"]["90"] > 0.9
    assert found["methods"]["sure"]["coverage"]["90"] < 0.3
    assert found["methods"]["sure"]["width90"] < 0.05 * found["methods"]["wide"]["width90"]


def test_failures_are_counted_with_their_reason(found, counted):
    every = sum(len(c.cells) for c in counted)
    assert found["methods"]["fails"] == {
        "cells": 0,
        "coverage": dict.fromkeys(("50", "80", "90", "95")),
        "width90": None,
        "crps": None,
        "interval_score90": None,
        "failed": every,
        "missing": 0,
    }
    assert len(found["failures"]) == len(counted)
    assert "it has no legs" in found["failures"][0]["reason"]
    for name in ("wide", "auto", "sure"):
        told = found["methods"][name]
        assert told["failed"] == 0
        assert told["cells"] + told["missing"] == every


def test_a_bug_in_a_method_costs_its_own_cells_only(noisy, key, capsys):
    part = count("simulated", 0, noisy.runs, {"buggy": buggy, "auto": METHODS["auto"]}, key, draws=53)
    assert part.failed == {"buggy": "ZeroDivisionError: by nothing"}
    assert "Traceback" in capsys.readouterr().err
    assert all(set(c.scored) <= {"auto"} for c in part.cells)


def test_the_groups_add_up(found):
    for name in ("wide", "auto"):
        every, last, rolling = (found[k][name]["cells"] for k in ("methods", "final_targets", "rolling"))
        assert every == last + rolling
        by_bin = found["by_distance"]
        assert every == sum(b[name]["cells"] for w in by_bin.values() for k in w.values() for b in k.values())
        by_ladder = found["by_ladder"]["simulated"]
        assert every == sum(kind[name]["cells"] for when in by_ladder.values() for kind in when.values())
    shared = found["against_auto"]["all"]["wide"]
    assert shared["all"]["cells"] == shared["loss"]["cells"] + shared["score"]["cells"] > 0
    assert found["common"]["all"]["auto"]["cells"] == 0  # one method forecasts nothing


def test_the_json_has_the_keys_and_the_tables_print(found, capsys):
    text = json.loads(json.dumps(found, allow_nan=False))
    for group in ("methods", "final_targets"):
        assert set(text[group]) == set(METHODS)
        for figure in text[group].values():
            assert {"cells", "coverage", "width90", "crps", "interval_score90", "failed"} <= set(figure)
            assert set(figure["coverage"]) == {"50", "80", "90", "95"}
    show_all(found)
    assert "Final targets" in capsys.readouterr().out


def test_distances_have_bins():
    bins = [Cell("", 0, "", "", "", d, {}).bin for d in (0.0, 0.99, 1.0, 3.9, 4.0, 11.0)]
    assert bins == ["0-1", "0-1", "1-2", "2-4", ">4", ">4"]


def test_parts_have_names():
    assert str(Part("olmo-ladder", 0)) == "olmo-ladder, final"
    assert str(Part("olmo-ladder", 8)) == "olmo-ladder, 8 smallest"
