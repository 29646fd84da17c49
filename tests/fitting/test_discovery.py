"""Discovery on a ladder of known formulas: what it finds, what it says, and what it refuses."""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest

from flpjax.errors import InputError
from flpjax.fitting.discovery.discovery import Discovery, discover
from flpjax.fitting.discovery.history import Entry, Proposal
from flpjax.ladder.select import Selection
from flpjax.ladder.simulate_mixtures import simulate_mixtures
from flpjax.laws.grammar import Expression, Term
from flpjax.laws.law import size
from flpjax.methods.registry import ALL_EMERGED
from tests.fitting.known_scores import ALL, DOMAINS, ladder, losses, truths
from tests.results.test_compare import few

pytestmark = pytest.mark.usefixtures("optimised_solver")


@pytest.fixture(scope="module")
def runs():
    return ladder()


@pytest.fixture(scope="module")
def found(runs) -> Discovery:
    return discover(runs, jax.random.key(7), selection=ALL)


def reads(law):
    return {name for term in law.terms for name in term.names}


def kept(found: Discovery, task) -> Entry:
    (entry,) = [e for e in found.log if e.task == task and found.kept(e)]
    return entry


def error(found, runs):
    """Root mean square ``(task,)`` on the held-out targets, against the truth without noise."""
    x = losses(runs.targets())
    return np.sqrt(((found.predict(x) - np.array(list(truths(x).values())).T) ** 2).mean(0))


def test_a_straight_truth_in_two_of_five_domains(found, runs):
    law = found.formulas["straight"]
    assert {"code", "math"} <= reads(law)
    params = found.params["straight"]
    direct = {t.names: float(s) for t, s in zip(law.terms, params["slopes"], strict=True) if t.kind == "domain"}
    assert direct[("code",)] / law.spread[1] == pytest.approx(-0.30, abs=0.05)
    assert direct[("math",)] / law.spread[2] == pytest.approx(-0.20, abs=0.05)
    assert error(found, runs)[0] < 0.01


def test_it_beats_the_average(found, runs):
    average = discover(runs, jax.random.key(7), rounds=1, proposer=in_average, selection=ALL)
    assert (error(found, runs) < 0.4 * error(average, runs)).all()


def in_average(history):
    return [Proposal(Expression((Term("average"),), history.domains), "the baseline")]


def test_a_saturating_truth_is_bent(found, runs):
    assert found.formulas["saturating"].link in ("logit", "exponential")
    assert "code" in reads(found.formulas["saturating"])
    assert error(found, runs)[1] < 0.02


def test_a_threshold_is_a_hinge(found, runs):
    law = found.formulas["threshold"]
    hinges = [t for t in law.terms if t.kind == "hinge" and t.names == ("code",)]
    assert hinges
    assert "bend at code 2." in " ".join(e.because for e in found.log if e.task == "threshold")
    assert error(found, runs)[2] < 0.02


def test_the_log_says_why(found):
    assert {e.round for e in found.log} == {1, 2, 3}
    assert all(e.because for e in found.log)
    assert all(e.status.usable and np.isfinite(e.log_score) and e.stderr > 0 for e in found.log)
    text = str(found)
    for entry in found.log:
        assert entry.formula in text
        assert entry.because in text
    assert text.count("\n→") == len(found.formulas) == 3
    assert all(len(line) <= 160 for line in text.splitlines() if "|" in line)  # a formula alone may be longer
    start = next(e for e in found.log if e.task == "straight" and str(e.expression) == "c0 + c1·z(average)")
    trends = [f for f in start.findings if f.kind == "domain"]
    strongest = trends[0]
    assert strongest.term is not None
    assert strongest.term.names[0] in ("code", "math")
    assert "trend with z(" in strongest.words
    assert f"{strongest.number:+.2f} points".replace("-", "−") in strongest.words
    rows = json.loads(found.to_json())["models"]
    assert rows == json.loads(json.dumps(found.to_dicts()))
    assert len(rows) == len(found.log)
    assert sum(r["kept"] for r in rows) == 3
    assert {"round", "task", "formula", "because", "log_score", "stderr", "findings"} <= rows[0].keys()


def test_no_model_is_tried_twice_and_the_kept_one_is_the_simplest_of_equals(found):
    for task in found.formulas:
        own = [e for e in found.log if e.task == task]
        assert len({(e.expression.link, e.expression.ceiling, frozenset(e.expression.terms)) for e in own}) == len(own)
        one = kept(found, task)
        best = max(own, key=lambda e: e.log_score)
        ahead = best.criticism.ahead_of(one.criticism)
        assert ahead.mean <= ahead.stderr or one is best
        for e in own:
            gap = best.criticism.ahead_of(e.criticism)
            assert gap.mean > gap.stderr or size(e.expression) >= size(one.expression) or e is best


def test_the_same_key_finds_the_same_and_targets_change_nothing(found):
    again = discover(ladder(targets=-0.3), jax.random.key(7), selection=ALL)
    assert again.to_json() == found.to_json()
    assert again.formulas == found.formulas


def percent(runs, selection, **more):
    """Mean error of scores on the held-out targets, from their true losses."""
    found = discover(runs, jax.random.key(0), selection=selection, **more)
    targets = runs.targets().finals()
    actual = np.stack([targets.score_of(task) for task in found.formulas], axis=1)
    predicted = found.predict(np.stack([targets.loss_of(d) for d in found.domains], axis=1))
    return 100.0 * np.abs(predicted / actual - 1.0).mean()


@pytest.mark.thorough
def test_all_checkpoints_serve_better_than_those_above_chance():
    """The figures of discover()'s docstring."""
    runs = simulate_mixtures(2).runs
    np.testing.assert_allclose([percent(runs, s) for s in (ALL_EMERGED, Selection())], [3.8, 4.5], atol=0.1)


def test_checkpoints_at_chance_flatten_what_is_fitted_above_it():
    """The same on a few tasks and checkpoints, in one round."""
    runs = few(simulate_mixtures(2, checkpoints=5).runs, ("humaneval", "race"))
    every, above = (percent(runs, s, rounds=1) for s in (ALL_EMERGED, Selection()))
    assert every < above


def test_checkpoints_without_some_loss_are_left_out(found, runs):
    """What was measured of them changes nothing, finite or not."""
    first = np.arange(len(runs))[:, None] < 6
    logs = []
    for without in ([False, False, True, False, False], [True] * 5):
        gone = discover(
            replace(runs, loss=np.where(first & without, np.nan, runs.loss)), jax.random.key(7), rounds=1, selection=ALL
        )
        assert set(gone.formulas) == set(found.formulas)
        logs.append([(e.expression, e.log_score) for e in gone.log])
    assert all(np.isfinite(score) for _, score in logs[0])
    assert [score for _, score in logs[1]] == pytest.approx([score for _, score in logs[0]], rel=1e-6)


def test_a_prediction_is_not_clipped(found, runs):
    assert found.predict(np.full((1, len(DOMAINS)), 9.0))[0, 0] < 0.0


def test_refused(runs, found):
    key = jax.random.key(7)
    with pytest.raises(InputError, match=r"0 rounds\. Give a whole number, 1 at least"):
        discover(runs, key, rounds=0)
    with pytest.raises(InputError, match=r"no loss domain 'cod'\. Did you mean 'code'"):
        discover(runs, key, domains=("cod",))
    with pytest.raises(InputError, match="5 loss domains, 3 tasks, 2 runs that are not held out"):
        discover(runs.only(["r00", "r01"]), key)
    with pytest.raises(InputError, match=r"the losses have shape \(4, 3\). Give columns web, code"):
        found.predict(np.ones((4, 3)))
