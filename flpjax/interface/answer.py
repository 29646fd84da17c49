"""A result that shows itself: as text, as a table in a notebook, as a data frame, as a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from flpjax.shown import ShownAsTable, frame_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from flpjax.cli.layout import Paragraph, Sheet
    from flpjax.cli.report.document import Findings

    Shown = Paragraph | Sheet | Findings

R = TypeVar("R", bound=ShownAsTable)


@dataclass(frozen=True, eq=False)
class Answer(Generic[R]):
    """What a ladder says to one question; attributes of the result are its own: ``answer.verdict``.

    Attributes:
        result: As the function of the same name returns it, such as :func:`flpjax.forecast`.
        blocks: Its tables, as the command line prints them; made when they are shown.
        draw: Makes its picture, of the result and the ladder; None where the result has all that its picture shows.
    """

    result: R
    blocks: Callable[[], Sequence[Shown]]
    draw: Callable[[], Figure] | None = None

    def table(self, backend: str = "polars") -> Any:
        """The tidy rows as a data frame.

        Args:
            backend: ``polars``, ``pandas`` or ``pyarrow``, which must be installed.

        Raises:
            InputError: It is not installed, or there is no such kind of frame.
        """
        return frame_of(self.result.to_dicts(), backend)

    def plot(self) -> Figure:
        """Its picture, which shows itself in a notebook and can be saved.

        Raises:
            InputError: There is none, or matplotlib is not installed.
        """
        return self.result.plot() if self.draw is None else self.draw()

    def __getstate__(self) -> dict[str, Any]:
        """For pickling, which other processes need: with its tables made."""
        return {"result": self.result, "blocks": partial(list, self.blocks()), "draw": self.draw}

    def _repr_html_(self) -> str:
        from flpjax.cli.report.page import fragment

        return fragment(self._shown(), f"flpjax-{id(self):x}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # of copying, pickling and notebooks: not the result's
            raise AttributeError(name)
        return getattr(self.result, name)

    def __str__(self) -> str:
        from flpjax.cli.console import text_of
        from flpjax.cli.report.document import Findings

        return text_of(str(b.review) if isinstance(b, Findings) else b for b in self._shown())

    def __repr__(self) -> str:
        return f"{type(self.result).__name__}:\n{self}"

    def _shown(self) -> list[Shown]:
        """Its tables, and what it warns of."""
        from flpjax.cli.layout import Paragraph

        said: Sequence[str] = getattr(self.result, "warnings", ())
        return [*self.blocks(), *(Paragraph(text, hang=2, head="warning:") for text in said)]
