"""Every route refuses who isn't known, who isn't allowed, and what a foreign page could have sent."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import Any, ClassVar

import pytest
from jupyter_server.auth import Authorizer, User
from jupyter_server.base.handlers import JupyterHandler
from tornado.httpclient import HTTPResponse

from jupyter_pkgmgr.api.routes import ROUTES, Route
from jupyter_pkgmgr.server.extension import PkgmgrExtension
from testbed.index import Server
from tests.server.conftest import BASE, Rest

Fetch = Callable[..., Awaitable[HTTPResponse]]
NUMBER = "0123456789abcdef"
EXPECTED = {"environment-not-found", "job-not-found", "plan-not-found", "kernel-not-found", "kernel-token-needed"} | {
    "bad-request"
}
"""What those are told who may ask for something that isn't there, or for kernels only."""


def path(route: Route) -> str:
    """A path of this route; that it names nothing doesn't matter: refusing comes first."""
    return re.sub(r"\{[a-z]+\}", NUMBER, route.pattern)


@pytest.fixture
def ask(jp_fetch: Fetch) -> Callable[..., Awaitable[HTTPResponse]]:
    """Ask for a route; headers that are empty are not sent."""

    async def ask(route: Route, **headers: str) -> HTTPResponse:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        body = "{}" if route.method == "POST" else None
        return await jp_fetch(
            "pkgmgr", *path(route).split("/"), method=route.method, headers=sent, body=body, raise_error=False
        )

    return ask


def reference(response: HTTPResponse) -> str:
    return str(json.loads(response.body)["error"]["reference"])


# --- who isn't known -----------------------------------------------------------------------------------------------


async def test_nobody_unknown_is_answered(ask: Fetch, extension: PkgmgrExtension) -> None:
    for route, authorization in itertools.product(ROUTES, ("", "token wrong", "Basic dXNlcjpwYXNz")):
        response = await ask(route, Authorization=authorization)
        assert (response.code, reference(response)) == (403, "forbidden"), route
        hint = json.loads(response.body)["error"]["hint"]
        assert route.method == "POST" or hint.startswith("reload the page"), route  # else XSRF comes first
    assert not extension.is_awake, "nothing of the service is loaded for strangers"


async def test_a_kernels_token_that_is_not_valid_opens_nothing(ask: Fetch, extension: PkgmgrExtension) -> None:
    expired = extension.tokens.make(NUMBER)
    revoked = extension.tokens.make(NUMBER)
    extension.tokens.revoke(NUMBER)
    for route, token in itertools.product(ROUTES, ("", "wrong", expired, revoked)):
        response = await ask(route, Authorization="", X_Pkgmgr_Kernel_Token=token)
        assert (response.code, reference(response)) == (401, "invalid-token"), route
    assert not extension.is_awake


async def test_a_valid_login_does_not_help_a_wrong_kernel_token(ask: Fetch) -> None:
    for route in ROUTES:
        token = "wrong"  # noqa: S105
        assert (await ask(route, X_Pkgmgr_Kernel_Token=token)).code == 401, route


async def test_a_kernels_token_opens_what_is_meant_for_kernels_only(ask: Fetch, extension: PkgmgrExtension) -> None:
    """What is open to it answers something else: that there is no such kernel or job, or what the body lacks."""
    of_everybody = {"settings", "jobs"}  # the latter has none of another environment
    token = extension.tokens.make(NUMBER)
    extension.tokens.bind(NUMBER, "/nowhere")
    for route in ROUTES:
        response = await ask(route, Authorization="", X_Pkgmgr_Kernel_Token=token)
        if not route.kernel_token or "{environment}" in route.pattern:  # nothing for kernels, or not its own
            assert (response.code, reference(response)) == (403, "foreign-token"), route
        elif route.name in of_everybody:
            assert response.code == 200, route
        else:
            assert response.code in (400, 404), route


async def test_a_kernels_token_does_not_open_another_kernel(ask: Fetch, extension: PkgmgrExtension) -> None:
    token = extension.tokens.make("another")
    extension.tokens.bind("another", "/nowhere")
    for route in ROUTES:
        if "{kernel}" in route.pattern:
            response = await ask(route, Authorization="", X_Pkgmgr_Kernel_Token=token)
            assert (response.code, reference(response)) == (403, "foreign-token"), route


async def test_a_kernels_token_is_not_for_web_pages(ask: Fetch, extension: PkgmgrExtension) -> None:
    token = extension.tokens.make(NUMBER)
    for route in ROUTES:
        response = await ask(route, Authorization="", X_Pkgmgr_Kernel_Token=token, Origin="https://evil.example")
        assert response.code == 403, route


async def test_what_is_for_kernels_is_not_for_users(ask: Fetch) -> None:
    for route in ROUTES:
        if route.kernel_only:
            response = await ask(route)
            assert (response.code, reference(response)) == (403, "kernel-token-needed"), route


async def test_a_rebound_name_is_refused(ask: Fetch, extension: PkgmgrExtension) -> None:
    token = extension.tokens.make(NUMBER)
    for route in ROUTES:
        assert (await ask(route, Host="evil.example")).code == 403, route
        assert (await ask(route, Host="evil.example", X_Pkgmgr_Kernel_Token=token)).code == 403, route


# --- who isn't allowed ---------------------------------------------------------------------------------------------


class Denying(Authorizer):
    """Allows one action on one resource, and remembers what it was asked."""

    allowed: ClassVar[tuple[str, str]] = ("", "")
    asked: ClassVar[list[tuple[str, str]]] = []

    def is_authorized(self, handler: JupyterHandler, user: User, action: str, resource: str) -> bool:  # noqa: ARG002
        self.asked.append((action, resource))
        return (action, resource) == self.allowed


class TestAuthorization:
    @pytest.fixture
    def jp_server_config(self, jp_server_config: dict[str, Any]) -> dict[str, Any]:
        jp_server_config["ServerApp"]["authorizer_class"] = Denying
        return jp_server_config

    async def test_whoever_may_not_execute_can_not_have_a_package_built(
        self, rest: Rest, venv: Path, index_server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """To plan a source distribution its build may run."""
        monkeypatch.setattr(Denying, "allowed", ("read", "pkgmgr"))
        place = f"environments/{await rest.environment(venv)}/plans"
        monkeypatch.setattr(Denying, "allowed", ("write", "pkgmgr"))
        url = f"{index_server.url}/files/tb_source-1.0.tar.gz"
        answer = await rest.post(place, {"command": f"install tb-source@{url}"})
        assert (answer.status, answer.reference) == (403, "not-authorized")

    async def test_every_route_asks_for_its_action(self, ask: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
        for route, action in itertools.product(ROUTES, ("read", "write", "execute")):
            monkeypatch.setattr(Denying, "allowed", (action, "pkgmgr"))
            monkeypatch.setattr(Denying, "asked", [])
            response = await ask(route)
            assert Denying.asked == [(route.action, "pkgmgr")], route
            if action != route.action:
                assert (response.code, reference(response)) == (403, "not-authorized"), route
            else:
                assert response.code == 200 or reference(response) != "not-authorized", route


# --- what a foreign page could have sent ---------------------------------------------------------------------------


async def logged_in(fetch: Fetch) -> dict[str, str]:
    """The cookies of a browser that has logged in and shown a page."""
    cookies: SimpleCookie = SimpleCookie()
    for page in ("api/me", "no-such-page"):
        sent = {"Cookie": header(cookies)} if cookies else {}
        response = await fetch(*page.split("/"), headers=sent, raise_error=False, follow_redirects=False)
        for line in response.headers.get_list("Set-Cookie"):
            cookies.load(line)
    return {name: morsel.value for name, morsel in cookies.items()}


def header(cookies: Mapping[str, Morsel[str] | str]) -> str:
    return "; ".join(f"{name}={getattr(value, 'value', value)}" for name, value in cookies.items())


async def test_a_cookie_alone_changes_nothing(ask: Fetch, jp_fetch: Fetch) -> None:
    cookies = await logged_in(jp_fetch)
    for route in ROUTES:
        response = await ask(route, Authorization="", Cookie=header(cookies))
        if route.method == "GET":
            assert response.code != 403, route
        else:
            assert response.code == 403, route
            assert "_xsrf" in json.loads(response.body)["message"], route


async def test_a_cookie_with_its_counterpart_is_fine(ask: Fetch, jp_fetch: Fetch) -> None:
    cookies = await logged_in(jp_fetch)
    for route in ROUTES:
        response = await ask(route, Authorization="", Cookie=header(cookies), X_XSRFToken=cookies["_xsrf"])
        assert response.code == 200 or reference(response) in EXPECTED, (route, response.body)


async def test_a_foreign_page_is_refused(ask: Fetch, jp_fetch: Fetch) -> None:
    cookies = await logged_in(jp_fetch)
    for route in ROUTES:
        sent = {"Cookie": header(cookies), "X-XSRFToken": cookies["_xsrf"], "Origin": "https://evil.example"}
        response = await ask(route, Authorization="", **sent)
        assert response.code in (403, 404), route
        assert reference(response) in ("forbidden", "not-found"), route


# --- what makes no sense -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD"])
async def test_other_methods(rest: Rest, method: str) -> None:
    response = await rest.fetch("pkgmgr", "jobs", method=method, raise_error=False, allow_nonstandard_methods=True)
    assert response.code == 405


async def test_the_right_path_with_the_wrong_method(rest: Rest) -> None:
    answer = await rest.post("kernels")
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET"


@pytest.mark.parametrize(
    "wrong",
    [
        "nothing",
        "jobs/0123456789abcdef/nothing",
        "environments/0123456789abcdef",
        "plans/0123456789abcdef",
        "jobs/0123456789abcdef",
        "jobs/0123456789abcdef/events",
        "kernels/0123456789abcdef",
    ],
)
async def test_what_is_not_there(rest: Rest, wrong: str) -> None:
    assert (await rest.get(wrong)).status == 404


@pytest.mark.parametrize(
    "raw",
    [
        "environments/..%2f..%2fetc",
        "environments/%2e%2e/packages",
        "environments/0123456789abcdef/packages/..%2F..%2Fetc%2Fpasswd",
        "environments/0123456789abcdef/packages/%00",
        "environments/0123456789abcdef/packages/%ff%fe",
        "environments/0123456789abcdef/packages/" + "a" * 300,
        "environments/0123456789abcdef/packages/%3Cscript%3E",
        "jobs/%5B%5D",
        "kernels/--help",
    ],
)
async def test_a_name_that_can_be_none(http_get: Callable[[str], Awaitable[HTTPResponse]], raw: str) -> None:
    response = await http_get(f"{BASE}pkgmgr/{raw}")
    assert response.code == 400
    assert reference(response) == "bad-request"
