"""How results show themselves in a notebook: their tidy rows as a table of HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

MOST = 60  # rows that are shown


class ShownAsTable:
    """A result whose ``table()`` gives tidy rows; notebooks show them."""

    def table(self) -> Sequence[Mapping[str, Any]]:
        """Tidy rows."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        rows = self.table()
        columns = list(dict.fromkeys(name for row in rows for name in row))
        heads = "".join(f"<th>{escape(name)}</th>" for name in columns)
        lines = "".join(
            f"<tr>{''.join(f'<td>{escape(_text(row.get(name)))}</td>' for name in columns)}</tr>" for row in rows[:MOST]
        )
        more = f"<p>{len(rows) - MOST:,} more rows</p>" if len(rows) > MOST else ""
        title = f"<p><strong>{type(self).__name__}</strong></p>"
        return f"{title}<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>{more}"


def _text(value: object) -> str:
    """A cell; nothing where nothing is known."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
