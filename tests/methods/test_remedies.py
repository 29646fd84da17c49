"""What an error sends to works on the same table: no remedy leads to a method that sends back."""

import re

import pytest

from flpjax.errors import InputError
from flpjax.methods.registry import COMPUTE_LOSS, DOMAINS_SCORE, LOSS_SCORE, MIXTURE_LOSS, NAMED, compared, method
from flpjax.readers.read import read_runs
from tests.cli.cases import SHAPES

PAIRS = [(COMPUTE_LOSS, LOSS_SCORE), (MIXTURE_LOSS, DOMAINS_SCORE)]
KNOWN = {*NAMED, *(f"{a}+{b}" for first, second in PAIRS for a in first for b in second)}
TRIED = sorted(
    {*NAMED, "chinchilla+sigmoid", "power-e+linear", "m3+network", "m4+domain-linear", "bimix+domain-average"}
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Shape → its runs, of those with some left to fit on."""
    folder = tmp_path_factory.mktemp("remedies")
    arguments = {name: shape.write(folder, name.replace(" ", "-")) for name, shape in SHAPES.items()}
    tables = {name: read_runs(file, mapping) for name, (file, _, mapping) in arguments.items()}
    return {name: table.training() for name, table in tables.items() if not table.held_out.all()}


def sent_to(error):
    """The methods that a remedy names."""
    return [name for name in re.findall(r"'([a-z0-9+-]+)'", error.remedy) if name in KNOWN]


def refusal(name, runs):
    """Why a method can't be bound to a table; None if it can."""
    try:
        method(name).bind(runs)
    except InputError as error:
        return error
    return None


@pytest.mark.parametrize("shape", [name for name in SHAPES if name not in ("all held out", "one run")])
def test_a_remedy_names_methods_that_work_on_the_table(runs, shape):
    """'fp' said "try the method 'flp'" where there was no loss, and 'flp' said that 'fp' goes straight to the score."""
    errors = {name: error for name in TRIED if (error := refusal(name, runs[shape])) is not None}
    for name, error in errors.items():
        assert error.where, name
        assert error.remedy, name
        for other in sent_to(error):
            assert refusal(other, runs[shape]) is None, f"{name}: {error}"


def test_one_run_is_too_few_for_all(runs):
    for name in ("flp", "chinchilla+sigmoid", "fp", "flat"):
        assert re.search(r"Give at least \d runs$", str(refusal(name, runs["one run"])))


@pytest.mark.parametrize("shape", ["losses only", "scores only", "mixtures, both", "each task's own loss", "gaps"])
def test_a_backtest_tries_what_the_columns_allow(runs, shape):
    names = compared(runs[shape])
    for name in names:
        if name != "auto":
            method(name).bind(runs[shape])
    assert ("m3+domain-linear" in names) == (shape == "mixtures, both")
    assert ("llama3" in names) == (shape == "each task's own loss")
