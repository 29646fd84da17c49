"""One input through the command line, in this process: a result, a refusal, or a finding."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import traceback
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from benchmarks.fuzz.cases import Case
from benchmarks.fuzz.clock import Hung, limited

LIMIT = 5.0  # seconds, as benchmarks.fuzz.clock counts them
MESSAGE = 4000  # characters of an error message; that of a long list of choices has 1,500
FOREIGN = re.compile(
    r"\w*Warning: |Traceback \(most recent|panicked at|^[WEF]\d{4} \d\d:|Fatal Python error", re.MULTILINE
)
"""What other libraries write on stderr."""


UNSEEN = ("Cc", "Zl", "Zp", "Cs")
TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Categories and marks of direction that a terminal obeys and nobody sees."""


@dataclass(frozen=True)
class Outcome:
    """How an input ended.

    Attributes:
        index: The input's number.
        kind: What was mutated.
        ended: ``result``, ``refused``, or what is wrong.
        group: What findings of one cause share; empty for a result and a refusal.
        detail: The end of the traceback, or what was written.
        seconds: Of processor time, without compilation.
    """

    index: int
    kind: str
    ended: str
    group: str
    detail: str
    seconds: float

    def line(self) -> str:
        """As one line of JSON."""
        return json.dumps(asdict(self))


@contextmanager
def built_once() -> Iterator[None]:
    """Keep what typer makes of the commands' signatures: it takes four times as long as ``check`` of a small table."""
    import typer.main

    builds = typer.main.get_command
    typer.main.get_command = cache(builds)
    try:
        yield
    finally:
        typer.main.get_command = builds


def trial(given: Case, folder: Path) -> Outcome:
    """Write the files, run the command line in their folder, and judge what it did.

    Args:
        given: The input.
        folder: A folder of the fuzzer's own, which is emptied first; the current folder is there while it runs.
    """
    from flpjax.cli.app import main

    home = Path.cwd()
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "folder").mkdir(parents=True)
    for name, content in given.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    before = _state(folder)
    error: BaseException | None = None
    code: object = 0
    os.chdir(folder)
    try:
        with _captured(folder.parent) as written, limited(LIMIT) as used:
            try:
                main(list(given.args))
            except SystemExit as end:
                code = end.code
            except BaseException as caught:
                error = caught
    finally:
        os.chdir(home)
    seconds = used()
    out, err = written()
    ended, group, detail = _judged(code, error, err, out) or _left(before, _state(folder), folder, code) or ("", "", "")
    if not ended:
        ended = "refused" if code else "result"
    return Outcome(given.index, given.kind, ended, group, detail, seconds)


def _judged(code: object, error: BaseException | None, err: str, out: str) -> tuple[str, str, str] | None:
    """What is wrong with how it ended and what it said, or None."""
    if isinstance(error, Hung):
        return "hang", _tail(error), _trace(error)
    if error is not None:
        return "foreign exception", _tail(error), _trace(error)
    if foreign := FOREIGN.search(err):
        line = err[foreign.start() :].splitlines()[0]
        return "words of another library", re.sub(r"\d+", "0", line)[:120], err[-1500:]
    if code and not err.strip() and "Usage:" not in out:  # without any argument there is help, which is a result
        return "no message", f"exit code {code}", ""
    if code not in (0, 1, 2, None):
        return "exit code", f"exit code {code}", err[-1500:]
    said = [line for line in err.splitlines() if line.startswith("error: ")]
    if len(said) > 1:
        return "several messages", said[0][:80], err[-1500:]
    if (code and len(err) > MESSAGE) or any(len(line) > MESSAGE for line in err.splitlines()):
        return "long message", max(err.splitlines(), key=len)[:80], err[:1500]
    for line in err.split("\n"):
        if any(unicodedata.category(c) in UNSEEN or c in TURNS for c in line):
            return "control characters", ascii(line)[:80], ascii(err[-1500:])
    return None


def _left(before: dict[str, str], after: dict[str, str], folder: Path, code: object) -> tuple[str, str, str] | None:
    """What is wrong with the files that are there now, or None."""
    lost = [name for name in before if after.get(name) != before[name]]
    if lost:
        return "input replaced", re.sub(r"\d+", "0", lost[0]), ", ".join(lost)
    for name in after.keys() - before.keys():
        path = folder / name
        if code == 2:
            return "output of a refused input", name, name
        if path.name.startswith(".") and not path.name.startswith(".new"):
            return "half-written output", "temporary file", name
        if path.suffix == ".json":
            try:
                json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                return "half-written output", "no JSON", f"{name}: {error}"
    return None


def _state(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@contextmanager
def _captured(folder: Path) -> Iterator[Callable[[], list[str]]]:
    """Both standard streams into files, below Python as well, for libraries in other languages write to those."""
    import sys

    saved = [os.dup(1), os.dup(2)]
    paths = [folder / "stdout.txt", folder / "stderr.txt"]
    sys.stdout.flush()
    sys.stderr.flush()
    streams = sys.stdout, sys.stderr
    files = [path.open("w+", encoding="utf-8", errors="backslashreplace") for path in paths]
    try:
        for file, number in zip(files, (1, 2), strict=True):
            os.dup2(file.fileno(), number)
        sys.stdout, sys.stderr = files
        yield lambda: [path.read_text(encoding="utf-8", errors="replace") for path in paths]
    finally:
        sys.stdout, sys.stderr = streams
        for file in files:
            file.close()
        for old, number in zip(saved, (1, 2), strict=True):
            os.dup2(old, number)
            os.close(old)


def _tail(error: BaseException) -> str:
    """Kind of error, the last place in this package, and the last place at all."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "flpjax" in Path(f.filename).parts]
    places = [f"{Path(f.filename).name}:{f.name}" for f in (frames[-1:] + ours[-1:])]
    at = " <- ".join(dict.fromkeys(places))
    return f"{type(error).__name__} at {at}"


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-3000:]
