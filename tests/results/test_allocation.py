"""What to train for a budget: the law, parabolas with their bias, envelopes, against optima in closed form."""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest

from flpjax.errors import FitError, InputError
from flpjax.fitting.point import point
from flpjax.ladder.build import build_runs
from flpjax.methods.registry import method
from flpjax.results.allocation.approaches import approaches_of
from flpjax.results.allocation.blend import DOUBT, blended
from flpjax.results.allocation.conventions import choices, converted, words_of
from flpjax.results.allocation.isoflop import budgets_of, points_of
from flpjax.results.allocation.law_approach import law_approach
from flpjax.results.allocation.limits import Limits
from flpjax.results.allocation.parabola import lowest_points
from flpjax.results.allocation.plan import plan
from flpjax.results.allocation.valley import FLAT, Others, valleys
from tests.results.allocation_truth import isoflops, law, optimum, table

DRAWS = 29
BUDGETS = (1e20, 1e21)


@pytest.fixture(scope="module")
def wide():
    """Runs from N*/16 to N*·16, which a parabola follows badly."""
    return isoflops(0.003)


@pytest.fixture(scope="module")
def found(wide, key):
    return plan(wide, BUDGETS, key, draws=DRAWS)


@pytest.fixture(scope="module")
def exact(key):
    """The law itself, found from runs without noise."""
    return point(method("chinchilla+sigmoid"), isoflops(0.0), key)


def centre(approach, i=0):
    return float(np.exp(np.nanmedian(approach.log_params[:, i])))


def test_the_lowest_point_is_that_of_the_closed_form(exact):
    there = valleys(exact, [1e18, 1e21, 1e25], 0)
    known = optimum(np.array([1e18, 1e21, 1e25]))
    fitted = exact.fits["loss"].constants
    a, b, alpha, beta = (float(fitted[name][0]) for name in ("A", "B", "alpha", "beta"))
    own = (alpha * a / (beta * b)) ** (1 / (alpha + beta)) * (known * 0 + np.array([1e18, 1e21, 1e25]) / 6) ** (
        beta / (alpha + beta)
    )
    np.testing.assert_allclose(np.exp(there.log_params[0]), own, rtol=1e-4)
    np.testing.assert_allclose(own, known, rtol=0.02)  # a prior, weighed against usual noise, moves an exact fit
    for side in there.flat[:, 0]:  # its ends lose a thousandth
        loss = [
            float(exact.fits["loss"].constants["E"][0]) + a * np.exp(-alpha * n) + b * (c / 6 / np.exp(n)) ** -beta
            for n, c in zip(side, (1e18, 1e21, 1e25), strict=True)
        ]
        np.testing.assert_allclose(loss, there.loss[0] * (1 + FLAT), rtol=1e-4)


def test_intervals_hold_the_optimum_and_approaches_are_distinguished(found):
    approaches = {approach.name: approach for approach in found.approaches}
    assert list(approaches) == ["law", "parabolas", "parabolas, corrected", "blend"]
    for i, c in enumerate(BUDGETS):
        o = found.optima[i]
        assert o.params.lower < optimum(c) < o.params.upper
        assert o.params.upper / o.params.lower < 1.25
        assert o.ratio.median == pytest.approx(o.tokens.median / o.params.median, rel=0.02)
        assert o.loss.lower < law(optimum(c), c / 6 / optimum(c)) < o.loss.upper
        assert o.flat[0] < o.params.median < o.flat[1]
    assert found.a.lower < 0.28 / 0.62 < found.a.upper
    assert found.a.median + found.b.median == pytest.approx(1.0)
    assert "shape does to a lopsided valley" in found.explained


def test_a_parabola_on_a_lopsided_valley_is_off_and_corrected():
    """Without noise all that is off is the parabola's shape."""
    exact = plan(isoflops(1e-5), 1e20, jax.random.key(0), draws=DRAWS, compare=False)
    _, plain, corrected, _ = exact.approaches
    true = optimum(1e20)
    assert abs(np.log(centre(plain) / true)) > 0.05
    assert abs(np.log(centre(corrected) / true)) < 0.005
    assert exact.a.median == pytest.approx(0.28 / 0.62, abs=0.005)


def test_off_centre_runs(key):
    off = plan(isoflops(0.003, reach=4.0, shift=3.0, seed=2), 1e21, key, draws=DRAWS)
    assert off.optima[0].params.lower < optimum(1e21) < off.optima[0].params.upper


def test_one_diverged_run_changes_nothing(wide, found, key):
    loss = wide.loss.copy()
    loss[22] = 9.0
    spoiled = plan(replace(wide, loss=loss), BUDGETS, key, draws=DRAWS)
    assert any("left out, more than 6 s.d." in w and "run 22" in w for w in spoiled.warnings)
    for one, other in zip(spoiled.optima, found.optima, strict=True):
        assert one.params.median == pytest.approx(other.params.median, rel=0.03)


def test_regret_is_that_of_the_law(found):
    regret = found.regrets[0]
    best = law(optimum(1e20), 1e20 / 6 / optimum(1e20))
    true = law(regret.params, 1e20 / 6 / regret.params) / best - 1
    assert (regret.median >= 0).all()
    np.testing.assert_allclose(regret.median, true, atol=0.0015)


def test_results_are_tables_and_json(found):
    told = json.loads(found.to_json())
    assert [o["flops"] for o in told["optima"]] == list(BUDGETS)
    assert set(told["approaches"]) == {"law", "parabolas", "parabolas, corrected", "blend"}
    rows = found.to_dicts()
    assert len(rows) == 8
    assert {row["approach"] for row in rows if row["loss"] is not None} == {found.headline}
    assert "1e+20 FLOPs: N*" in str(found)


def test_draws_alone_are_one_approach(exact):
    alone = plan(exact, 1e21, jax.random.key(0))
    assert [approach.name for approach in alone.approaches] == ["law"]
    assert not alone.intervals
    assert json.loads(alone.to_json())["optima"][0]["params"]["lower"] is None
    assert alone.optima[0].params.median == pytest.approx(optimum(1e21), rel=0.02)


def test_budgets_are_found_however_flops_are_counted():
    """Runs of one budget whose own count of FLOPs is by other parameters than the table's."""
    sizes = np.geomspace(1e8, 3e9, 7)
    params = np.tile(sizes, 4)
    budget = np.repeat([1e19, 1.8e19, 3e19, 9e19], 7)
    tokens = budget / 6 / (params * (params / 1e9) ** -0.09)  # small models have more embeddings than the table says
    runs = build_runs(table(params, tokens, law(params, tokens)))
    groups = budgets_of(points_of(runs, "web"))
    np.testing.assert_array_equal(np.unique(groups.group, return_counts=True)[1], [7, 7, 7, 7])


def test_a_ladder_of_sizes_is_no_set_of_budgets():
    params, ratio = (v.ravel() for v in np.meshgrid(np.geomspace(1e8, 3e9, 6), [10.0, 23.0, 61.0]))
    runs = build_runs(table(params, params * ratio, law(params, params * ratio)))
    assert len(budgets_of(points_of(runs, "web"))) == 0


def test_inference_moves_the_optimum_to_smaller_models(exact):
    """Against scipy, with the tokens that are left."""
    from scipy.optimize import minimize_scalar

    served = plan(exact, 1e21, jax.random.key(0), inference_tokens=1e11)
    constants = {name: float(v[0]) for name, v in exact.fits["loss"].constants.items()}

    def loss(log_n):
        n = np.exp(log_n)
        d = (1e21 - 2e11 * n) / 6 / n
        return constants["E"] + constants["A"] * n ** -constants["alpha"] + constants["B"] * d ** -constants["beta"]

    best = minimize_scalar(loss, bounds=(np.log(1e8), np.log(4e9)), method="bounded", options={"xatol": 1e-9})
    assert served.optima[0].params.median == pytest.approx(np.exp(best.x), rel=1e-3)
    assert served.optima[0].params.median < 0.9 * optimum(1e21)
    assert 6 * served.optima[0].params.median * served.optima[0].tokens.median < 1e21


def test_a_cap_binds_and_says_so(exact):
    capped = plan(exact, 1e21, jax.random.key(0), most_params=1e9)
    assert capped.optima[0].params.median == pytest.approx(1e9)
    assert capped.optima[0].capped
    assert any("largest that is allowed" in w for w in capped.warnings)


def test_a_blend_goes_by_precision_and_is_wider_where_approaches_disagree():
    rng = np.random.default_rng(3)
    first = 20.0 + 0.05 * rng.standard_normal((400, 1))
    agrees = blended(first, 20.1 + 0.1 * rng.standard_normal((400, 1)))
    doubted = DOUBT * 0.1**2
    assert agrees.weight == pytest.approx(doubted / (doubted + 0.05**2), abs=0.02)
    assert np.median(agrees.log_params) == pytest.approx(20.1 - 0.1 * agrees.weight[0], abs=0.01)
    assert 1.0 < agrees.log_params.std() / first.std() < 1.1
    np.testing.assert_array_equal(blended(first, np.full((400, 1), np.nan)).log_params, first)
    apart = blended(first, 21.0 + 0.1 * rng.standard_normal((400, 1)))
    assert 0.4 < apart.weight < 0.7
    assert 20.3 < np.median(apart.log_params) < 20.7
    assert apart.log_params.std() > 0.5


def test_a_polynomial_that_passes_through_its_runs_has_no_lowest_point():
    """Four sizes are a cubic: no residual would say how sure its lowest point is, and all else would look amiss."""
    runs = isoflops(0.003, sizes=4)
    iso = budgets_of(points_of(runs, "web"))
    log_loss = np.log(iso.points.loss)[None]
    assert np.isfinite(lowest_points(iso, log_loss, 2).log_params).all()
    through = lowest_points(iso, log_loss, 3)
    assert np.isnan(through.log_params).all()
    assert not through.weight.any()


def grid(params, tokens):
    return build_runs(table(params, tokens, law(params, tokens)))


SIZES = np.geomspace(1e8, 2e9, 7)


def without(*names):
    """Runs of equal cost, with C, and without N or D."""
    runs = isoflops(0.003)
    columns = table(runs.params, runs.tokens, runs.loss[:, 0]) | {"flops": runs.flops}
    return build_runs({k: v for k, v in columns.items() if k not in names})


@pytest.mark.parametrize(("name", "said"), [("tokens", r"D is C/(6·N)"), ("params", r"N is C/(6·D)")])
def test_the_third_of_n_d_and_c_follows_from_two(found, key, name, said):
    own = plan(without(name), BUDGETS, key, draws=DRAWS)
    for one, other in zip(own.optima, found.optima, strict=True):
        assert one.params.median == pytest.approx(other.params.median, rel=1e-3)
    assert any(said in w for w in own.warnings)


@pytest.mark.parametrize("runs", [5, 6])
def test_few_runs_have_wide_intervals(key, runs):
    """Of five runs laws with priors, averaged; of six the law, none of which is left out for lying off the others.

    Of five that scatter by 1 % a quarter of the draws has no optimum, and keys differ on whether that is too many.
    """
    rng = np.random.default_rng(7)
    params = np.array([5e7, 1e8, 2e8, 4e8, 1e8, 4e8])[:runs]
    tokens = np.array([1e9, 2e9, 4e9, 8e9, 8e9, 3e9])[:runs]
    loss = law(params, tokens) * np.exp(0.005 * rng.standard_normal(runs))
    few = plan(build_runs(table(params, tokens, loss)), 1e20, key, draws=DRAWS)
    n = few.optima[0].params
    assert n.lower < optimum(1e20) < n.upper
    assert n.upper / n.lower > 2.0
    assert any("(auto), stand in its place" in w for w in few.warnings) is (runs == 5)
    assert not any("left out, more than" in w for w in few.warnings)


@pytest.mark.parametrize(
    ("runs", "budget", "message"),
    [
        (grid(SIZES, 20 * SIZES), 1e22, r"all runs have 20 tokens per parameter.*Train some runs on more, or fewer"),
        (grid(np.full(7, 1e9), 20 * SIZES), 1e22, r"all runs have one N.*Train a second size"),
        (grid(SIZES, np.full(7, 1e10)), 1e22, r"all runs have one D.*Train some longer"),
        (grid(SIZES, SIZES**1.3), 1e22, r"every size has one D, which grows as N\^1.3.*Train a size on more"),
        (grid(SIZES, 1e20 / 6 / SIZES), 1e21, r"all runs cost 1e\+20 FLOPs: how the best N grows.*a second budget"),
        (without("params", "tokens"), 1e22, r"there is no column 'params' and no column 'tokens'.*Add one of them"),
        (isoflops(0.003), 0.0, r"a budget of 0 FLOPs.*say 1e24"),
        (isoflops(0.003), [], r"there is no budget"),
        (isoflops(0.003), [1e20, 1e20], r"a budget is given twice"),
        (isoflops(0.003), float("nan"), r"a budget of nan FLOPs"),
    ],
)
def test_what_can_not_be_planned_is_refused(runs, budget, message):
    with pytest.raises(InputError, match=message):
        plan(runs, budget, jax.random.key(0), draws=DRAWS)


def test_what_the_runs_can_not_tell_is_refused(wide, key):
    scores = {"run": np.array(["a", "b"], object), "params": SIZES[:2], "tokens": SIZES[:2] * 9, "score/x": [0.3, 0.4]}
    scores = build_runs({name: np.asarray(v) for name, v in scores.items()})
    for runs, options, message in (
        (scores, {}, r"there is no column 'loss/<domain>'"),
        (wide.hold_out(["*"]), {}, r"all runs are held out"),
        (wide, {"unique_tokens": 1e9}, r"what repeated tokens are worth, no run tells"),
        (wide, {"via": "wep"}, r"there is no loss domain 'wep'.*web"),
        (wide, {"params_by": "active"}, r"there is no column 'x/active'"),
        (wide, {"flops_by": "guess"}, r"flops_by is 'guess'"),
        (wide, {"inference_tokens": -1.0}, r"-1 tokens of inference"),
        (wide.only(["run 3"]), {}, r"there is one run only"),
    ):
        with pytest.raises(InputError, match=message):
            plan(runs, 1e21, key, draws=DRAWS, **options)
    blind = point(method("flp"), wide, key)
    with pytest.raises(InputError, match=r"does not read both N and D"):
        plan(blind, 1e21, key)


def test_a_draw_that_could_not_be_fitted_leaves_parabolas_as_they_are(wide, key):
    by_law = law_approach(wide, "web", key, DRAWS)
    whole = approaches_of(by_law, wide, "web", [1e20], Limits(), Others(), key)
    lost = jax.tree.map(lambda v: np.where(np.arange(DRAWS).reshape(-1, *[1] * (v.ndim - 1)) == 3, np.nan, v),
                        by_law.draws.params)  # fmt: skip
    broken = replace(by_law, draws=replace(by_law.draws, params=lost))
    found = approaches_of(broken, wide, "web", [1e20], Limits(), Others(), key)
    assert [a.name for a in found.approaches] == [a.name for a in whole.approaches]
    for with_it, without in zip(whole.approaches, found.approaches, strict=True):
        assert abs(np.log(centre(without) / centre(with_it))) < 0.02


def test_units_that_can_not_be_are_named(key):
    """N in millions: the plan stands, with what is odd; tokens in billions leave no optimum, and the error says why."""
    runs = isoflops(0.0)
    params, tokens, loss = runs.params, runs.tokens, runs.loss_of("web")
    in_millions = plan(build_runs(table(params / 1e6, tokens, loss)), 1e20, key, draws=2, compare=False)
    assert any("parameters are fewer than any model has" in w and "Mparams" in w for w in in_millions.warnings)
    with pytest.raises((InputError, FitError), match=r'tokens per parameter.*unit = "Btokens"'):
        plan(build_runs(table(params, tokens / 1e9, loss)), 1e20, key, draws=2, compare=False)


def test_limits_are_numbers():
    with pytest.raises(InputError, match="most_params is 0"):
        Limits(most_params=0.0)
    assert Limits(1e12, 8e9).words == "1e+12 tokens of inference, N at most 8e+09"


def test_the_same_plan_every_time(wide):
    one, other = (plan(wide, 1e21, jax.random.key(0), draws=DRAWS, compare=False) for _ in range(2))
    assert one.to_json() == other.to_json()
    assert plan(wide, 1e21, jax.random.key(5), draws=DRAWS, compare=False).to_json() != one.to_json()


def test_exponents_by_every_way_of_counting(key):
    """FLOPs of attention on top of 6ND, which weigh more in small models."""
    base = isoflops(0.0, sizes=5, reach=8.0)
    columns = table(base.params, base.tokens, base.loss[:, 0])
    columns |= {"flops": base.flops * (1 + 0.4 * (base.params / 1e8) ** -0.4)}
    found = plan(build_runs(columns), 1e20, key, draws=11)
    told = {(c.params_by, c.flops_by): c.a.median for c in found.conventions}
    assert list(told) == [("params", "table"), ("params", "6nd")]
    assert told["params", "6nd"] == pytest.approx(0.28 / 0.62, abs=0.01)
    log_n = np.linspace(np.log(1e7), np.log(1e11), 200_001)
    per_nd = 6 + 2.4 * (np.exp(log_n) / 1e8) ** -0.4
    best = [log_n[law(np.exp(log_n), c / np.exp(log_n) / per_nd).argmin()] for c in (1e19, 1e21)]
    assert told["params", "table"] == pytest.approx((best[1] - best[0]) / np.log(100), abs=0.01)
    assert "C as the table has it" in found.convention


def test_runs_counted_in_another_way():
    base = isoflops(0.0, sizes=5)
    whole = base.params + 2e6 * base.params**0.3
    runs = build_runs(table(base.params, base.tokens, base.loss[:, 0]) | {"x/total_params": whole})
    assert choices(runs) == (("params", "table"), ("total_params", "table"), ("total_params", "6nd"))
    counted = converted(runs, "total_params", "6nd")
    np.testing.assert_allclose(counted.params, runs.extra[:, 0])
    np.testing.assert_allclose(counted.flops, 6 * runs.extra[:, 0] * runs.tokens)
    assert words_of("total_params", "6nd") == "N by x/total_params, C = 6ND"


CEILING, STEEP, HALFWAY = 0.95, 3.0, 1e19
"""Of a simulated task: where it levels off, how steeply it rises, and at what FLOPs, well spent, it is halfway."""


def with_scores(seed):
    """Runs of four sizes at four budgets, and a score of their losses; and what it expects of a loss."""

    middle = law(optimum(HALFWAY), HALFWAY / 6.0 / optimum(HALFWAY))

    def score(loss):
        return 0.25 + (CEILING - 0.25) / (1.0 + np.exp(STEEP * (loss - middle)))

    rng = np.random.default_rng(seed)
    budgets = np.geomspace(1e18, 1e20, 4)
    params = np.concatenate([optimum(c) * np.geomspace(0.25, 4.0, 4) for c in budgets])
    tokens = np.repeat(budgets, 4) / 6.0 / params
    loss = law(params, tokens) * np.exp(0.004 * rng.standard_normal(len(params)))
    measured = np.clip(score(loss) + 0.01 * rng.standard_normal(len(loss)), 0.01, 0.99)
    return build_runs(table(params, tokens, loss) | {"score/quiz": measured}), score


def test_intervals_of_scores_know_that_maps_may_be_wrong():
    """Far beyond the runs; a sigmoid that is resampled, which knows only how runs scatter, is overconfident."""
    held = {"auto": 0, "resampled": 0}
    for seed in range(12):
        runs, score = with_scores(seed)
        for name, chosen in (("auto", None), ("resampled", method("chinchilla+sigmoid"))):
            best = plan(runs, 1e22, jax.random.key(seed), method=chosen, draws=100, compare=False).optima[0]
            there = best.scores["quiz"]
            held[name] += there.lower <= score(law(best.params.median, best.tokens.median)) <= there.upper
    assert held["auto"] >= 10
    assert held["resampled"] <= 8
