"""Every route refuses who isn't known, who isn't allowed, and what a foreign page could have sent."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from http.cookies import SimpleCookie
from typing import Any, ClassVar

import pytest
from jupyter_server.auth import Authorizer, User
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.serverapp import ServerApp
from tornado.httpclient import HTTPResponse

from jupyter_pkgmgr.api.routes import ROUTES, Route
from jupyter_pkgmgr.server.extension import PkgmgrExtension
from tests.server.conftest import BASE, Rest

Fetch = Callable[..., Awaitable[HTTPResponse]]
EVERY = pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.pattern}")


def path(route: Route) -> str:
    """A path of this route; that it names nothing doesn't matter: refusing comes first."""
    return re.sub(r"\{[a-z]+\}", "0123456789abcdef", route.pattern)


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


@EVERY
@pytest.mark.parametrize("authorization", ["", "token wrong", "Basic dXNlcjpwYXNz"])
async def test_nobody_unknown_is_answered(
    ask: Fetch, extension: PkgmgrExtension, route: Route, authorization: str
) -> None:
    response = await ask(route, Authorization=authorization)
    assert response.code == 403
    assert reference(response) == "forbidden"
    assert not extension.is_awake, "nothing of the service is loaded for strangers"


@EVERY
async def test_a_kernels_token_that_is_not_valid_opens_nothing(
    ask: Fetch, extension: PkgmgrExtension, route: Route
) -> None:
    expired = extension.tokens.make("0123456789abcdef")
    extension.tokens.make("0123456789abcdef")
    for token in ("", "wrong", expired):
        response = await ask(route, Authorization="", X_Pkgmgr_Kernel_Token=token)
        assert response.code == 401
        assert reference(response) == "invalid-token"
    assert not extension.is_awake


@EVERY
async def test_a_valid_login_does_not_help_a_wrong_kernel_token(ask: Fetch, route: Route) -> None:
    token = "wrong"
    assert (await ask(route, X_Pkgmgr_Kernel_Token=token)).code == 401


@EVERY
async def test_a_kernels_token_opens_what_is_meant_for_kernels_only(
    ask: Fetch, extension: PkgmgrExtension, route: Route
) -> None:
    """What is open to it answers something else: that there is no such kernel, job, or environment, or a bad body."""
    token = extension.tokens.make("0123456789abcdef")
    extension.tokens.bind("0123456789abcdef", "/nowhere")
    response = await ask(route, Authorization="", X_Pkgmgr_Kernel_Token=token)
    if route.kernel_token:
        assert response.code in (400, 403, 404)
        assert response.code != 403 or route.name == "environment"  # not its own
    else:
        assert response.code == 403
        assert reference(response) == "foreign-token"


@EVERY
async def test_a_kernels_token_is_not_for_web_pages(ask: Fetch, extension: PkgmgrExtension, route: Route) -> None:
    token = extension.tokens.make("0123456789abcdef")
    response = await ask(route, Authorization="", X_Pkgmgr_Kernel_Token=token, Origin="https://evil.example")
    assert response.code == 403


@pytest.mark.parametrize("route", [route for route in ROUTES if route.kernel_only], ids=lambda route: route.name)
async def test_what_is_for_kernels_is_not_for_users(ask: Fetch, route: Route) -> None:
    response = await ask(route)
    assert response.code == 403
    assert reference(response) == "kernel-token-needed"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80"])
async def test_a_rebound_name_is_refused(ask: Fetch, extension: PkgmgrExtension, host: str) -> None:
    token = extension.tokens.make("0123456789abcdef")
    for route in ROUTES:
        assert (await ask(route, Host=host)).code == 403
        assert (await ask(route, Host=host, X_Pkgmgr_Kernel_Token=token)).code == 403


# --- who isn't allowed ---------------------------------------------------------------------------------------------


class Denying(Authorizer):
    """Allows one action on one resource, and remembers what it was asked."""

    allowed: tuple[str, str] = ("", "")
    asked: ClassVar[list[tuple[str, str, str]]] = []

    def is_authorized(self, handler: JupyterHandler, user: User, action: str, resource: str) -> bool:  # noqa: ARG002
        self.asked.append((user.username, action, resource))
        return (action, resource) == self.allowed


class TestAuthorization:
    @pytest.fixture
    def jp_server_config(self, jp_server_config: dict[str, Any]) -> dict[str, Any]:
        jp_server_config["ServerApp"]["authorizer_class"] = Denying
        Denying.asked = []
        return jp_server_config

    @EVERY
    async def test_every_route_asks_for_its_action(
        self, ask: Fetch, route: Route, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        others = {"read", "write", "execute"} - {route.action}
        for action in others:
            monkeypatch.setattr(Denying, "allowed", (action, "pkgmgr"))
            response = await ask(route)
            assert response.code == 403
            assert reference(response) == "not-authorized"
        assert {(action, resource) for _, action, resource in Denying.asked} == {(route.action, "pkgmgr")}
        monkeypatch.setattr(Denying, "allowed", (route.action, "pkgmgr"))
        response = await ask(route)
        assert response.code == 200 or reference(response) != "not-authorized"


# --- what a foreign page could have sent ---------------------------------------------------------------------------


async def logged_in(jp_fetch: Fetch) -> dict[str, str]:
    """The cookies of a browser that has logged in."""
    response = await jp_fetch("api", "me")
    cookies: SimpleCookie = SimpleCookie()
    for header in response.headers.get_list("Set-Cookie"):
        cookies.load(header)
    return {name: morsel.value for name, morsel in cookies.items()}


def cookie_header(cookies: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


@EVERY
async def test_a_cookie_alone_changes_nothing(ask: Fetch, jp_fetch: Fetch, route: Route) -> None:
    cookies = await logged_in(jp_fetch)
    response = await ask(route, Authorization="", Cookie=cookie_header(cookies))
    if route.method == "GET":
        assert response.code != 403
    else:
        assert response.code == 403
        assert "_xsrf" in json.loads(response.body)["message"]


@EVERY
async def test_a_cookie_with_its_counterpart_is_fine(
    ask: Fetch, jp_fetch: Fetch, jp_serverapp: ServerApp, route: Route
) -> None:
    cookies = await logged_in(jp_fetch)
    page = await jp_fetch(
        "login", headers={"Cookie": cookie_header(cookies)}, raise_error=False, follow_redirects=False
    )
    for header in page.headers.get_list("Set-Cookie"):
        cookies |= {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    assert "_xsrf" in cookies, jp_serverapp.base_url
    response = await ask(route, Authorization="", Cookie=cookie_header(cookies), X_XSRFToken=cookies["_xsrf"])
    assert response.code != 403 or route.kernel_only


@EVERY
async def test_a_foreign_page_is_refused(ask: Fetch, jp_fetch: Fetch, route: Route) -> None:
    cookies = cookie_header(await logged_in(jp_fetch))
    response = await ask(route, Authorization="", Cookie=cookies, Origin="https://evil.example")
    assert response.code in (403, 404)
    assert reference(response) in ("forbidden", "not-found")


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
        "kernels/",
        "",
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
