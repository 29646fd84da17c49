"""A matplotlib figure as drawings for a page: each panel an SVG element that stands alone, and the legend another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from flpjax.cli.picture import (
    COLUMNS,
    NOTEBOOK_DPI,
    WIDTH,
    boxes_for_missing_letters,
    caption_and_legend,
    drawn,
    lacks_letters,
)
from flpjax.cli.report.document import Picture
from flpjax.cli.text import visible
from flpjax.errors import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAR = "<colorbar>"  # how matplotlib labels the axes of a scale of colours
CROWD = 300  # points of a panel from which on they are one image: each would cost a hundred bytes
SHARP = 2 * NOTEBOOK_DPI  # dots an inch of such an image
LEGEND_COLUMNS = 2  # so that a telephone has room for them
ROOM = 0.04  # inches around a panel
SETTINGS: Any = {"svg.hashsalt": "flpjax", "svg.fonttype": "path"}  # the same letters on every machine
DROPPED = (r"<\?xml.*?\?>", r"<!DOCTYPE.*?>", r"<!--.*?-->", r"<metadata>.*?</metadata>", r"<style.*?</style>")


@boxes_for_missing_letters()
def embedded(figure: Figure, name: str) -> Picture:
    """The panels of a figure, each cut out of it; the figure is changed and of no more use.

    Args:
        figure: As the functions of ``flpjax.cli.plots`` make them.
        name: In front of all ids, of which a page must have each once.
    """
    caption, handles = caption_and_legend(figure)
    _clear(figure)
    figure.draw_without_rendering()  # places everything; from here on nothing moves
    figure.set_layout_engine("none")
    vars(figure)["_layout_engine"] = None  # where a placeholder stands, every drawing is made twice
    panels = [(ax, _with_its_bar(ax)) for ax in figure.axes if ax.get_label() != BAR]
    cut = []
    for i, (ax, parts) in enumerate(panels):
        for other in figure.axes:
            other.set_visible(other in parts)
        words = _said(ax, i + 1, len(panels))
        cut.append((words, _element(figure, [part.get_tightbbox() for part in parts], f"{name}{i + 1}-", words)))
    for ax in figure.axes:
        ax.set_visible(False)
    return Picture(caption, tuple(cut), _legend(figure, handles, f"{name}-legend-"))


def _clear(figure: Figure) -> None:
    """No background, since the page has its own; crowds of points as one image; no legend and no caption."""
    figure.patch.set_facecolor("none")
    panels = sum(ax.get_label() != BAR for ax in figure.axes)
    figure.set_figwidth(WIDTH * min(COLUMNS, panels))  # without the room that a caption takes
    for ax in figure.axes:
        ax.patch.set_facecolor("none")
        for marks in ax.collections:
            if len(marks.get_offsets()) > CROWD:  # type: ignore[arg-type]
                marks.set_rasterized(True)
    for legend in figure.legends:
        legend.set_visible(False)
    if figure._suptitle is not None:  # type: ignore[attr-defined]
        figure._suptitle.set_visible(False)  # type: ignore[attr-defined]


def _with_its_bar(ax: Axes) -> list[Axes]:
    """A panel, with the axes of its scale of colours if it has one."""
    return [ax, *(marks.colorbar.ax for marks in ax.collections if marks.colorbar is not None)]


def _said(ax: Axes, number: int, panels: int) -> str:
    """What a panel shows, for those who don't see it."""
    title = " ".join(ax.get_title().split())
    axes = [" ".join(text.split()) for text in (ax.get_ylabel(), ax.get_xlabel()) if text]
    drawn = f"{axes[0]} against {axes[1]}" if len(axes) == 2 else " ".join(axes)
    parts = [text for text in (title, drawn) if text]
    return visible(f"Panel {number} of {panels}: {'; '.join(parts)}".replace(r"\$", "$"))


def _legend(figure: Figure, handles: dict[str, Any], prefix: str) -> str:
    if not handles:
        return ""
    from flpjax.cli.picture import words

    legend = figure.legend(
        list(handles.values()), [words(name, 26) for name in handles], loc="center", ncols=LEGEND_COLUMNS,
        frameon=False, fontsize=8,
    )  # fmt: skip
    figure.draw_without_rendering()
    named = f"Legend of {count(len(handles), 'mark')}: {', '.join(map(visible, handles))}"
    return _element(figure, [legend.get_window_extent()], prefix, named)


def _element(figure: Figure, boxes: list[Any], prefix: str, words: str) -> str:
    """What is visible within boxes, as an SVG element without what only a file of its own needs."""
    import matplotlib
    from matplotlib.transforms import Bbox

    box = Bbox.union([b for b in boxes if b is not None]).transformed(figure.dpi_scale_trans.inverted())
    as_text = {"svg.fonttype": "none"} if lacks_letters(figure) else {}  # the reader's browser may have them
    with matplotlib.rc_context(SETTINGS | as_text):
        text = drawn(figure, "svg", SHARP, bbox_inches=box.padded(ROOM), metadata={"Date": None}).decode()
    for pattern in DROPPED:
        text = re.sub(pattern, "", text, flags=re.DOTALL)
    text = re.sub(r"<defs>\s*</defs>", "", text)
    text = (
        text.replace(' id="', f' id="{prefix}')
        .replace('href="#', f'href="#{prefix}')
        .replace("url(#", f"url(#{prefix}")
    )
    text = re.sub(r"\n\s*", "\n", text.strip())
    label = words.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
