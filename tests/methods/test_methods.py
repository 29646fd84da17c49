"""Methods by name: all there are bind, fit and forecast; others are refused with the nearest name."""

import re

import numpy as np
import pytest

import flpjax
from flpjax.errors import InputError
from flpjax.fitting.point import point
from flpjax.laws.law import falls
from flpjax.laws.power_law import LogPowerLaw, PowerLaw
from flpjax.methods.direct import FP
from flpjax.methods.flp import FLP
from flpjax.methods.registry import (
    AUTO,
    COMPARED,
    COMPUTE_LOSS,
    DEFAULT_MIX,
    DOMAINS_SCORE,
    LOSS_SCORE,
    MIXED,
    MIXTURE_LOSS,
    NAMED,
    PLAIN,
    SCORES_ONLY,
    Auto,
    method,
)
from flpjax.results.forecast import forecast
from flpjax.results.target import targets_of


@pytest.mark.parametrize("stage_2", [name for name, law in LOSS_SCORE.items() if not falls(law)])
@pytest.mark.parametrize("stage_1", COMPUTE_LOSS)
def test_any_stage_1_goes_with_any_stage_2(noisy, key, stage_1, stage_2):
    draws = point(method(f"{stage_1}+{stage_2}"), noisy.runs, key)
    seen = forecast(draws, targets_of(noisy.runs.targets()))
    assert seen.loss_draws.shape == (1, 2, 5)
    assert seen.score_draws.shape == (1, 2, 3)
    flops = [t.flops for t in seen.targets]
    np.testing.assert_allclose(seen.loss_draws[0], noisy.truth.loss(flops), rtol=0.1)
    assert (draws.fits["score"].residual_sd < 0.04).all()
    assert np.isfinite(seen.score_draws).all()
    finals = noisy.runs.training().finals()
    assert (seen.score_draws[0, 1] >= seen.score_draws[0, 0]).all()
    assert (seen.score_draws[0, 0] > np.quantile(finals.score, 0.5, axis=0)).all()


def test_the_papers_names_are_the_papers_methods():
    assert method("flp") == FLP()
    assert method("fp") == FP(PowerLaw())
    assert method("fp-gpt4") == FP(LogPowerLaw())
    llama = method("llama3")
    assert isinstance(llama, FLP)
    assert llama.via == "own"
    assert llama.compute_loss == PowerLaw()
    assert llama.loss_score == LOSS_SCORE["sigmoid"]


@pytest.mark.parametrize("name", [*COMPARED, DEFAULT_MIX, *NAMED])
def test_every_name_that_is_offered_is_there(name):
    chosen = flpjax.method(name)
    assert isinstance(chosen, Auto) == (name == AUTO)
    assert name == AUTO or callable(chosen.bind)


def test_every_name_that_auto_weighs_is_there():
    for name in (*PLAIN, *SCORES_ONLY, *MIXED):
        assert callable(method(name).bind)


def test_a_law_of_losses_alone_goes_on_by_the_sigmoid():
    for law in ("power", "power-e", "chinchilla", "chinchilla-tied", "chinchilla-repeated"):
        assert method(law) == method(f"{law}+sigmoid")
    assert flpjax.method("chinchilla+posterior") == flpjax.method("chinchilla+sigmoid+posterior")
    with pytest.raises(InputError, match="there is no method 'sigmoid'"):
        method("sigmoid")


def test_a_domain_of_choice_reaches_both_kinds_of_flp():
    assert method("flp", via="code") == FLP(via="code")
    assert method("chinchilla+sigmoid", via="code").via == "code"


UNKNOWN = {
    "flop": "there is no method 'flop'. Did you mean 'flp'?",
    "chinchila+sigmoid": "there is no method 'chinchila+sigmoid'. Did you mean 'chinchilla+sigmoid'?",
    "power+sigmoids": "there is no method 'power+sigmoids'. Did you mean 'power+sigmoid'?",
    "quux": f"there is no method 'quux'. There is: {', '.join(NAMED)}; STAGE1+STAGE2 with {', '.join(COMPUTE_LOSS)} "
    f"and {', '.join(LOSS_SCORE)}; for mixtures, with {', '.join(MIXTURE_LOSS)} "
    f"and {', '.join(DOMAINS_SCORE)}; -recent behind such a law fits the ladder's upper half",
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_name_is_refused_with_the_nearest(name):
    with pytest.raises(InputError, match=f"^{re.escape(UNKNOWN[name])}$"):
        method(name)


@pytest.mark.parametrize("name", ["fp", "fp-gpt4", "llama3"])
def test_methods_without_a_domain_of_choice_say_so(name):
    text = f"method '{name}' does not go through a loss domain of choice. Leave the domain out"
    with pytest.raises(InputError, match=f"^{re.escape(text)}$"):
        method(name, via="code")


def test_an_unknown_domain_is_refused_with_the_nearest(noisy):
    with pytest.raises(InputError, match=r"there is no loss domain 'wikpedia'\. Did you mean 'wikipedia'\?"):
        FLP(via="wikpedia").bind(noisy.runs.training())


def test_skills_are_scores_from_chance_to_one(noisy, key):
    runs = noisy.runs
    draws = point(method("power+skill"), runs, key)
    chance = [t.chance for t in runs.tasks if t.name in draws.model.tasks]
    np.testing.assert_allclose(draws.model.units, [(c, 1 - c) for c in chance])
    worst = np.asarray(draws.model.score_from_loss(_first(draws.params), np.full(len(draws.model.domains), 50.0)))
    best = np.asarray(draws.model.score_from_loss(_first(draws.params), np.full(len(draws.model.domains), -50.0)))
    np.testing.assert_allclose(worst, chance, atol=1e-9)
    np.testing.assert_allclose(best, 1.0, atol=1e-9)


def _first(params):
    return {stage: {name: value[0] for name, value in own.items()} for stage, own in params.items()}


def test_flat_is_the_mean_of_final_scores(noisy, key):
    runs = noisy.runs.training()
    draws = point(method("flat"), runs, key)
    seen = forecast(draws, targets_of(noisy.runs.targets()))
    np.testing.assert_allclose(
        seen.score_draws[0], np.broadcast_to(runs.finals().score.mean(axis=0), (2, 3)), rtol=1e-6
    )
