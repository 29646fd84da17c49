"""Discovery on tables made with NumPy from known formulas: what it finds, what it says, and what it refuses."""

import json
import re
from dataclasses import replace

import jax
import numpy as np
import pytest

from flpjax.engine.settings import Settings
from flpjax.engine.status import Status
from flpjax.errors import InputError
from flpjax.fitting.critic import Folds, Held, criticise
from flpjax.fitting.discovery import Discovery, Entry, History, Proposal, discover, propose
from flpjax.forms.form import size
from flpjax.forms.grammar import Expression, Term
from flpjax.numerics import generator
from flpjax.runs.build import build_runs
from flpjax.runs.select import Selection
from flpjax.runs.tasks import Task

DOMAINS = ("web", "code", "math", "books", "news")
ALL = Selection(improving=False, above_chance=None, warmup=0.0)
SIZES, MIXES, STEPS, OUT = 6, 5, 3, 5  # OUT: runs of the largest size, held out
KNOT = 2.35


def truths(loss):
    """Scores ``(task, row)`` without noise at losses ``(row, domain)``."""
    code, math = loss[:, 1], loss[:, 2]
    return {
        "straight": 0.5 - 0.30 * (code - 2.5) - 0.20 * (math - 2.5),
        "saturating": 0.25 + 0.65 / (1.0 + np.exp(5.0 * (code - 2.3) + 2.0 * (math - 2.5))),
        "threshold": 0.20 + 0.60 * np.maximum(0.0, KNOT - code),
    }


def ladder(seed=5, noise=0.004, targets=0.0):
    """30 runs of 6 sizes and 5 mixtures, the largest size held out; ``targets`` is added to its scores."""
    rng = np.random.default_rng(seed)
    n = SIZES * MIXES
    level = np.repeat(np.arange(SIZES), MIXES)
    ends = 2.75 - 0.16 * level[:, None] + 0.12 * rng.standard_normal((n, len(DOMAINS)))
    loss = (ends[:, None, :] + np.array([0.25, 0.1, 0.0])[None, :, None]).reshape(-1, len(DOMAINS))
    run = np.repeat(np.arange(n), STEPS)
    params = 1e8 * 2.0 ** level[run]
    held = level[run] == SIZES - 1
    scores = {
        task: np.clip(y + noise * (rng.standard_normal(len(run)) + rng.standard_normal(n)[run]), 0.0, 1.0)
        for task, y in truths(loss).items()
    }
    columns = {
        "run": np.array([f"r{i:02}" for i in run], object),
        "params": params,
        "tokens": 20.0 * params * np.tile(np.arange(1, STEPS + 1) / STEPS, n),
        "held_out": held,
        **{f"loss/{d}": loss[:, i] for i, d in enumerate(DOMAINS)},
        **{f"score/{t}": np.where(held, np.clip(y + targets, 0.0, 1.0), y) for t, y in scores.items()},
    }
    chance = {"straight": 0.0, "saturating": 0.25, "threshold": 0.0}
    return build_runs(columns, tasks={t: Task(t, chance=c) for t, c in chance.items()}, source="by hand")


def losses(runs):
    return np.stack([runs.loss_of(d) for d in DOMAINS], axis=1)


def only(runs, task):
    i = runs.task_names.index(task)
    return replace(runs, tasks=(runs.tasks[i],), score=runs.score[:, [i]], stderr=runs.stderr[:, [i]])


@pytest.fixture(scope="module")
def runs():
    return ladder()


@pytest.fixture(scope="module")
def found(runs) -> Discovery:
    return discover(runs, jax.random.key(7), selection=ALL)


def reads(form):
    return {name for term in form.terms for name in term.names}


def kept(found: Discovery, task) -> Entry:
    (entry,) = [e for e in found.log if e.task == task and found.kept(e)]
    return entry


def error(found, runs):
    """Root mean square ``(task,)`` on the held-out targets, against the truth without noise."""
    x = losses(runs.targets())
    return np.sqrt(((found.predict(x) - np.array(list(truths(x).values())).T) ** 2).mean(0))


def test_a_straight_truth_in_two_of_five_domains(found, runs):
    form = found.forms["straight"]
    assert {"code", "math"} <= reads(form)
    params = found.params["straight"]
    direct = {t.names: float(s) for t, s in zip(form.terms, params["slopes"], strict=True) if t.kind == "domain"}
    assert direct[("code",)] / form.spread[1] == pytest.approx(-0.30, abs=0.05)
    assert direct[("math",)] / form.spread[2] == pytest.approx(-0.20, abs=0.05)
    assert error(found, runs)[0] < 0.01


def test_it_beats_the_average(found, runs):
    average = discover(runs, jax.random.key(7), rounds=1, proposer=in_average, selection=ALL)
    assert (error(found, runs) < 0.4 * error(average, runs)).all()


def in_average(history):
    return [Proposal(Expression((Term("average"),), history.domains), "the baseline")]


def test_a_saturating_truth_is_bent(found, runs):
    assert found.forms["saturating"].link in ("logit", "exponential")
    assert "code" in reads(found.forms["saturating"])
    assert error(found, runs)[1] < 0.02


def test_a_threshold_is_a_hinge(found, runs):
    form = found.forms["threshold"]
    hinges = [t for t in form.terms if t.kind == "hinge" and t.names == ("code",)]
    assert hinges
    assert "residuals have a bend at max(0, " in " ".join(e.because for e in found.log if e.task == "threshold")
    assert error(found, runs)[2] < 0.02


def test_the_log_says_why(found):
    assert {e.round for e in found.log} == {1, 2, 3}
    assert all(e.because for e in found.log)
    assert all(e.status.usable and np.isfinite(e.log_score) and e.stderr > 0 for e in found.log)
    text = str(found)
    for entry in found.log:
        assert entry.formula in text
        assert entry.because in text
    assert text.count("→") == len(found.forms) == 3
    start = next(e for e in found.log if e.task == "straight" and str(e.expression) == "c0 + c1·z(average)")
    trends = [f for f in start.findings if f.kind == "domain"]
    strongest = trends[0]
    assert strongest.term is not None
    assert strongest.term.names[0] in ("code", "math")
    assert "residuals have a trend with z(" in strongest.words
    assert f"{strongest.number:+.2f} points" in strongest.words
    rows = json.loads(found.to_json())["models"]
    assert rows == json.loads(json.dumps(found.table()))
    assert len(rows) == len(found.log)
    assert sum(r["kept"] for r in rows) == 3
    assert {"round", "task", "formula", "because", "log_score", "stderr", "findings"} <= rows[0].keys()


def test_no_model_is_tried_twice_and_the_kept_one_is_the_simplest_of_equals(found):
    for task in found.forms:
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
    assert again.forms == found.forms


def test_a_proposer_of_one_s_own(runs):
    seen: list[History] = []

    def mine(history: History):
        seen.append(history)
        if history.round == 1:
            return [Proposal(Expression((Term("domain", ("news",)),), history.domains), "a hunch")]
        assert "a hunch" in str(history)
        assert "residuals have a trend with z(code)" in str(history)
        return [Proposal(history.entries[0].expression, "again"), *propose(history)]

    found = discover(runs, jax.random.key(7), rounds=2, proposer=mine, selection=ALL)
    assert [(h.round, h.task.name) for h in seen] == [(r, t) for r in (1, 2) for t in runs.task_names]
    assert [len(h.entries) for h in seen] == [0, 0, 0, 1, 1, 1]
    assert seen[4].best is seen[4].entries[0]
    assert seen[0].loss.shape == ((SIZES * MIXES - OUT) * STEPS, len(DOMAINS))
    own = [e for e in found.log if e.task == "straight"]
    assert own[0].because == "a hunch"
    assert [e.round for e in own] == [1] + [2] * 5  # of the first six, the one tried before is passed over
    assert all(e.because != "again" for e in own)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "the proposer, task 'straight', round 1: it returned NoneType. Return a list of Proposal"),
        ("average", "it returned str"),
        ([], "it returned no proposal. Return at least one in the first round"),
        (["average"], "'average' is no proposal"),
        ([("average", "why not")], "is no proposal"),
        ([Proposal(Expression((Term("average"),), DOMAINS), "")], "comes without a reason"),
        ([Proposal(Expression((Term("domain", ("cod",)),), ("cod",)), "x")], "'cod'. Did you mean 'code'?"),
    ],
)
def test_a_proposer_that_returns_nonsense(runs, answer, message):
    with pytest.raises(InputError, match=re.escape(message)):
        discover(only(runs, "straight"), jax.random.key(7), proposer=lambda _: answer, selection=ALL)


def test_a_proposer_that_raises(runs):
    def broken(_):
        raise ConnectionError("no answer")

    with pytest.raises(ConnectionError, match="no answer"):
        discover(runs, jax.random.key(7), proposer=broken)


def test_a_fit_that_does_not_converge_is_logged_and_not_chosen(runs):
    logged = []

    def bent(history):
        logged.extend(history.entries)
        return [Proposal(Expression((Term("domain", ("code",)),), history.domains, "logit"), "bent")][
            history.round - 1 :
        ]

    with pytest.raises(InputError, match="task 'saturating' has no model: no fit converged"):
        discover(only(runs, "saturating"), jax.random.key(7), proposer=bent, selection=ALL, settings=Settings(steps=1))
    (entry,) = logged
    assert entry.status == Status.STEP_LIMIT
    assert entry.criticism is None
    assert "a fit did not converge: the step limit came before the optimum" in str(entry)
    assert entry.to_dict()["log_score"] is None


def test_refused(runs, found):
    key = jax.random.key(7)
    with pytest.raises(InputError, match=r"rounds is 0\. Give at least 1"):
        discover(runs, key, rounds=0)
    with pytest.raises(InputError, match=r"no loss domain 'cod'\. Did you mean 'code'"):
        discover(runs, key, domains=("cod",))
    with pytest.raises(InputError, match="5 loss domains, 3 tasks, 2 runs that are not held out"):
        discover(runs.only(["r00", "r01"]), key)
    with pytest.raises(InputError, match=r"the losses have shape \(4, 3\). Give columns web, code"):
        found.predict(np.ones((4, 3)))


def test_folds(runs):
    training = runs.training()
    folds = Folds.of(training, generator(jax.random.key(3), 0))
    assert not (folds.train & folds.test).any()
    assert (folds.test[~folds.rolling].sum(0) == 1).all()
    assert folds.rolling.sum() == 3
    for train, test, rolling in zip(folds.train, folds.test, folds.rolling, strict=True):
        assert not set(training.run[train]) & set(training.run[test])
        if rolling:
            assert training.flops[test].min() > training.flops[train].max()


def test_held_takes_a_run_for_one_fact():
    run = np.repeat(np.arange(13), 7)
    value = np.random.default_rng(2).standard_normal(13)
    held = Held.of(value[run][None], run, np.array([False]))
    assert held.mean == pytest.approx(value.mean())
    assert held.stderr == pytest.approx(value.std(ddof=1) / np.sqrt(13))


def test_the_critic_names_what_is_wrong(runs):
    """A fit with a sign turned round, beyond 1, and short of the largest runs."""
    training = runs.training()
    x, y = losses(training), training.score_of("straight")
    folds = Folds.of(training, generator(jax.random.key(3), 0))
    form = Expression((Term("domain", ("code",)), Term("domain", ("web",))), DOMAINS).centred(x)
    slopes = np.array([-0.06, 0.04])
    predicted = np.tile(y - 0.05 * (x[:, 1] < 2.3), (len(folds.train) + 1, 1))
    predicted[1, folds.test[0]] = 1.2
    params = {"constant": np.asarray(0.5), "slopes": slopes}
    said = criticise(form, params, x, y, training.run, np.ones(len(y), bool), predicted, folds)
    by_kind = {f.kind: f for f in said.findings}
    assert "the score rises with the loss of web, by 4.0 points per s.d." in by_kind["sign"].words
    assert "below chance or above 1" in by_kind["bounds"].words
    assert "the largest runs, held out, are under-predicted by" in by_kind["top"].words
    assert by_kind["top"].number > 0
