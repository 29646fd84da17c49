"""The simulated mixtures: the truth can be read back, its best mixture is where it says, and scores need all losses."""

import re

import numpy as np
import pytest
from scipy.optimize import brentq, least_squares, minimize_scalar

from flpjax.errors import InputError
from flpjax.ladder.mixture_truth import AFFINITY, DOMAINS, TASKS
from flpjax.ladder.simulate import simulate_ladder
from flpjax.ladder.simulate_mixtures import simulate_mixtures
from flpjax.ladder.simulate_noise import DESCENT, RUN_NOISE

COMPUTE = {"1B": 9.76e20, "3B": 9.63e21, "7B": 5.09e22}


@pytest.fixture(scope="module")
def exact():
    return simulate_mixtures(noise=0)


@pytest.fixture(scope="module")
def truths():
    return {(o, n): simulate_mixtures(optimum=o, sources=n, checkpoints=1).truth for o in AFFINITY for n in (2, 3)}


def by_code(code):
    return np.stack([1 - np.asarray(code), np.asarray(code)], -1)


def test_design_is_the_papers(exact):
    runs = exact.runs
    assert runs.source == "simulated mixtures (seed 0)"
    assert runs.notes == ()
    assert runs.sources == ("general", "code")
    assert runs.domains == tuple(DOMAINS)
    assert runs.task_names == tuple(TASKS)
    ratios = ("0", "0.1", "0.2", "0.3", "0.4", "0.5")
    sizes = ("0.12B", "0.2B", "0.32B", "0.5B", "0.72B", "1B")
    assert runs.training().names == (*(f"{s}-code{r}" for s in sizes for r in ratios), "3B-code0.3")
    assert runs.targets().names == (*(f"3B-code{r}" for r in ratios if r != "0.3"), "7B-code0.3")
    assert len(runs) == (37 + 6) * 30
    finals = runs.finals()
    code = [float(name.split("code")[1]) for name in runs.names]
    np.testing.assert_allclose(finals.mix, by_code(code), atol=1e-15)
    ladder = simulate_ladder(noise=0, sizes=["0.12B", "7B"]).runs.finals()
    for name in ("params", "tokens", "flops"):
        np.testing.assert_array_equal(getattr(finals, name)[[0, -1]], getattr(ladder, name))


def test_truth_at_any_compute_and_mixture(exact):
    finals, truth = exact.runs.finals(), exact.truth
    np.testing.assert_allclose(truth.loss(finals.flops, finals.mix), finals.loss, rtol=1e-12)
    np.testing.assert_allclose(truth.score(finals.flops, finals.mix), finals.score, rtol=1e-12)
    np.testing.assert_allclose(truth.reads.sum(1), 1.0)
    assert truth.loss(1e21, [0.7, 0.3]).shape == (5,)
    assert truth.loss(np.full(3, 1e21), [0.7, 0.3]).shape == (3, 5)
    assert truth.score(np.full((2, 3), 1e21), by_code(np.zeros((2, 3)))).shape == (2, 3, 6)
    with pytest.raises(ValueError, match="read-only"):
        truth.affinity[0] = 1.0


def test_truth_by_hand(exact):
    # Code at 5.6e18 FLOPs of code only: one reducible nat and .3 that stay.
    assert exact.truth.loss(5.6e18, [0.0, 1.0])[1] == pytest.approx(1.3)
    # HumanEval at its midpoint: half of its top of .85, as chance is 0; k·(top − chance)/4 a nat there.
    i = list(TASKS).index("humaneval")
    assert exact.truth.score_at(np.full(5, 1.01))[i] == pytest.approx(0.425)
    slope = (exact.truth.score_at(np.full(5, 1.011)) - exact.truth.score_at(np.full(5, 1.009)))[i] / 0.002
    assert slope == pytest.approx(-6.6 * 0.85 / 4, rel=1e-5)


@pytest.mark.parametrize("domain", range(5))
def test_least_squares_on_exact_finals_recovers_the_form(exact, domain):
    finals, truth = exact.runs.training().finals(), exact.truth
    compute = finals.flops[:, None] * finals.mix

    def residual(p):  # E, log of worth per FLOP of each source, α
        return p[0] + np.exp(p[3] * np.log(compute @ np.exp(p[1:3]))) - finals.loss[:, domain]

    worth = np.log(truth.affinity[domain] / truth.scale[domain])
    known = np.array([truth.irreducible[domain], *worth, truth.exponent[domain]])
    found = least_squares(residual, known * [0.8, 1.02, 0.99, 1.2], x_scale=[0.1, 1, 1, 0.01], xtol=1e-15, ftol=1e-15)
    np.testing.assert_allclose(found.x, known, rtol=1e-4)


def test_checkpoints_sit_above_the_converged_curve(exact):
    runs, truth = exact.runs, exact.truth
    one = runs.only("1B-code0.2")
    np.testing.assert_allclose(one.loss[0] / one.loss[-1], 30**DESCENT)
    np.testing.assert_allclose(truth.score_at(runs.loss), runs.score, rtol=1e-12)
    np.testing.assert_allclose(one.train_loss, 0.99 * one.loss[:, :2] @ [0.8, 0.2], rtol=1e-12)
    above = runs.loss / truth.loss(runs.flops, runs.mix)
    assert (above[~runs.final] > 1).all()


def test_losses_and_scores_are_realistic(exact, truths):
    truth = exact.truth
    np.testing.assert_allclose(truth.loss([4e17, 1e23], [0.7, 0.3])[:, 0], [3.5, 2.1], atol=0.03)
    code = np.linspace(0, 0.5, 6)
    change = truth.loss(1e21, by_code(code[-1])) / truth.loss(1e21, by_code(code[0])) - 1
    assert change[1] < -0.12  # code, strongly
    assert ((change[[2, 3]] < -0.005) & (change[[2, 3]] > -0.05)).all()  # math and paper, moderately
    assert ((change[[0, 4]] > 0.01) & (change[[0, 4]] < 0.05)).all()  # general and Wikipedia, a little worse
    sampling = exact.runs.training().finals()
    assert ((sampling.score >= truth.chance + 0.05).sum(0) >= 12).all()
    for (_, n), any_truth in truths.items():
        corners = any_truth.score(np.array([1e15, 1e22, 1e30])[:, None], np.eye(n))
        assert ((corners >= any_truth.chance) & (corners <= any_truth.top)).all()


@pytest.mark.parametrize("size", COMPUTE)
@pytest.mark.parametrize("optimum", AFFINITY)
def test_optimum_is_where_promised(truths, optimum, size):
    truth, c = truths[optimum, 2], COMPUTE[size]
    best = truth.best_mix(c)
    assert best.sum() == pytest.approx(1.0, abs=1e-12)
    gain = truth.mean_score(c, best) - truth.mean_score(c, by_code(np.linspace(0, 1, 10_001)))
    assert gain.min() > -1e-15
    assert 0.01 < gain[:5001].max() < 0.03  # ratios to .5 are worth a point or two
    if optimum == "inside":
        assert 0.2 < best[1] < 0.3
        found = minimize_scalar(lambda r: -truth.mean_score(c, by_code(r)), bounds=(0, 1), options={"xatol": 1e-10})
        assert best[1] == pytest.approx(found.x, abs=1e-6)
        assert min(gain[round(best[1] * 1e4) + step] for step in (-1000, 1000)) > 0.0005
    else:
        assert best.tolist() == [1.0, 0.0]
        assert gain[1000] > 0.0015  # the face pushes back: the score falls from the first bit of code
        assert gain[1] > 0


@pytest.mark.parametrize("optimum", AFFINITY)
def test_optimum_of_three_sources(truths, optimum):
    truth, c = truths[optimum, 3], COMPUTE["1B"]
    best = truth.best_mix(c)
    code, math = (v.ravel() for v in np.meshgrid(*[np.linspace(0, 1, 401)] * 2))
    grid = np.stack([1 - code - math, code, math], 1)[code + math <= 1]
    scores = truth.mean_score(c, grid)
    assert truth.mean_score(c, best) >= scores.max()
    np.testing.assert_allclose(best, grid[scores.argmax()], atol=0.005)
    assert best[2] > 0.1
    assert best[1] > 0.1 if optimum == "inside" else best[1] == 0.0
    # Stationary along the free directions, to the 1e-6 promised.
    for way in [(-1, 0, 1), (-1, 1, 0)][: 2 if optimum == "inside" else 1]:
        line = minimize_scalar(
            lambda t, way=way: -truth.mean_score(c, best + t * np.array(way)),
            bounds=(-0.05, 0.05),
            options={"xatol": 1e-10},
        )
        assert line.x == pytest.approx(0.0, abs=1e-6)


def test_best_mix_of_some_tasks(truths):
    truth, c = truths["inside", 2], COMPUTE["7B"]
    grid = by_code(np.linspace(0, 1, 100_001))
    for tasks, weights in (
        (["race"], None),
        (["arc_challenge"], None),
        (["humaneval", "race"], [1.0, 3.0]),
        (None, [0, 1, 0, 0, 0, 2]),
    ):
        index = [list(TASKS).index(t) for t in tasks or TASKS]
        mean = np.average(truth.score(c, grid)[:, index], axis=1, weights=weights)
        np.testing.assert_allclose(truth.mean_score(c, grid, tasks, weights), mean, rtol=1e-12)
        np.testing.assert_allclose(truth.best_mix(c, tasks, weights), grid[mean.argmax()], atol=1.1e-5)
    assert truth.best_mix(c, ["race"]).tolist() == [1.0, 0.0]
    assert truth.best_mix(c, ["arc_challenge"])[1] > 0.25


def test_best_mix_at_the_other_corner(truths):
    code_only = np.array([[0, 1.0, 0, 0, 0]] * 6)  # every task reads the loss of code, which more code always lowers
    truth = truths["inside", 2]
    other = type(truth)(**{**vars(truth), "reads": code_only})
    np.testing.assert_array_equal(other.best_mix(1e21), [0.0, 1.0])


def test_the_average_loss_does_not_determine_scores(truths):
    truth, c = truths["inside", 2], COMPUTE["7B"]

    def average(code):
        return truth.loss(c, by_code(code)).mean()

    other = brentq(lambda code: average(code) - average(0.5), 0.0, 0.25)
    score, score_other = truth.score(c, by_code(np.array([0.5, other])))
    assert average(other) == pytest.approx(average(0.5), abs=1e-12)
    assert abs(score - score_other).max() > 0.04
    assert abs(score - score_other).mean() > 0.02
    assert np.linalg.matrix_rank(truth.reads) == 5


def test_same_seed_same_table():
    one, two, other = (simulate_mixtures(seed, checkpoints=3) for seed in (7, 7, 8))
    for name in ("loss", "score", "stderr", "train_loss", "flops", "mix"):
        np.testing.assert_array_equal(getattr(one.runs, name), getattr(two.runs, name))
    assert (one.runs.loss != other.runs.loss).all()


def test_a_run_does_not_depend_on_the_others():
    everything = simulate_mixtures(3, checkpoints=3).runs
    few = simulate_mixtures(3, checkpoints=3, sizes=["7B", "3B", "0.2B"], ratios=[0.3, 0.1 + 0.2, 0.25, 0]).runs
    assert few.names == tuple(f"{s}-code{r}" for s in ("0.2B", "3B", "7B") for r in ("0", "0.25", "0.3"))
    assert few.training().names == ("0.2B-code0", "0.2B-code0.25", "0.2B-code0.3", "3B-code0.3")
    shared = [name for name in few.names if name in everything.names]
    assert len(shared) == 5
    for name in ("loss", "score", "train_loss", "mix", "held_out"):
        np.testing.assert_array_equal(getattr(few.only(shared), name), getattr(everything.only(shared), name))
    # No two runs share their noise, those of the ladder with one mixture included.
    ladder = simulate_ladder(3, checkpoints=3).runs.finals()
    truth = simulate_mixtures().truth
    finals = everything.finals()
    factor = np.concatenate([finals.loss / truth.loss(finals.flops, finals.mix), ladder.loss / ladder.loss.mean()])
    assert len(np.unique(factor[:, 0].round(12))) == 43 + 14
    three = simulate_mixtures(3, checkpoints=3, sizes=["0.2B"], sources=3, ratios=[(0.3, 0), (0.1, 0.2)]).runs
    assert three.names == ("0.2B-code0.1-math0.2", "0.2B-code0.3-math0")


def test_noise_of_runs_and_of_questions():
    sims = [simulate_mixtures(seed, checkpoints=1, sizes=["3B"], ratios=[0.3]) for seed in range(400)]
    truth, finals = sims[0].truth, [s.runs.finals() for s in sims]
    log_ratio = np.log([f.loss[0] / truth.loss(f.flops[0], f.mix[0]) for f in finals])
    assert log_ratio.std() == pytest.approx(RUN_NOISE, rel=0.1)
    np.testing.assert_allclose(log_ratio.mean(0), 0.0, atol=4 * RUN_NOISE / 20)
    # HumanEval: 164 questions outweigh all other noise, so the quoted standard error is the spread.
    i = list(TASKS).index("humaneval")
    score = np.array([f.score[0, i] for f in finals])
    assert score.std() == pytest.approx(np.mean([f.stderr[0, i] for f in finals]), rel=0.15)
    np.testing.assert_allclose(score * 164, np.round(score * 164), atol=1e-9)


def test_scores_of_noisy_runs_are_fractions():
    for optimum in AFFINITY:
        runs = simulate_mixtures(5, noise=5, checkpoints=7, optimum=optimum).runs
        assert ((runs.score >= 0) & (runs.score <= 1)).all()


def test_options():
    small = simulate_mixtures(noise=0.5, questions={"bbh": 13}, checkpoints=3, sizes=["43M", "13B"])
    assert len(small.runs.names) == 6 + 1
    assert small.runs.targets().names == ("13B-code0.3",)
    assert [t.questions for t in small.runs.tasks][:2] == [4 * 1172, 4 * 13]
    three = simulate_mixtures(noise=0, checkpoints=2, sources=3)
    assert three.runs.sources == ("general", "code", "math")
    assert len(three.runs.training().names) == 6 * 10 + 1
    assert three.runs.targets().names[-1] == "7B-code0.15-math0.15"
    finals = three.runs.finals()
    np.testing.assert_allclose(three.truth.loss(finals.flops, finals.mix), finals.loss, rtol=1e-12)
    all_code = simulate_mixtures(noise=0, sizes=["3B"], ratios=[1.0]).runs
    np.testing.assert_array_equal(all_code.mix[0], [0.0, 1.0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "simulate_mixtures: the seed is -1. Give 0 or more"),
        ({"noise": np.nan}, "the noise is nan. Give 0 (exact) or a scale from 1e-6 to 5"),
        ({"checkpoints": 0}, "0 checkpoints a run. Give a whole number, 1 at least"),
        ({"questions": {"bhb": 9}}, "there is no task 'bhb'. Did you mean 'bbh'?"),
        ({"sizes": ["3b"]}, "there is no size '3b'. Did you mean '3B'?"),
        ({"sizes": []}, "there are no sizes. Name at least one"),
        ({"ratios": 0.3}, "the ratios are one number, 0.3. Give a list, as [0.3]"),
        ({"ratios": []}, "there are no ratios. Name at least one"),
        ({"ratios": [0.1, 30]}, "the ratio 30 is no share. Give 0 to 1, as 0.3 for 30 %"),
        ({"ratios": [-0.1]}, "the ratio -0.1 is no share"),
        ({"ratios": [np.nan]}, "the ratio nan is no share"),
        ({"ratios": [(0.1, 0.2)]}, "the ratio (0.1, 0.2) is no share of code. Give 1 number"),
        ({"ratios": [0.1], "sources": 3}, "the ratio 0.1 is no share of code and math. Give 2 numbers"),
        ({"ratios": [(0.6, 0.6)], "sources": 3}, "the ratio (0.6, 0.6) is no share"),
        ({"optimum": "insde"}, "there is no optimum 'insde'. Did you mean 'inside'?"),
        ({"sources": 4}, "4 sources. Give 2 (general, code) or 3 (general, code, math)"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        simulate_mixtures(**options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: t.loss(0.0, [0.7, 0.3]), "MixtureTruth: FLOPs are not positive and finite"),
        (lambda t: t.loss(1e21, [0.7, 0.2]), "the weights are no mixture. Give shares of general, code that sum to 1"),
        (lambda t: t.loss(1e21, [1.1, -0.1]), "the weights are no mixture"),
        (lambda t: t.loss(1e21, 0.3), "the weights are no mixture"),
        (lambda t: t.loss(1e21, [0.5, 0.3, 0.2]), "the weights are no mixture"),
        (lambda t: t.best_mix(1e21, ["bhb"]), "there is no task 'bhb'. Did you mean 'bbh'?"),
        (lambda t: t.best_mix(1e21, []), "the task weights can't weigh 0 tasks"),
        (lambda t: t.best_mix(1e21, ["bbh"], [1, 2]), "the task weights can't weigh 1 task. Give a number a task"),
        (lambda t: t.best_mix(1e21, ["bbh"], [0]), "none negative and not all 0"),
        (lambda t: t.best_mix([1e21, 1e22]), "best_mix takes one compute"),
    ],
)
def test_truth_refuses(truths, call, message):
    with pytest.raises(InputError, match=re.escape(message)):
        call(truths["inside", 2])
