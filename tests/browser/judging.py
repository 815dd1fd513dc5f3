"""What a page of the dashboard is measured by: axe, and the width of a small screen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tests.compat.node_packages import node_with_packages

if TYPE_CHECKING:
    from playwright.sync_api import Page, ViewportSize

NODE = Path(__file__).parent / "node"
SMALL: ViewportSize = {"width": 320, "height": 640}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
AXE = f"() => axe.run(document, {{ runOnly: {json.dumps(RULES)} }})"
OVERFLOWING = """all => all
  .filter(each => each.clientWidth > 0 && each.scrollWidth > each.clientWidth + 1)
  .map(each => [each.tagName, each.className, each.scrollWidth, each.clientWidth])"""


def require_no_violation(page: Page) -> None:
    """axe finds nothing; the page's policy must be off, which would keep out the judge too."""
    node_with_packages(NODE)
    page.add_script_tag(path=NODE / "node_modules" / "axe-core" / "axe.min.js")
    found = page.evaluate(AXE)["violations"]
    told = [(each["id"], [node["html"][:200] for node in each["nodes"]][:3]) for each in found]
    assert not told, (page.url, told)


def require_narrow(page: Page) -> None:
    """Nothing is wider than a small screen."""
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= SMALL["width"], (page.url, width, page.eval_on_selector_all("body *", OVERFLOWING))
