"""A law over two features of its own, from the table to the forecast: one class here, and one entry in the registry."""

import json
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flpjax.cli.app import main
from flpjax.errors import InputError
from flpjax.fitting.point import bind, point
from flpjax.fitting.posterior.posterior import posterior
from flpjax.laws.law import POSITIVE, REAL, Parameter, centre_of, weighted_line
from flpjax.methods.flp import FLP
from flpjax.methods.registry import COMPUTE_LOSS, method
from flpjax.readers.read import read_runs
from flpjax.results.backtest import backtest
from flpjax.results.check import check
from flpjax.results.forecast import forecast
from flpjax.results.target import Target, targets_of

DECAY, SLOPE = 0.06, 0.4
MAPPING = {
    "columns": {"x/dropout": "p_drop"},
    "features": {"dropout": {"unit": "probability", "transform": "linear"}, "unique_tokens": {"unit": "tokens"}},
}
GIVEN = {"unique_tokens": 3e11, "dropout": 0.0}


@dataclass(frozen=True)
class Repeated:
    """``log L = log_level − decay·(log U − centre) + slope·dropout``, of U unique tokens."""

    centre: float = 24.0

    def parameters(self):
        return {
            "log_level": Parameter(REAL, 0.5, 1.0, "log loss at the centre", affine="log"),
            "decay": Parameter(POSITIVE, -2.0, 0.7, "per e-fold of unique tokens"),
            "slope": Parameter(REAL, 0.0, 1.0, "of dropout", affine="log"),
        }

    def inputs(self):
        return ("unique_tokens", "dropout")

    def apply(self, params, x):
        seen = params["decay"] * (x["unique_tokens"] - self.centre)
        return jnp.exp(params["log_level"] - seen + params["slope"] * x["dropout"])

    def guess(self, x, y, weight):
        level, decay = weighted_line(x["unique_tokens"] - self.centre, jnp.log(y), weight)
        return {"log_level": level, "decay": jnp.maximum(-decay, 1e-2), "slope": jnp.zeros_like(level)}

    def constants(self, params):
        return dict(params)

    def centred(self, x):
        return replace(self, centre=centre_of(x["unique_tokens"]))


def loss_of(unique, dropout):
    return np.exp(1.0 - DECAY * (np.log(unique) - 24.0) + SLOPE * dropout)


@pytest.fixture(scope="module")
def csv(tmp_path_factory):
    """Nine runs of two checkpoints; unique tokens and dropout are no function of N, D or C."""
    rng, lines = np.random.default_rng(5), ["run,params,tokens,x/unique_tokens,p_drop,loss/c4,held_out"]
    for i in range(9):
        params, dropout, unique = 1e7 * 2.0**i, rng.uniform(0.0, 0.3), 1e9 * 1.7**i * rng.uniform(0.5, 2.0)
        loss = loss_of(unique, dropout) * np.exp(0.002 * rng.standard_normal())
        for share, more in ((0.5, 1.1), (1.0, 1.0)):
            row = (f"r{i}", params, 20 * params * share, unique, dropout, loss * more, i == 8)
            lines.append(",".join(str(float(v)) if isinstance(v, np.floating) else str(v) for v in row))
    path = tmp_path_factory.mktemp("features") / "runs.csv"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def runs(csv):
    return read_runs(csv, MAPPING)


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setitem(COMPUTE_LOSS, "repeated", Repeated())


def ended(args):
    """The exit code of a command."""
    with pytest.raises(SystemExit) as end:
        main(args)
    return end.value.code


def test_a_check_names_features_and_their_range(runs):
    unique, dropout = check(runs).features
    assert unique == {
        "feature": "unique_tokens",
        "unit": "tokens",
        "transform": "log",
        "constant": True,
        "lowest": float(runs.features["unique_tokens"].min()),
        "highest": float(runs.features["unique_tokens"].max()),
    }
    assert (dropout["unit"], dropout["transform"]) == ("probability", "linear")
    assert "unique_tokens " in str(runs)
    facts = runs.feature_facts
    assert list(facts) == ["params", "tokens", "flops", "unique_tokens", "dropout"]
    assert [f.constant for f in facts.values()] == [True, False, False, True, True]


def test_the_command_line_forecasts_a_target(csv, registered, tmp_path, capsys):
    mapping, out = tmp_path / "map.toml", tmp_path / "out.json"
    mapping.write_text('[columns]\n"x/dropout" = "p_drop"\n[features.dropout]\ntransform = "linear"\n')
    options = ["--mapping", str(mapping), "--method", "repeated+linear", "--draws", "20"]
    size = "big: N=1e10,D=2e11"
    target = f"{size},x/unique_tokens=3e11,x/dropout=0"
    assert ended(["forecast", str(csv), "--target", target, *options, "--json", str(out)]) == 0
    (target,) = json.loads(out.read_text())["targets"]
    assert target["features"] == GIVEN
    assert target["loss"]["c4"]["median"] == pytest.approx(loss_of(3e11, 0.0), rel=0.01)
    capsys.readouterr()
    assert ended(["forecast", str(csv), "--target", f"{size},x/unique_tokens=3e11", *options]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "the feature 'dropout', which Repeated reads, is not given. Write x/dropout=… in the target" in said


def test_a_backtest_and_a_posterior(runs, key):
    record = backtest({"own": FLP(Repeated())}, runs, key, draws=20).methods["own"]
    assert not record.failed
    assert np.abs([c.rel_error for c in record.losses]).max() < 0.02
    draws = posterior(FLP(Repeated()), runs, key, method="laplace", draws=400, strict=False)
    seen = forecast(draws, [Target("big", 1e10, 2e11, features=GIVEN), *targets_of(runs.targets())]).loss[0]["c4"]
    assert seen.lower < loss_of(3e11, 0.0) < seen.upper
    assert seen.upper / seen.lower < 1.1
    with pytest.raises(InputError, match="the ladder has no column 'x/dropuot'"):
        forecast(draws, [Target("big", 1e10, 2e11, features=GIVEN | {"dropuot": 0.1})])


def test_a_ladder_without_the_feature_is_refused_before_any_fit(csv):
    with pytest.raises(InputError, match="no column 'x/dropout', the feature 'dropout' that Repeated reads"):
        bind(FLP(Repeated()), read_runs(csv, {"table": {"ignore": ["p_drop"]}}))


def test_jax_takes_features_as_a_pytree(runs):
    x = jax.tree.map(jnp.asarray, runs.law_inputs)
    assert x.names == ("params", "tokens", "flops", "dropout", "unique_tokens")
    twice = jax.jit(jax.vmap(lambda one: one.replace(dropout=2.0 * one["dropout"])))(x)
    np.testing.assert_allclose(twice["dropout"], 2.0 * runs.features["dropout"])
    np.testing.assert_allclose(twice["unique_tokens"], np.log(runs.features["unique_tokens"]))


@pytest.fixture(scope="module")
def compute_alone(tmp_path_factory):
    """Runs of two checkpoints, the later one first, with nothing but FLOPs and a loss."""
    path = tmp_path_factory.mktemp("compute") / "runs.csv"
    flops = 1e18 * 3.0 ** np.arange(14)
    rows = [(i, share * c, 1.7 + 40.0 * (share * c) ** -0.08) for i, c in enumerate(flops) for share in (1.0, 0.4)]
    path.write_text("run,flops,val_loss\n" + "\n".join(f"r{i},{c},{loss}" for i, c, loss in rows))
    return path


def test_compute_and_loss_alone_are_a_ladder(compute_alone, key):
    runs = read_runs(compute_alone)
    assert list(runs.features) == ["flops"]
    assert np.isnan(runs.params).all()
    assert np.isnan(runs.tokens).all()
    np.testing.assert_allclose(runs.finals().flops, 1e18 * 3.0 ** np.arange(14))
    found = check(runs)
    assert {(r["params"], r["tokens"]) for r in json.loads(found.to_json())["runs"]} == {(None, None)}
    assert "there is no column 'params' and no 'tokens': laws that read them take no part" in found.notes
    draws = point(method("power-e+sigmoid"), runs, key)
    seen = forecast(draws, [Target("big", flops=1e26)])
    assert seen.loss[0]["validation"].median == pytest.approx(1.7 + 40.0 * 1e26**-0.08, rel=0.003)
    by_size, by_flops = (forecast(draws, [t]) for t in (Target("big", 1e10, 1e12), Target("big", 1e10, 1e12, 6e22)))
    assert by_size.loss == by_flops.loss
    assert any("target 'big': C is 6·N·D = 6e+22 FLOPs" in warning for warning in by_size.warnings)
    assert not any("6·N·D" in warning for warning in forecast(draws, [Target("big", 1e10, 1e12, 7e22)]).warnings)
    with pytest.raises(InputError, match="no column 'params', the feature 'params' that Chinchilla reads"):
        bind(method("chinchilla+sigmoid"), runs)


def test_rows_without_a_run_are_runs(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("flops,loss\n1e18,3.1\n3e18,2.9\n9e18,2.8\n")
    runs = read_runs(path)
    assert runs.names == ("row 1", "row 2", "row 3")
    assert any("each of the 3 rows is a run of its own" in note for note in runs.notes)
