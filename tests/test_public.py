"""The public surface: what a contributor needs is there by name, options are arguments, and old names warn."""

import importlib
import inspect
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import typer

import flpjax
from flpjax.cli.app import app
from flpjax.errors import InputError
from flpjax.fitting.discovery.method import Discovered
from flpjax.renamed import FOLDERS, MODULES

COMMANDS = typer.main.get_command(app).commands
PYTHON = {
    "check": (flpjax.read_runs, flpjax.check),
    "forecast": (flpjax.read_runs, flpjax.method, flpjax.fit, flpjax.forecast),
    "backtest": (flpjax.read_runs, flpjax.method, flpjax.backtest),
    "review": (flpjax.read_runs, flpjax.method, flpjax.fit, flpjax.review),
    "mix": (
        flpjax.read_runs,
        flpjax.method,
        flpjax.fit,
        flpjax.Goal,
        flpjax.Constraints,
        flpjax.Target,
        flpjax.optimise_mix,
    ),
    "compare": (flpjax.read_runs, flpjax.compare),
    "plan": (
        flpjax.read_runs,
        flpjax.method,
        flpjax.plan,
        flpjax.next_runs,
    ),
    "report": (
        flpjax.read_runs,
        flpjax.method,
        flpjax.fit,
        flpjax.forecast,
        flpjax.review,
        flpjax.backtest,
        flpjax.plan,
        flpjax.optimise_mix,
    ),
    "score": (flpjax.read_runs, flpjax.score),
    "import": (flpjax.import_runs,),
    "speedup": (flpjax.read_runs, flpjax.read_groups, flpjax.speedup),
    "envelope": (flpjax.read_runs, flpjax.sweep_envelope),
    "tune": (flpjax.read_runs, flpjax.method, flpjax.fit, flpjax.tune),
    "discover": (flpjax.read_columns, flpjax.discover_law),
    "demo": (flpjax.fit, flpjax.forecast),
}
"""Command → what does the same in Python."""
OF_A_COMMAND = {
    "runs", "tables", "json", "force", "plot", "curve", "save", "fits", "all", "by_target", "log", "strict", "output",
    "log_file", "markdown", "mix", "register", "from", "predict", "level", "csv", "quiet",
}  # fmt: skip
"""Options about files and what is printed, which Python has no use for."""
OTHERWISE = {"seed": "key"}  # JAX's own


def plural(option):
    return option if option.endswith("s") else f"{option}s"


@pytest.mark.parametrize("command", COMMANDS)
def test_options_are_called_as_arguments_are(command):
    """A repeatable option is the singular of its argument; runs are chosen by methods of Runs."""
    known = {name for function in PYTHON[command] for name in inspect.signature(function).parameters}
    lacking = []
    for parameter in COMMANDS[command].params:
        option = parameter.opts[0].removeprefix("--").replace("-", "_")
        name = OTHERWISE.get(option, option)
        there = name in known or (parameter.multiple and plural(name) in known) or hasattr(flpjax.Runs, name)
        if not there and option not in OF_A_COMMAND:
            lacking.append(option)
    assert not lacking


def test_every_name_is_there_and_has_a_docstring():
    for name in flpjax.__all__:
        assert getattr(flpjax, name).__doc__, name
    assert {"Law", "Parameter", "Method", "bind", "fit", "method", "datasets"} <= set(flpjax.__all__)


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("auto", flpjax.Auto()),
        ("discovered", Discovered()),
        ("m3+discovered", Discovered("m3")),
        ("fp", flpjax.FP()),
    ],
)
def test_methods_by_name_as_on_the_command_line(name, method):
    assert flpjax.method(name) == method


def test_a_blend_is_not_bound(noisy):
    with pytest.raises(InputError, match=r"Auto blends several methods.*Use flpjax\.fit\(\)"):
        flpjax.bind(flpjax.method("auto"), noisy.runs)
    with pytest.raises(InputError, match=r"'flp' is the name of a method\. Give flpjax\.method\('flp'\)"):
        flpjax.bind("flp", noisy.runs)


def test_a_method_may_be_given_by_its_name(noisy, key):
    named, made = (flpjax.fit(m, noisy.runs, key, draws=8) for m in ("flp", flpjax.method("flp")))
    told = [
        flpjax.forecast(draws, target)
        for draws, target in ((named, "C=1e23"), (made, flpjax.Target("C=1e23", flops=1e23)))
    ]
    assert told[0].to_json() == told[1].to_json()
    cut = noisy.runs.hold_out(noisy.runs.largest(2))
    assert list(flpjax.backtest(["flp", "fp"], cut, key, draws=8).methods) == ["flp", "fp"]
    assert list(flpjax.backtest("flp", cut, key, draws=8).methods) == ["flp"]
    with pytest.raises(InputError, match="there is no method 'flq'"):
        flpjax.fit("flq", noisy.runs, key)
    for draws in (7.5, -1, "8"):
        with pytest.raises(InputError, match=r"draws\. Give a whole number"):
            flpjax.fit("flp", noisy.runs, key, draws=draws)


OLD = [*FOLDERS, *(old for olds in MODULES.values() for old in olds.split())]


@pytest.mark.parametrize("old", OLD)
def test_every_old_module_leads_to_one_that_is_there(old, monkeypatch):
    back = {new: old for old, new in FOLDERS.items()}
    top, dot, rest = old.partition(".")
    name = f"flpjax.{back.get(top, top)}{dot}{rest}"
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.warns(DeprecationWarning, match=rf"{name} is now flpjax\.") as said:
        importlib.import_module(name)
    importlib.import_module(str(said[-1].message).rpartition(" ")[2])


def test_old_modules_hold_what_the_new_ones_do_by_old_names_too(monkeypatch):
    monkeypatch.delitem(sys.modules, "flpjax.forms.form", raising=False)
    with pytest.warns(DeprecationWarning, match=r"flpjax\.forms\.form is now flpjax\.laws\.law"):
        form = importlib.import_module("flpjax.forms.form")
    assert form.Form is form.Law is flpjax.Law
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("flpjax.forms.nothing")


@pytest.mark.parametrize("name", ["chinchilla+sigmoid", "auto"])
def test_what_draws_expect_is_a_function_like_any_other(noisy, key, name):
    draws = flpjax.fit(name, noisy.runs, key, draws=8)

    def loss(log_params):
        log_tokens = jnp.log(2e11)
        log_sizes = {"params": log_params, "tokens": log_tokens, "flops": log_params + log_tokens + np.log(6.0)}
        return draws.expected(flpjax.Features({n: jnp.reshape(v, 1) for n, v in log_sizes.items()})).loss.mean()

    at, step = np.log(1e10), 1e-4
    there = float(loss(at))
    slope = float(loss(at + step) - loss(at - step)) / (2 * step)
    assert float(jax.grad(loss)(at)) == pytest.approx(slope, rel=1e-5)
    assert float(jax.jit(jax.grad(loss))(at)) == pytest.approx(slope, rel=1e-5)
    assert float(jax.jit(loss)(at)) == pytest.approx(there, rel=1e-9)
    assert jax.jit(jax.vmap(loss))(np.array([at, at])).tolist() == pytest.approx([there] * 2, rel=1e-9)
