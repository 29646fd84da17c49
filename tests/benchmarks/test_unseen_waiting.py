"""Hazards of take-off: found from tasks that were made with one, by the protocol, and written for the package."""

import tomllib

import numpy as np
import pytest

from benchmarks.unseen.constants import take_off_of_all, take_off_of_each, without
from benchmarks.unseen.hazard import all_learned_waits, learn_waits, reliability
from benchmarks.unseen.waiting import RISES, Wait, waits_of, weights
from flpjax.fitting.averaging import hyperpriors
from flpjax.ladder.tasks import Task

MADE = hyperpriors.Wait(hazard=1.5, spread=0.7, rise_median=0.6, rise_sd=0.5)
REACH = 2.0


def tasks(experiment, of=MADE, count=150, seed=0):
    """Tasks that were at chance in the first state of a ladder, whose states are .1 e-folds apart."""
    rng = np.random.default_rng(seed)
    found = []
    for i, distance in enumerate(of.distance(rng.uniform(size=count))):
        after = np.floor(min(distance, REACH) / 0.1) * 0.1
        rise = np.log(of.rise_median) + of.rise_sd * rng.standard_normal()
        left = distance < REACH
        told = -0.5 * ((np.log(RISES) - rise) / 0.1) ** 2 if left else np.zeros(len(RISES))
        found.append(Wait(experiment, "l", f"t{i}", after, after + 0.1 if left else np.inf, REACH, told))
    return found


def test_what_tasks_were_made_with_is_found():
    told = learn_waits(tasks("one", count=600), "loss")
    assert told["hazard"] == pytest.approx(MADE.hazard, rel=0.25)
    assert told["rise_median"] == pytest.approx(MADE.rise_median, rel=0.2)
    assert told["rise_sd"] == pytest.approx(MADE.rise_sd, rel=0.2)
    assert hyperpriors.Wait(*told.values()).by(np.array(1.0)) == pytest.approx(MADE.by(np.array(1.0)), abs=0.06)
    for row in reliability(tasks("one", seed=1, count=600), "loss", {"one": told}):
        assert row["forecast"] == pytest.approx(row["came"], abs=0.1)


def test_few_tasks_leave_much_open():
    few, many = (learn_waits(tasks("one", count=n), "loss") for n in (3, 150))
    assert few["hazard_spread"] > 1.3 * many["hazard_spread"]


def test_what_is_left_out_has_no_say():
    waits = {"loss": [*tasks("a", count=20), *tasks("b", MADE._replace(hazard=9.0), count=20)], "compute": tasks("a")}
    assert all_learned_waits(waits, "b")["take_off_by_loss"] == learn_waits(tasks("a", count=20), "loss")
    assert all_learned_waits(waits, "a").keys() == {"take_off_by_loss"}
    each = tomllib.loads(take_off_of_each(waits, ["a", "b", "c"]))
    whole = tomllib.loads(take_off_of_all(waits))
    assert each["c"]["take_off_by_loss"]["hazard"]["value"] == whole["take_off_by_loss"]["hazard"]["value"]
    assert each["a"]["take_off_by_loss"]["hazard"]["value"] > each["b"]["take_off_by_loss"]["hazard"]["value"]
    assert hyperpriors.waits(whole)["loss"].hazard == whole["take_off_by_loss"]["hazard"]["value"]
    assert whole["take_off_by_loss"]["hazard"]["error"] > 0.0


def test_a_task_counts_once():
    twice = [*tasks("a", count=3), *(w._replace(ladder="sibling") for w in tasks("a", count=3)), *tasks("b", count=2)]
    assert weights(twice).sum() == pytest.approx(5.0)


def test_states_of_a_ladder(table):
    score = [0.25, 0.26, 0.24, 0.25, 0.26, 0.25, 0.45, 0.6]
    loss = np.repeat(np.array([5.0, 4.5, 4.1, 3.8, 3.5, 3.3, 3.1, 2.9])[:, None], 2, axis=1)
    runs = table({"val": loss}, {"t": np.repeat(np.array(score)[:, None], 2, axis=1)}, (Task("t", 0.25, 1000),))
    found = list(waits_of(runs, "e", "l", "loss"))
    np.testing.assert_allclose([w.after for w in found], np.log([3.8 / 3.3, 3.5 / 3.3, 1.0]))
    np.testing.assert_allclose([w.before for w in found], np.log([3.8 / 3.1, 3.5 / 3.1, 3.3 / 3.1]))
    np.testing.assert_allclose([w.end for w in found], np.log([3.8 / 2.9, 3.5 / 2.9, 3.3 / 2.9]))
    assert 6.4 < RISES[found[0].rise.argmax()] < 9.7  # of the two runs beyond


def test_a_ladder_of_the_panel_is_forecast_without_what_its_tasks_did():
    usual = dict(hyperpriors.TAKE_OFF)
    with without("gadre2024"):
        assert hyperpriors.TAKE_OFF["loss"] != usual["loss"]
    with without("marin"):
        assert dict(hyperpriors.TAKE_OFF) == usual
    assert dict(hyperpriors.TAKE_OFF) == usual
