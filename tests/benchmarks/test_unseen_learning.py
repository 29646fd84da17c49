"""Hyperparameters learned from ladders: what is known is found again, and a ladder's own experiment has no say."""

import tomllib
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.unseen import constants
from benchmarks.unseen.constants import jackknife, of_all, of_each, without
from benchmarks.unseen.evidence import Evidence, Told, told, wide
from benchmarks.unseen.judged import audits, separation
from benchmarks.unseen.learning import all_learned, learn
from benchmarks.unseen.panel import PANEL, Ladder
from flpjax.fitting.averaging import hyperpriors
from flpjax.fitting.averaging.hyperpriors import grid_of
from flpjax.readers.read import read_runs
from tests.benchmarks.test_unseen import METHODS, PANEL_MADE, counted, made  # noqa: F401

AMPLITUDE, NOISE = 0.004, 0.02
LOSSES = {"loss": True, "score": False}


@pytest.fixture(scope="module")
def grid():
    with wide():
        return grid_of("log")


def ladders(grid, count, amplitude=AMPLITUDE):
    """Ladders that know their amplitude and noise to a third, scattered by .4 about what is common; the second law."""
    rng = np.random.default_rng(11)
    found, panel = [], {}
    for i in range(count):
        a, s = np.log([amplitude, NOISE]) + 0.4 * rng.standard_normal(2)
        evidence = -0.5 * ((np.log(grid.amplitude) - a) / 0.33) ** 2 - 0.5 * ((np.log(grid.noise) - s) / 0.33) ** 2
        laws = {"power (own loss)": evidence - 4.0, "chinchilla-repeated": evidence}
        found.append(Evidence(f"l{i}", (Told("log", grid, laws),)))
        panel[f"l{i}"] = Ladder(made, f"e{i}", "")
    return found, panel


def test_what_ladders_have_in_common_is_found(grid):
    found, panel = ladders(grid, 24)
    learned = learn(found, "log", panel=panel)
    assert learned.of["amplitude_median"] == pytest.approx(AMPLITUDE, rel=0.35)
    assert learned.of["noise_median"] == pytest.approx(NOISE, rel=0.35)
    assert 0.2 < learned.of["amplitude_sd"] < 0.7
    assert learned.laws["chinchilla"] == 0.0
    assert learned.laws["power"] < -1.0
    assert learn(found, "linear", panel=panel) is None


def test_an_experiment_that_is_left_out_has_no_say(grid):
    found, panel = ladders(grid, 4)
    odd, _ = ladders(grid, 1, amplitude=0.15)
    found = [*found, Evidence("odd", odd[0].outputs)]
    panel = {**panel, "odd": Ladder(made, "odd", "")}
    with_it, left_out, never = (
        learn(found, "log", "", panel),
        learn(found, "log", "odd", panel),
        learn(found[:4], "log", "", panel),
    )
    assert left_out.laws == pytest.approx(never.laws, rel=1e-9)
    assert left_out.of == pytest.approx(never.of, rel=1e-9)
    assert with_it.of["amplitude_median"] > 1.2 * left_out.of["amplitude_median"]


def test_what_is_written_is_what_the_package_reads(grid, monkeypatch, tmp_path):
    found, panel = ladders(grid, 3)
    whole = all_learned(found, panel=panel)
    each = {e: all_learned(found, e, panel) for e in ("e0", "e1", "e2")}
    text = of_all(whole, each)
    written = tomllib.loads(text + "\n[scores]\n" + "\n".join(f"{n} = {{ value = 1.0 }}" for n in whole["losses"].of))
    of, law = hyperpriors.learned(written)
    assert of["log"].noise_prior[0] == pytest.approx(whole["losses"].of["noise_median"], rel=0.01)
    assert law["chinchilla"] == 0.0
    assert written["experiments"] == ["e0", "e1", "e2"]
    assert tomllib.loads(of_each(whole, each))["e1"]["losses"]["none"]["value"] > 0
    assert jackknife([1.0, 2.0, 3.0]) == pytest.approx(np.sqrt(2 / 3 * 2.0))


def test_a_ladder_of_the_panel_is_scored_without_its_experiment():
    before = hyperpriors.OF["log"], dict(hyperpriors.LAW)
    told_of = tomllib.loads(constants.LEFT_OUT.read_text("utf-8"))
    assert set(told_of) == {ladder.experiment for ladder in PANEL.values()}
    with without("marin"):
        assert hyperpriors.OF["log"].noise_prior[0] == told_of["marin"]["losses"]["noise_median"]["value"]
        assert hyperpriors.OF["log"] is not before[0]
    assert (hyperpriors.OF["log"], dict(hyperpriors.LAW)) == before


def test_evidence_prefers_what_made_the_ladder():
    """Our ladder scatters by a percent or two; at a noise of .0004 or of .2 it would be a wonder."""
    runs = read_runs("ladder")
    runs = runs.only([name for name in runs.names if name.endswith("-code0")])
    runs = replace(runs, sources=(), mix=np.empty((len(runs), 0)), tasks=(), score=np.empty((len(runs), 0)))
    one = next(told(replace(runs, stderr=runs.score, domains=runs.domains[:1], loss=runs.loss[:, :1]), LOSSES))
    assert set(one.laws) == {"power", "chinchilla-tied", "chinchilla"}
    usual = one.laws["chinchilla"][(one.grid.noise > 0.002) & (one.grid.noise < 0.05)].max()
    for odd in (one.grid.noise < 0.0005, one.grid.noise > 0.15):
        assert one.laws["chinchilla"][odd & (one.grid.amplitude < 1e-3)].max() < usual - 3.0


def test_reviews_and_audits_are_held_against_what_came(counted):  # noqa: F811
    assert separation(counted, "auto") == []
    assert audits(counted, "auto") == {}
