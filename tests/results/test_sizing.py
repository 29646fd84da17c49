"""Runs of one size: how anything goes on with compute they can't tell, and nobody makes it up."""

import jax
import numpy as np
import pytest

from flpjax.cli.app import main
from flpjax.errors import InputError
from flpjax.fitting.fit import fit
from flpjax.fitting.summary import LadderSummary
from flpjax.ladder.build import build_runs
from flpjax.ladder.design import design_of
from flpjax.ladder.export import csv_of
from flpjax.methods.registry import Auto
from flpjax.results.constraints import Constraints
from flpjax.results.forecast import forecast
from flpjax.results.goal import Goal
from flpjax.results.mix_curve import mix_curve
from flpjax.results.mixture import optimise_mix
from flpjax.results.review import review_mix
from flpjax.results.sizing import check_sizes, refuse_other_sizes
from flpjax.results.target import Target
from flpjax.results.verdicts import Verdict

N, D = 1e8, 2e9
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
LARGER = Target("larger", params=5.5e8, tokens=1.1e10)  # 30 × the compute


def swarm(params=N, tokens=D, shares=SHARES, jitter=0.0):
    """Runs of one size at several mixtures; the mean of both losses is lowest about a third of code."""
    code = np.array(shares)
    near = 1.0 + jitter * np.linspace(-1.0, 1.0, len(code))
    return build_runs(
        {
            "run": np.array([f"code{c:g}" for c in code], object),
            "params": params * near,
            "tokens": tokens * np.ones(len(code)),
            "loss/general": 3.0 + 0.12 * (1.0 - code) ** -2.0,
            "loss/code": 1.3 + 0.05 / (code + 0.06),
            "mix/general": 1.0 - code,
            "mix/code": code,
        },
        source="swarm",
    )


@pytest.fixture(scope="module")
def fitted(key):
    return fit(Auto(("m3-e+domain-linear",)), swarm(), key, draws=31)


DESIGNS = {
    "one size": (swarm(), (False, False, False, False)),
    "to rounding": (swarm(jitter=0.01), (False, False, False, False)),
    "sizes": (swarm(N * np.array([1, 1, 1, 2, 2, 2])), (True, False, True, True)),
    "tokens": (swarm(tokens=D * np.array([1, 1, 1, 2, 2, 2])), (False, True, True, True)),
    "one ratio": (swarm(N * np.arange(1, 7), D * np.arange(1, 7)), (True, True, True, False)),
    "one budget": (swarm(N * np.arange(1, 7), D / np.arange(1, 7)), (True, True, False, True)),
}


@pytest.mark.parametrize("name", DESIGNS)
def test_what_a_ladder_varies(name):
    runs, expected = DESIGNS[name]
    assert tuple(design_of(runs.finals())) == expected


SAID = {
    "one size": (Verdict.REVIEW, "all runs cost 1.2e+18 FLOPs, 'larger' does not"),
    "one budget": (Verdict.REVIEW, "all runs cost 1.2e+18 FLOPs, 'larger' does not"),
    "tokens": (Verdict.REVIEW, "all runs have N 1e+08, 'larger' has another"),
    "sizes": (Verdict.REVIEW, "all runs have D 2e+09, 'larger' has another"),
    "one ratio": (Verdict.PASS, "the runs vary what the targets vary"),
}


@pytest.mark.parametrize("name", SAID)
def test_a_review_says_what_the_runs_do_not_tell(name):
    (finding,) = check_sizes(LadderSummary.of(DESIGNS[name][0]), [LARGER])
    verdict, words = SAID[name]
    assert finding.verdict == verdict
    assert words in finding.figure


def test_a_mixture_for_another_size_is_that_of_the_runs_own_size(fitted, key):
    larger, own = (
        optimise_mix(fitted, t, key, goal=Goal(domains={"general": 1.0, "code": 1.0}))
        for t in (LARGER, Target("own", params=N, tokens=D))
    )
    np.testing.assert_array_equal(larger.weights, own.weights)
    assert (larger.target.name, larger.at.flops, own.at) == ("larger", pytest.approx(6 * N * D), None)
    for one, other in zip(larger.changes, own.changes, strict=True):
        assert one.found == other.found
    (code,) = [c.found for c in larger.changes if c.name == "code"]
    assert 1.3 < code.median < 2.2, "a loss that runs have measured, none of another size"
    assert any("the rank of mixtures there, not losses" in w for w in larger.warnings)
    assert larger.to_dict()["at"]["params"] == pytest.approx(N)
    finding = review_mix(larger, fitted, swarm())["sizes"]
    assert (finding.verdict, "'larger' does not" in finding.figure) == (Verdict.REVIEW, True)
    assert [f for f in review_mix(own, fitted, swarm()).findings if f.name == "sizes"] == []
    np.testing.assert_array_equal(mix_curve(fitted, LARGER).median, mix_curve(fitted, own.target).median)


def test_laws_of_n_and_d_may_leave_one_budget():
    """And a review says what they rest on."""
    runs = DESIGNS["one budget"][0]
    refuse_other_sizes(LadderSummary.of(runs), [LARGER])
    with pytest.raises(InputError, match="how losses and scores go on"):
        refuse_other_sizes(LadderSummary.of(DESIGNS["one size"][0]), [LARGER])
    refuse_other_sizes(
        LadderSummary.of(swarm().only(["code0.1"])), [LARGER]
    )  # a single run: the law says what it lacks


def test_a_forecast_of_another_size_is_refused(fitted):
    mix = {"general": 0.7, "code": 0.3}
    with pytest.raises(
        InputError, match=r"^swarm, target 'larger': all runs have N 1e\+08 and D 2e\+09: .* can't tell"
    ):
        forecast(fitted, [Target("larger", LARGER.params, LARGER.tokens, mix=mix)])
    (seen,) = forecast(fitted, [Target("the same", N, D, mix=mix)]).loss
    assert seen["code"].lower < 1.3 + 0.05 / 0.36 < seen["code"].upper


def test_the_command_line_refuses_before_it_fits(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("flpjax.fitting.fit.fit", None)
    file = tmp_path / "swarm.csv"
    file.write_text(csv_of(swarm()), encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["forecast", str(file), "--target", "N=5.5e8,D=1.1e10,mix/general=0.7,mix/code=0.3"])
    assert "how losses and scores go on with compute they can't tell" in capsys.readouterr().err


# The mixture that gains are counted from


def best_tried(fitted, **how):
    return optimise_mix(fitted, LARGER, jax.random.key(1), goal=Goal(domains={"general": 1.0, "code": 1.0}), **how)


def value_at(fitted, baseline):
    """What the search makes best, the mean over draws, where it may not leave the baseline."""
    return best_tried(fitted, constraints=Constraints(fixed={"code": baseline.weights["code"]})).value


def test_the_best_tried_is_among_those_allowed_and_names_its_runs(fitted):
    free = best_tried(fitted)
    assert free.baseline.runs == (f"code{free.baseline.weights['code']:g}",)
    assert free.value >= value_at(fitted, free.baseline)
    fixed = best_tried(fitted, constraints=Constraints(fixed={"code": 0.1}))
    assert fixed.baseline.weights["code"] == 0.1 != free.baseline.weights["code"]
    assert (fixed.baseline.runs, fixed.gain.median) == (("code0.1",), 0.0)
    assert "best tried (code0.1)" in str(fixed)
    assert fixed.to_dict()["baseline"]["runs"] == ["code0.1"]
    bounded = best_tried(fitted, constraints=Constraints(bounds={"code": (0.05, 0.25)}))
    assert bounded.baseline.runs[0] in ("code0.1", "code0.2")
    assert bounded.value >= value_at(fitted, bounded.baseline)


def test_where_no_mixture_tried_is_allowed_the_nearest_is_the_baseline(fitted):
    seen = best_tried(fitted, constraints=Constraints(fixed={"code": 0.15}))
    assert seen.baseline.name == "best tried, moved within the constraints"
    assert seen.baseline.weights["code"] == pytest.approx(0.15)
    assert (seen.baseline.runs, seen.gain.median) == ((), 0.0)
    assert any("no mixture that was tried keeps to the constraints" in w for w in seen.warnings)


def test_seeds_agree_on_the_best_tried():
    names = {
        best_tried(fit(Auto(("m3-e+domain-linear",)), swarm(), jax.random.key(s), draws=400)).baseline.runs
        for s in range(4)
    }
    assert len(names) == 1


def test_a_prior_without_a_price_and_a_mixture_of_the_target_are_not_ignored(fitted):
    with pytest.raises(
        InputError, match=r"^goal: a prior mixture without a price, kl, pulls at nothing\. Give a price"
    ):
        Goal(prior={"general": 0.5, "code": 0.5})
    seen = optimise_mix(fitted, Target("own", N, D, mix={"general": 1.0}), jax.random.key(1))
    assert "the mixture of target 'own' has no say in the search: give it as the baseline" in seen.warnings
