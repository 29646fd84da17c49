"""Run in a pseudo-terminal by test_terminal.py: prints results at several widths, and writes down what must be seen."""

import contextlib
import fcntl
import json
import struct
import sys
import termios

import numpy as np

from flpjax.cli import session
from flpjax.cli.app import main
from flpjax.cli.show import show_backtest, show_forecast, show_review
from flpjax.cli.show_mix import show_mix, words
from flpjax.results.forecast import Forecast, Interval
from flpjax.results.mix import Baseline, Change, Mix
from flpjax.results.record import Backtest, Cell, Record
from flpjax.results.target import Target
from flpjax.results.verdicts import Finding, Review, Verdict

table, runs, tasks = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])


def forecast():
    target = Target(runs[0], 6.89e9, 3.95e12, 1.95e23)
    loss = {"general": Interval(2.345, 2.123, 2.567), "odd": Interval(2.108, 0.0, 1.350512848309352e45)}
    score = {name: Interval(0.612 + 0.01 * i, 0.534, 0.789) for i, name in enumerate(tasks)}
    empty = np.zeros((1, 1, 1))
    result = Forecast("auto", "blend", 0.9, 7, (target,), (75.4,), (loss,), (score,), empty, empty, {}, ())
    truth = {runs[0]: {"loss/general": 2.456, **dict.fromkeys(tasks, 0.6543)}}
    seen = show_forecast(result, truth, ["general", "odd"])
    return seen, [*tasks, "2.345", "2.123 to 2.567", "0.000 to 1.35e+45", "53.4 to 78.9", "65.4", "2.456"]


def review():
    far = "'x' lies 1,234 × beyond the largest run; 90 % intervals would have held 81.8% of 1,781 forecasts of 42 runs"
    findings = [Finding(f"check of {task}", Verdict(i % 3), far, "Train a larger rung") for i, task in enumerate(tasks)]
    return show_review(Review(tuple(findings))), ["PASS", "REVIEW", "FAIL", "1,234 ×", "90 %", "81.8%", "1,781"]


def backtest():
    cells = tuple(Cell(run, task, 0.5123, 0.4234, 0.6347, 0.5456, 0.5012) for run in runs[:3] for task in tasks)
    result = Backtest(tuple(runs[:3]), 0.9, {"chinchilla+sigmoid": Record(cells)}, {"chinchilla+sigmoid": ("general",)})
    return show_backtest(result, by_target=True), [*runs[:3], *tasks, "51.2", "42.3 to 63.5", "54.6", "-6.1", "-8.1"]


def mix():
    weights = np.full(len(runs), 1.0 / len(runs))
    spread = {name: Interval(0.123, 0.012, 0.345) for name in runs}
    found, base, gain = Interval(0.5678, 0.5, 0.6), Interval(0.5432, 0.5, 0.6), Interval(0.0246, -0.0111, 0.0555)
    changes = tuple(Change(task, "score", 0.25, found, base, gain) for task in tasks)
    baseline = Baseline("best tried", dict.fromkeys(runs, 0.1234))
    told = (1e-2, 1e-3, 1e-9, 0.75, "converged", 7, ())
    limits = tuple(f"{name} ≥ 0.05 (the least tried)" for name in runs)
    result = Mix(
        "m3", Target("C=1e23", flops=1e23), tuple(runs), weights, 0.5, baseline, gain, 0.91, 0.9, spread,
        weights[None], changes, limits, *told,
    )  # fmt: skip
    for line in words(result):
        session.say(line)
    return show_mix(result), [*runs, *tasks, "0.123", "0.012 to 0.345", "+2.46", "-1.11 to +5.55", "56.8", "≥ 0.05"]


def show_all():
    """Print everything; the texts that must be seen."""
    expected = []
    for make in (forecast, review, backtest, mix):
        shown, texts = make()
        for each in shown:
            session.out.print(each)
        expected += texts
    session.warn(["a warning names '" + "', '".join(runs) + "': 12,345 FLOPs"])
    with contextlib.suppress(SystemExit):
        main(["check", table, "--json", f"{table}.json"])
    return expected


for columns in map(int, sys.argv[4:]):
    fcntl.ioctl(sys.stdout, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    sys.stdout.write(f"NOW {columns}\n")
    texts = show_all()
with open(f"{table}.expected", "w", encoding="utf-8") as file:
    json.dump(texts, file)
