"""What isn't as documented is refused: with a status, a reference, and words that say what and where."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.api import MAX_BODY, ROUTES, ApiRequest, find_route, read_body, status_of
from jupyter_pkgmgr.api.errors import BadRequestError
from jupyter_pkgmgr.environments import from_interpreter
from jupyter_pkgmgr.model import Environment, errors
from jupyter_pkgmgr.model.errors import PkgError
from jupyter_pkgmgr.service import PackageService
from testbed.environments import make_venv
from tests.service.conftest import User

from .conftest import KERNEL, Client, Clients


@pytest.fixture(scope="session")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment that all these tests share: nothing is ever done in it."""
    return from_interpreter(make_venv(tmp_path_factory.mktemp("untouched") / "venv"))


@pytest.fixture
def client(clients: Clients, untouched: Environment, service: PackageService, tmp_path: Path) -> Client:
    return clients(User(service, untouched, tmp_path))


PLANS = "environments/{env}/plans"
OPTIONS = {"verb": "install", "specs": ["six"]}

BODIES: list[tuple[str, Any, str, str]] = [
    # path, body, reference, what the message has to name
    (PLANS, None, "bad-request", "verb"),
    (PLANS, [], "bad-request", "object"),
    (PLANS, "install six", "bad-request", "object"),
    (PLANS, 7, "bad-request", "object"),
    (PLANS, {}, "bad-request", "verb"),
    (PLANS, {"command": 7}, "bad-request", "$.command"),
    (PLANS, {"command": None}, "bad-request", "$.command"),
    (PLANS, {"command": ""}, "bad-request", "$.command"),
    (PLANS, {"command": "install " + "x" * 20_000}, "bad-request", "$.command"),
    (PLANS, {"command": "install six", "more": 1}, "bad-request", "more"),
    (PLANS, {"command": "install \x1b[31msix"}, "bad-request", "$.command"),
    (PLANS, {"command": "install six\nrm"}, "bad-request", "$.command"),
    (PLANS, {"command": "install \ud800"}, "bad-request", "$.command"),
    (PLANS, {"command": "list"}, "bad-request", "list"),
    (PLANS, {"command": "doctor"}, "bad-request", "doctor"),
    (PLANS, {"command": "dance six"}, "unknown-verb", "dance"),
    (PLANS, {"requests": []}, "bad-request", "$.requests"),
    (PLANS, {"requests": {}}, "bad-request", "$.requests"),
    (PLANS, {"requests": ["remove six"]}, "bad-request", "$.requests[0]"),
    (PLANS, {"requests": [{"command": "remove six"}] * 101}, "bad-request", "$.requests"),
    (PLANS, {"requests": [{"command": "remove six"}], "command": "install six"}, "bad-request", "command"),
    (PLANS, {"requests": [{"command": "remove six"}, {"command": "list"}]}, "bad-request", "requests[1]: list"),
    (PLANS, {"requests": [{"command": "remove six"}, {"requests": []}]}, "bad-request", "requests[1]"),
    (PLANS, {"requests": [{"command": "remove six"}, {"command": "undo"}]}, "undo-alone", "undo"),
    (PLANS, {"requests": [{"command": "install six"}, {"command": "update"}]}, "update-all-alone", "everything"),
    (PLANS, {"requests": [{"command": "install six"}, {"command": "install --pre x"}]}, "options-differ", "--pre"),
    (PLANS, {"requests": [{"verb": "remove", "specs": ["six"]}, {"command": "-r x"}]}, "unknown-verb", "-r"),
    (PLANS, {"command": "install"}, "empty-request", "install"),
    (PLANS, {"command": "install --dance six"}, "usage", "--dance"),
    (PLANS, {"command": "install -p /etc six"}, "other-environment", "-p"),
    (PLANS, {"command": "install 'six"}, "usage", ""),
    (PLANS, {"command": "install -r requirements.txt"}, "path-refused", "requirements.txt"),
    (PLANS, {"command": "install -r/etc/passwd"}, "path-refused", "/etc/passwd"),
    (PLANS, {"command": "install --constraint /etc/passwd six"}, "path-refused", "/etc/passwd"),
    (PLANS, {"command": "install -c versions.txt six"}, "path-refused", "versions.txt"),
    (PLANS, {"command": "install -c /srv/channel six"}, "path-refused", "/srv/channel"),
    (PLANS, {"command": "install -c file:///srv/channel six"}, "path-refused", "file:///srv/channel"),
    (PLANS, {"command": "install -e ."}, "path-refused", "'.'"),
    (PLANS, {"command": "install ./project"}, "path-refused", "./project"),
    (PLANS, {"command": "install ../../etc/passwd"}, "path-refused", "../../etc/passwd"),
    (PLANS, {"command": "install ~root/x"}, "path-refused", "~root/x"),
    (PLANS, {"command": "install /etc/hostname"}, "path-refused", "/etc/hostname"),
    (PLANS, {"command": "install C:\\\\project"}, "path-refused", "C:"),
    (PLANS, {"command": "install file:///etc/hostname"}, "path-refused", "file:///etc/hostname"),
    (PLANS, {"command": "install FILE:///etc/hostname"}, "path-refused", "FILE:///etc/hostname"),
    (PLANS, {"command": "install 'x @ file:///etc/hostname'"}, "path-refused", "file:///etc/hostname"),
    (PLANS, {"command": "install git+file:///srv/repository"}, "path-refused", "git+file:///srv/repository"),
    (PLANS, {"command": "install -f /srv/links six"}, "path-refused", "/srv/links"),
    (PLANS, {"command": "install -i file:///srv/index six"}, "path-refused", "file:///srv/index"),
    (PLANS, {"command": "install --extra-index-url ./index six"}, "path-refused", "./index"),
    (PLANS, {"command": "install /srv/channel::six"}, "path-refused", "/srv/channel::six"),
    (PLANS, {"command": "remove -r requirements.txt"}, "path-refused", "requirements.txt"),
    (PLANS, {"command": "sync requirements.txt"}, "path-refused", "requirements.txt"),
    (PLANS, {"command": "sync"}, "empty-request", "No file"),
    (PLANS, {"command": "export environment.yml"}, "path-refused", "environment.yml"),
    (PLANS, {"verb": "sync", "specs": []}, "empty-request", "sync"),
    (PLANS, {"requests": [{"verb": "sync", "specs": ["six"]}, {"command": "install x"}]}, "sync-alone", "sync"),
    (PLANS, {"verb": "dance", "specs": ["six"]}, "bad-request", "$.verb"),
    (PLANS, {"verb": "install"}, "bad-request", "specs"),
    (PLANS, {"verb": "install", "specs": "six"}, "bad-request", "$.specs"),
    (PLANS, {"verb": "install", "specs": [7]}, "bad-request", "$.specs["),
    (PLANS, {"verb": "install", "specs": [""]}, "bad-request", "$.specs["),
    (PLANS, {"verb": "install", "specs": []}, "empty-request", "install"),
    (PLANS, {"verb": "install", "specs": ["six"] * 2000}, "bad-request", "$.specs"),
    (PLANS, {"verb": "install", "specs": ["x" * 3000]}, "bad-request", "$.specs["),
    (PLANS, {"verb": "install", "specs": ["six", "a\x00b"]}, "bad-request", "$.specs[1]"),
    (PLANS, {"verb": "install", "specs": ["--target=/etc"]}, "invalid-spec", "--target"),
    (PLANS, {"verb": "install", "specs": ["six; rm -rf x"]}, "invalid-spec", "six; rm"),
    (PLANS, {"verb": "install", "specs": ["six; rm -rf /"]}, "path-refused", "six; rm"),
    (PLANS, {"verb": "install", "specs": ["../six"]}, "path-refused", "../six"),
    (PLANS, {"verb": "undo", "specs": ["1", "2"]}, "usage", "undo"),
    (PLANS, {"verb": "undo", "specs": ["--yes"], "options": 7}, "bad-request", "$.options"),
    (PLANS, {**OPTIONS, "options": {"dance": True}}, "bad-request", "dance"),
    (PLANS, {**OPTIONS, "options": {"pre": "yes"}}, "bad-request", "$.options.pre"),
    (PLANS, {**OPTIONS, "options": {"constraints": ["/etc/passwd"]}}, "bad-request", "constraints"),
    (PLANS, {**OPTIONS, "options": {"ecosystem": "npm"}}, "bad-request", "$.options.ecosystem"),
    (PLANS, {**OPTIONS, "options": {"channels": ["/srv/channel"]}}, "path-refused", "/srv/channel"),
    (PLANS, {**OPTIONS, "options": {"index_url": "file:///srv"}}, "path-refused", "file:///srv"),
    (PLANS, {**OPTIONS, "options": {"extra_index_urls": ["/srv"]}}, "path-refused", "/srv"),
    (PLANS, {**OPTIONS, "options": {"channels": ["c"] * 200}}, "bad-request", "$.options.channels"),
    ("environments/{env}/doctor", {"files": "all"}, "bad-request", "$.files"),
    ("environments/{env}/doctor", {"deep": True}, "bad-request", "deep"),
    ("environments/{env}/doctor", [1], "bad-request", "object"),
    ("jobs", None, "bad-request", "plan"),
    ("jobs", {"plan": 7}, "bad-request", "$.plan"),
    ("jobs", {"plan": ""}, "bad-request", "$.plan"),
    ("jobs", {"plan": {"id": 7}}, "bad-request", "$.plan"),
    ("jobs", {"command": "install six"}, "bad-request", "command"),
]


@pytest.mark.parametrize(("path", "body", "reference", "named"), BODIES)
def test_a_body_that_isn_t_as_documented(path: str, body: Any, reference: str, named: str, client: Client) -> None:
    status, error = client.error("POST", path, body)
    assert (status, error["reference"]) == (400, reference)
    assert named in error["message"]
    assert client.api.parts.jobs.all() == (), "nothing was begun"


def test_nothing_is_looked_at_where_a_path_is_refused(client: Client, tmp_path: Path) -> None:
    """Nobody learns from an answer what is there and what isn't."""
    (tmp_path / "there").mkdir()
    answers = []
    for name in ("there", "missing"):
        for command in ("install {}", "install -r {}", "install -e {}", "install -f {} six", "install -c {} six"):
            _, error = client.error("POST", PLANS, {"command": command.format(tmp_path / name)})
            answers.append(json.dumps(error).replace(name, "X"))
    assert answers[:5] == answers[5:]


DEEP: Any = "x"
for _ in range(200):
    DEEP = [DEEP]


def test_a_body_that_is_nested_too_deeply(client: Client) -> None:
    status, error = client.error("POST", PLANS, {"command": DEEP})
    assert (status, error["reference"]) == (400, "bad-request")
    assert "deep" in error["message"]


@pytest.mark.parametrize(
    ("data", "reference", "status"),
    [
        (b"{", "bad-request", 400),
        (b"{'a': 1}", "bad-request", 400),
        (b"\xff\xfe", "bad-request", 400),
        (b'{"a": "\xff"}', "bad-request", 400),
        (b'{"a": 1} trailing', "bad-request", 400),
        (b"[" * 100_000, "bad-request", 400),
        (b" " * (MAX_BODY + 1), "too-large", 413),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else None,
)
def test_bytes_that_are_no_body(data: bytes, reference: str, status: int) -> None:
    with pytest.raises(BadRequestError) as caught:
        read_body(data)
    assert caught.value.reference == reference
    assert status_of(caught.value) == status


def test_bytes_that_are_a_body() -> None:
    assert read_body(b"") is None
    assert read_body(b"  \n") is None
    assert read_body('{"a": "ü"}'.encode()) == {"a": "ü"}


@pytest.mark.parametrize(
    ("method", "path", "status", "reference"),
    [
        ("GET", "", 404, "not-found"),
        ("GET", "dance", 404, "not-found"),
        ("GET", "environments/a/b/c/d", 404, "not-found"),
        ("GET", "environments//packages", 404, "not-found"),
        ("GET", "../settings", 404, "not-found"),
        ("POST", "settings", 405, "method-not-allowed"),
        ("DELETE", "jobs/0123456789abcdef", 405, "method-not-allowed"),
        ("GET", "environments/0000000000000000", 404, "environment-not-found"),
        ("GET", "environments/0000000000000000/packages", 404, "environment-not-found"),
        ("POST", "environments/0000000000000000/plans", 404, "environment-not-found"),
        ("GET", "environments/%2Fetc", 400, "bad-request"),
        ("GET", "environments/..", 400, "bad-request"),
        ("GET", "environments/%2e%2e", 400, "bad-request"),
        ("GET", "environments/%ff", 400, "bad-request"),
        ("GET", "environments/" + "a" * 300, 400, "bad-request"),
        ("GET", "environments/{env}/packages/..%2F..%2Fetc%2Fpasswd", 400, "bad-request"),
        ("GET", "environments/{env}/packages/-r", 400, "bad-request"),
        ("GET", "environments/{env}/packages/a%00b", 400, "bad-request"),
        ("GET", "environments/{env}/packages/%3Cscript%3E", 400, "bad-request"),
        ("GET", "environments/{env}/versions/a%20b", 400, "bad-request"),
        ("GET", "environments/{env}/packages/tb-nothing", 404, "package-not-found"),
        ("GET", "plans/0123456789abcdef", 404, "plan-not-found"),
        ("POST", "jobs", 400, "bad-request"),
        ("GET", "jobs/0123456789abcdef", 404, "job-not-found"),
        ("GET", "jobs/0123456789abcdef/events", 404, "job-not-found"),
        ("POST", "jobs/0123456789abcdef/cancel", 404, "job-not-found"),
        ("GET", "kernels/11111111-2222-3333-4444-555555555555", 404, "kernel-not-found"),
    ],
)
def test_a_path_that_names_nothing(method: str, path: str, status: int, reference: str, client: Client) -> None:
    found, error = client.error(method, path)
    assert (found, error["reference"]) == (status, reference)


def test_the_methods_that_are_allowed_are_named(client: Client) -> None:
    assert client.send("PUT", "jobs").headers["Allow"] == "GET, POST"
    assert client.send("POST", "settings").headers["Allow"] == "GET"


@pytest.mark.parametrize(
    ("path", "query", "named"),
    [
        ("environments/{env}/search", {}, "q"),
        ("environments/{env}/search", {"q": "  "}, "q"),
        ("environments/{env}/search", {"q": "x" * 300}, "q"),
        ("environments/{env}/search", {"q": "a\x1bb"}, "q"),
        ("environments/{env}/search", {"q": "six", "limit": "many"}, "limit"),
        ("environments/{env}/search", {"q": "six", "limit": "0"}, "limit"),
        ("environments/{env}/search", {"q": "six", "limit": "-1"}, "limit"),
        ("environments/{env}/search", {"q": "six", "limit": "1000000"}, "limit"),
        ("environments/{env}/search", {"q": "six", "limit": "9" * 50}, "limit"),
        ("environments/{env}/search", {"q": "six", "limit": "٣"}, "limit"),
        ("environments/{env}/versions/six", {"ecosystem": "npm"}, "ecosystem"),
        ("jobs", {"state": "dancing"}, "state"),
        ("jobs", {"environment": "x" * 300}, "environment"),
    ],
)
def test_a_query_that_isn_t_as_documented(path: str, query: dict[str, str], named: str, client: Client) -> None:
    status, error = client.error("GET", path, **query)
    assert (status, error["reference"]) == (400, "bad-request")
    assert error["message"].split()[0] == named or f" {named} " in error["message"]


@pytest.mark.parametrize("query", [{"after": "x"}, {"after": "-1"}, {"wait": "31"}, {"wait": "1e9"}, {"wait": "-1"}])
def test_a_query_for_events_that_isn_t_as_documented(query: dict[str, str], client: Client) -> None:
    job = client.post("environments/{env}/doctor")["id"]
    client.follow(job)
    status, error = client.error("GET", f"jobs/{job}/events", **query)
    assert (status, error["reference"]) == (400, "bad-request")


def test_what_a_proxy_or_a_browser_adds_to_a_query_is_left_alone(client: Client) -> None:
    assert client.get("jobs", **{"1763835000000": "", "token": "x"})["jobs"] == []


RUN: list[tuple[str, Any, int, str]] = [
    ("run", None, 400, "bad-request"),
    ("run", {"argv_line": "list"}, 400, "bad-request"),
    ("run", {"argv_line": 7, "facts": {}}, 400, "bad-request"),
    ("run", {"argv_line": "list", "facts": []}, 400, "bad-request"),
    ("run", {"argv_line": "list", "facts": {}, "more": 1}, 400, "bad-request"),
    ("run", {"argv_line": "list", "facts": {}, "width": 0}, 400, "bad-request"),
    ("run", {"argv_line": "list", "facts": {}, "cell": 7}, 400, "bad-request"),
    ("run", {"argv_line": "list\x00", "facts": {}}, 400, "bad-request"),
    ("run", {"argv_line": "list", "facts": {}}, 400, "unreadable-facts"),
    ("run", {"argv_line": "list", "facts": {"schema": 99}}, 400, "unreadable-facts"),
    ("hint", {"module": "", "facts": {}}, 400, "bad-request"),
    ("hint", {"module": "x"}, 400, "bad-request"),
    ("verdict", {}, 400, "bad-request"),
    ("verdict", {"verdict": "required"}, 400, "bad-request"),
    ("verdict", {"verdict": {"level": "dire", "modules": [], "text": ""}}, 400, "bad-request"),
    ("verdict", {"verdict": {"level": "none", "modules": "numpy", "text": ""}}, 400, "bad-request"),
    ("verdict", {"verdict": {"level": "none", "modules": ["a\x1b"], "text": ""}}, 400, "bad-request"),
]


@pytest.mark.parametrize(("what", "body", "status", "reference"), RUN)
def test_a_kernel_that_says_nonsense(what: str, body: Any, status: int, reference: str, as_kernel: Client) -> None:
    found, error = as_kernel.error("POST", f"kernels/{KERNEL}/{what}", body)
    assert (found, error["reference"]) == (status, reference)
    assert as_kernel.api.parts.jobs.all() == ()


def test_every_error_has_a_status() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, PkgError)]
    assert len(kinds) > 15
    assert all(400 <= status_of(kind("no")) < 600 for kind in kinds)


def test_a_defect_of_ours_is_an_answer_too(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(client.host, "kernels", fail)
    with caplog.at_level(logging.ERROR):
        status, error = client.error("GET", "kernels")
    assert (status, error["reference"]) == (500, "internal-error")
    assert "ZeroDivisionError" in caplog.text


def test_no_credentials_in_an_error(client: Client) -> None:
    command = "install --index-url file://me:s3cret@host/x six"
    assert "s3cret" not in json.dumps(client.send("POST", PLANS, {"command": command}).body)


def test_every_route_is_found_by_its_own_path() -> None:
    for route in ROUTES:
        path = route.pattern.replace("{", "").replace("}", "")
        found, names = find_route(route.method, path)
        assert found is route
        assert set(names) == {part[1:-1] for part in route.segments if part.startswith("{")}
        assert not (route.kernel_only and not route.kernel_token)


def test_a_leading_slash_does_no_harm(client: Client) -> None:
    assert client.api.handle(ApiRequest(method="GET", path="/jobs/")).status == 200
