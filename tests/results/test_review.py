"""Every check of a review reaches PASS, REVIEW and FAIL; one line if all pass."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from flpjax.datasets import ladder
from flpjax.engine.settings import Status
from flpjax.fitting.diagnostics import Sampling
from flpjax.fitting.validation import RollingValidation
from flpjax.ladder.simulate_mixtures import simulate_mixtures
from flpjax.ladder.tasks import Task
from flpjax.methods.method import Prediction
from flpjax.results.forecast import Interval, forecast
from flpjax.results.ladder_checks import (
    check_audit,
    check_distance,
    check_emergence,
    check_horizon,
    check_mixtures,
    check_reruns,
    check_runs,
    check_widths,
)
from flpjax.results.review import (
    check_failures,
    check_fits,
    check_misfit,
    finding_of,
    review,
)
from flpjax.results.target import Target, targets_of
from flpjax.results.verdicts import Finding, Review, Verdict

PASS, REVIEW, FAIL = Verdict


def remedied(finding, verdict, figure=""):
    """A finding that is as it should be, and says what to do if it is not good."""
    assert finding.verdict == verdict, finding
    assert (finding.remedy != "") == (verdict != PASS), finding
    assert figure in finding.figure


def by_sampling(sampling):
    return [finding_of(d) for d in Sampling.diagnostics(sampling)]


def by_past(draws):
    return finding_of(draws.diagnostics[-1])


def losses(runs, steps=2):
    return {"general": np.linspace(3.5, 2.5, runs * steps).reshape(runs, steps)}


@pytest.mark.parametrize(("runs", "verdict"), [(8, PASS), (7, REVIEW), (5, REVIEW), (4, FAIL)])
def test_runs(table, runs, verdict):
    remedied(check_runs(table(losses(runs), {})), verdict, f"{runs} finished runs")


@pytest.mark.parametrize(
    ("loss", "score", "verdict"),
    [(0.005, 0.01, PASS), (0.02, 0.0, REVIEW), (0.0, 0.07, REVIEW), (0.05, 0.0, FAIL), (0.02, 0.2, FAIL)],
)
def test_reruns(table, loss, score, verdict):
    general, scores = losses(4)["general"], np.full((4, 2), 0.4)
    general[3] = general[2] * (1 + loss)
    scores[3] += score
    same = {"params": np.repeat([1e7, 2e7, 4e7, 4e7], 2), "tokens": np.repeat([1e9, 2e9, 4e9, 4e9], 2)}
    same["tokens"] *= np.tile([0.5, 1.0], 4)
    finding = check_reruns(table({"general": general}, {"race": scores}, **same))
    remedied(finding, verdict, "1 pair" if verdict == PASS else "'r3' and 'r2' differ: loss/general")


def test_small_reruns_that_disagree_are_to_be_looked_at(table):
    """Issue 14, A.8 and A.9: what both have is printed, and noise of small runs is not fatal, an error of them is."""
    same = {"params": np.repeat([1e7, 1e7, 4e7, 8e7, 16e7], 2), "tokens": np.repeat([1e9, 1e9, 4e9, 8e9, 16e9], 2)}
    same["tokens"] *= np.tile([0.5, 1.0], 5)
    for factor, verdict in ((1.13, REVIEW), (59.49 / 3.82, FAIL)):
        general = np.repeat([3.82, 3.82 * factor, 3.3, 2.9, 2.6], 2).reshape(5, 2)
        finding = check_reruns(table({"general": general}, {}, **same))
        remedied(finding, verdict, f"loss/general {3.82 * factor:.4g} against 3.82")
        assert "%" not in finding.figure


def test_the_demo_does_not_fail_by_the_noise_of_its_small_runs():
    runs = ladder().at_mix({"code": 0.3}).training()
    remedied(check_reruns(runs), REVIEW, "'0.44M-code0.3-seed1' and '0.44M-code0.3' differ: loss/")
    assert all(finding.verdict == PASS for finding in check_audit(runs))


@pytest.mark.parametrize(("width", "verdict"), [(1.1, PASS), (2.0, REVIEW), (1e30, FAIL)])
def test_interval_widths(table, width, verdict):
    """A bound of 1350512848309352333295927427072 is no forecast (issue 14, A.3)."""
    ahead = SimpleNamespace(
        targets=[Target("big", flops=1e20)],
        loss=[{"c4": Interval(2.0, 2.0 / width, 2.0)}],
        score=[{"t": Interval(0.5, 0.4, 0.6)}],
    )
    runs = table(losses(4), {"t": np.full((4, 2), 0.4)}, (Task("t", chance=0.25),))
    (finding,) = check_widths(ahead, runs)
    remedied(finding, verdict, "" if verdict == PASS else "'loss/c4' of 'big'")
    ahead.score = [{"t": Interval(0.72, 0.06, 1.0)}]
    (finding,) = check_widths(ahead, runs)
    assert finding.verdict != PASS


def test_no_reruns(table):
    remedied(check_reruns(table(losses(4), {})), PASS, "no reruns")


@pytest.mark.parametrize(("ratios", "verdict"), [((0.1, 0.2, 0.5), PASS), ((0.1, 0.5), REVIEW), ((0.3,), FAIL)])
def test_mixtures(ratios, verdict):
    runs = simulate_mixtures(1, sizes=["0.12B", "0.2B"], ratios=ratios, checkpoints=3).runs.training()
    draws = SimpleNamespace(model=SimpleNamespace(sources=runs.sources))
    (finding,) = check_mixtures(draws, runs)
    remedied(finding, verdict, f"{len(ratios)} mixture")


@pytest.mark.parametrize(
    ("ratios", "asked", "verdict"),
    [((0.3,), 0.3, PASS), ((0.3,), 0.8, FAIL), ((0.3,), None, REVIEW), ((0.1, 0.5), 0.5, REVIEW)],
)
def test_mixtures_that_a_method_is_blind_to(ratios, asked, verdict):
    """``auto`` on a single mixture has no law of mixtures: what another mixture does is not in any interval."""
    runs = simulate_mixtures(1, sizes=["0.12B", "0.2B"], ratios=ratios, checkpoints=3).runs.training()
    mix = None if asked is None else dict(zip(runs.sources, (1 - asked, asked), strict=True))
    if mix is not None and runs.sources[0] == "code":
        mix = dict(zip(runs.sources, (asked, 1 - asked), strict=True))
    draws = SimpleNamespace(model=SimpleNamespace(sources=()))
    (finding,) = check_mixtures(draws, runs, [Target("big", params=7e9, tokens=1e12, mix=mix)])
    remedied(finding, verdict)


def test_without_sources_there_are_no_mixtures(table):
    assert not list(check_mixtures(SimpleNamespace(model=SimpleNamespace(sources=())), table(losses(4), {})))


@pytest.mark.parametrize(("best", "verdict"), [((0.4, 0.5), PASS), ((0.26, 0.5), REVIEW), ((0.26, 0.25), FAIL)])
def test_emergence(table, best, verdict):
    scores = {name: np.linspace(0.2, value, 8).reshape(4, 2) for name, value in zip("ab", best, strict=True)}
    runs = table(losses(4), scores, tuple(Task(name, chance=0.25) for name in "ab"))
    (finding,) = check_emergence(runs)
    remedied(finding, verdict, "2 tasks above chance" if verdict == PASS else "'a' (best 26, chance 25)")


def test_no_tasks_no_emergence(table):
    assert not list(check_emergence(table(losses(4), {})))


def with_status(draws, stage, status):
    fit = draws.fits[stage]
    return replace(draws, fits=draws.fits | {stage: replace(fit, status=status)})


def test_fits(staged):
    remedied(check_fits(staged), PASS, "8 fits converged")
    fit = staged.fits["loss"]
    open_ = replace(fit, condition=np.full_like(fit.condition, 1e12))
    remedied(check_fits(replace(staged, fits=staged.fits | {"loss": open_})), REVIEW, "undetermined")
    one = fit.status.copy()
    one[0] = Status.ALL_FAILED
    failed = with_status(staged, "loss", one)
    remedied(check_fits(failed), FAIL, "not converged: loss 'general'")
    validation = RollingValidation(5, 9, 0.5, 0.9, (), {})
    remedied(check_fits(replace(failed, validation=validation)), REVIEW), "a blend has others"
    every = with_status(failed, "loss", np.full_like(one, Status.ALL_FAILED))
    every = with_status(every, "score", np.full_like(staged.fits["score"].status, Status.ALL_FAILED))
    remedied(check_fits(replace(every, validation=validation)), FAIL)


@pytest.mark.parametrize(("lost", "verdict"), [(0, PASS), (1, REVIEW), (5, FAIL)])
def test_draws_without_a_forecast(staged, noisy, lost, verdict):
    def seven(values, spoilt=False):
        values = np.repeat(np.asarray(values), 7, axis=0)
        values[: lost * spoilt, 0] = np.nan
        return values

    params = {s: {k: seven(v, s == "score") for k, v in own.items()} for s, own in staged.params.items()}
    draws = replace(staged, params=params, kind="bootstrap")
    finding = check_failures(draws, forecast(draws, targets_of(noisy.runs.training().finals())))
    remedied(finding, verdict, "'bbh'" if lost else "7 draws, at most 0% fail")


def sampled(draws, rhat=1.003, ess=900.0, broken=0):
    diverging = np.arange(1000).reshape(4, 250) < broken
    forecasts = SimpleNamespace(rhat=np.array([[1.0, rhat]]), ess=np.array([[5000.0, ess]]))
    return replace(
        draws, sampling=SimpleNamespace(method="nuts", chained=True, forecasts=forecasts, diverging=diverging, khat={})
    )


@pytest.mark.parametrize(
    ("name", "how", "verdict"),
    [
        ("R-hat", {}, PASS),
        ("R-hat", {"rhat": 1.03}, REVIEW),
        ("R-hat", {"rhat": 1.2}, FAIL),
        ("R-hat", {"rhat": np.nan}, FAIL),
        ("ESS", {}, PASS),
        ("ESS", {"ess": 300.0}, REVIEW),
        ("ESS", {"ess": 40.0}, FAIL),
        ("ESS", {"ess": np.nan}, FAIL),
        ("divergences", {}, PASS),
        ("divergences", {"broken": 3}, REVIEW),
        ("divergences", {"broken": 30}, FAIL),
    ],
)
def test_sampling(booted, name, how, verdict):
    findings = {f.name: f for f in by_sampling(sampled(booted, **how).sampling)}
    assert set(findings) == {"R-hat", "ESS", "divergences"}
    remedied(findings[name], verdict)
    assert all(f.verdict == PASS for other, f in findings.items() if other != name)


@pytest.mark.parametrize(("khat", "verdict"), [(0.3, PASS), (0.8, REVIEW), (1.3, FAIL), (np.nan, FAIL)])
def test_the_normal_approximation(booted, khat, verdict):
    worth = {"loss 'a'": 1900.0, "loss 'b'": 700.0}
    sampling = SimpleNamespace(
        method="laplace", chained=False, khat={"loss 'a'": 0.1, "loss 'b'": khat}, effective=worth
    )
    tails, ess = by_sampling(sampling)
    remedied(tails, verdict)
    remedied(ess, PASS, "at least 700 different draws")


@pytest.mark.parametrize(("worth", "verdict"), [(401.0, PASS), (300.0, REVIEW), (40.0, FAIL), (np.nan, FAIL)])
def test_draws_by_importance_that_repeat(worth, verdict):
    sampling = SimpleNamespace(
        method="laplace", chained=False, khat={}, effective={"loss 'a'": 1900.0, "loss 'b'": worth}
    )
    assert [d.name for d in Sampling.diagnostics(sampling)] == ["k-hat", "ESS"], "no chains, no R-hat"
    remedied(by_sampling(sampling)[1], verdict)


def test_draws_that_were_not_sampled_have_no_chains(booted):
    assert [d.name for d in booted.diagnostics] == ["coverage of its past"]


def test_fit_to_the_ladder(blended, noisy, staged):
    runs = noisy.runs.training()

    def noise(factor):
        return replace(blended, fitted_noise=Prediction(*(factor * np.asarray(v) for v in blended.noise)))

    def misfit(draws, runs):
        finals = runs.finals()
        return check_misfit(draws, forecast(draws, targets_of(finals)), finals)

    remedied(misfit(blended, runs), PASS)
    remedied(misfit(staged, runs), REVIEW, "a point fit has no intervals")
    shares = [misfit(noise(f), runs).verdict for f in np.geomspace(1.0, 0.01, 9)]
    assert shares == sorted(shares), "the narrower, the worse"
    lifted = replace(runs, loss=1.3 * runs.loss, score=np.clip(runs.score + 0.3, 0, 1))
    remedied(misfit(blended, lifted), FAIL, "lies within its 90% intervals")
    unmeasured = np.where(np.arange(len(runs.domains)) == 0, runs.loss, np.nan)
    assert misfit(blended, replace(runs, loss=unmeasured)).verdict == PASS, "what was not measured is no miss"


@pytest.mark.parametrize(
    ("share", "runs", "verdict"), [(0.9, 5, PASS), (0.7, 5, REVIEW), (0.5, 5, FAIL), (1.0, 2, REVIEW)]
)
def test_past(booted, share, runs, verdict):
    remedied(by_past(replace(booted, validation=RollingValidation(runs, 40, 0.5, share, (), {}))), verdict)


@pytest.mark.parametrize(
    ("signs", "bias", "verdict", "figure"),
    [
        ((4, 4), 0.001, PASS, "4 of 8 runs were too high (p = 1); their mean error is +0.1 %"),
        ((5, 0), 0.01, PASS, "5 of 5 runs were too high (p = 0.062)"),
        ((6, 0), 0.01, REVIEW, "6 of 6 runs were too high (p = 0.031); their mean error is +1 %"),
        ((2, 12), -0.02, REVIEW, "12 of 14 runs were too low (p = 0.013); their mean error is -2 %"),
        ((4, 10), -0.02, PASS, "10 of 14 runs were too low"),
    ],
)
def test_signs_of_past_errors(booted, noisy, signs, bias, verdict, figure):
    """Issue 16: on every ladder kept back forecasts erred to one side, and the review printed PASS."""
    past = RollingValidation(8, 40, 0.5, 0.9, (), {}, signs=signs, bias=bias, horizon=3.0)
    draws = replace(booted, validation=past)
    remedied(finding_of(draws.diagnostics[1]), verdict, figure)
    p = stats.binomtest(signs[0], sum(signs)).pvalue
    assert draws.diagnostics[1].value == pytest.approx(-p)
    assert by_past(draws).verdict == PASS, "the last is the coverage"
    assert review(draws, noisy.runs)["signs of past errors"].verdict == verdict


@pytest.mark.parametrize(("horizon", "verdict"), [(3.0, PASS), (2.0, REVIEW), (0.5, FAIL)])
def test_horizon_of_the_past(booted, noisy, horizon, verdict):
    times = np.exp(2.5)
    far, near = (Target(n, flops=f * booted.ladder.flops[1]) for n, f in (("far", times), ("near", 0.5)))
    draws = replace(booted, validation=RollingValidation(8, 40, 0.5, 0.9, (), {}, horizon=horizon))
    (finding,) = check_horizon(draws, [near, far])
    remedied(finding, verdict, f"checked up to {horizon:.1f} e-folds of FLOPs ahead, 'far' lies 2.5 ahead")
    remedied(next(iter(check_horizon(draws, [near]))), PASS)
    assert review(draws, noisy.runs, [far])["horizon of its past"] == finding
    assert not list(check_horizon(booted, [far])), "who has no audit is told by its coverage"
    assert not list(check_horizon(draws, []))
    unknown = replace(draws, validation=RollingValidation(0, 0, np.nan, np.nan, (), {}))
    assert not list(check_horizon(unknown, [far]))


def test_no_past(booted):
    remedied(by_past(booted), REVIEW, "intervals know no model error")
    unknown = RollingValidation(0, 0, float("nan"), float("nan"), (), {})
    remedied(by_past(replace(booted, validation=unknown)), REVIEW, "0 runs could be forecast")


@pytest.mark.parametrize(("times", "verdict"), [(0.5, PASS), (20.0, PASS), (100.0, REVIEW), (2000.0, FAIL)])
def test_distance(booted, times, verdict):
    far = Target("far", flops=times * booted.ladder.flops[1])
    (finding,) = check_distance(booted, [Target("near", flops=1e20), far])
    remedied(finding, verdict)
    assert verdict == PASS or "'far'" in finding.figure
    assert not list(check_distance(booted, []))


def test_a_healthy_ladder_is_one_line(blended, noisy):
    seen = review(blended, noisy.runs, targets_of(noisy.runs.targets()))
    assert seen.verdict < FAIL
    passing = Review(tuple(Finding(f.name, PASS, f.figure) for f in seen.findings))
    assert str(passing) == f"Review: all {len(seen.findings)} checks pass"
    assert json.loads(seen.to_json())["verdict"] == seen.verdict.name
    assert len(seen.to_dicts()) == len(seen.findings)


def test_what_is_open_comes_worst_first():
    seen = Review(
        (
            Finding("a", REVIEW, "so so", "Look"),
            Finding("b", PASS, "good"),
            Finding("c", FAIL, "bad", "Mend"),
        )
    )
    assert str(seen).split("\n") == [
        "Review: FAIL, 1 of 3 checks pass",
        "  FAIL c: bad. Mend",
        "  REVIEW a: so so. Look",
    ]
    assert seen["a"].verdict == REVIEW
    assert Review(()).verdict == PASS


def test_held_out_runs_are_not_looked_at(blended, noisy):
    runs = noisy.runs
    spoilt = replace(runs, loss=np.where(runs.held_out[runs.run][:, None], 9.0, runs.loss))
    assert review(blended, spoilt).to_json() == review(blended, runs).to_json()


def test_a_point_fit_s_review_is_valid_json(staged, noisy):
    seen = json.loads(review(staged, noisy.runs).to_json())
    assert seen["verdict"] == "REVIEW"
