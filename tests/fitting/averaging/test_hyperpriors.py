"""What is known before a ladder is seen: the file, the grid, and which runs take no part."""

import tomllib
from importlib.resources import files

import numpy as np
import pytest

from flpjax.fitting.averaging import hyperpriors
from flpjax.fitting.averaging.auto import auto
from flpjax.fitting.averaging.hyperpriors import FILE, LAW, OF, SECTIONS, grid_of, log_weight
from flpjax.ladder.build import build_runs
from flpjax.results.forecast import forecast
from flpjax.results.review import review
from flpjax.results.target import Target
from flpjax.results.verdicts import Verdict

TOLD = tomllib.loads(files(hyperpriors.__package__).joinpath(FILE).read_text("utf-8"))


def test_the_file_says_what_is_known_with_its_error():
    assert len(TOLD["experiments"]) >= 8
    entries = [entry for section in (*SECTIONS.values(), "laws") for entry in TOLD[section].values()]
    assert all(np.isfinite(entry["value"]) and entry["error"] >= 0 for entry in entries)
    assert OF["log"].amplitude_prior[0] == TOLD["losses"]["amplitude_median"]["value"]
    assert max(LAW.values()) == 0.0
    assert log_weight("chinchilla-repeated") == log_weight("chinchilla") == LAW["chinchilla"]
    assert log_weight("chinchilla-repeated (own loss)") == log_weight("chinchilla (2)") == LAW["chinchilla"]
    assert log_weight("a law of the user's") == 0.0


@pytest.mark.parametrize("space", SECTIONS)
def test_a_grid_is_a_probability_with_its_mass_inside(space):
    grid, prior = grid_of(space), OF[space]
    assert np.exp(grid.log_prior).sum() == pytest.approx(1.0)
    assert np.exp(grid_of(space, departs=False).log_prior).sum() == pytest.approx(1.0)
    none = grid.amplitude == prior.amplitude[0]
    assert np.exp(grid.log_prior[none]).sum() == pytest.approx(prior.none)
    for values, (median, sd) in ((prior.amplitude[1:], prior.amplitude_prior), (prior.noise, prior.noise_prior)):
        assert values[0] < median * np.exp(-sd)
        assert values[-1] > median * np.exp(sd)


def ladder(spoilt=()):
    """Five sizes by three tokens per parameter; two of the last but one may have gone wrong alike."""
    rng = np.random.default_rng(2)
    params, ratio = (v.ravel() for v in np.meshgrid(np.geomspace(3e7, 1e9, 5), (10.0, 20.0, 40.0), indexing="ij"))
    tokens = params * ratio
    loss = 1.7 + 406.4 / params**0.34 + 410.7 / tokens**0.28
    loss *= np.exp(0.003 * rng.standard_normal(len(params)))
    loss[list(spoilt)] *= 1.12
    names = np.array([f"r{i}" for i in range(len(params))], object)
    return build_runs({"run": names, "params": params, "tokens": tokens, "loss/val": loss}, source="made")


@pytest.mark.parametrize("law", ["power", "chinchilla"])
def test_the_law_that_made_a_ladder_weighs_most(law, key):
    """Laws are told apart by what was measured, and not the other way about."""
    rng = np.random.default_rng(4)
    params, ratio = (v.ravel() for v in np.meshgrid(np.geomspace(3e7, 3e9, 7), (5.0, 20.0, 80.0), indexing="ij"))
    tokens = params * ratio
    flops = 6.0 * params * tokens
    loss = 3.0 * (flops / 1e19) ** -0.05 if law == "power" else 1.7 + 406.4 / params**0.34 + 410.7 / tokens**0.28
    loss = loss * np.exp(0.002 * rng.standard_normal(len(params)))
    names = np.array([f"r{i}" for i in range(len(params))], object)
    runs = build_runs({"run": names, "params": params, "tokens": tokens, "loss/val": loss}, source=law)
    weight = {name: float(w[0]) for name, w in auto(runs, key, draws=50).validation.weights.items()}
    assert sum(weight.values()) == pytest.approx(1.0)
    assert weight.get("power", 0.0) > 0.9 if law == "power" else weight.get("power", 0.0) < 0.01
    assert max(weight, key=weight.get).startswith(law)


def test_runs_that_the_others_do_not_explain_are_left_out_and_named(key):
    target = Target("big", params=8e9, tokens=1.6e11)
    sound, spoilt, without = (
        auto(runs, key, draws=200)
        for runs in (ladder(), ladder((10, 11)), ladder().only([f"r{i}" for i in range(15) if i not in (10, 11)]))
    )
    median = [forecast(d, [target]).loss[0]["val"].median for d in (sound, spoilt, without)]
    assert median[1] == pytest.approx(median[2], rel=0.005), "as if they were not there"
    assert sound.validation.left_out == ()
    assert spoilt.validation.left_out == ("run 'r10' ('val')", "run 'r11' ('val')")
    found = review(spoilt, ladder((10, 11)), [target])["runs left out"]
    assert found.verdict == Verdict.REVIEW
    assert "'r10'" in found.figure
    assert review(sound, ladder(), [target])["runs left out"].verdict == Verdict.PASS
