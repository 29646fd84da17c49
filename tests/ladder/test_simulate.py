"""The simulated ladder: its truth can be read back, and its noise is what it says."""

import re

import numpy as np
import pytest

from flpjax.errors import InputError
from flpjax.ladder.simulate import DESCENT, LADDER, RUN_NOISE, TASKS, simulate_ladder


@pytest.fixture(scope="module")
def exact():
    return simulate_ladder(noise=0)


def test_least_squares_on_exact_finals_recovers_eq_1(exact):
    finals = exact.runs.training().finals()
    x = np.stack([np.log(finals.flops), np.ones(12)], 1)
    (alpha, level), *_ = np.linalg.lstsq(x, np.log(finals.loss), rcond=None)
    np.testing.assert_allclose(alpha, exact.truth.alpha_n, rtol=1e-9)
    np.testing.assert_allclose(-level / alpha, np.log(exact.truth.c_n), rtol=1e-9)


def test_least_squares_on_exact_checkpoints_recovers_eq_2(exact):
    runs, truth = exact.runs.training(), exact.truth
    for i, task in enumerate(runs.task_names):
        emerged = runs.loss_of("general") < truth.threshold[i]
        x = np.stack([np.ones(emerged.sum()), runs.loss_of("general")[emerged]], 1)
        w, *_ = np.linalg.lstsq(x, runs.score_of(task)[emerged], rcond=None)
        np.testing.assert_allclose(w, [truth.w0[i], truth.w1[i]], rtol=1e-9)
        np.testing.assert_array_equal(runs.score_of(task)[~emerged], truth.chance[i])


def test_hinge_by_hand(exact):
    truth = exact.truth
    np.testing.assert_allclose(truth.w0 + truth.w1 * truth.threshold, truth.chance, atol=1e-15)
    # HellaSwag: chance .25 above 2.95, then .62 a nat.
    hellaswag = exact.runs.task_names.index("hellaswag")
    np.testing.assert_allclose(truth.score_at([3.5, 2.95, 2.45])[:, hellaswag], [0.25, 0.25, 0.56])


def test_truth_at_any_compute(exact):
    finals, truth = exact.runs.finals(), exact.truth
    np.testing.assert_allclose(truth.loss(finals.flops), finals.loss, rtol=1e-12)
    np.testing.assert_allclose(truth.score(finals.flops), finals.score, rtol=1e-12)
    assert truth.loss(1e21).shape == (5,)
    assert truth.score(np.full((2, 3), 1e21)).shape == (2, 3, 6)
    assert (truth.score(9e24) < 1).all()
    with pytest.raises(ValueError, match="read-only"):
        truth.c_n[0] = 1.0


def test_ladder_is_the_papers(exact):
    runs = exact.runs
    assert runs.source == "simulated ladder (seed 0)"
    assert runs.names == tuple(LADDER)
    assert runs.targets().names == ("7B", "13B")
    assert runs.task_names == tuple(TASKS)
    assert len(runs) == 14 * 30
    assert runs.notes == ()
    np.testing.assert_allclose(runs.finals().flops[[0, 11, 13]], [3.70504e17, 9.63212e21, 9.89592e22], rtol=1e-3)
    general = exact.truth.loss([4e17, 1e23])[:, 0]
    np.testing.assert_allclose(general, [3.5, 2.1], atol=0.02)


def test_checkpoints_sit_above_the_converged_curve(exact):
    runs = exact.runs
    above = runs.loss / exact.truth.loss(runs.flops)
    assert (above[~runs.final] > 1).all()
    np.testing.assert_allclose(above[runs.final], 1.0, rtol=1e-12)
    one = runs.only("1B")
    np.testing.assert_allclose(one.loss[0] / one.loss[-1], 30**DESCENT)
    assert (np.diff(one.train_loss) < 0).all()


def test_scores_are_realistic(exact):
    at_13b = dict(zip(exact.runs.task_names, exact.runs.only("13B").finals().score[0], strict=True))
    assert at_13b["hellaswag"] == pytest.approx(0.78, abs=0.01)
    assert at_13b["humaneval"] == pytest.approx(0.35, abs=0.01)
    sampling = exact.runs.training().finals()
    emerged = (sampling.score >= exact.truth.chance + 0.05).sum(0)
    assert (emerged >= 3).all()
    late = sampling.flops > 4.5e20  # figure 1: most benchmarks emerge there
    assert (emerged == late.sum()).sum() >= 4


def test_same_seed_same_table():
    one, two, other = simulate_ladder(7), simulate_ladder(7), simulate_ladder(8)
    for name in ("loss", "score", "stderr", "train_loss", "flops"):
        np.testing.assert_array_equal(getattr(one.runs, name), getattr(two.runs, name))
    assert (one.runs.loss != other.runs.loss).all()


def test_a_run_does_not_depend_on_the_others():
    few = simulate_ladder(3, sizes=["7B", "0.5B", "1B", "3B"])
    assert few.runs.names == ("0.5B", "1B", "3B", "7B")
    assert few.runs.targets().names == ("7B",)
    np.testing.assert_array_equal(few.runs.score, simulate_ladder(3).runs.only(few.runs.names).score)


def test_noise_of_runs_and_of_questions():
    sims = [simulate_ladder(seed, checkpoints=2, sizes=["3B"]) for seed in range(400)]
    truth = sims[0].truth
    finals = [s.runs.finals() for s in sims]
    log_ratio = np.log([f.loss[0] / truth.loss(f.flops[0]) for f in finals])
    assert log_ratio.std() == pytest.approx(RUN_NOISE, rel=0.1)
    np.testing.assert_allclose(log_ratio.mean(0), 0.0, atol=4 * RUN_NOISE / 20)
    # HumanEval: 164 questions outweigh all other noise, so the quoted standard error is the spread.
    i = list(TASKS).index("humaneval")
    score = np.array([f.score[0, i] for f in finals])
    assert score.std() == pytest.approx(np.mean([f.stderr[0, i] for f in finals]), rel=0.15)
    np.testing.assert_allclose(score * 164, np.round(score * 164), atol=1e-9)


def test_options():
    small = simulate_ladder(noise=0.5, questions={"bbh": 13}, checkpoints=3, sizes=["43M", "3B"])
    assert len(small.runs) == 6
    assert [t.questions for t in small.runs.tasks][:2] == [4 * 1172, 4 * 13]
    assert simulate_ladder(noise=0, sizes=["3B"]).runs.tasks[0].questions is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "simulate_ladder: the seed is -1. Give 0 or more"),
        ({"noise": -0.1}, "the noise is -0.1. Give 0 (exact) or a scale from 1e-6 to 5"),
        ({"noise": np.nan}, "the noise is nan"),
        ({"checkpoints": 0}, "0 checkpoints a run. Give a whole number, 1 at least"),
        ({"questions": {"bbh": 1}}, "a test set of fewer than 2 questions. Give at least 2"),
        ({"questions": {"bhb": 9}}, "there is no task 'bhb'. Did you mean 'bbh'?"),
        ({"sizes": ["3b"]}, "there is no size '3b'. Did you mean '3B'?"),
        ({"sizes": []}, "there are no sizes. Name at least one"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        simulate_ladder(**options)
