"""How commands end: one line and an exit code, in any encoding, whatever becomes of stdout, whatever names hold.

Ctrl-C ends the program at once, with one line and no half-written file, whatever it is doing.
"""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from rich.text import Text

from flpjax.cli import ending
from flpjax.cli.app import main
from flpjax.cli.console import console
from flpjax.cli.ending import run
from flpjax.errors import FitError, InputError
from flpjax.ladder.export import csv_of
from flpjax.ladder.simulate import simulate_ladder


@pytest.fixture(scope="module")
def ladder(tmp_path_factory):
    path = tmp_path_factory.mktemp("ladder") / "ladder.csv"
    path.write_text(csv_of(simulate_ladder(3, checkpoints=2).runs), encoding="utf-8")
    return path


def ended(args):
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in args])
    return stop.value.code


class Full(io.TextIOWrapper):
    """A stdout whose disk is full."""

    def __init__(self, error):
        super().__init__(io.BytesIO(), encoding="utf-8")
        self.error = error

    def write(self, text):
        raise OSError(self.error, os.strerror(self.error))


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EBADF])
def test_stdout_that_can_not_be_written(ladder, capsys, monkeypatch, error):
    monkeypatch.setattr(sys, "stdout", Full(error))
    assert ended(["check", ladder]) == 1
    assert capsys.readouterr().err == f"error: stdout: can't be written ({os.strerror(error)})\n"


def test_a_reader_that_has_read_enough_is_told_nothing(ladder, capsys, monkeypatch):
    """``flpjax check ladder.csv | head``."""
    monkeypatch.setattr(sys, "stdout", Full(errno.EPIPE))
    assert ended(["check", ladder]) == 1
    assert capsys.readouterr().err == ""


def test_stdout_that_is_closed(ladder, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert ended(["check", ladder]) == 1
    assert capsys.readouterr().err == "error: stdout: can't be written (it is closed)\n"


def test_stderr_that_is_closed_costs_no_result(ladder, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert ended(["check", ladder]) == 0
    assert "14 runs" in capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252", "koi8-r"])
def test_an_encoding_that_lacks_characters(ladder, tmp_path, monkeypatch, encoding):
    rows = ladder.read_text("utf-8").replace("\n7B,", "\n7B–α…×,").splitlines(keepends=True)
    table = tmp_path / "named.csv"
    table.write_text("".join(rows), encoding="utf-8")
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    assert ended(["check", table, "--all"]) == 0
    shown = raw.getvalue().decode(encoding)
    assert "7B" in shown
    assert "13B" in shown
    if encoding == "ascii":
        assert r"7B-\u03b1...x" in shown


HOSTILE = "7B\x1b[31m\x1b]0;title\x07\u202e\r\x9b2J"


def test_names_can_not_command_a_terminal(ladder, tmp_path, capsys):
    table = tmp_path / "hostile.csv"
    text = ladder.read_text("utf-8").replace("\n7B,", f'\n"{HOSTILE}",').replace("\n3B,", '\n"3B\x1b[2J",')
    table.write_text(text, encoding="utf-8", newline="")
    assert ended(["check", table, "--all", "--json", tmp_path / "check.json"]) == 0
    assert ended(["backtest", table, "--hold-out", f"x{HOSTILE}"]) == 2
    said = capsys.readouterr()
    for text in (said.out, said.err):
        assert not [c for c in text if not c.isprintable() and c != "\n"]
        assert r"7B\x1b[31m\x1b]0;title\x07\u202e\r\x9b2J" in text.replace(r"\x0d", r"\r")
    names = [r["run"] for r in json.loads((tmp_path / "check.json").read_text("ascii"))["runs"]]
    assert HOSTILE in names, "JSON has its own escapes, and loses nothing"


def test_what_is_rendered_is_escaped_too(capsys):
    out = console("stdout")
    out.print(Text("a\x1b[2Jb\nc"), "d\x07", style="bold")
    assert capsys.readouterr().out == "a\\x1b[2Jb\nc d\\x07\n"


ENDS = {
    "bad input": (InputError("wrong", where="a.csv", remedy="Mend it"), 2, "error: a.csv: wrong. Mend it"),
    "bad fit": (FitError("no optimum"), 1, "error: no optimum"),
    "two lines": (InputError("a\nb\x1b"), 2, r"error: a\nb\x1b"),
    "memory": (MemoryError(), 1, "error: there is not enough memory. Ask for fewer --draws"),
    "device memory": (RuntimeError("RESOURCE_EXHAUSTED: 8 TB"), 1, "error: there is not enough memory"),
    "system": (OSError(errno.EMFILE, "Too many open files"), 1, "error: [Errno 24] Too many open files"),
    "interrupted": (KeyboardInterrupt(), 130, "interrupted; nothing was written"),
    "interrupted in a library": (SystemExit(130), 130, "interrupted; nothing was written"),
}


@pytest.mark.parametrize("name", ENDS)
def test_one_line_and_an_exit_code(capsys, name):
    error, code, line = ENDS[name]

    def command(args):
        raise error

    with pytest.raises(SystemExit) as stop:
        run(command, [])
    assert stop.value.code == code
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(line)


def test_a_fault_of_the_program_keeps_its_traceback():
    def command(args):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(command, [])


def test_last_words_name_what_was_written(monkeypatch):
    monkeypatch.setattr(ending, "written", ["a.json", "b\x1b.png"])
    assert ending.last_words() == r"interrupted; written before: a.json, b\x1b.png"


def test_versions_and_the_extra_in_help(capsys):
    assert ended(["--version"]) == 0
    assert capsys.readouterr().out.startswith(("flpjax 0.", "flpjax 1."))
    assert ended(["forecast", "--help"]) == 0
    assert "flpjax[viz]" in capsys.readouterr().out
    assert ended(["--help"]) == 0
    assert "0 good, 1 failed, 2 bad input, 130 interrupted" in capsys.readouterr().out


def test_version_imports_nothing_heavy():
    program = (
        "import sys; from flpjax.cli.app import main\n"
        "try: main(['--version'])\n"
        "except SystemExit as stop: assert not stop.code\n"
        "assert not {'jax', 'numpy', 'polars'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize(("target", "code"), [("C=1e26", 1), ("C=1e23", 0)])
def test_a_strict_review_fails_where_a_check_does(ladder, tmp_path, monkeypatch, target, code):
    from flpjax.fitting import fit
    from flpjax.results import review
    from flpjax.results.verdicts import Finding, Review, Verdict

    verdict = Verdict.FAIL if code else Verdict.REVIEW
    found = Review((Finding("distance", verdict, "far", "come nearer"),))
    monkeypatch.setenv("FLPJAX_CACHE", str(tmp_path / "compiled"))
    monkeypatch.setattr(fit, "fit", lambda *_, **__: type("Fitted", (), {"warnings": ()}))
    monkeypatch.setattr(review, "review", lambda *_: found)
    assert ended(["review", ladder, "-t", target, "--method", "flp"]) == 0
    assert ended(["review", ladder, "-t", target, "--method", "flp", "--strict"]) == code


READY = "print('ready', flush=True)\n"
MOMENTS = {
    "waiting": f"import time\n{READY}time.sleep(60)",
    "a loop": f"{READY}while True: pass",
    "compiled code": f"import numpy as np\na = np.ones((4000, 4000))\n{READY}\nwhile True: a @ a",
    "a destructor, where an exception is lost": (
        f"import time\nclass A:\n    def __del__(self):\n        {READY}        time.sleep(60)\nA()"
    ),
    "a callback of a weak reference": (
        "import time, weakref\nclass A: pass\n"
        f"def gone(_):\n    {READY}    time.sleep(60)\na = A()\nr = weakref.ref(a, gone)\ndel a"
    ),
    "a handler that takes everything": (
        f"import time\n{READY}while True:\n    try: time.sleep(60)\n    except BaseException: pass"
    ),
    "the end": (
        f"import atexit, time\ndef slow():\n    {READY}    time.sleep(60)\natexit.register(slow)\nending.leave(0)"
    ),
}
PROGRAM = "from flpjax.cli import ending\nending.watch()\n"
WRITING = """
import os
from pathlib import Path
from flpjax.cli import outputs
outputs.write(Path("first.json"), "done")
def write_slowly(self, mode):
    import io, time
    handle = io.open(self, mode)
    handle.write(b"half")
    handle.flush()
    print("ready", flush=True)
    time.sleep(60)
Path.open = write_slowly
outputs.write(Path("second.json"), "never")
"""


def pressed(program, folder, presses=1):
    """Exit code and stderr of a program that Ctrl-C is pressed in when it is ready, and how long it took to end."""
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM + program],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    try:
        assert started.stdout.readline() == "ready\n"
        begun = time.monotonic()
        for _ in range(presses):
            started.send_signal(signal.SIGINT)
        _, err = started.communicate(timeout=30)
        return started.returncode, err, time.monotonic() - begun
    finally:
        started.kill()


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_press_ends_the_program(moment, tmp_path):
    code, err, seconds = pressed(MOMENTS[moment], tmp_path)
    assert (code, err) == (130, "interrupted; nothing was written\n")
    assert seconds < 20


def test_many_presses_are_as_one(tmp_path):
    assert pressed(MOMENTS["waiting"], tmp_path, presses=5)[:2] == (130, "interrupted; nothing was written\n")


def test_half_a_file_is_removed_and_a_whole_one_named(tmp_path):
    code, err, _ = pressed(WRITING, tmp_path)
    assert (code, err) == (130, "interrupted; written before: first.json\n")
    assert os.listdir(tmp_path) == ["first.json"]


def test_the_command_line_watches_from_its_first_import_on(tmp_path):
    program = (
        "import sys, runpy\nsys.argv = ['flpjax', '--version']\n"
        "class Slow:\n    def find_spec(self, name, *_):\n"
        "        if name == 'typer':\n            print('ready', flush=True)\n            import time; time.sleep(60)\n"
        "sys.meta_path.insert(0, Slow())\nrunpy.run_module('flpjax', run_name='__main__')"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert started.stdout.readline() == "ready\n"
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=30)
    assert (started.returncode, err) == (130, "interrupted; nothing was written\n")
