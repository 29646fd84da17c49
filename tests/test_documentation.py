"""What README and the documentation print is there: names, arguments, options; and their links lead somewhere."""

import ast
import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer

import flpjax
from flpjax.cli.app import app, main
from flpjax.laws.published import PUBLISHED, published_law

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def found(pattern):
    """What matches in each page, continued lines joined, with a name for a test's case."""
    return [
        pytest.param(match, id=f"{page.stem}-{i}")
        for page in PAGES
        for text in [re.sub(r" \\\n +", " ", page.read_text(encoding="utf-8"))]
        for i, match in enumerate(re.findall(pattern, text, re.DOTALL | re.MULTILINE))
    ]


BLOCKS = found(r"```python\n(.*?)```")
COMMANDS = found(r"^(?:    |\$ |)(flpjax [a-z][^\n]*?)(?:  [^\n]*)?$")
NAMES = sorted({name.rstrip(".") for name in re.findall(r"\bflpjax\.([A-Za-z_][\w.]*)", TEXT)} - {"git"})
REFERENCE = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "reference").glob("*.md"))


def test_every_name_is_an_attribute_after_the_import_alone():
    """``flpjax.datasets.ladder()`` raised AttributeError until some other import had loaded the module."""
    assert "datasets.ladder" in NAMES
    program = (
        f"import flpjax\nfor name in {NAMES}:\n    eval('flpjax.' + name)\nprint(len(flpjax.datasets.ladder().names))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30


def test_the_public_names_are_listed_and_found():
    assert {"datasets", "Cell", "Record", "Backtest", "forecast"} <= set(flpjax.__all__) <= set(dir(flpjax))
    assert all(hasattr(flpjax, name) for name in flpjax.__all__)
    with pytest.raises(AttributeError, match="module 'flpjax' has no attribute 'dataset'"):
        _ = flpjax.dataset


def calls(block):
    """The calls of flpjax's own functions in a block: ``(name, number of arguments, keywords)``."""
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.Call) and re.fullmatch(r"flpjax\.[\w.]+", ast.unparse(node.func)):
            yield ast.unparse(node.func).removeprefix("flpjax."), len(node.args), [k.arg for k in node.keywords]


@pytest.mark.parametrize("block", BLOCKS)
def test_blocks_call_what_there_is_with_arguments_that_it_takes(block):
    made = list(calls(block))
    assert made
    for name, positional, keywords in made:
        function = flpjax
        for part in name.split("."):
            function = getattr(function, part)
        inspect.signature(function).bind(*[None] * positional, **dict.fromkeys(keywords))


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_take_the_arguments_that_are_printed(line):
    name, *arguments = shlex.split(line, comments=True)[1:]
    group = typer.main.get_command(app)
    assert isinstance(group, click.Group | typer.core.TyperGroup)
    command = group.commands[name]
    with command.make_context(name, arguments) as context:
        assert context.params
        if name == "report":  # refuses where there is no file to write, as the README's once had none
            assert context.params["output"] or context.params["markdown"]


def test_every_public_class_and_function_is_in_the_reference():
    modules = {"datasets", "errors", "numerics"}
    missing = [
        name for name in flpjax.__all__ if name not in modules and not re.search(rf"^::: .*\.{name}$", REFERENCE, re.M)
    ]
    assert not missing


def test_links_to_files_lead_somewhere():
    broken = [
        (page.name, link)
        for page in PAGES
        for link in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert not broken


def test_the_example_of_the_readme_runs(capsys):
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(block, "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert re.search(r"^19M-code0\.3: N=1\.9e\+07", out, re.MULTILINE)
    assert len(re.findall(r"^ recall +\d\d\.\d +\d\d\.\d to \d+\.\d +\d\d\.\d ", out, re.MULTILINE)) == 4
    assert re.search(r"^Review: ", out, re.MULTILINE)


@pytest.mark.thorough
@pytest.mark.parametrize("line", [case for case in COMMANDS if " ladder " in f"{case.values[0]} "])
def test_commands_on_the_ladder_that_ships_run_as_printed(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(line, comments=True)[1:])
    assert ended.value.code in (0, None)


def test_published_laws_are_listed_with_their_formulas_and_columns():
    page = (ROOT / "docs" / "your-own-law.md").read_text(encoding="utf-8")
    for name, published in PUBLISHED.items():
        formula = published_law(name)
        columns = [f"`{f}`" for f in formula.inputs() if f not in ("params", "tokens", "flops")]
        (row,) = re.findall(rf"^\| `{name}` \| (.*) \| (.*) \| (.*) \|$", page, re.MULTILINE)
        assert (row[0], row[2]) == (published.topic, published.source)
        assert sorted(re.findall(r"`\w+`", row[1])) == sorted(columns)
        assert re.search(rf"^{name} +{re.escape(str(formula))}$", page, re.MULTILINE)
