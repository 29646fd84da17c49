"""Repeated data: what they are worth, and that a ladder which repeats is forecast by it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flpjax.errors import InputError
from flpjax.fitting.averaging.auto import auto
from flpjax.ladder.build import build_runs
from flpjax.ladder.features import Features
from flpjax.laws.law import pack, unpack
from flpjax.laws.power_law import Chinchilla, PowerLaw
from flpjax.laws.repeated import UNIQUE, Repeated, repeats
from flpjax.methods.registry import method
from flpjax.results.forecast import forecast
from flpjax.results.ladder_checks import check_reruns
from flpjax.results.target import Target, targets_of
from flpjax.results.untried import check_features
from flpjax.results.verdicts import Verdict

LAW, RD = Chinchilla(centre_params=19.0, centre_tokens=22.0), 15.4
TRUTH = {"log_level": 1.1, "share": 0.6, "size_share": 0.4, "alpha": 0.35, "beta": 0.37, "repetitions": RD}


def at(params, tokens, unique):
    logs = [np.log(v) for v in (params, tokens, 6.0 * params * tokens, unique)]
    return Features({"params": logs[0], "tokens": logs[1], "flops": logs[2], UNIQUE: logs[3]})


def effective(tokens, unique):
    """Muennighoff et al. 2023, eq. 5."""
    again = tokens / unique - 1.0
    return unique + unique * RD * (1.0 - np.exp(-again / RD))


@pytest.mark.parametrize("law", [LAW, PowerLaw(centre=42.0)], ids=["chinchilla", "power"])
def test_it_is_the_law_at_what_repeated_tokens_are_worth(law):
    wide = Repeated(law)
    params = {name: jnp.asarray(TRUTH.get(name, -0.05)) for name in wide.parameters()}
    params["repetitions"] = jnp.asarray(RD)
    for tokens, unique in ((3e10, 1e9), (4e9, 1e9), (1e9, 1e9), (1e9, 7e9)):
        worth = effective(tokens, unique) if tokens > unique else tokens
        same = at(2e8, worth, worth)
        assert float(wide.apply(params, at(2e8, tokens, unique))) == pytest.approx(float(law.apply(params, same)))
    assert set(wide.inputs()) == {*law.inputs(), "tokens", UNIQUE}
    again = unpack(wide, pack(wide, params))
    assert float(again["repetitions"]) == pytest.approx(RD)
    assert float(wide.constants(params)["R_D"]) == RD


def ladder(name=UNIQUE):
    """Six sizes, each on new data and on data seen up to 60 times; the largest are held out."""
    rng = np.random.default_rng(5)
    params, passes = (v.ravel() for v in np.meshgrid(np.geomspace(2e7, 1e9, 6), (1.0, 3.0, 12.0, 60.0), indexing="ij"))
    tokens = 20.0 * params
    law = Repeated(LAW)
    params_of_law = {name: jnp.asarray(v) for name, v in TRUTH.items()}
    loss = jax.vmap(lambda x: law.apply(params_of_law, x))(at(params, tokens, tokens / passes))
    columns = {
        "run": np.array([f"r{i}" for i in range(len(params))], object),
        "params": params,
        "tokens": tokens,
        "loss/val": np.asarray(loss) * np.exp(0.002 * rng.standard_normal(len(params))),
        "held_out": params > 5e8,
    }
    return build_runs(columns | ({f"x/{name}": tokens / passes} if name else {}), source="repeats")


def test_a_ladder_that_repeats_its_data_is_forecast_by_them(key):
    runs = ladder()
    finals = runs.targets().finals()
    draws = auto(runs, key, draws=200)
    assert all(name.endswith("-repeated") for name in draws.validation.weights)
    seen = forecast(draws, targets_of(finals))
    off = [abs(v["val"].median / finals.loss[i, 0] - 1.0) for i, v in enumerate(seen.loss)]
    assert max(off) < 0.02
    assert np.ptp([v["val"].median for v in seen.loss]) > 0.2, "passes over the data tell the targets apart"
    (read,) = check_features(draws, runs.training())
    assert read.verdict == Verdict.PASS
    (unread,) = check_features(draws, ladder(name="dropout").training())
    assert unread.verdict == Verdict.REVIEW
    assert "'dropout', which no law here reads" in unread.figure
    assert list(check_features(draws, ladder(name="").training())) == []
    assert check_reruns(runs.training()).verdict == Verdict.PASS, "runs of one size on other data are no reruns"
    assert check_reruns(ladder(name="").training()).verdict != Verdict.PASS
    with pytest.raises(InputError, match="'unique_tokens', which Repeated reads, is not given"):
        forecast(draws, [Target("big", params=7e9, tokens=1.4e11)])


def test_a_ladder_takes_part_only_where_some_run_repeats():
    assert repeats(ladder().features, ladder().tokens)
    new = ladder().only(["r0", "r4", "r8"])
    assert not repeats(new.features, new.tokens)
    assert not repeats(ladder(name="").features, ladder().tokens)
    assert method("chinchilla-repeated+sigmoid").compute_loss == Repeated(Chinchilla())
