"""Folds, the held-out score, and the critic, on fits whose faults are known."""

import jax
import numpy as np
import pytest

from flpjax.fitting.discovery.critic import criticise
from flpjax.fitting.discovery.folds import Folds, Held, Sample
from flpjax.laws.grammar import Expression, Term
from flpjax.numerics import generator
from tests.fitting.known_scores import DOMAINS, ladder, losses


@pytest.fixture(scope="module")
def runs():
    return ladder()


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
    law = Expression((Term("domain", ("code",)), Term("domain", ("web",))), DOMAINS).centred(x)
    slopes = np.array([-0.06, 0.04])
    predicted = np.tile(y - 0.05 * (x[:, 1] < 2.3), (len(folds.train) + 1, 1))
    predicted[1, folds.test[0]] = 1.2
    params = {"constant": np.asarray(0.5), "slopes": slopes}
    sample = Sample(training.tasks[0], x, y, training.run, np.ones(len(y), bool), folds)
    said = criticise(law, params, sample, predicted)
    by_kind = {f.kind: f for f in said.findings}
    assert "score rises with loss of web, +4.00 points (t = " in by_kind["sign"].words
    assert "below chance or above 1" in by_kind["bounds"].words
    assert "largest runs, held out, under-predicted by" in by_kind["top"].words
    assert by_kind["top"].number > 0
