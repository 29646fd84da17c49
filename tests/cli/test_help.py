"""Help is what a newcomer reads: plain types, groups, an example each, 80 columns; and shells complete."""

import re
import shlex

import pytest
import typer
from rich.cells import cell_len

from flpjax.cli import completing, ending, helping
from flpjax.cli.app import app
from flpjax.methods import registry
from flpjax.results.verdicts import Finding, Review, Verdict

COMMANDS = typer.main.get_command(app).commands


def test_every_command_has_its_place():
    assert set(COMMANDS) == set(helping.COMMANDS)


@pytest.mark.parametrize("name", ["", *helping.COMMANDS])
def test_help_speaks_plainly_in_80_columns(run, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = run(*([name] if name else []), "--help")
    assert (code, err) == (0, "")
    assert max(cell_len(line) for line in out.splitlines()) <= 80
    assert not re.search(r"<\w+|\[x[<>]|Path|None|\[\[|\{", out), "no type of Python's"
    if name:
        assert " ".join(out.split()).endswith(f"Example: {helping.COMMANDS[name][1]}")


@pytest.mark.parametrize("name", helping.COMMANDS)
def test_every_option_says_what_it_takes_and_the_example_is_understood(name):
    command, example = COMMANDS[name], shlex.split(helping.COMMANDS[name][1])
    with command.make_context(name, example[2:]) as context:
        assert example[:2] == ["flpjax", name]
        for option in command.get_params(context):
            if option.param_type_name == "option":
                assert option.is_flag or re.fullmatch(r"[\[\]A-Za-z0-9=:|+,…]+", option.metavar), option.name
                assert option.help, option.name
                assert option.rich_help_panel in helping.GROUPS


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("flpjax fore", "forecast"),
        ("flpjax check mixinglaws-r", "mixinglaws-rpj"),
        ("flpjax mix x.csv --ba", "--baseline"),
        ("flpjax forecast x.csv --method chinchilla+sk", "chinchilla+skill"),
        ("flpjax backtest x.csv --method ll", "llama3"),
    ],
)
def test_a_shell_completes_commands_ladders_and_options(run, monkeypatch, typed, completed):
    monkeypatch.setenv("_FLPJAX_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(typed.count(" ")))
    with pytest.raises(SystemExit):
        app(prog_name="flpjax")
    code, out, _ = run("--show-completion", "bash")
    assert code == 0
    assert out.split()[0] == completed


def test_completion_knows_all_methods_and_no_others():
    pairs = {(law, own) for laws, maps in completing.MAPS.items() for law in laws for own in maps}
    known = {(law, own) for law in registry.COMPUTE_LOSS for own in registry.LOSS_SCORE}
    assert pairs == known | {(law, own) for law in registry.MIXTURE_LOSS for own in registry.DOMAINS_SCORE}
    assert set(completing.ALONE) == {*registry.NAMED, "auto", "discovered"}


def test_quiet_leaves_results_and_errors(run, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("run,flops,loss/c4,score/a\n" + "".join(f"r{i},{10.0**i},{9 - i},0.{i}\n" for i in range(3, 8)))
    _, out, err = run("check", table)
    assert err, "it has something to say"
    assert run("check", table, "--quiet") == (0, out, "")
    assert run("check", table)[1:] == (out, err), "the next command speaks again"
    code, out, err = run("check", tmp_path / "none.csv", "-q")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")


@pytest.mark.parametrize(("verdict", "ends"), [(Verdict.FAIL, True), (Verdict.REVIEW, False)])
def test_strict_fails_where_the_review_does(verdict, ends):
    reviewed = Review((Finding("runs", verdict, "3 runs", "Train more"),))
    ending.strictly(False, reviewed)
    if not ends:
        return ending.strictly(True, reviewed)
    with pytest.raises(SystemExit) as stop:
        ending.strictly(True, reviewed)
    assert stop.value.code == 1
    return None
