"""Every result that has rows shows them in a notebook, with names as text."""

import inspect

import flpjax
from flpjax.results.verdicts import Finding, Review, Verdict
from flpjax.shown import MOST, ShownAsTable

RESULTS = {
    name
    for name in flpjax.__all__
    if inspect.isclass(getattr(flpjax, name)) and getattr(flpjax, name).__module__.startswith("flpjax.results")
}


def test_every_result_with_rows_has_it():
    with_rows = {name for name in RESULTS if hasattr(getattr(flpjax, name), "table")}
    assert {"Forecast", "Backtest", "Review", "Mix", "Allocation", "Speedup", "NextRuns", "Scoring"} <= with_rows
    assert all(issubclass(getattr(flpjax, name), ShownAsTable) for name in with_rows)


def test_rows_are_escaped_and_cut():
    findings = tuple(Finding(f"<b>{i}", Verdict.PASS, "fine & well") for i in range(MOST + 3))
    html = Review(findings)._repr_html_()
    assert "<b>0" not in html
    assert f"<td>&lt;b&gt;{MOST - 1}</td>" in html
    assert html.count("<tr>") == MOST + 1
    assert "3 more rows" in html
    assert "<th>verdict</th>" in html
