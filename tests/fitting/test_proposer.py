"""Proposers of one's own, and the built-in one: what they are told, and what is refused of what they say."""

import re
from dataclasses import replace

import jax
import pytest

from flpjax.engine.settings import Settings, Status
from flpjax.errors import InputError
from flpjax.fitting.discovery.discovery import discover
from flpjax.fitting.discovery.history import History, Proposal
from flpjax.fitting.discovery.proposer import propose
from flpjax.laws.grammar import Expression, Term
from tests.fitting.known_scores import ALL, DOMAINS, MIXES, OUT, SIZES, STEPS, ladder


def only(runs, task):
    i = runs.task_names.index(task)
    return replace(runs, tasks=(runs.tasks[i],), score=runs.score[:, [i]], stderr=runs.stderr[:, [i]])


@pytest.fixture(scope="module")
def runs():
    return ladder()


def test_a_proposer_of_one_s_own(runs):
    seen: list[History] = []

    def mine(history: History):
        seen.append(history)
        if history.round == 1:
            return [Proposal(Expression((Term("domain", ("news",)),), history.domains), "a hunch")]
        assert "a hunch" in str(history)
        assert "trend with z(code)" in str(history)
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
