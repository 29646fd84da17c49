"""Files that commands write: what may be replaced, what is refused before anything is read, and how it is written."""

import json
import os
import stat
from pathlib import Path

import pytest

from flpjax.cli import ending
from flpjax.cli.app import main
from flpjax.cli.outputs import check_outputs, marked, write
from flpjax.errors import InputError
from flpjax.ladder.export import csv_of
from flpjax.ladder.simulate import simulate_ladder

RESULT = '{\n  "a": 1\n}'


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a table, its mapping, links to it, notes, and things that are no files."""
    monkeypatch.chdir(tmp_path)
    Path("runs.csv").write_text("run\n")
    Path("map.toml").write_text("[columns]\n")
    Path("notes.txt").write_text('my notes on flpjax: {"made_by": "flpjax 0.1.0"}\n')
    Path("soft.csv").symlink_to("runs.csv")
    Path("hard.csv").hardlink_to("runs.csv")
    Path("circle").symlink_to("circle")
    Path("to-new.json").symlink_to("new.json")
    Path("folder").mkdir()
    os.mkfifo("pipe")
    Path("kept.json").write_text("{}")
    Path("kept.json").chmod(0o444)
    Path("empty.json").touch()
    Path("earlier.json").write_text(marked(RESULT))
    return tmp_path


def asked(**paths):
    return {f"--{option}": Path(path) for option, path in paths.items()}


REFUSED = {
    "runs.csv": "this is an input of the command",
    "map.toml": "this is an input of the command",
    "soft.csv": "this is an input of the command",
    "hard.csv": "this is an input of the command",
    "folder/../runs.csv": "this is an input of the command",
    "notes.txt": "is there already, and flpjax did not make it. Name another file, or add --force",
    "folder": "this is a folder, no regular file",
    "": "this is a folder, no regular file",
    "pipe": "this is a pipe, no regular file. Name a file; --json - writes to stdout",
    "circle": "can't be written (Too many levels of symbolic links)",
    "no/such/folder.json": "can't be written (No such file or directory)",
    "runs.csv/below.json": "can't be written (Not a directory)",
    "n" * 300: "can't be written (File name too long)",
    "nul\0.json": "can't be written (embedded null byte)",
    "kept.json": "is write-protected",
}


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path[:20].replace("\0", "0") or "nothing")
def test_refused_before_anything_is_read(here, path):
    inputs = ["runs.csv", Path("map.toml"), None]
    with pytest.raises(InputError) as refused:
        check_outputs(asked(json=path), inputs)
    assert REFUSED[path] in str(refused.value)
    assert str(refused.value).startswith("--json ")
    if "did not make" in REFUSED[path]:
        check_outputs(asked(json=path), inputs, force=True)
    else:
        with pytest.raises(InputError):
            check_outputs(asked(json=path), inputs, force=True)


@pytest.mark.parametrize("path", ["new.json", "to-new.json", "empty.json", "earlier.json", "-"])
def test_may_be_written(here, path):
    before = sorted(os.listdir())
    check_outputs(asked(json=path), ["runs.csv"])
    assert sorted(os.listdir()) == before, "looking leaves nothing behind"


@pytest.mark.parametrize("other", ["new.json", "./new.json", "to-new.json", "folder/../new.json"])
def test_two_outputs_are_two_files(here, other):
    with pytest.raises(InputError, match="--json names the same file"):
        check_outputs(asked(json="new.json", plot=other))


def test_only_json_goes_to_stdout(here):
    with pytest.raises(InputError, match="--save: only --json can be written to stdout"):
        check_outputs(asked(save="-"))


def test_a_table_may_be_saved_again_where_it_is_the_same(here):
    Path("ladder.csv").write_text("run,loss\na,1\n")
    check_outputs(asked(save="ladder.csv"), same={"--save": "run,loss\na,1\n"})
    with pytest.raises(InputError, match="flpjax did not make it"):
        check_outputs(asked(save="ladder.csv"), same={"--save": "run,loss\na,2\n"})


def test_written_through_a_link_with_the_rights_of_what_was_there(here):
    Path("new.json").touch(mode=0o600)
    write(Path("to-new.json"), "text")
    assert Path("to-new.json").is_symlink()
    assert Path("new.json").read_text() == "text"
    assert stat.S_IMODE(Path("new.json").stat().st_mode) == 0o600
    assert not [name for name in os.listdir() if name.startswith(".flpjax")]
    assert not ending.unfinished


def test_a_file_that_can_not_be_finished_leaves_the_old_one(here, monkeypatch):
    def full(part, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError, match=r"earlier.json: can't be written \(No space left on device\)"):
        write(Path("earlier.json"), "text")
    assert Path("earlier.json").read_text() == marked(RESULT)
    assert not [name for name in os.listdir() if name.startswith(".flpjax")]


@pytest.mark.parametrize("kind", ["png", "pdf", "svg", "eps", "jpg"])
def test_a_picture_of_ours_may_be_replaced_and_another_may_not(here, kind):
    from matplotlib.figure import Figure

    from flpjax.cli.session import save_figure

    path, figure = Path(f"picture.{kind}"), Figure(figsize=(1, 1))
    save_figure(path, figure)
    check_outputs(asked(plot=path))
    figure.savefig(path)
    with pytest.raises(InputError, match="flpjax did not make it"):
        check_outputs(asked(plot=path))


@pytest.fixture(scope="module")
def ladder(tmp_path_factory):
    path = tmp_path_factory.mktemp("ladder") / "ladder.csv"
    path.write_text(csv_of(simulate_ladder(3, checkpoints=2).runs), encoding="utf-8")
    return path


def test_a_command_never_replaces_its_table(ladder, capsys):
    before = ladder.read_bytes()
    with pytest.raises(SystemExit, match="2"):
        main(["check", str(ladder), "--json", str(ladder), "--force"])
    assert ladder.read_bytes() == before
    assert "this is an input of the command" in capsys.readouterr().err


def test_json_to_stdout_stands_alone_and_runs_again_into_its_file(ladder, tmp_path, capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["check", str(ladder), "--json", "-"])
    found = json.loads(capsys.readouterr().out)
    assert found["made_by"].startswith("flpjax ")
    for _ in range(2):
        with pytest.raises(SystemExit, match="0"):
            main(["check", str(ladder), "--json", str(tmp_path / "check.json")])
        assert "14 runs (2 held out)" in capsys.readouterr().out, "tables are back"
    assert json.loads((tmp_path / "check.json").read_text()) == found
