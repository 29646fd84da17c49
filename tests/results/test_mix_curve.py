"""A forecast over all mixtures is the forecast at each."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flpjax.errors import InputError
from flpjax.ladder.simulate_mixtures import simulate_mixtures
from flpjax.laws.mixture_loss import M2
from flpjax.methods.flpm import MixtureModel
from flpjax.results.constraints import Constraints
from flpjax.results.forecast import forecast
from flpjax.results.goal import Goal
from flpjax.results.mix_curve import mix_curve
from flpjax.results.mix_grid import measured_near
from flpjax.results.problem import mixture_problem
from flpjax.results.target import Target
from tests.results.test_goal import SOURCES, TARGET, by_hand

COUNTS = {2: (0.1, 11), 3: (0.25, 15)}


@pytest.fixture(scope="module", params=[2, 3])
def seen(request):
    draws = by_hand(request.param)
    return draws, mix_curve(draws, TARGET, step=COUNTS[request.param][0], level=0.8)


def test_it_is_the_forecast_at_every_mixture(seen):
    draws, curve = seen
    assert curve.sources == draws.model.sources
    assert curve.weights.shape == (COUNTS[len(curve.sources)][1], len(curve.sources))
    np.testing.assert_allclose(curve.weights.sum(1), 1.0, atol=1e-15)
    assert len(np.unique(curve.weights, axis=0)) == len(curve.weights)
    assert len(np.unique(curve.weights.min(1))) > 1, "corners and the inside"
    targets = [
        replace(TARGET, name=str(i), mix=dict(zip(curve.sources, w, strict=True))) for i, w in enumerate(curve.weights)
    ]
    expected = forecast(draws, targets, level=0.8, measured=False)
    for i, scores in enumerate(expected.score):
        for j, task in enumerate(curve.outputs):
            got = curve.median[i, j], curve.lower[i, j], curve.upper[i, j]
            interval = scores[task]
            np.testing.assert_allclose(got, (interval.median, interval.lower, interval.upper), rtol=1e-12)


def test_table_json_and_text_say_the_same(seen):
    _, curve = seen
    rows = curve.to_dicts()
    assert len(rows) == len(curve.weights) * 2
    assert json.loads(curve.to_json())["rows"] == rows
    best = curve.weights[curve.median[:, 1].argmax()]
    assert f"u: best {curve.median[:, 1].max():.4g} at general {best[0]:.2f}, code {best[1]:.2f}" in str(curve)


def test_steps_left_out():
    assert len(mix_curve(by_hand(2), TARGET).weights) == 101
    assert len(mix_curve(by_hand(3), TARGET).weights) == 41 * 42 / 2


def test_losses_where_there_are_no_tasks():
    draws = by_hand(2)
    draws = replace(draws, model=replace(draws.model, tasks=()))
    curve = mix_curve(draws, replace(TARGET, mix={"general": 1.0}), step=0.5)
    assert (curve.kind, curve.outputs) == ("loss", draws.model.domains)
    expected = forecast(draws, [replace(TARGET, mix={"general": 0.5, "code": 0.5})], measured=False)
    np.testing.assert_allclose(curve.median[1], [expected.loss[0][d].median for d in curve.outputs], rtol=1e-12)
    assert "general: best" in str(curve)


@pytest.mark.parametrize("sources", [0, 1, 4, 5])
def test_more_sources_have_no_curve(sources):
    draws = by_hand(3)
    draws = replace(draws, model=replace(draws.model, sources=(*SOURCES, "web", "books")[:sources]))
    with pytest.raises(InputError, match=f"^by hand: a curve has 2 sources, a triangle 3, and there are {sources}"):
        mix_curve(draws, TARGET)


def test_bad_steps_and_levels():
    for step in (-0.1, 0.6, float("nan")):
        with pytest.raises(InputError, match=f"^the step {step:g} is no share"):
            mix_curve(by_hand(2), TARGET, step=step)
    with pytest.raises(InputError, match=r"^the level 90 is no probability"):
        mix_curve(by_hand(2), TARGET, level=90)


def test_a_law_without_a_forecast_on_a_face_is_refused():
    whole = by_hand(2)
    loss = {"log_level": whole.params["loss"]["log_level"], "exponents": jnp.full((7, 3, 2), -0.1)}
    old = whole.model
    model = MixtureModel(M2(2), old.loss_score, old.sources, old.domains, old.tasks)
    draws = replace(whole, model=model, params={**whole.params, "loss": loss})
    with pytest.raises(InputError, match="target 'big'"):
        mix_curve(draws, TARGET, step=0.5)


@pytest.mark.parametrize(
    "goal",
    [
        Goal(),
        Goal(tasks={"u": 2.0, "t": 1.0}, over_draws="cvar", risk=0.3),
        Goal(domains={"code": 1.0}, kl=0.02, prior={"general": 0.5, "code": 0.5}),
        Goal(over_tasks="worst", over_draws="quantile"),
    ],
    ids=["mean", "cvar", "kl", "worst"],
)
def test_the_objective_is_what_the_search_maximises(goal):
    draws, base = by_hand(2), {"general": 0.8, "code": 0.2}
    curve = mix_curve(draws, TARGET, step=0.1, goal=goal, baseline=base)
    problem = mixture_problem(draws, TARGET, goal, Constraints(), base)
    value = jax.jit(problem.value)
    expected = [float(value(jnp.asarray(w), problem.scene)) for w in curve.weights]
    np.testing.assert_allclose(curve.objective.value, expected, rtol=1e-9, atol=1e-12)
    assert (curve.objective.lower <= curve.objective.median).all()
    rows = curve.objective.to_dicts(curve.sources, curve.weights)
    assert json.loads(curve.to_json())["objective"] == rows
    assert rows[3]["code"] == pytest.approx(0.3)
    assert curve.objective.unit == (1.0 if goal.domains else 100.0)


def test_an_objective_of_gains_needs_a_baseline():
    with pytest.raises(InputError, match="the goal needs a baseline"):
        mix_curve(by_hand(2), TARGET, step=0.5, goal=Goal(over_tasks="worst"))


def test_scores_keep_within_0_and_1():
    whole = by_hand(2)
    score = {**whole.params["score"], "level": whole.params["score"]["level"] + jnp.asarray([[0.6, -0.6]])}
    curve = mix_curve(replace(whole, params={**whole.params, "score": score}), TARGET, step=0.1)
    assert curve.upper.max() == 1.0
    assert curve.lower.min() == 0.0


def test_what_was_measured_is_of_the_nearest_size():
    runs = simulate_mixtures(0, checkpoints=3, sizes=("0.12B", "0.2B", "1B"), sources=2).runs
    runs = runs.hold_out([name for name in runs.names if name.startswith("1B")])
    finals = runs.finals()
    sizes = sorted(set(finals.params))
    for n, held in ((sizes[0], False), (1e13, True)):
        target = Target("x", n, 20 * n, 120.0 * n * n)
        seen = measured_near(runs, target, runs.sources[::-1], runs.task_names[:1], "score")
        assert {m.params for m in seen} == {sizes[0] if not held else sizes[-1]}
        assert {m.held_out for m in seen} == {held}
        for m in seen:
            (i,) = (i for i in range(len(finals)) if finals.names[finals.run[i]] == m.run)
            assert m.weights.tolist() == finals.mix[i, ::-1].tolist()
            assert m.values[0] == finals.score_of(runs.task_names[0])[i]
            assert m.to_dict(runs.sources[::-1], ("t",))["values"] == {"t": m.values[0]}
    assert measured_near(runs, target, ("other", "code"), ("t",), "score") == ()
