"""From mark-up to plain text: printable ASCII, line ends and tabs."""

from __future__ import annotations

import re
import subprocess
import unicodedata

# What NFKD does not decompose and English or code uses: each sign, then what stands for it.
SIGNS = """
‘' ’' ‚' ‛' ′' ´' “" ”" „" ″" «" »" ‐- ‑- ‒- –- —-- ―-- −- •* ·* ×x ÷/ →-> ←<- ⇒=> ≤<= ≥>= ≠!= ≈~ ∞inf …... ©(c) ®(R)
™(TM) æae ÆAE œoe ŒOE øo ØO ßss đd łl αalpha βbeta γgamma δdelta εepsilon θtheta λlambda μmu πpi σsigma φphi
ωomega │| ─- └` ├|
"""
LINES = {"\f": "\n", "\r": "\n", "\v": "\n", "\u2028": "\n", "\u2029": "\n\n"}
LETTERS = str.maketrans({sign[0]: sign[1:] for sign in SIGNS.split()} | LINES)
OTHER = re.compile(r"[^\t\n -~]+")
PERMALINK = re.compile("[¶\uf0c1🔗]")  # the sign beside each heading of a manual

MALLARD = {"title": "h2", "item": "li", "steps": "ol", "list": "ul", "code": "pre", "screen": "pre"}

# Navigation, which is the same on every page of a manual.
AROUND = (
    "//head|//script|//style|//nav|//footer|//form|//noscript"
    "|//*[contains(concat(' ', @class, ' '), ' navheader ')]|//*[contains(concat(' ', @class, ' '), ' navfooter ')]"
    "|//*[contains(@class, 'sphinxsidebar')]|//*[@class='related']|//*[@class='footer']|//*[@class='nav-panel']"
    "|//*[@class='headerlink']|//*[@role='navigation']|//ul[@class='docnav']|//p[@id='title']"
)


def decode(data: bytes) -> str:
    """UTF-8 where it is, Latin-1 where it is not."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def plain(text: str) -> str:
    r"""Printable ASCII, ``\n`` and ``\t``: common signs transliterated, accents and other letters dropped.

    Blanks at the end of lines go, and runs of blank lines become one.
    """
    text = text.replace("\r\n", "\n")
    if not text.isascii():
        text = unicodedata.normalize("NFKD", PERMALINK.sub("", text).translate(LETTERS))
        text = text.translate(LETTERS)  # NFKD makes some of them
    else:
        text = text.translate({12: 10, 13: 10, 11: 10})
    text = "\n".join(map(str.rstrip, OTHER.sub("", text).split("\n")))
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


def html(page: str) -> str:
    """The text of a page of HTML, without the navigation around it."""
    from inscriptis import Inscriptis  # the extra `ladder`: only who builds the corpus needs it
    from inscriptis.css_profiles import CSS_PROFILES
    from inscriptis.model.config import ParserConfig
    from lxml.html import HTMLParser, document_fromstring

    if not page.strip():
        return ""
    tree = document_fromstring(page.encode("utf-8"), parser=HTMLParser(encoding="utf-8", huge_tree=True))
    for element in tree.xpath(AROUND):
        if element.getparent() is not None:
            element.drop_tree()
    text = Inscriptis(tree, ParserConfig(css=CSS_PROFILES["strict"])).get_text()
    return re.sub(r"(?<=\S) {3,}", "  ", text)  # cells of tables are padded


def mallard(page: str) -> str:
    """The text of a page of GNOME's help, which is XML: its tags are near those of HTML."""
    body = re.sub(r"<info>.*?</info>|<!--.*?-->", "", page, flags=re.DOTALL)
    for tag, instead in MALLARD.items():
        body = re.sub(rf"<(/?){tag}\b", rf"<\1{instead}", body)
    return html("<html><body>" + re.sub(r"<\?xml.*?\?>", "", body) + "</body></html>")


def man(page: bytes) -> str:
    """A manual page, typeset by groff for a terminal: no bold, no underline, lines ragged and words whole."""
    page = re.sub(rb"^(\.TH .*)$", rb"\1\n.na\n.nh", page, count=1, flags=re.MULTILINE)
    command = ["groff", "-t", "-mandoc", "-Kutf8", "-Tascii", "-rLL=100n", "-rHY=0", "-P-c", "-P-b", "-P-o", "-P-u"]
    done = subprocess.run(command, input=page, capture_output=True, check=True)
    return done.stdout.decode("ascii", "ignore")


def pod(page: str) -> str:
    """Perl's plain old documentation without its marks."""
    for _ in range(3):  # they nest
        page = re.sub(r"\b[BCEFILSX]<(?:lt|gt)>", lambda m: "<" if "lt" in m[0] else ">", page)
        page = re.sub(r"\b[BCFILSX]<<+ (.*?) >>+", r"\1", page)
        page = re.sub(r"\b[BCFIS]<([^<>]*)>|\bL<([^<>|]*)(?:\|[^<>]*)?>|\b[XZ]<[^<>]*>", r"\1\2", page)
    return re.sub(r"^=(?:head\d|item|over|back|cut|begin|end|for|encoding|pod)\b ?", "", page, flags=re.MULTILINE)
