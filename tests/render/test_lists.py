from __future__ import annotations

import pytest

from jupyter_pkgmgr.lookup import Details, SearchAnswer, SearchHit
from jupyter_pkgmgr.model import Ecosystem, Origin, OriginKind, Package
from jupyter_pkgmgr.render import render_search, render_show


def hit(name: str, *, installed: str = "", summary: str = "") -> SearchHit:
    return SearchHit(
        name=name, version="2.0", ecosystem=Ecosystem.PYPI, origin="index.example", installed=installed, summary=summary
    )


@pytest.mark.parametrize(
    ("hits", "heads"),
    [
        ((hit("rich"), hit("richer")), ["Package", "Newest", "From"]),
        ((hit("rich", installed="1.0"), hit("richer")), ["Package", "Newest", "From", "Installed"]),
        ((hit("rich", summary="text"),), ["Package", "Newest", "From", ""]),
    ],
)
def test_a_search_has_no_column_for_nothing(hits: tuple[SearchHit, ...], heads: list[str]) -> None:
    html = render_search(SearchAnswer(query="rich", hits=hits)).html
    assert html.count("<th ") == len(heads)
    assert html.count("<td ") == len(heads) * len(hits)
    for head in heads:
        assert f">{head}</th>" in html


def test_a_search_without_a_hit_says_where_it_looked() -> None:
    answer = SearchAnswer(query="sparkline", hits=(), notes=("only well-known names",))
    assert render_search(answer).text == "nothing found for sparkline\nnote: only well-known names"


INSTALLED = Package(
    name="rich", version="1.0", ecosystem=Ecosystem.PYPI, origin=Origin(kind=OriginKind.INDEX, location="")
)


def details(*, installed: bool = True) -> Details:
    return Details(
        name="rich",
        installed=(INSTALLED,) if installed else (),
        source="https://index.example/simple/",
        versions=tuple(f"{number}.0" for number in range(30, 0, -1)),
        depends=("pygments>=2", 'ipywidgets (<9) ; extra == "jupyter"', "tomli; (os_name == 'nt') and extra == 'x'"),
    )


def test_what_only_an_extra_needs_is_shown_on_request() -> None:
    assert "needs           pygments>=2\n" in f"{render_show(details()).text}\n"
    assert "ipywidgets" in render_show(details(), verbose=True).text


def test_versions_that_are_left_out_are_counted() -> None:
    assert "30.0, 29.0, 28.0, 27.0, 26.0, 25.0, 24.0, 23.0, 22.0, 21.0 and 20 more" in render_show(details()).text
    assert "2.0, 1.0" in render_show(details(), verbose=True).text


@pytest.mark.parametrize(("installed", "label"), [(True, "available from"), (False, "would come from")])
def test_where_a_package_comes_from_is_a_wish_only_before_it_is_there(*, installed: bool, label: str) -> None:
    assert f"{label}  " in render_show(details(installed=installed)).text
