"""Several laws and maps as one model: what each draw takes from where."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flpjax.errors import InputError
from flpjax.fitting.averaging.auto import auto
from flpjax.ladder.simulate_mixtures import simulate_mixtures
from flpjax.methods.blend import SHARES
from flpjax.methods.registry import Auto
from flpjax.results.completion import logs_of
from flpjax.results.constraints import Constraints
from flpjax.results.forecast import forecast, predict
from flpjax.results.goal import Goal
from flpjax.results.mixture import optimise_mix
from flpjax.results.problem import mixture_problem
from flpjax.results.target import Target, targets_of

INSIDE, BEYOND = Target("inside", flops=1e20), Target("beyond", params=7e9, tokens=2e12, flops=1e23)


def one(params, draw):
    return jax.tree.map(lambda leaf: leaf[draw], params)


def compute(*targets):
    return jax.tree.map(jnp.asarray, logs_of(targets))


def at(target):
    return jax.tree.map(lambda leaf: leaf[0], compute(target))


def test_each_output_is_what_the_part_taken_says(blended):
    model, x = blended.model, at(BEYOND)
    for draw in range(7):
        params = one(blended.params, draw)
        told = model.apply(params, x)
        for i, law in enumerate(model.laws):
            said = law.apply(params[f"loss {i}"], x)
            for j, place in enumerate(law.domains):
                if params[SHARES]["loss"][i, place]:
                    assert float(told.loss[place]) == pytest.approx(float(said[j]), rel=1e-12)
        for i, score in enumerate(model.maps):
            said = score.apply(params[f"score {i}"], told.loss, x)
            for j, place in enumerate(score.tasks):
                if params[SHARES]["score"][i, place]:
                    assert float(told.score[place]) == pytest.approx(float(said[j]), rel=1e-12)


def test_predicted_draws_are_those_of_the_formula_within_chance_and_1(blended):
    """Law by law on the host, and as one formula: at a target, and with scores below chance and above 1."""
    model, some = blended.model, jax.tree.map(lambda leaf: leaf[:7], blended.params)
    for lowest in (np.zeros(len(model.tasks)), np.full(len(model.tasks), 0.9)):
        params = {**some, SHARES: {**some[SHARES], "lowest": np.tile(lowest, (7, 1))}}
        found = predict(model, params, compute(INSIDE, BEYOND))
        whole = jax.vmap(lambda p: jax.vmap(lambda x: model.apply(p, x))(compute(INSIDE, BEYOND)))(params)
        np.testing.assert_allclose(found.loss, whole.loss, rtol=1e-12)
        np.testing.assert_allclose(found.score, whole.score, rtol=1e-12)
    above = {
        f"score {i}": {**some[f"score {i}"], "curvature": 1e3 + 0.0 * some[f"score {i}"]["curvature"]} for i in (0,)
    }
    assert float(np.asarray(predict(model, {**some, **above}, compute(BEYOND)).score).max()) <= 1.0


def test_a_draw_takes_one_part_and_parts_come_by_their_weights(blended):
    weights = blended.validation.weights
    for kind, names, parts in (
        ("loss", blended.model.domains, blended.model.laws),
        ("score", blended.model.tasks, blended.model.maps),
    ):
        share = np.asarray(blended.params[SHARES][kind])
        assert set(np.unique(share)) <= {0.0, 1.0}
        np.testing.assert_array_equal(share.sum(axis=1), 1.0)
        at_output = [blended.validation.outputs.index(n) for n in names]
        weight = np.stack([weights[part.name][at_output] for part in parts])
        np.testing.assert_allclose(share.mean(axis=0), weight, atol=1.0 / len(blended))


def test_an_output_has_no_value_where_the_part_taken_has_none(blended):
    """Renormalised weights would be those of no blend that was ever checked."""
    needs = np.array([bool({"params", "tokens"} & set(part.law.inputs())) for part in blended.model.laws])
    (told,) = predict(blended.model, blended.params, compute(Target("no N", flops=3e22)), None).loss.swapaxes(0, 1)
    share = np.asarray(blended.params[SHARES]["loss"])
    np.testing.assert_array_equal(np.isfinite(told), (share[:, needs] == 0.0).all(axis=1))


def test_jit_is_eager_and_vmap_a_loop(blended):
    model, x = blended.model, at(BEYOND)
    rows = jax.jit(jax.vmap(lambda p: model.apply(p, x)))(jax.tree.map(lambda v: v[:5], blended.params))
    for draw in range(5):
        eager = model.apply(one(blended.params, draw), x)
        np.testing.assert_allclose(rows.loss[draw], eager.loss, rtol=1e-12)
        np.testing.assert_allclose(rows.score[draw], eager.score, rtol=1e-12)


def test_gradients_with_respect_to_compute_are_those_of_differences(blended):
    model, x = blended.model, at(BEYOND)
    picked = jax.tree.map(lambda v: v[:11], blended.params)

    @jax.jit
    def total(c):
        told = jax.vmap(lambda p: model.apply(p, x.replace(flops=c)))(picked)
        return told.loss.sum() + told.score.sum()

    slope = jax.jit(jax.grad(total))(x.log_flops)
    assert np.isfinite(slope)
    step = 1e-4
    assert float(slope) == pytest.approx(
        float(total(x.log_flops + step) - total(x.log_flops - step)) / (2 * step), rel=1e-5
    )


def test_a_blend_is_static_and_equal_by_value(blended):
    same = replace(blended.model)
    assert same == blended.model
    assert hash(same) == hash(blended.model)
    assert same != replace(blended.model, tasks=())


def test_forecasts_widen_with_distance(blended, noisy):
    near, far = Target("near", params=1e9, tokens=1e11, flops=6e20), Target("far", params=1e11, tokens=1e13, flops=6e24)
    seen = forecast(blended, [near, far, *targets_of(noisy.runs.targets())])
    for name in blended.model.domains:
        wide = [np.log(seen.loss[i][name].upper / seen.loss[i][name].lower) for i in range(2)]
        assert wide[1] > 1.5 * wide[0]
    assert ((seen.score_draws >= 0) & (seen.score_draws <= 1)).all()


@pytest.fixture(scope="module")
def mixtures(key):
    runs = simulate_mixtures(3, sizes=["0.12B", "0.2B", "0.5B", "1B"], checkpoints=5).runs
    methods = Auto(("m3+domain-average", "power+linear"))
    return runs, auto(runs, key, draws=41, methods=methods)


def test_a_blend_of_mixtures_can_be_searched(mixtures):
    """By its value, which is that of its forecasts, and by a slope; tests/results/test_sizing.py searches one."""
    runs, draws = mixtures
    assert draws.model.sources == runs.sources
    target = Target("3B", params=3e9, tokens=6e10)
    problem = mixture_problem(draws, target, Goal(), Constraints(), "best tried")
    points = np.array([[0.8, 0.2], [0.6, 0.4]])
    number, slope = jax.jit(jax.vmap(jax.value_and_grad(problem.value), (0, None)))(points, problem.scene)
    at_both = compute(problem.target, problem.target).replace(mix=jnp.asarray(points))
    told = np.clip(predict(draws.model, draws.params, at_both, None).score, 0.0, 1.0)
    np.testing.assert_allclose(number, told[problem.usable].mean(axis=(0, 2)), rtol=1e-9)
    assert np.isfinite(slope).all()
    assert np.ptp(number) > 0


def test_a_search_takes_n_and_d_from_the_ladder_for_a_target_in_flops(mixtures):
    _, draws = mixtures
    problem = mixture_problem(draws, Target("C", flops=1.8e21), Goal(), Constraints(), "best tried")
    assert np.isfinite(np.asarray(problem.scene.baseline)).all()
    (said,) = [w for w in problem.notes if "own rule" in w]
    assert said.startswith("target 'C' has FLOPs only: N and D taken from the ladder's own rule: N=")


def test_a_blend_without_mixtures_has_none_to_optimise(blended, key):
    with pytest.raises(InputError, match="the method that was fitted does not know data sources"):
        optimise_mix(blended, BEYOND, key)
