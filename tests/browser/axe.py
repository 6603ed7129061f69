"""axe-core in a page: which rules of accessibility (WCAG 2) it sees broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

__all__ = ["AXE", "violations"]

AXE = Path(__file__).parents[2] / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
RUN = """async selector => {
    const { violations } = await axe.run(selector, { resultTypes: ['violations'] });
    return violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
}"""


def violations(page: Page, selector: str) -> list[str]:
    """What is seriously wrong in a part of the page, as sentences with the elements."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    return [_sentence(violation) for violation in page.evaluate(RUN, selector)]


def _sentence(violation: dict[str, Any]) -> str:
    nodes = [f"  {node['html'][:200]}\n    {node['failureSummary']}" for node in violation["nodes"][:5]]
    return "\n".join([f"{violation['id']} ({violation['impact']}): {violation['help']}", *nodes])
