"""Train the ladder and tabulate it: ``python -m benchmarks.ladder --scale tiny``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.ladder.config import Experiment, Size, read_experiment
from benchmarks.ladder.corpus.installed import installed_corpus
from benchmarks.ladder.corpus.store import Corpus, load
from benchmarks.ladder.experiment import lay_out, train_size
from benchmarks.ladder.questions.build import TASKS
from benchmarks.ladder.rows import Row, read_rows, write_rows
from benchmarks.ladder.runs import Run, runs_of
from benchmarks.report import show

FIRST_OPTIMUM_SEED = 10
REPEATS = 2


class Job(NamedTuple):
    """Models of one size that train side by side."""

    name: str
    runs: tuple[Run, ...]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    wanted = _arguments(arguments)
    experiment = read_experiment(wanted.scale)
    jobs = jobs_of(experiment, wanted.only, wanted.optima, wanted.rates)
    if wanted.plan:
        show_plan(experiment, jobs)
    else:
        run_experiment(experiment, _corpus(wanted), wanted.out, jobs)


def show_plan(experiment: Experiment, jobs: Sequence[Job]) -> None:
    """Print what each job trains and what it costs, before anything is spent."""
    rows, total = [], 0.0
    for name, runs in jobs:
        plan = experiment.plan(runs[0].size)
        flops = plan.flops(plan.steps)
        total += len(runs) * flops
        shape = f"{plan.size.layers} × {plan.size.width}"
        rows.append(
            (
                name,
                f"{plan.size.params:,}",
                shape,
                f"{plan.batch} × {plan.size.context}",
                f"{plan.steps:,}",
                f"{plan.rate:.2e}",
                f"{plan.tokens(plan.steps):.3g}",
                f"{flops:.3g}",
                len(runs),
                f"{len(runs) * flops:.3g}",
            )
        )
    columns = ("", "N", "layers × width", "batch", "steps", "rate", "bytes a run", "FLOPs a run", "runs", "FLOPs")
    show(f"{experiment.scale}: {total:.3g} FLOPs", columns, rows)


def run_experiment(experiment: Experiment, corpus: Corpus, out: Path, jobs: Sequence[Job]) -> list[Row]:
    """Train what is not there yet, and gather all that is.

    Args:
        experiment: The scale.
        corpus: The text.
        out: Folder of ``rows-JOB.csv``, ``log.txt`` and, gathered, ``ladder.csv``.
        jobs: What to train, in order.

    Returns:
        The rows of ``ladder.csv``.

    Raises:
        SystemExit: The folder holds rows of another configuration.
    """
    out.mkdir(parents=True, exist_ok=True)
    _claim(out, experiment)
    bench = None
    for name, runs in jobs:
        path = out / f"rows-{name}.csv"
        if path.exists():
            print(f"{name}: is there ({path.name})")
            continue
        if bench is None:
            bench = lay_out(experiment, corpus)
            for note in bench.notes:
                print(note)
        rows, log = train_size(experiment, experiment.plan(runs[0].size), runs, bench, _say)
        write_rows(rows, path)
        _say(str(log))
        with (out / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{log}\n")
    return gather(experiment, out)


def gather(experiment: Experiment, out: Path) -> list[Row]:
    """Make one table of the rows of all sizes, smallest first: ``ladder.csv``, and its mapping, ``ladder.toml``."""
    order = [size.name for size in experiment.sizes]
    order += [f"{name}-optima" for name in order]
    found = [out / f"rows-{name}.csv" for name in order]
    rows = [row for path in found if path.exists() for row in read_rows(path)]
    if rows:
        write_rows(rows, out / "ladder.csv")
        chances = "".join(f"[tasks.{task.name}]\nchance = {task.chance:g}\n\n" for task in TASKS)
        (out / "ladder.toml").write_text(chances, encoding="utf-8")
    print(f"{len(rows):,} checkpoints of {len({row['run'] for row in rows})} runs in {out / 'ladder.csv'}")
    return rows


def jobs_of(
    experiment: Experiment, only: Sequence[str] = (), optima: Path | None = None, rates: Sequence[float] = ()
) -> list[Job]:
    """What there is to train.

    Args:
        experiment: The scale.
        only: Names of jobs in the order to train them, all if empty: sizes, and ``SIZE-optima`` or ``SIZE-rates``.
        optima: Proposed mixtures, as ``benchmarks.ladder.optima`` writes them, to train at the size they are for.
        rates: In place of the ladder, try these multiples of the rule's learning rate at the anchor mixture.

    Raises:
        SystemExit: There is no such job.
    """
    sizes = {size.name: size for size in experiment.sizes}
    jobs = [Job(name, runs_of(experiment, size)) for name, size in sizes.items()]
    if optima is not None:
        proposed = json.loads(optima.read_text(encoding="utf-8"))
        size = sizes[proposed["size"]]
        jobs.append(Job(f"{size.name}-optima", _optimal(size, proposed["optima"])))
    if rates:
        jobs = [
            Job(f"{name}-rates", tuple(Run(size, experiment.anchor, haste=rate) for rate in rates))
            for name, size in sizes.items()
        ]
    named = {job.name: job for job in jobs}
    unknown = [name for name in only if name not in named]
    if unknown:
        raise SystemExit(f"there is no {', '.join(unknown)}: choose from {', '.join(named)}")
    return [named[name] for name in only] if only else jobs


def _claim(out: Path, experiment: Experiment) -> None:
    """Write down which configuration a folder's rows are of, or refuse to mix two."""
    path, text = out / "experiment.txt", f"{experiment}\n"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise SystemExit(f"{out} holds rows of another configuration ({path.name}): name another folder with --out")
    path.write_text(text, encoding="utf-8")


def _optimal(size: Size, optima: Sequence[Mapping[str, Any]]) -> tuple[Run, ...]:
    """A run for each proposal; where several name one share, ``REPEATS`` runs at it say how much runs differ.

    Seeds are their own: an optimum at a share of the grid is a new run, not that one again.
    """
    runs: list[Run] = []
    for seed, entry in enumerate(optima, FIRST_OPTIMUM_SEED):
        if sum(run.code == entry["code"] for run in runs) < REPEATS:
            runs.append(Run(size, entry["code"], seed, purpose=entry["for"]))
    return tuple(runs)


def _corpus(wanted: argparse.Namespace) -> Corpus:
    if wanted.corpus is not None:
        return load(wanted.corpus)
    if wanted.scale == "full":
        raise SystemExit("--scale full needs --corpus FILE; python -m benchmarks.ladder.corpus --out FILE makes it")
    return installed_corpus()


def _say(line: str) -> None:
    print(line, flush=True)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ladder", description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--scale", default="tiny", help="a table under [scales] in experiment.toml")
    parser.add_argument("--corpus", type=Path, metavar="FILE", help="default, but for full: text installed with Python")
    parser.add_argument(
        "--out", type=Path, default=Path("ladder"), metavar="DIR", help="where rows are written and found"
    )
    parser.add_argument("--plan", action="store_true", help="say what would be trained and what it costs, and stop")
    parser.add_argument("--only", nargs="+", default=(), metavar="JOB", help="train these sizes; others later")
    parser.add_argument("--optima", type=Path, metavar="FILE", help="also train the mixtures proposed there")
    parser.add_argument(
        "--rates", nargs="+", type=float, default=(), metavar="X", help="try learning rates, X × the rule"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
