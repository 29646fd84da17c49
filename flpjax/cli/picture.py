"""A picture: a matplotlib figure that owes nothing to global state, with what all pictures share."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from flpjax.cli.text import visible, wrapped
from flpjax.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LADDER_COLOR, TARGET_COLOR, TRUTH_COLOR = "#6e7781", "#0072b2", "#d55e00"
"""Of measured runs, of forecasts and of held-out values: grey, blue and vermilion, which colour-blind people can tell
apart; in a grey print, lightness and markers do."""
COLUMNS = 3
WIDTH, HEIGHT = 4.2, 3.2  # inches of a panel
FILE_DPI, NOTEBOOK_DPI = 150, 75  # dots an inch: in files, and in notebooks
MOST_TITLE_LETTERS = 26  # of a name in one line of a title
MISSING = r"Glyph .* missing from font"  # of scripts that the font lacks: boxes are drawn


def load_matplotlib() -> None:
    """Import matplotlib, whatever backend the environment names: no picture here needs one.

    Raises:
        InputError: It is not installed.
    """
    backend = None
    if "matplotlib" not in sys.modules:
        backend = os.environ.pop("MPLBACKEND", None)  # an unknown one would stop the import
    try:
        import matplotlib.figure
    except ImportError as error:
        raise InputError("plots need matplotlib, which is not installed", remedy="pip install 'flpjax[viz]'") from error
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend is not None:
        with contextlib.suppress(ValueError):  # it is for pyplot, which is not used here
            matplotlib.rcParams["backend"] = backend


def picture(panels: int, height: float = HEIGHT) -> tuple[Figure, list[Axes]]:
    """A figure of panels ``height`` inches high each, that shows itself in a notebook and can be saved, without pyplot.

    Raises:
        InputError: matplotlib is not installed.
    """
    load_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    class Picture(Figure):
        def _repr_png_(self) -> bytes:
            return drawn(self, "png", dpi=NOTEBOOK_DPI)

    columns = min(COLUMNS, panels)
    rows = -(-panels // columns)
    figure = Picture(figsize=(WIDTH * max(columns, 2), height * rows + 1.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(panels)]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8)
        ax.xaxis.label.set_fontsize(9)
        ax.yaxis.label.set_fontsize(9)
    return figure, axes


def drawn(figure: Figure, kind: str, dpi: int = FILE_DPI, **options: Any) -> bytes:
    """The figure as a file of a format that matplotlib knows; letters that the font lacks are boxes."""
    file = io.BytesIO()
    with boxes_for_missing_letters():
        figure.savefig(file, format=kind, dpi=dpi, **options)
    return file.getvalue()


@contextlib.contextmanager
def boxes_for_missing_letters() -> Iterator[None]:
    """Draw letters that the font lacks as boxes, without a warning for each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", MISSING)
        yield


def lacks_letters(figure: Figure) -> bool:
    """Whether a text of the figure has letters that the font lacks."""
    from matplotlib.font_manager import findfont, get_font
    from matplotlib.text import Text

    there = get_font(findfont("DejaVu Sans")).get_charmap()
    texts: list[Text] = figure.findobj(Text)
    return any(ord(letter) not in there for text in texts for letter in text.get_text() if letter.isprintable())


def words(text: str, letters: int = 10_000) -> str:
    """A name as matplotlib draws it: no mathematics between dollars, and in lines of so many letters."""
    return "\n".join(wrapped(visible(text), letters)).replace("$", r"\$")


def finish(figure: Figure, caption: str, handles: dict[str, Any], columns: int = 4) -> None:
    """A sentence above that says how to read the picture, and a legend of ``handles`` by name below."""
    vars(figure)["caption_and_legend"] = (caption, handles)
    letters = int(figure.get_figwidth() * 15)
    figure.suptitle(words(caption, letters), x=0.01, ha="left", fontsize=8.5)
    if handles:
        figure.legend(
            list(handles.values()),
            [words(name, 44) for name in handles],
            loc="outside lower center",
            ncols=columns,
            frameon=False,
            fontsize=8,
        )


def caption_and_legend(figure: Figure) -> tuple[str, dict[str, Any]]:
    """The caption of a finished picture, and the marks of its legend by name."""
    caption, handles = vars(figure)["caption_and_legend"]
    return caption, handles


def log_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers between two positive ends of an axis of logarithms: 1, 2, 5 of decades, decades, or plain steps."""
    if not 0.0 < low < high:
        return [low]
    decades = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for steps in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
        ticks = [m * 10.0**d for d in decades for m in steps if low <= m * 10.0**d <= high]
        if len(ticks) <= most:
            break
    ticks = ticks[:: max(-(-len(ticks) // most), 1)]
    return ticks if len(ticks) >= 3 else plain_ticks(low, high, most)


def plain_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten between two ends."""
    if not low < high:
        return [low]
    raw = (high - low) / most
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= raw)
    first = int(np.ceil(low / step - 1e-9))
    return [float(f"{k * step:.12g}") for k in range(first, int(np.floor(high / step + 1e-9)) + 1)]


def power_of_ten(value: float) -> str:
    """``10²¹`` or ``2×10²¹``, for an axis of FLOPs."""
    mantissa, exponent = f"{value:.0e}".split("e")
    head = "" if mantissa == "1" else rf"{mantissa}\times"
    return f"${head}10^{{{int(exponent)}}}$"


def percent_limits(values: Sequence[Any], include: float | None = None) -> tuple[float, float]:
    """Limits of an axis in per cent that hold all values, with a margin, and never leave 0 to 100."""
    finite = np.concatenate([np.ravel(np.asarray(v, float)) for v in [*values, [] if include is None else [include]]])
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return 0.0, 100.0
    low, high = float(finite.min()), float(finite.max())
    margin = max(0.06 * (high - low), 1.0)
    return max(low - margin, 0.0), min(high + margin, 100.0)
