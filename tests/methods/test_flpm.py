"""FLP-M from a table to a forecast, on simulated mixtures whose truth is known."""

import json
import re
from dataclasses import replace

import jax
import numpy as np
import pytest

from flpjax.engine.recipe import Recipe
from flpjax.errors import InputError
from flpjax.fitting.point import point
from flpjax.ladder.select import Selection
from flpjax.ladder.simulate_mixtures import simulate_mixtures
from flpjax.laws.mixture_loss import M2, M3, M4
from flpjax.laws.network import DomainLinear
from flpjax.methods.flp import FLP
from flpjax.methods.flpm import FLPM
from flpjax.methods.registry import ALL_EMERGED, method
from flpjax.results.forecast import forecast
from flpjax.results.target import Target, parse_target, targets_of
from tests.methods.test_held_out import ruined

SIZES = ("0.12B", "0.25B", "0.5B", "1B", "3B")
ALL = Selection(improving=False, above_chance=None, warmup=0.0)
LINEAR = FLPM(loss_score=DomainLinear())


@pytest.fixture(scope="module")
def exact():
    return simulate_mixtures(noise=0, checkpoints=5, sizes=(*SIZES, "7B"), ratios=(0.1, 0.3, 0.5))


@pytest.fixture(scope="module")
def fitted(exact, key):
    return point(LINEAR, exact.runs, key)


def without_tasks(runs):
    return replace(runs, tasks=(), score=runs.score[:, :0], stderr=runs.stderr[:, :0])


def true_losses(truth, targets):
    return truth.loss([t.flops for t in targets], [[t.mix[s] for s in truth.sources] for t in targets])


@pytest.mark.parametrize("sources", [2, 3])
def test_m3_recovers_the_truth_where_it_is_the_truth(key, sources):
    """The simulated losses are M3 over an irreducible loss: without that, all constants come back."""
    ratios = {2: (0.0, 0.3, 0.5), 3: ((0.0, 0.0), (0.3, 0.0), (0.15, 0.15), (0.1, 0.4))}[sources]
    made = simulate_mixtures(noise=0, checkpoints=1, sizes=SIZES, ratios=ratios, sources=sources)
    truth, runs = made.truth, without_tasks(replace(made.runs, loss=made.runs.loss - made.truth.irreducible))
    draws = point(FLPM(M3()), runs, key)
    assert draws.kind == "point"
    assert draws.warnings == ()
    assert list(draws.fits) == ["loss"], "a ladder without tasks has the first stage only"
    constants = draws.fits["loss"].constants
    mean = np.exp(np.log(truth.affinity).mean(axis=1))
    np.testing.assert_allclose(constants["alpha_C"], truth.exponent, rtol=1e-6)
    worth = np.stack([constants[f"w_{i + 1}"] for i in range(sources)], axis=1)
    np.testing.assert_allclose(worth, truth.affinity / mean[:, None], rtol=1e-5)
    np.testing.assert_allclose(np.log(constants["C_T"]), np.log(truth.scale / mean), rtol=1e-6)
    targets = targets_of(runs.targets())
    seen = forecast(draws, targets)
    np.testing.assert_allclose(seen.loss_draws[0], true_losses(truth, targets) - truth.irreducible, rtol=1e-7)
    assert seen.score_draws.shape == (1, len(targets), 0)


@pytest.mark.parametrize(("name", "within"), [("m1", 0.15), ("m2", 0.05), ("m4", 0.02)])
def test_domain_losses_are_near_the_truth_above_an_irreducible_loss(exact, key, name, within):
    runs = without_tasks(exact.runs)
    targets = targets_of(runs.targets())
    draws = point(method(f"{name}+domain-linear"), runs, key)
    error = np.abs(forecast(draws, targets).loss_draws[0] / true_losses(exact.truth, targets) - 1.0)
    assert within / 5 < error.max() < within  # M1 does not know the mixture, M2 costs what M4 does not


def test_scores_of_the_network_are_near_the_truth(exact, key):
    draws = point(FLPM(recipe=Recipe(steps=500)), exact.runs, key, strict=False)
    targets = targets_of(exact.runs.targets())
    seen = forecast(draws, targets)
    tasks = [exact.runs.task_names.index(t) for t in draws.model.tasks]  # those with as many checkpoints as weights
    assert len(tasks) >= 4
    assert draws.model.via == (tuple(range(5)),) * len(tasks)
    truth = exact.truth.score_at(true_losses(exact.truth, targets))[:, tasks]
    middle = np.array([[each[t].median for t in draws.model.tasks] for each in seen.score])
    assert np.abs(middle - truth)[:2].max() < 0.03  # 3B at ratios left out
    assert np.abs(middle - truth)[2].max() < 0.15  # 7B, five times beyond the ladder


def test_the_mixture_of_a_target_moves_its_losses_as_it_should(fitted, exact):
    mixes = [{"general": 1 - c, "code": c} for c in (0.1, 0.3, 0.5)]
    seen = forecast(fitted, [Target(f"c{m['code']}", flops=1e22, mix=m) for m in mixes]).loss_draws[0]
    truth = exact.truth.loss(1e22, [[m["general"], m["code"]] for m in mixes])
    assert (np.sign(np.diff(seen, axis=0)) == np.sign(np.diff(truth, axis=0)))[:, :2].all()
    np.testing.assert_allclose(seen, truth, rtol=0.02)


NETWORK = FLPM(recipe=Recipe(steps=50), selection=ALL_EMERGED)


@pytest.mark.parametrize("predictor", [LINEAR, NETWORK], ids=["linear", "network"])
def test_held_out_values_never_reach_a_fit(exact, key, predictor):
    dirty = ruined(exact.runs)
    mix = dirty.mix.copy()
    mix[dirty.held_out[dirty.run]] = 0.0
    both = exact.runs, replace(dirty, mix=mix)
    clean, dirty = (point(predictor, runs, key, strict=False) for runs in both)
    assert (clean.model, clean.ladder, clean.warnings) == (dirty.model, dirty.ladder, dirty.warnings)
    jax.tree.map(np.testing.assert_array_equal, clean.params, dirty.params)


@pytest.mark.parametrize("form", [M2(), M3(), M4()], ids=lambda f: type(f).__name__)
def test_the_order_of_the_sources_does_not_matter(exact, key, form):
    runs = without_tasks(exact.runs)
    swapped = replace(runs, sources=runs.sources[::-1], mix=runs.mix[:, ::-1].copy())
    here, there = (point(FLPM(form), r, key) for r in (runs, swapped))
    a, b = here.fits["loss"].constants, there.fits["loss"].constants
    symbol = "w" if isinstance(form, M3) else "alpha"
    for one, other in ((1, 2), (2, 1)):
        np.testing.assert_allclose(a[f"{symbol}_{one}"], b[f"{symbol}_{other}"], rtol=1e-6)
    targets = targets_of(runs.targets())
    np.testing.assert_allclose(forecast(there, targets).loss_draws, forecast(here, targets).loss_draws, rtol=1e-9)


def test_flp_via_the_average_loss_is_two_straight_lines(exact, key):
    draws = point(FLP(via="average", selection=ALL), exact.runs, key)
    runs, target = exact.runs.training(), targets_of(exact.runs.targets())[-1]
    finals = runs.finals()
    law = np.polyfit(np.log(finals.flops), np.log(finals.loss.mean(axis=1)), 1)
    loss = np.exp(np.polyval(law, np.log(target.flops)))
    seen = forecast(draws, [target])
    assert seen.loss[0]["average"].median == pytest.approx(loss, rel=1e-9)
    for task in runs.task_names:
        line = np.polyfit(runs.loss.mean(axis=1), runs.score_of(task), 1)
        assert seen.score[0][task].median == pytest.approx(np.clip(np.polyval(line, loss), 0, 1), abs=1e-9)


@pytest.mark.parametrize("average", [False, True])
def test_straight_maps_are_least_squares_by_hand(exact, fitted, key, average):
    """On the rows that the selection kept, which is tested elsewhere."""
    predictor = FLPM(M4(), DomainLinear(average=True)) if average else LINEAR
    constants = (point(predictor, exact.runs, key) if average else fitted).fits["score"].constants
    runs, keep = exact.runs.training(), predictor.bind(exact.runs.training()).stages[1].weight > 0
    for i in range(len(runs.tasks)):
        loss = runs.loss[keep[i]]
        design = np.column_stack([np.ones(len(loss)), loss.mean(axis=1) if average else loss])
        best = np.linalg.lstsq(design, runs.score[keep[i], i])[0]
        seen = np.array([constants[f"w{j}"][i] for j in range(design.shape[1])])
        np.testing.assert_allclose(design @ seen, design @ best, atol=1e-8)


def test_domains_of_choice_and_those_that_are_not_there(exact):
    bound = FLPM(domains=("code", "paper")).bind(exact.runs.training())
    assert bound.model.domains == ("code", "paper")
    np.testing.assert_allclose(bound.stages[1].law.centre, bound.stages[1].x[0].mean(axis=0), atol=0.1)
    with pytest.raises(InputError, match=r"there is no loss domain 'papers'\. Did you mean 'paper'\?"):
        FLPM(domains=("papers",)).bind(exact.runs)
    bare = replace(exact.runs, domains=(), loss=exact.runs.loss[:, :0])
    with pytest.raises(InputError, match=r"there is no column 'loss/<domain>'\. FLP-M goes through domain losses"):
        FLPM().bind(bare)


def test_domains_that_were_never_measured_together_are_refused(exact):
    runs = exact.runs.training()
    pair = [runs.domains.index(d) for d in ("code", "paper")]
    loss = np.array(runs.loss)
    loss[runs.run % 2 == 0, pair[0]] = loss[runs.run % 2 == 1, pair[1]] = np.nan
    predictor = FLPM(M3(), domains=("code", "paper"))
    with pytest.raises(InputError, match=r"no checkpoint has the losses of all domains \(code, paper\)\. Measure them"):
        predictor.bind(replace(runs, loss=loss))
    assert predictor.bind(without_tasks(replace(runs, loss=loss))).model.domains == ("code", "paper")


MIXES = {
    "C=1e23,mix/cod=0.3,mix/general=0.7": "there is no data source 'cod'. Did you mean 'code'?",
    "C=1e23,mix/code=0.3,mix/general=0.6": "the mixture weights code=0.3, general=0.6 sum to 0.9, not to 1. The "
    "sources are general, code",
}


@pytest.mark.parametrize("text", MIXES)
def test_a_target_s_mixture_must_be_one_of_the_ladder_s_sources(fitted, text):
    with pytest.raises(InputError, match=re.escape(MIXES[text])):
        forecast(fitted, [parse_target(text)])


def test_a_target_without_a_mixture_gets_the_mean_of_the_ladder_s_and_that_is_said(fitted):
    """Pooling all mixtures in silence would be a forecast of none."""
    mix = {"code": 0.25, "general": 0.75}
    mean = dict(zip(fitted.ladder.sources, fitted.ladder.mean_mix, strict=True))
    targets = [Target("plain", flops=1e23), Target("mixed", flops=1e23, mix=mix), Target("mean", flops=1e23, mix=mean)]
    seen = forecast(fitted, targets)
    plain, mixed, _ = json.loads(seen.to_json())["targets"]
    assert (plain["mix"], mixed["mix"]) == (mean, mix)
    np.testing.assert_allclose(seen.loss_draws[:, 0], seen.loss_draws[:, 2], rtol=1e-12)
    said = [w for w in seen.warnings if "has no mixture" in w]
    assert len(said) == 1
    assert said[0].startswith("target 'plain' has no mixture: the mean of the ladder's ")
    assert said[0].endswith("write mix/general=…,mix/code=…")


def test_a_target_that_the_law_is_singular_at_is_not_forecast(fitted):
    plain = Target("plain text", flops=1e22, mix={"general": 1.0})
    mixed = Target("mixed", flops=1e22, mix={"general": 0.7, "code": 0.3})
    seen = forecast(fitted, [plain, mixed])
    assert not seen.loss[0]
    assert seen.loss[1]
    assert any("'code'" in w and "'plain text'" in w for w in seen.warnings)
    with pytest.raises(InputError, match="source 'code' has no compute, where this law makes the loss"):
        forecast(fitted, [plain])


@pytest.mark.parametrize(
    "predictor", [LINEAR, FLPM(domains=("general", "code"), recipe=Recipe(steps=5))], ids=["linear", "network"]
)
def test_a_task_that_has_not_emerged_is_left_out(exact, key, predictor):
    score = exact.runs.score.copy()
    score[:, exact.runs.task_names.index("humaneval")] = 0.01
    draws = point(predictor, replace(exact.runs, score=score), key, strict=False)
    assert draws.model.tasks == tuple(t for t in exact.runs.task_names if t != "humaneval")
    assert any(w.startswith("task 'humaneval' is not forecast") for w in draws.warnings)


def test_a_task_needs_as_many_checkpoints_as_the_map_of_its_domains_has_parameters(exact):
    runs = exact.runs.training()
    score = np.full_like(runs.score, np.nan)
    score[::13] = runs.score[::13]
    assert np.isfinite(score[:, 0]).sum() == 5 < 1 + len(runs.domains)
    assert FLPM(M3(), DomainLinear(), selection=ALL).bind(replace(runs, score=score)).model.tasks == ()


def test_one_source_is_a_mixture_too(exact, key):
    runs = without_tasks(replace(exact.runs, sources=("web",), mix=np.ones((len(exact.runs), 1))))
    point(FLPM(M3()), runs, key)
