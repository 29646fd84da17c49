"""In a terminal of any width nothing is cut: neither a digit nor a name, in no table."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

WIDTHS = (40, 60, 80, 120)
LONG = "a-run-of-58-letters-lr=3e-4-width=512-depth=24-seed=17-tok"
RUNS = (LONG, "模型一号-第一次训练", "נסיון-ראשון", "r[x]=[bold]1[/bold]", "e\u0301" * 7, "👩\u200d👧-small", "7B")
TASKS = ("mmlu", "a_task_whose_name_is_long_but_not_very_long", "[red]x[/red]", "ταξινόμηση")
GONE = re.compile(r"[^\n]*\n(\x1b\[\?25h)?\r\x1b\[1A\x1b\[2K")  # a line of progress, once the work is done
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Width → the lines that the terminal showed; the texts that it had to; what check says in JSON."""
    table = tmp_path_factory.mktemp("terminal") / "runs.csv"
    rows = [["run", "params", "tokens", "loss/general", *(f"score/{task}" for task in TASKS)]]
    for i, run in enumerate(RUNS):
        params, loss = 1.3e7 * 2**i, 4.0 * 2.0 ** (-0.1 * i)
        rows.append([run, params, 20 * params, loss, *(0.95 - 0.12 * loss - 0.01 * j for j in range(len(TASKS)))])
    table.write_text("\n".join(",".join(map(str, row)) for row in rows) + "\n", encoding="utf-8")
    names = map(json.dumps, (RUNS, TASKS))
    shown = in_terminal(sys.executable, "-m", "tests.cli.on_terminal", str(table), *names, *map(str, WIDTHS))
    found = re.findall(r"NOW (\d+)\n(.*?)(?=NOW|\Z)", shown, flags=re.DOTALL)
    lines = {int(width): text.split("\n") for width, text in found}
    return (
        lines,
        json.loads(Path(f"{table}.expected").read_text("utf-8")),
        json.loads(Path(f"{table}.json").read_text("utf-8")),
    )


@pytest.fixture(params=WIDTHS)
def seen(request, session):
    lines, expected, found = session
    return request.param, lines[request.param], expected, found


def in_terminal(*command):
    """What a command shows in a pseudo-terminal, without colours and progress."""
    ours, theirs = pty.openpty()
    unset = ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "PYTHONIOENCODING")
    environment = {k: v for k, v in os.environ.items() if k not in unset}
    environment |= {"TERM": "xterm-256color", "PYTHONUTF8": "1"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as child:
        os.close(theirs)
        data = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the terminal is gone with the child
                break
            if not piece:
                break
            data += piece
    os.close(ours)
    lines = ANSI.sub("", GONE.sub("", data.decode().replace("\r\n", "\n"))).split("\n")
    text = "\n".join(line.rpartition("\r")[2] for line in lines)
    assert child.returncode == 0, text
    return text


def whole(text, lines, width):
    """Whether a text stands in a line, or, if it is wider than any could be, in lines that follow each other."""
    if cell_len(text) < width:
        return any(text in line for line in lines)
    return text in "".join(line.strip() for line in lines)


def test_no_line_is_wider_than_the_terminal_and_nothing_is_cut(seen):
    width, lines, _, _ = seen
    assert [line for line in lines if cell_len(line) > width] == []
    assert not any("…" in line for line in lines)


def test_every_name_and_number_is_whole(seen):
    width, lines, expected, _ = seen
    for text in expected:
        assert whole(text, lines, width), text


def test_what_check_says_in_json_is_shown(seen):
    width, lines, _, found = seen
    for run in found["runs"]:
        assert whole(run["run"], lines, width)
        assert any(f"{run['final_loss']:.3f}" in line for line in lines)
        assert any(f"{run['flops']:.3g}" in line for line in lines)
    for task in found["tasks"]:
        assert whole(task["task"], lines, width)
        assert any(f"{100 * task['best']:.1f}" in line for line in lines)


def test_a_review_says_its_verdict_first(seen):
    _, lines, _, _ = seen
    verdicts = [line[:8] for line in lines if "check of" in line]
    assert verdicts == ["PASS    ", "REVIEW  ", "FAIL    ", "PASS    "]
