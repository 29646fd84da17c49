"""flpjax report: one page that needs nothing else, the same from its own command, and Markdown with the same tables."""

import json
import os
import re
import shlex
import shutil
import subprocess
import venv
from html.parser import HTMLParser
from pathlib import Path

import pytest

from flpjax.cli.app import main
from flpjax.cli.layout import Paragraph, table
from flpjax.cli.report.document import MOST_ROWS, Code, Document, Facts, Section
from flpjax.cli.report.markdown import markdown
from flpjax.cli.report.page import page
from tests.cli.cases import SHAPES, Shape

LARGEST = 3_000_000  # bytes of a page
VOID = {"meta", "br", "img"}


class Parsed(HTMLParser):
    """Headings, ids, links, texts and whether all elements are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.headings, self.ids, self.links, self.tags, self.text = [], [], [], [], set(), ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.add(tag)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [v for name, v in attrs.items() if name in ("href", "xlink:href", "src", "action", "srcset")]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += "" if self.open[-1:] == ["style"] else data


def go(*args):
    try:
        main([str(a) for a in args])
    except SystemExit as stop:
        return stop.code or 0
    return 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLPJAX_CACHE", os.environ.get("FLPJAX_CACHE", str(tmp_path_factory.getbasetemp() / "compiled")))
        patch.setenv("MPLBACKEND", "Agg")
        yield


@pytest.fixture(scope="module")
def made(folder):
    """A report of a table with losses, scores and mixtures; the files by their suffix."""
    args = SHAPES["mixtures, both"].write(folder, "runs & <b>ladder")
    files = {kind: folder / f"report.{kind}" for kind in ("html", "md", "json")}
    target = "8B & <script>alert(1)</script>: N=8e9, D=2e11, mix/code=0.2, mix/web=0.8"
    code = go(
        "report", *args, "--target", target, "--method", "m3+domain-linear", "--draws", 8, "--mix",
        "-o", files["html"], "--markdown", files["md"], "--json", files["json"],
    )  # fmt: skip
    assert code == 0
    return {kind: file.read_text(encoding="utf-8") for kind, file in files.items()}


def test_the_page_stands_alone_and_is_in_order(made):
    seen = Parsed(made["html"])
    assert not seen.open
    assert len(made["html"].encode()) < LARGEST
    assert not seen.tags & {"script", "link", "iframe", "object", "form"}
    assert len(seen.ids) == len(set(seen.ids))
    assert all(link.startswith("data:") or link.removeprefix("#") in seen.ids for link in seen.links)
    assert seen.headings[0] == 1
    assert set(seen.headings[1:]) == {2}
    assert '<html lang="en">' in made["html"]
    assert "url(http" not in made["html"]
    assert "@import" not in made["html"]
    assert made["html"].count('role="img" aria-label="') == made["html"].count("<svg ")


def test_names_of_the_user_are_text(made):
    assert "<script" not in made["html"]
    assert "<b>ladder" not in made["html"]
    assert "8B & <script>alert(1)</script>" in Parsed(made["html"]).text
    assert r"\<script\>" in made["md"]
    assert "<script" not in made["md"].replace(r"\<script", "").split("```")[0]


def test_it_says_all_that_was_asked(made):
    text, found = " ".join(Parsed(made["html"]).text.split()).replace("\xa0", " "), json.loads(made["json"])
    (target,) = found["forecast"]["targets"]
    loss = target["loss"]["general"]
    lead = f"{loss['median']:.3f} ({loss['lower']:.3f} to {loss['upper']:.3f})"
    assert text.index(lead) < text.rindex("What was asked")
    for heading in ("data", "Forecast", "calibrated", "Review", "Backtest", "best mixture", "Methods", "Versions"):
        assert heading in text
    for finding in found["review"]["findings"]:
        assert finding["figure"].replace("`", "") in text
    weights = found["mix"]["weights"]
    assert all(f"{weight:.3f}" in text for weight in weights.values())
    assert {"check", "forecast", "review", "backtest", "mix", "command"} <= set(found)
    assert set(found["backtest"]["held_out"]) == {"r6", "r7"}


def test_markdown_has_the_same_tables(made):
    rows = [line for line in made["md"].splitlines() if line.startswith("|")]
    lengths = [len(re.findall(r"(?<!\\)\|", line)) for line in rows]
    assert len(rows) > 30
    rules = [i for i, line in enumerate(rows) if re.fullmatch(r"\|( :?-+:? \|)+", line)]
    assert all(lengths[i] == lengths[i - 1] == lengths[i + 1] for i in rules)
    loss = json.loads(made["json"])["forecast"]["targets"][0]["loss"]["code"]
    assert any(f"{loss['lower']:.3f} to {loss['upper']:.3f}" in line for line in rows)


def test_its_own_command_makes_it_again(made, folder):
    command = shlex.split(json.loads(made["json"])["command"])
    assert command[:2] == ["flpjax", "report"]
    for file in folder.glob("report.*"):
        file.unlink()
    assert go(*command[1:]) == 0
    for kind, text in made.items():
        assert (folder / f"report.{kind}").read_text(encoding="utf-8") == text


def test_scores_alone_are_drawn_against_compute(folder):
    args, file = SHAPES["scores only"].write(folder, "scores"), folder / "scores.html"
    assert go("report", *args, "--target", "N=8e9,D=2e11", "--method", "fp-gpt4", "--draws", 8, "-o", file) == 0
    text = file.read_text(encoding="utf-8")
    assert 'aria-label="Panel 1 of 2: quiz; score (%) against training compute C (FLOPs)"' in text
    assert not Parsed(text).open


@pytest.mark.thorough
def test_budgets_have_a_section_with_a_picture(folder):
    args, file = SHAPES["both"].write(folder, "budgets"), folder / "budgets.html"
    options = ("--target", "N=8e9,D=2e11", "--method", "flp", "--draws", 8, "--budget", "1e22,1e23")
    assert go("report", *args, *options, "-o", file, "--json", folder / "budgets.json") == 0
    text = file.read_text(encoding="utf-8")
    assert not Parsed(text).open
    section = text.split('<section id="allocation"')[1].split("</section>")[0]
    assert section.count("<svg ") >= 3
    found = json.loads((folder / "budgets.json").read_text(encoding="utf-8"))["allocation"]
    assert [o["flops"] for o in found["optima"]] == [1e22, 1e23]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "there is no file to write"),
        (("-o", "report.pdf"), "a report is a page of HTML"),
        (("-o", "-"), "only --json can be written to stdout"),
        (("-o", "none/report.html"), "can't be written"),
        (("-o", "there.html"), "flpjax did not make it"),
        (("-o", "a.html", "--markdown", "a.html"), "names the same file"),
        (("-o", "a.html", "--budget", "much"), "'much' is not a number"),
        (("-o", "a.html", "--method", "nothing"), "there is no method"),
        (("-o", "a.html", "--largest", "8", "--target", "C=1e23"), "no run is left"),
        (("-o", "a.html", "--mix", "--target", "C=1e23"), "mix/"),
        (("-o", "a.html"), "there is no target"),
    ],
)
def test_errors_come_before_any_fit(tmp_path, monkeypatch, capsys, options, words):
    args = Shape().write(tmp_path, "runs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("flpjax.fitting.fit.fit", None)  # whoever calls it ends in another error
    Path("there.html").write_text("<!doctype html>\n<p>mine", encoding="utf-8")
    assert go("report", *args, *options) == 2
    assert words in capsys.readouterr().err
    assert {p.name for p in tmp_path.iterdir()} == {"runs.csv", "runs.toml", "there.html"}


def test_a_page_of_many_rows_says_that_some_are_left_out():
    rows = [[f"r{i}", "1"] for i in range(MOST_ROWS + 5)]
    blocks = (table("Runs", ["", "n"], rows), Paragraph("a `b` 5 %"), Facts((("N", "7"),)), Code("x"))
    document = Document("T", ("A.",), ("PASS", "1 of 1"), (), (Section("runs", "Runs", blocks),), "x", "flpjax 1")
    for text in (page(document), markdown(document)):
        assert f"r{MOST_ROWS - 1}" in text
        assert f"r{MOST_ROWS}<" not in text
        assert "5 more rows are not shown" in text
    assert "a <code>b</code> 5\u00a0%" in page(document)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A Python with playwright, Chromium and axe-core: named by ``FLPJAX_BROWSER``, or made here."""
    chromium = os.environ.get("FLPJAX_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or (shutil.which("npm") is None and "FLPJAX_BROWSER" not in os.environ):
        pytest.skip("Chromium or npm is not installed")
    folder = Path(os.environ.get("FLPJAX_BROWSER") or tmp_path_factory.mktemp("browser"))
    python, axe = folder / "bin" / "python", folder / "node_modules" / "axe-core" / "axe.min.js"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "playwright"], check=True, timeout=900)
        subprocess.run(["npm", "install", "--prefix", folder, "axe-core"], check=True, timeout=900)
    return [str(python), str(Path(__file__).with_name("in_a_browser.py")), chromium, str(axe)]


@pytest.mark.client
def test_in_chromium_at_two_widths_light_and_dark(made, folder, browser):
    file = folder / "seen.html"
    file.write_text(made["html"], encoding="utf-8")
    done = subprocess.run([*browser, str(file)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    looks = json.loads(done.stdout)
    assert {(look["width"], look["scheme"]) for look in looks} == {
        (width, scheme) for width in (1280, 390) for scheme in ("light", "dark")
    }
    for look in looks:
        assert look["page"] <= look["width"]
        assert not look["wider"]
        assert look["dark"] == (look["scheme"] == "dark")
        assert not look["console"]
        assert look["requests"] == [file.as_uri()]
        assert look["rules"] > 10
        assert not look["violations"]
