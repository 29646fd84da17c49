"""The best mixture against grids and closed laws, draw by draw."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flpjax.errors import FitError, InputError
from flpjax.fitting.predicted import predict
from flpjax.ladder.features import Features
from flpjax.laws.mixture_laws import MixChinchilla
from flpjax.laws.mixture_loss import M2
from flpjax.results.constraints import Constraints
from flpjax.results.goal import Goal
from flpjax.results.mix_curve import mix_curve
from flpjax.results.mixture import optimise_mix
from flpjax.results.target import Target
from tests.results.test_goal import BASE, DRAWS, TARGET, TRIED, by_hand, outputs, worth

SHARE = np.array([0.0, 0.0, 0.0, 0.5, 0.5])
LOOSE = Constraints(outside=True)
BASIS = np.array(list(BASE.values()))


def grid(steps, sources=3):
    cells = np.stack(np.meshgrid(*[np.arange(steps + 1)] * (sources - 1), indexing="ij"), -1).reshape(-1, sources - 1)
    cells = cells[cells.sum(1) <= steps]
    return np.concatenate([cells, steps - cells.sum(1, keepdims=True)], 1) / steps


def by_zooming(value, free=2, until=1e-6):
    """The best mixture of a concave value, by ever finer grids; ``value`` takes ``(point, source)``."""
    points, step = grid(200, free + 1), 0.005
    near = np.stack(np.meshgrid(*[np.arange(-6, 7)] * free, indexing="ij"), -1).reshape(-1, free)
    while True:
        best = points[value(points).argmax()]
        if step < until:
            return best
        step /= 4
        rest = np.clip(best[:free] + step * near, 0.0, None)
        rest /= np.maximum(rest.sum(1, keepdims=True), 1.0)
        points = np.concatenate([rest, np.clip(1.0 - rest.sum(1, keepdims=True), 0.0, None)], 1)


@pytest.fixture(scope="module")
def draws():
    return by_hand()


@pytest.fixture(scope="module")
def found(draws, key):
    return optimise_mix(draws, TARGET, key, constraints=LOOSE, baseline=BASE, level=0.8, method="by hand")


def test_three_sources_agree_with_grids(draws, found):
    def value(points):
        return outputs(draws, points).mean(1) @ SHARE

    exact = by_zooming(value)
    assert exact.min() > 0.05, "inside"
    np.testing.assert_allclose(found.weights, exact, atol=1e-5)
    assert found.value >= value(grid(100)).max()
    assert found.value == pytest.approx(value(exact[None])[0], abs=1e-11)
    assert (found.status, found.agree, found.binding) == ("converged", 1.0, ())
    assert found.kkt < 1e-8


def test_every_draw_has_an_optimum_of_its_own(draws, found):
    assert found.draws == len(found.draw_weights) == DRAWS
    own = [by_zooming(lambda p, d=d: outputs(draws, p)[:, d] @ SHARE) for d in range(DRAWS)]
    np.testing.assert_allclose(found.draw_weights, own, atol=1e-5)
    assert np.ptp(own, axis=0).max() > 0.01
    for source, weights in zip(found.sources, np.transpose(own), strict=True):
        spread = found.spread[source]
        expected = np.quantile(weights, [0.1, 0.5, 0.9])
        np.testing.assert_allclose([spread.lower, spread.median, spread.upper], expected, atol=1e-5)


def test_gains_are_counted_draw_by_draw(draws, found):
    there, base = outputs(draws, [found.weights, BASIS])
    gain = (there - base) @ SHARE
    expected = np.quantile(gain, [0.1, 0.5, 0.9])
    np.testing.assert_allclose([found.gain.lower, found.gain.median, found.gain.upper], expected, atol=1e-12)
    assert found.p_gain == np.mean(gain > 0)
    assert [(c.kind, c.name, c.counts) for c in found.changes] == [
        ("loss", "general", 0.0), ("loss", "code", 0.0), ("loss", "math", 0.0),
        ("score", "t", 0.5), ("score", "u", 0.5),
    ]  # fmt: skip
    for j, change in enumerate(found.changes):
        sign = -1.0 if change.kind == "loss" else 1.0
        np.testing.assert_allclose(change.found.median, np.median(sign * there[:, j]), rtol=1e-12)
        np.testing.assert_allclose(change.baseline.upper, np.quantile(sign * base[:, j], 0.9), rtol=1e-12)
        np.testing.assert_allclose(change.gain.lower, np.quantile((there - base)[:, j], 0.1), atol=1e-12)


def test_two_sources_agree_with_a_dense_grid(draws, key):
    """The third shut out."""
    dense = np.pad(grid(10_000, 2), [(0, 0), (0, 1)])
    seen = optimise_mix(draws, TARGET, key, constraints=Constraints(fixed={"math": 0.0}, outside=True))
    value = outputs(draws, dense).mean(1) @ SHARE
    np.testing.assert_allclose(seen.weights, dense[value.argmax()], atol=1e-4)
    assert value.max() <= seen.value <= value.max() + 1e-7
    assert seen.weights[2] == 0.0
    assert seen.binding == ("math = 0 (fixed)",)
    each = dense[(outputs(draws, dense) @ SHARE).argmax(0)]
    np.testing.assert_allclose(seen.draw_weights, each, atol=1e-4)


def test_constraints_are_kept(key):
    """Math is worth little: at nothing of it, or as little as is allowed."""
    draws = by_hand(third=-2.0)
    seen = optimise_mix(draws, TARGET, key, constraints=LOOSE)
    assert seen.weights[2] < 1e-15
    assert np.all(seen.draw_weights[:, 2] < 1e-15)
    assert seen.binding == ("math ≥ 0 (no less than nothing)",)
    best = seen.value
    kept = {
        "math = 0.25": Constraints(fixed={"math": 0.25}, outside=True),
        "math ≥ 0.1": Constraints(bounds={"math": (0.1, 0.5)}, outside=True),
        "code ≤ 0.2": Constraints(available={"code": 8.5e9}, outside=True),
        "code ≤ 0.45": Constraints(bounds={"code": (0.4, 0.45)}),
    }
    for words, constraints in kept.items():
        seen = optimise_mix(draws, TARGET, key, constraints=constraints)
        assert any(line.startswith(words) for line in seen.binding), words
        assert seen.value < best
        assert seen.weights.sum() == pytest.approx(1.0, abs=1e-12)
        for weights in (seen.weights, *seen.draw_weights):
            assert {
                "math = 0.25": weights[2] == 0.25,
                "math ≥ 0.1": 0.1 <= weights[2] <= 0.5,
                "code ≤ 0.2": weights[1] * TARGET.tokens <= 4 * 8.5e9 * (1 + 1e-12),
                "code ≤ 0.45": 0.4 <= weights[1] <= 0.45 and np.all(weights <= np.max(TRIED, axis=0)),
            }[words]


def test_faces_are_exact(key):
    seen = optimise_mix(by_hand(third=-2.0), TARGET, key, constraints=LOOSE)
    assert seen.weights[2] == 0.0
    assert np.all(seen.draw_weights[:, 2] == 0.0)


HARD = Goal({"t": 1.0}, {"code": 1.0}, "cvar", 0.4, "worst", True, 0.02, {"general": 0.6, "code": 0.2, "math": 0.2})


def test_a_goal_with_kinks_is_not_beaten_by_a_grid(draws, key):
    seen = optimise_mix(draws, TARGET, key, goal=HARD, constraints=LOOSE, baseline=BASE)
    points, share = grid(100), np.array([0.0, 0.5, 0.0, 0.5, 0.0])
    base, prior = outputs(draws, [BASIS])[0], np.array(list(HARD.prior.values()))
    value = worth(HARD, outputs(draws, points), base, share, points, prior)
    assert seen.value >= value.max() - 1e-12
    np.testing.assert_allclose(seen.weights, points[value.argmax()], atol=0.02)
    assert seen.value == pytest.approx(
        worth(HARD, outputs(draws, seen.weights[None]), base, share, seen.weights[None], prior)[0]
    )
    for d in range(DRAWS):
        single_model_share = worth(HARD, outputs(draws, points)[:, [d]], base[[d]], share, points, prior)
        own = seen.draw_weights[[d]]
        assert (
            worth(HARD, outputs(draws, own)[:, [d]], base[[d]], share, own, prior)[0]
            >= single_model_share.max() - 1e-12
        )
    gains = (outputs(draws, seen.weights[None])[0] - base)[:, [1, 3]]
    assert gains.mean(0).min() >= -1e-6, "nothing falls"
    assert seen.gain.median == pytest.approx(np.median(gains.min(1)))


@pytest.mark.parametrize(
    "kl",
    [1.0, 3.0, 60.0, 0.3],
)
def test_the_pull_to_a_prior_has_a_closed_form_where_losses_are_linear(key, kl):
    """Weights go as prior·exp(slope/λ). With one draw's numbers for all, the worst draws are like any."""
    draws = by_hand(exponent=1.0)
    draws = replace(draws, params=jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[2:3], leaf.shape), draws.params))
    target = Target("small", flops=float(np.exp(47.5)))
    prior = {"general": 0.5, "code": 0.3, "math": 0.2}
    goal = replace(HARD, tasks=None, domains={"code": 1.0}, kl=kl, prior=None)
    seen = optimise_mix(draws, target, key, goal=goal, constraints=LOOSE, baseline=prior)
    slope = outputs(draws, np.eye(3), replace(target, params=1.0, tokens=1.0))[:, 0, 1]
    expected = list(prior.values()) * np.exp(slope / kl)
    np.testing.assert_allclose(seen.weights, expected / expected.sum(), atol=1e-7)
    np.testing.assert_allclose(seen.draw_weights, np.tile(seen.weights, (DRAWS, 1)), atol=1e-7)
    assert (np.abs(seen.weights - list(prior.values())).max() < 0.02) == (kl == 60.0)


def test_a_network_of_two_sources_is_not_beaten_by_the_papers_grid(key):
    draws = by_hand(2, draws=1, network=True)
    seen = optimise_mix(draws, TARGET, key, constraints=LOOSE)
    value = outputs(draws, grid(1000, 2)).mean(1) @ SHARE
    assert seen.value >= value.max() - 1e-12
    assert np.ptp(value) > 0.01
    assert "this is one fit: gains have no intervals" in seen.warnings


def test_baselines(draws, found, key):
    assert (found.baseline.name, found.baseline.weights) == ("baseline", BASE)
    seen = optimise_mix(draws, TARGET, key)
    mean = outputs(draws, TRIED).mean(1) @ SHARE
    assert seen.baseline.name == "best tried"
    np.testing.assert_allclose(list(seen.baseline.weights.values()), TRIED[mean.argmax()], atol=1e-15)
    assert np.all((seen.weights >= np.min(TRIED, 0)) & (seen.weights <= np.max(TRIED, 0)))
    assert seen.nearest == pytest.approx(np.abs(np.array(TRIED) - seen.weights).max(1).min())


def test_json_and_text(found):
    def no_constant(text):
        raise AssertionError(f"{text} is no JSON")

    parsed = json.loads(found.to_json(), parse_constant=no_constant)
    assert parsed == found.to_dict()
    assert parsed["weights"] == found.mixture
    assert (parsed["method"], parsed["level"], parsed["draws"]) == ("by hand", 0.8, DRAWS)
    assert parsed["search"] == {"kkt": found.kkt, "agree": 1.0, "status": "converged"}
    assert [row["weight"] for row in found.to_dicts()] == list(parsed["weights"].values())
    assert f"P(gain > 0) = {found.p_gain:.2f}" in str(found)


def test_the_same_key_gives_the_same_answer(draws, found, key):
    again = optimise_mix(draws, TARGET, key, constraints=LOOSE, baseline=BASE, level=0.8, method="by hand")
    assert again.to_json() == found.to_json()


def without(draws, which, task):
    """The draws with some fits of one task failed."""
    level = draws.params["score"]["level"].at[jnp.array(which), task].set(jnp.nan)
    return replace(draws, params={**draws.params, "score": {**draws.params["score"], "level": level}})


def test_draws_that_failed_are_left_out(draws, key):
    """Seven are left of nine: the programs are those of the other tests."""
    more = by_hand(draws=9)
    seen = optimise_mix(without(more, [1, 4], 0), TARGET, key, constraints=LOOSE, baseline=BASE)
    keep = [0, 2, 3, 5, 6, 7, 8]
    gain = np.diff(outputs(more, [BASIS, seen.weights])[:, keep] @ SHARE, axis=0)
    assert (seen.draws, len(seen.draw_weights)) == (7, 7)
    assert seen.gain.median == pytest.approx(np.median(gain), rel=1e-9)
    assert "2 of 9 draws could not be fitted and are left out" in seen.warnings
    with pytest.raises(FitError, match=r"^could not be fitted in any draw: t\. Leave it out of the goal"):
        optimise_mix(without(draws, range(DRAWS), 0), TARGET, key)
    with pytest.raises(FitError, match=r"^by hand: no draw has a finite value at the mixtures that were tried"):
        optimise_mix(without(without(draws, range(DRAWS), 0), range(DRAWS), 1), TARGET, key)


def test_a_baseline_at_which_the_law_is_not_finite_is_refused(draws, key):
    """M2 without one of its sources."""
    loss = {"log_level": draws.params["loss"]["log_level"], "exponents": jnp.full((DRAWS, 3, 3), -0.1)}
    inside = tuple(tuple(w) for w in np.random.default_rng(2).dirichlet(np.ones(3), len(TRIED)).tolist())
    model, ladder = replace(draws.model, compute_loss=M2(3)), replace(draws.ladder, mixtures=inside)
    singular = replace(draws, model=model, ladder=ladder, params={**draws.params, "loss": loss})
    with pytest.raises(InputError, match=r"^baseline: the law has no finite value at the baseline\. Give every source"):
        optimise_mix(singular, TARGET, key, baseline={"general": 0.5, "code": 0.5})


def test_a_task_that_does_not_count_may_be_missing(draws, key):
    whole = optimise_mix(draws, TARGET, key, goal=Goal({"u": 1.0}))
    seen = optimise_mix(without(draws, [1, 4], 0), TARGET, key, goal=Goal({"u": 1.0}))
    np.testing.assert_allclose(seen.weights, whole.weights, atol=1e-9)


def test_scores_of_draws_stay_within_their_scale(draws, key):
    """Straight lines, lifted to where no score is."""
    level = draws.params["score"]["level"]
    high = replace(draws, params={**draws.params, "score": {**draws.params["score"], "level": level + 0.6}})
    size = (np.full(len(TRIED), np.log(v)) for v in (TARGET.params, TARGET.tokens, TARGET.flops))
    assert np.asarray(predict(high.model, high.params, Features.of_logs(*size, np.array(TRIED))).score).max() > 1.05
    seen = optimise_mix(high, TARGET, key, constraints=LOOSE, baseline=BASE)
    scores = [getattr(c, side) for c in seen.changes if c.kind == "score" for side in ("found", "baseline")]
    assert max(v.upper for v in scores) == 1.0
    for v in scores:
        assert 0.0 <= v.lower <= v.median <= v.upper <= 1.0
    assert seen.value <= 1.0
    curve = mix_curve(high, TARGET, step=0.25)
    assert 0.0 <= curve.lower.min() <= curve.upper.max() <= 1.0


NO_ANSWER = {
    "there is no baseline 'best'. Give weights, or 'best tried'": {"baseline": "best"},
    "baseline: there is no data source 'coed'. Did you mean 'code'": {"baseline": {"coed": 1.0}},
    "baseline: the mixture weights code=0.5 sum to 0.5, not to 1": {"baseline": {"code": 0.5}},
    "prior: there is no data source 'web'": {"goal": Goal(kl=0.1, prior={"web": 1.0})},
    "goal: there is no task 'x' in the forecast": {"goal": Goal({"x": 1.0})},
    "fixed: there is no data source 'maht'. Did you mean 'math'": {"constraints": Constraints(fixed={"maht": 0.1})},
    "constraints: no mixture keeps to both": {"constraints": Constraints(fixed={"math": 0.9, "code": 0.9})},
    "the level 90 is no probability": {"level": 90.0},
}


@pytest.mark.parametrize("words", NO_ANSWER)
def test_one_clear_error(draws, key, words):
    with pytest.raises(InputError, match=f"^{words}"):
        optimise_mix(draws, TARGET, key, **NO_ANSWER[words])


def test_what_the_target_and_the_law_must_have(draws, key):
    bare = Target("C only", flops=1e22)
    with pytest.raises(InputError, match=r"^available: the target's training tokens are not known"):
        optimise_mix(draws, bare, key, constraints=Constraints(available={"code": 1e10}))
    assert optimise_mix(draws, bare, key).draws == DRAWS

    part = jnp.full((DRAWS, 3), 0.3)
    loss = {**dict.fromkeys(("share", "size_share", "alpha", "beta"), part), **draws.params["loss"]}
    law = replace(draws.model, compute_loss=MixChinchilla(3))
    del loss["exponent"]
    whole = replace(draws, model=law, params={**draws.params, "loss": loss})
    with pytest.raises(InputError, match=r"^target 'C only': this law needs the target's N and D"):
        optimise_mix(whole, bare, key)
    plain = replace(draws, model=replace(draws.model, sources=()))
    with pytest.raises(InputError, match=r"^by hand: .* does not know data sources\. Fit a method with mixtures"):
        optimise_mix(plain, TARGET, key)
