"""What the rows of `moe` allow any law to reach: how test rows scatter, and how surely five sizes forecast a sixth.

``python -m benchmarks.laws.ceiling``. Needs ScaleBench's files: FLPJAX_DATA.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from benchmarks.laws.tasks import TASKS, Columns, r_squared, read
from benchmarks.report import show

Floats = NDArray[np.float64]
ASKED = 0.9
STEP = 1e-5
SIZE, EXPERTS, LOSS = "params", "experts", "loss_validation"


class Ceiling(NamedTuple):
    """Limits of R² on rows of one size, for a law of size and experts."""

    of_means: float  # R² of the rows' own means per number of experts
    of_line: float  # R² of a line in log experts fitted to the rows themselves
    allowed: float  # relative error of the size that leaves R² at what is asked, were all else right
    standard_error: float  # of the size's forecast by a floor and a power, from what the rows of other sizes scatter
    expected: float  # R² of such a forecast on average, were the form true


def ceiling(train: Columns, test: Columns, asked: float = ASKED) -> Ceiling:
    """Limits from the rows alone."""
    experts, loss = np.asarray(test[EXPERTS], float), np.asarray(test[LOSS], float)
    means = np.array([loss[experts == e].mean() for e in experts])
    of_means = r_squared(means, loss)
    of_line = r_squared(np.polyval(np.polyfit(np.log(experts), loss, 1), np.log(experts)), loss)
    allowed = np.sqrt(max(of_means - asked, 0.0) * loss.var()) / loss.mean()
    _, error = forecast_of_size(train, float(np.asarray(test[SIZE], float)[0]))
    expected = of_means - (error * loss.mean()) ** 2 / loss.var()
    return Ceiling(of_means, of_line, float(allowed), error, float(expected))


def forecast_of_size(train: Columns, size: float) -> tuple[float, float]:
    """Log loss of a middling number of experts at another size, by a floor and a power of size effects; and its s.e."""
    sizes, experts, loss = (np.asarray(train[name], float) for name in (SIZE, EXPERTS, LOSS))
    each = np.unique(sizes)
    along, routed = np.log(each / sizes.mean()), np.log(experts) - np.log(experts).mean()
    design = np.stack([*(sizes == s for s in each), routed, routed * np.log(sizes / sizes.mean())], axis=1)
    effect, *_ = np.linalg.lstsq(design.astype(float), np.log(loss), rcond=None)
    scatter = (np.log(loss) - design @ effect).std(ddof=design.shape[1])
    told = scatter / np.sqrt([(sizes == s).sum() for s in each])

    def law(p: Floats, at: Floats) -> Floats:
        return np.asarray(np.log(np.exp(p[0]) + np.exp(p[1] - np.exp(p[2]) * at)))

    levels = effect[: len(each)]
    found = least_squares(lambda p: (law(p, along) - levels) / told, [levels.min() - 1.0, levels.min(), -1.5])
    at = np.array([np.log(size / sizes.mean())])
    slope = np.array([(law(found.x + h, at) - law(found.x - h, at))[0] for h in STEP * np.eye(3)]) / (2.0 * STEP)
    return float(law(found.x, at)[0]), float(np.sqrt(slope @ np.linalg.solve(found.jac.T @ found.jac, slope)))


def main() -> None:
    """Print."""
    task = TASKS["moe"]
    found = ceiling(read(task, "train"), read(task, "test"))
    rows = [[name.replace("_", " "), f"{value:.4f}"] for name, value in found._asdict().items()]
    show("What the rows of moe allow", ["limit", "value"], rows, f"allowed: relative error of a size at R² {ASKED}")


if __name__ == "__main__":
    main()
