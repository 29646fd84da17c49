"""Open a page in Chromium and print as JSON what went wrong: run by a Python that has playwright.

python in_a_browser.py CHROMIUM AXE.js PAGE.html
"""

import json
import sys
from pathlib import Path

WIDTHS, SCHEMES = (1280, 390), ("light", "dark")
DARKER = """() => {  // lightness of the page and of the writing on it
    const style = getComputedStyle(document.body);
    const sum = (colour) => colour.match(/\\d+/g).slice(0, 3).map(Number).reduce((a, b) => a + b);
    return sum(style.backgroundColor) < sum(style.color);
}"""
WIDER = """() => [...document.querySelectorAll('main *')].filter((e) => !e.closest('.scroll, svg') &&
    e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 200))"""


def look(chromium, axe, page):
    """One dictionary a width and scheme."""
    from playwright.sync_api import sync_playwright

    found = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for width in WIDTHS:
            for scheme in SCHEMES:
                context = browser.new_context(
                    viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
                )
                tab, said, asked = context.new_page(), [], []
                tab.on("console", lambda message, said=said: said.append(message.text))
                tab.on("pageerror", lambda error, said=said: said.append(str(error)))
                tab.on("request", lambda request, asked=asked: asked.append(request.url[:200]))
                tab.goto(page.as_uri())
                seen = {
                    "width": width, "scheme": scheme, "page": tab.evaluate("document.documentElement.scrollWidth"),
                    "wider": tab.evaluate(WIDER), "dark": tab.evaluate(DARKER), "console": said,
                    "requests": [url for url in asked if not url.startswith("data:")],
                }  # fmt: skip
                tab.evaluate(axe)
                result = tab.evaluate("axe.run()")
                seen["rules"] = len(result["passes"])
                seen["violations"] = [
                    f"{v['id']}: {v['nodes'][0]['html']}: {v['nodes'][0]['failureSummary']}"
                    for v in result["violations"]
                ]
                found.append(seen)
                context.close()
        browser.close()
    return found


if __name__ == "__main__":
    chromium, axe, page = sys.argv[1:]
    print(json.dumps(look(chromium, Path(axe).read_text(encoding="utf-8"), Path(page).resolve())))  # noqa: T201
