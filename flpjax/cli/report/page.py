"""A document as one page of HTML that needs nothing else: no script, no font, no network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from flpjax.cli.layout import Paragraph, Sheet
from flpjax.cli.report.document import Block, Code, Document, Facts, Findings, Picture, Section, cut, shown_columns
from flpjax.cli.text import visible
from flpjax.results.verdicts import Finding

MARK = "<!doctype html>\n<!-- flpjax "
"""How a page begins, so that the next run may replace it."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""For browsers: nothing is fetched and nothing is run, whatever a table's names hold."""
APART = re.compile(r"(\d) (%|×)")
"""A number and its unit, between which no line may break."""
COMMAND = re.compile(r"`([^`]+)`")
WORDS = {"PASS": "all checks pass", "REVIEW": "look before you rely on it", "FAIL": "do not rely on it"}


def page(document: Document) -> str:
    """The page."""
    style = files("flpjax.cli.report").joinpath("style.css").read_text(encoding="utf-8")
    contents = "".join(f'<li><a href="#{s.name}">{escape(s.heading)}</a></li>' for s in document.sections)
    verdict, passed = document.verdict
    first, *others = (_text(sentence) for sentence in document.answer)
    return "\n".join(
        [
            f"{MARK}{document.made_by.removeprefix('flpjax ')} -->",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f'<meta name="generator" content="{escape(document.made_by)}">',
            f"<title>{escape(visible(document.title))}</title>",
            f"<style>\n{style}</style>",
            "</head>",
            "<body>",
            '<a class="skip" href="#answer">Skip to the answer</a>',
            f'<header><p class="made">{escape(document.made_by)} report</p><h1>{_text(document.title)}</h1></header>',
            f'<nav aria-label="Contents"><ol>{contents}</ol></nav>',
            "<main>",
            '<section id="answer" aria-label="Answer">',
            f'<p class="lead">{first}</p>',
            *(f"<p>{sentence}</p>" for sentence in others),
            f'<p class="verdict {verdict.lower()}"><strong>{verdict}</strong> {escape(passed)}: '
            f'<a href="#review">{WORDS[verdict]}</a></p>',
            *(_block(block, f"answer-{i}") for i, block in enumerate(document.opening)),
            "</section>",
            *(_section(section) for section in document.sections),
            "</main>",
            "</body>",
            "</html>",
            "",
        ]
    )


def fragment(blocks: Sequence[Block], name: str) -> str:
    """Some blocks alone, as notebooks show them.

    Args:
        blocks: Without pictures, which notebooks show as they are.
        name: Begins all ids.
    """
    return f'<div class="flpjax">{"".join(_block(block, f"{name}-{i}") for i, block in enumerate(blocks))}</div>'


def _text(text: str) -> str:
    """Text of the user's or ours, with nothing in it that a browser would act on."""
    return COMMAND.sub(r"<code>\1</code>", APART.sub("\\1\u00a0\\2", escape(visible(text))))


def _section(section: Section) -> str:
    title = f'<h2 id="{section.name}-title">{escape(section.heading)}</h2>'
    blocks = "\n".join(_block(block, f"{section.name}-{i}") for i, block in enumerate(section.blocks))
    return f'<section id="{section.name}" aria-labelledby="{section.name}-title">\n{title}\n{blocks}\n</section>'


def _block(block: Block, name: str) -> str:
    """One block; ``name`` is an id that no other has."""
    match block:
        case Paragraph():
            head = f"<strong>{_text(block.head)}</strong> " if block.head else ""
            kind = f' class="{block.head.rstrip(":").lower()}"' if block.head else ""
            return f"<p{kind}>{head}{_text(block.text)}</p>"
        case Sheet():
            return _table(block, name)
        case Picture():
            return _figure(block)
        case Facts():
            rows = "".join(f"<div><dt>{_text(term)}</dt><dd>{_text(said)}</dd></div>" for term, said in block.rows)
            return f"<dl>{rows}</dl>"
        case Findings():
            return _findings(block)
        case Code():
            return f"<pre><code>{_text(block.text)}</code></pre>"


def _table(sheet: Sheet, name: str) -> str:
    """A table in a box of its own, which scrolls where it is wider than the page; its title stays outside."""
    columns = shown_columns(sheet)
    rows, foot = cut(sheet)

    def kind(i: int) -> str:
        return ' class="name"' if i < sheet.names else ""

    heads = "".join(
        f'<th scope="col"{kind(i)}>{_text(sheet.columns[i])}</th>' if sheet.columns[i] else "<td></td>" for i in columns
    )
    lines = []
    for row in rows:
        first, *others = columns
        cells = [f'<th scope="row">{_text(row[first])}</th>']
        cells += [f"<td{kind(i)}>{_text(row[i])}</td>" for i in others]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    said = f'<p class="foot">{_text(foot)}</p>' if foot else ""
    return (
        f'<p class="caption" id="{name}">{_text(sheet.title)}</p>'
        f'<div class="scroll" role="region" tabindex="0" aria-labelledby="{name}">'
        f'<table aria-labelledby="{name}"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{chr(10).join(lines)}</tbody></table></div>{said}"
    )


def _figure(picture: Picture) -> str:
    panels = "".join(f'<div class="panel">{drawing}</div>' for _, drawing in picture.panels)
    if picture.legend:
        panels += f'<div class="legend">{picture.legend}</div>'
    caption = f"<figcaption>{_text(picture.caption)}</figcaption>"
    return f'<figure>{caption}<div class="panels">{panels}</div></figure>'


def _findings(block: Findings) -> str:
    """Checks that don't pass, the worst first; the others behind a line that opens."""
    review = block.review
    passed = [f for f in review.findings if not f.verdict]
    opened = f'<ul class="checks">{"".join(map(_finding, review.open))}</ul>' if review.open else ""
    rest = f'<ul class="checks">{"".join(map(_finding, passed))}</ul>'
    summary = f"{len(passed)} of {len(review.findings)} checks pass"
    return f"{opened}<details><summary>{summary}</summary>{rest}</details>" if passed else opened


def _finding(finding: Finding) -> str:
    verdict = finding.verdict.name
    remedy = f'<span class="remedy">{_text(finding.remedy)}.</span>' if finding.remedy else ""
    return (
        f'<li><span class="badge {verdict.lower()}">{verdict}</span> '
        f"<div><strong>{_text(finding.name)}</strong>: {_text(finding.figure)}. {remedy}</div></li>"
    )
