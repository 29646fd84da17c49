"""Ten thousand mutated inputs through the command line: foreign exceptions, hangs, half-written files, stray words.

``python -m benchmarks.fuzz [--inputs N] [--seed N] [--first N] [--kinds KIND …] [--workers N] [--json FILE]
[--keep FOLDER]``.

CSV and Parquet files, mapping files and command lines are mutated; with ``--kinds`` also sources of ``flpjax import``
(a kind a format), join tables (``join``), registered forecasts (``forecast``), logs of scores (``log``), laws of one's
own (``law``) and tables behind a report (``report``, seconds each). They run in
a temporary folder of the fuzzer's own. An input passes if it ends in a result, or in one message and exit code 2 (1 for
a fit that failed). The same seed makes the same inputs.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.fuzz.cases import KINDS, case
from benchmarks.fuzz.others import OTHERS
from benchmarks.fuzz.trial import LIMIT, Outcome
from benchmarks.report import environment, finish, parser, show

PASSED = ("result", "refused")
SILENCE = 30.0  # seconds without a word, after which it is asked what a worker does
WAITS, WORKS = 0.1, 90.0
"""Seconds of processor time: a worker that used less in such a while waits for ever, one that used more never ends."""
ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Run the inputs, group what was found, print and write it; exit code 1 if anything was found."""
    arguments = parser(__doc__)
    arguments.add_argument("--inputs", type=int, default=10_000, metavar="N", help="how many (default: 10000)")
    arguments.add_argument("--seed", type=int, default=0, metavar="N", help="another seed, other inputs (default: 0)")
    arguments.add_argument("--first", type=int, default=0, metavar="N", help="number of the first input (default: 0)")
    arguments.add_argument("--keep", type=Path, metavar="FOLDER", help="copy what shows a finding, made small, here")
    arguments.add_argument("--kinds", nargs="+", default=[], choices=[*KINDS, *OTHERS], help="what is mutated")
    arguments.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes side by side, a core each (default: 1)"
    )
    given = arguments.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="flpjax-fuzz-") as name:
        folder = Path(name)
        outcomes = _side_by_side(folder, given.seed, given.first, given.inputs, given.kinds, given.workers)
        for found in folder.glob("*/found") if given.keep is not None else ():
            shutil.copytree(found, given.keep, dirs_exist_ok=True)
    result = environment() | figures(outcomes, given.seed, given.kinds) | {"wall_seconds": time.perf_counter() - start}
    _show(result)
    finish(result, given.json)
    sys.exit(1 if result["findings"] else 0)


def _side_by_side(
    folder: Path, seed: int, first: int, inputs: int, kinds: Sequence[str], workers: int
) -> list[Outcome]:
    """All inputs in order; of several workers each takes neighbours, in a folder of its own."""
    ends = [first + inputs * k // workers for k in range(workers + 1)]
    for k in range(workers):
        (folder / str(k)).mkdir()
    do = partial(_part, folder, seed, kinds, workers)
    with ThreadPoolExecutor(workers) as threads:  # each waits for a process
        parts = list(threads.map(do, range(workers), ends[:-1], ends[1:]))
    return [outcome for part in parts for outcome in part]


def _part(
    folder: Path, seed: int, kinds: Sequence[str], workers: int, number: int, first: int, end: int
) -> list[Outcome]:
    return run(folder / str(number), seed, first, end, kinds, core=number if workers > 1 else None)


def run(
    folder: Path, seed: int, first: int, end: int, kinds: Sequence[str] = (), core: int | None = None
) -> list[Outcome]:
    """All inputs from ``first`` to before ``end``, by as many workers as it takes.

    Args:
        folder: An empty folder; nothing is written outside of it.
        seed: Of the inputs.
        first: Number of the first input.
        end: Number behind the last.
        kinds: What is mutated.
        core: The one core, counted among those that this program may use, that the worker keeps to; all unless told.
    """
    outcomes: list[Outcome] = []
    at = first
    while at < end:
        for outcome in _worker(folder, seed, at, end, kinds, core):
            outcomes.append(outcome)
            at = outcome.index + 1
            if not len(outcomes) % 500:
                bad = sum(o.ended not in PASSED for o in outcomes)
                print(f"{len(outcomes):,} of {end - first:,}: {bad} findings", file=sys.stderr, flush=True)
    return outcomes


def _worker(folder: Path, seed: int, first: int, end: int, kinds: Sequence[str], core: int | None) -> Any:
    """The outcomes that one process delivers, and one for the input that it hung or crashed on."""
    (folder / "data").mkdir(exist_ok=True)
    own = {"HOME": folder, "XDG_CACHE_HOME": folder / "cache", "FLPJAX_DATA": folder / "data", "MPLBACKEND": "Agg"}
    env = {**os.environ, **{key: str(value) for key, value in own.items()}, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "benchmarks.fuzz.worker", str(folder), *map(str, (seed, first, end)), *kinds]
    log = folder / "worker.txt"
    with (
        log.open("w", encoding="utf-8") as err,
        subprocess.Popen(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err
        ) as process,
    ):
        assert process.stdout is not None
        if core is not None and hasattr(os, "sched_setaffinity"):  # or every worker has a thread for every core
            cores = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(process.pid, {cores[core % len(cores)]})
        at, buffer, since, used = first, b"", 0.0, 0.0
        while at < end:
            if not select.select([process.stdout], [], [], SILENCE)[0]:
                before, used = used, processor_time(process.pid)
                if used - before > WAITS and used - since < WORKS:
                    continue  # other work keeps the machine busy
                process.kill()
                trace = (folder / "hang.txt").read_text(encoding="utf-8")
                yield _lost(seed, at, "hang", trace, kinds)
                return
            piece = os.read(process.stdout.fileno(), 65536)
            if not piece:
                process.wait()
                yield _lost(
                    seed, at, "crash", f"exit {process.returncode}: {log.read_text(encoding='utf-8')[-2000:]}", kinds
                )
                return
            *lines, buffer = (buffer + piece).split(b"\n")
            since = used = processor_time(process.pid)
            for line in lines:
                outcome = Outcome(**json.loads(line))
                at = outcome.index + 1
                yield outcome


def processor_time(pid: int) -> float:
    """Seconds that a running process has used, from Linux; 0 where it doesn't say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _lost(seed: int, index: int, ended: str, detail: str, kinds: Sequence[str]) -> Outcome:
    lines = [line for line in detail.splitlines() if line.strip()]
    return Outcome(
        index, case(seed, index, kinds=kinds).kind, ended, lines[-1][:120] if lines else ended, detail, LIMIT
    )


def figures(outcomes: list[Outcome], seed: int, kinds: Sequence[str] = ()) -> dict[str, Any]:
    """Counts by kind, and the findings by what they share, the most frequent first."""
    mutated = sorted({o.kind for o in outcomes})
    found = [o for o in outcomes if o.ended not in PASSED]
    groups = Counter((o.ended, o.group) for o in found)
    first = {(o.ended, o.group): o for o in reversed(found)}
    return {
        "seed": seed,
        "inputs": len(outcomes),
        "by_kind": {kind: dict(Counter(o.ended for o in outcomes if o.kind == kind)) for kind in mutated},
        "slowest_seconds": max((o.seconds for o in outcomes), default=0.0),
        "findings": [
            {
                "ended": ended,
                "group": group,
                "count": count,
                "first": first[ended, group].index,
                "args": case(seed, first[ended, group].index, kinds=kinds).args,
                "detail": first[ended, group].detail,
            }
            for (ended, group), count in groups.most_common()
        ],
    }


def _show(result: dict[str, Any]) -> None:
    kinds = result["by_kind"]
    show(
        f"{result['inputs']:,} inputs, seed {result['seed']}",
        ["mutated", "inputs", "result", "refused", "findings"],
        [
            [
                kind,
                sum(ended.values()),
                ended.get("result", 0),
                ended.get("refused", 0),
                sum(n for name, n in ended.items() if name not in PASSED),
            ]
            for kind, ended in kinds.items()
        ],
        caption=f"the slowest took {result['slowest_seconds']:.1f} s of processor time, without compilation",
    )
    for row in result["findings"]:
        words = " ".join(ascii(word[:60]) for word in row["args"])
        print(f"{row['count']:5d} × {row['ended']}: {row['group']}\n        first: input {row['first']}: {words}")


if __name__ == "__main__":
    main()
