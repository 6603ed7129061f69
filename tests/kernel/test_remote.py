"""A kernel that follows a job of its server, and a server that comes, goes, refuses or talks nonsense."""

from __future__ import annotations

import _thread
import contextlib
import hashlib
import signal
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.kernel import child, remote, transport
from jupyter_pkgmgr.kernel.display import MIME
from jupyter_pkgmgr.kernel.errors import PkgError
from jupyter_pkgmgr.kernel.remote import Service
from tests.kernel.conftest import make_peer
from tests.kernel.scripted_server import ScriptedServer

RESULT = {"exit": 0, "verdict_wanted": False}
CANCELLED = {"reference": "cancelled", "message": "stopped; nothing was changed"}
Shown = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with contextlib.closing(ScriptedServer()) as running:
        yield running


@pytest.fixture
def service(server: ScriptedServer, peer: Path) -> Iterator[Service]:
    with contextlib.closing(Service(server.connection, child.Service(str(peer)))) as running:
        yield running


@pytest.fixture
def shown() -> Shown:
    return []


@pytest.fixture
def run(service: Service, shown: Shown) -> Callable[..., tuple[dict[str, Any], bool]]:
    def run(line: str = "steps", then: Callable[[], object] | None = None) -> tuple[dict[str, Any], bool]:
        def show(key: str, data: dict[str, Any]) -> None:
            shown.append((key, data))
            if then is not None:
                then()

        return service.run({"argv_line": line, "cell": None, "facts": {}}, show)

    return run


Run = Callable[..., tuple[dict[str, Any], bool]]


def texts(shown: Shown) -> list[str]:
    return [data["text/plain"] for _, data in shown]


def test_a_job_is_shown_and_its_result_returned(server: ScriptedServer, run: Run, shown: Shown) -> None:
    part = {"schema": 1, "part": "plan", "kernel": None, "job": None}
    server.tell("state", state="running")
    server.display("plan", key="plan", **{MIME: part})
    server.tell("event", event={"kind": "phase"})
    server.display("done")
    server.tell("result", result=RESULT)
    assert run("install six") == ({**RESULT, "job": "j1"}, False)
    assert [key for key, _ in shown] == ["plan", "progress"]
    assert shown[0][1][MIME] == {**part, "kernel": "k1", "job": "j1"}
    method, path, body = server.asked[0]
    assert (method, path, body["argv_line"]) == ("POST", "kernels/k1/run", "install six")


def test_an_error_of_the_job_is_raised(server: ScriptedServer, run: Run) -> None:
    server.tell("error", error={"reference": "not-found", "message": "no such package", "hint": "look", "text": "told"})
    with pytest.raises(PkgError) as caught:
        run()
    assert (caught.value.reference, caught.value.hint, caught.value.text) == ("not-found", "look", "told")


def test_what_the_server_refuses_is_told_and_not_done_elsewhere(server: ScriptedServer, run: Run, shown: Shown) -> None:
    error = {"reference": "policy", "message": "the administrator forbids it", "hint": None}
    server.answers["POST", "kernels/k1/run"] = lambda: (403, {"schema": 1, "error": error})
    with pytest.raises(PkgError, match="the administrator forbids it"):
        run()
    assert shown == []


def test_a_variable_of_a_requirements_file_is_told_when_it_is_asked_for(
    server: ScriptedServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INDEX_TOKEN", "of-the-kernel")
    monkeypatch.delenv("NOBODY_SET_THIS", raising=False)
    wanted = ["INDEX_TOKEN", "NOBODY_SET_THIS"]

    def answer() -> tuple[int, Any]:
        missing = [name for name in wanted if name not in server.asked[-1][2]["variables"]]
        error = {"reference": "variable-wanted", "message": "a file uses it", "context": missing[:1]}
        return (400, {"schema": 1, "error": error}) if missing else (202, {"schema": 1, "id": "j1"})

    server.answers["POST", "kernels/k1/run"] = answer
    server.tell("result", result=RESULT)
    run("install -r requirements.txt")
    sent = [body["variables"] for method, path, body in server.asked if path == "kernels/k1/run"]
    assert sent[0] == {}, "nothing that isn't wanted"
    assert sent[-1] == {"INDEX_TOKEN": "of-the-kernel", "NOBODY_SET_THIS": None}


# --- interrupts ------------------------------------------------------------------------------------------------------


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Python's own handler, as kernels have it: what a shell starts in the background ignores interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_an_interrupt_asks_the_server_and_waits_for_the_end(server: ScriptedServer, run: Run) -> None:
    def stop() -> tuple[int, Any]:
        server.tell("error", error=CANCELLED)
        return 202, {"schema": 1}

    server.answers["POST", "jobs/j1/cancel"] = stop
    server.display("working")
    with pytest.raises(PkgError, match="stopped; nothing was changed"):
        run(then=_thread.interrupt_main)
    assert [path for _, path, _ in server.asked].count("jobs/j1/cancel") == 1


@pytest.mark.usefixtures("_interruptible")
def test_an_interrupt_that_comes_too_late_is_told_of(server: ScriptedServer, run: Run) -> None:
    def done() -> tuple[int, Any]:
        server.tell("result", result=RESULT)
        return 202, {"schema": 1}

    server.answers["POST", "jobs/j1/cancel"] = done
    server.display("working")
    assert run(then=_thread.interrupt_main) == ({**RESULT, "job": "j1"}, True)


@pytest.mark.usefixtures("_interruptible")
def test_a_second_interrupt_waits_no_longer(server: ScriptedServer, run: Run) -> None:
    def show_more() -> tuple[int, Any]:
        server.display("putting things back")
        return 202, {"schema": 1}

    server.answers["POST", "jobs/j1/cancel"] = show_more
    server.display("working")
    with pytest.raises(PkgError, match="the Jupyter server goes on with it") as caught:
        run(then=_thread.interrupt_main)
    assert caught.value.hint is not None
    assert "%pkg history" in caught.value.hint


@pytest.mark.usefixtures("_interruptible")
def test_an_interrupt_before_there_is_a_job_stops_it_as_soon_as_there_is(server: ScriptedServer, run: Run) -> None:
    asked, answer = threading.Event(), threading.Event()

    def slowly() -> tuple[int, Any]:
        asked.set()
        assert answer.wait(30)
        return 202, {"schema": 1, "id": "j1"}

    def stop() -> tuple[int, Any]:
        server.tell("error", error=CANCELLED)
        return 202, {"schema": 1}

    def interrupt() -> None:
        assert asked.wait(30)
        _thread.interrupt_main()
        answer.set()

    server.answers = {("POST", "kernels/k1/run"): slowly, ("POST", "jobs/j1/cancel"): stop}
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(PkgError, match="stopped; nothing was changed"):
        run()
    thread.join()


# --- servers that aren't there ---------------------------------------------------------------------------------------


def test_without_the_server_the_kernel_does_the_work_and_says_so(
    server: ScriptedServer, run: Run, shown: Shown
) -> None:
    server.close()
    for _ in range(2):  # it may come back, so it is asked again
        shown.clear()
        result, interrupted = run()
        assert (result["exit"], interrupted) == (0, False)
        assert texts(shown)[:2] == [
            "the Jupyter server can't be reached: Connection refused: this kernel does the work itself",
            "plan 1",
        ]
        assert shown[0][1][MIME]["part"] == "message"


@pytest.mark.parametrize("answer", [(404, "<html>Not found</html>"), (405, ""), (403, "{}"), (302, "")])
def test_a_server_that_is_not_ours_any_more_is_asked_once(
    answer: tuple[int, Any], server: ScriptedServer, run: Run, shown: Shown
) -> None:
    server.answers["POST", "kernels/k1/run"] = lambda: answer
    assert run()[0]["exit"] == 0
    assert texts(shown)[0] == ("the Jupyter server has no package service (any more): this kernel does the work itself")
    shown.clear()
    run()
    assert texts(shown)[0] == "plan 1"
    assert len(server.asked) == 1


@pytest.fixture
def silent(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    """A server that takes commands and answers none until the test has ended."""
    monkeypatch.setattr(transport, "TIMEOUT", 0.2)
    monkeypatch.setattr(remote, "BEGIN", 1.0)
    ended = threading.Event()

    def keep() -> None:
        ended.wait(60)

    server.answers["POST", "kernels/k1/run"] = keep
    yield server
    ended.set()


def keys(server: ScriptedServer) -> list[str]:
    return [body["key"] for method, path, body in server.asked if (method, path) == ("POST", "kernels/k1/run")]


def test_what_a_silent_server_may_have_begun_is_never_done_here(silent: ScriptedServer, run: Run, shown: Shown) -> None:
    with pytest.raises(PkgError, match="may have begun this, or not") as caught:
        run("undo")
    assert caught.value.reference == "server-silent"
    assert "%pkg history" in str(caught.value.hint)
    assert shown == []
    assert len(keys(silent)) > 1
    assert len(set(keys(silent))) == 1, "the server can tell that it is the same command"


def test_what_only_looks_is_done_here_where_the_server_is_silent(
    silent: ScriptedServer, run: Run, shown: Shown
) -> None:
    assert run("history")[0]["exit"] == 0
    assert texts(shown)[0].startswith("the Jupyter server doesn't answer: ")
    assert keys(silent)


def test_a_slow_server_is_asked_again_and_does_it(silent: ScriptedServer, run: Run, shown: Shown) -> None:
    keep = silent.answers["POST", "kernels/k1/run"]

    def answer_late() -> tuple[int, Any] | None:
        return (202, {"schema": 1, "id": "j1"}) if len(keys(silent)) > 1 else keep()

    silent.answers["POST", "kernels/k1/run"] = answer_late
    silent.tell("result", result=RESULT)
    assert run("install six") == ({**RESULT, "job": "j1"}, False)
    assert shown == []


@pytest.mark.parametrize("then", [(401, {"schema": 1}), (503, {"schema": 1}), (404, "")])
def test_a_refusal_after_a_silence_tells_nothing_of_the_first_time(
    then: tuple[int, Any], silent: ScriptedServer, run: Run, shown: Shown
) -> None:
    keep = silent.answers["POST", "kernels/k1/run"]
    silent.answers["POST", "kernels/k1/run"] = lambda: then if len(keys(silent)) > 1 else keep()
    with pytest.raises(PkgError) as caught:
        run("undo")
    assert (caught.value.reference, shown) == ("server-silent", [])


@pytest.mark.parametrize("answer", [(200, "[]"), (200, {"schema": 99}), (500, ""), (502, "<html>"), (503, "<html>")])
def test_an_answer_that_makes_no_sense_is_none(
    answer: tuple[int, Any], silent: ScriptedServer, run: Run, shown: Shown
) -> None:
    silent.answers["POST", "kernels/k1/run"] = lambda: answer
    with pytest.raises(PkgError) as caught:
        run("undo")
    assert (caught.value.reference, shown) == ("server-silent", [])
    asked = len(keys(silent))
    with pytest.raises(PkgError):
        run("undo")
    assert len(keys(silent)) > asked, "it may make sense again later"
    assert len(set(keys(silent))) == 2


def test_a_server_that_ends_is_no_server(server: ScriptedServer, run: Run, shown: Shown) -> None:
    server.answers["POST", "kernels/k1/run"] = lambda: (503, {"schema": 1, "error": {"message": "no"}})
    assert run()[0]["exit"] == 0
    assert texts(shown)[0] == "the Jupyter server is shutting down: this kernel does the work itself"


def test_a_token_that_is_worth_nothing_any_more(server: ScriptedServer, run: Run, shown: Shown) -> None:
    server.token = "another"  # noqa: S105  the server's new one
    assert run()[0]["exit"] == 0
    assert texts(shown)[0] == "the Jupyter server doesn't know this kernel any more: this kernel does the work itself"


def test_with_neither_server_nor_interpreter_one_error_says_both(server: ScriptedServer, tmp_path: Path) -> None:
    server.close()
    service = Service(server.connection, child.Service(str(tmp_path / "none")))
    with pytest.raises(PkgError, match="the Jupyter server can't be reached") as caught:
        service.run({"argv_line": "list"}, lambda *_: None)
    assert caught.value.note is not None
    assert str(tmp_path / "none") in caught.value.note
    service.close()


def test_a_server_that_goes_away_in_the_middle(
    server: ScriptedServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PATIENCE", 0.2)
    server.display("working")
    with pytest.raises(PkgError, match="went away while it worked") as caught:
        run(then=server.close)
    assert "rolled back" in str(caught.value.note)
    assert "%pkg history" in str(caught.value.hint)


def test_a_server_that_was_restarted_in_the_middle(server: ScriptedServer, run: Run) -> None:
    server.display("working")
    with pytest.raises(PkgError) as caught:
        run(then=lambda: setattr(server, "token", "another"))
    assert caught.value.reference == "server-gone"
    assert "it was stopped or restarted" in str(caught.value.note)


def test_a_server_that_ends_in_the_middle(server: ScriptedServer, run: Run) -> None:
    server.answers["GET", "jobs/j1/events"] = lambda: (503, {"schema": 1, "error": {"message": "no"}})
    with pytest.raises(PkgError) as caught:
        run()
    assert caught.value.reference == "server-gone"
    assert str(caught.value.note).startswith("the Jupyter server is shutting down; what it had not finished")


def test_a_connection_that_breaks_is_made_again(server: ScriptedServer, run: Run, shown: Shown) -> None:
    broken = iter([True, True])

    def break_twice() -> tuple[int, Any] | None:
        if next(broken, False):
            return None
        del server.answers["GET", "jobs/j1/events"]
        server.tell("result", result=RESULT)
        return 200, server.page(0)

    server.answers["GET", "jobs/j1/events"] = break_twice
    server.display("once")
    assert run()[0]["exit"] == 0
    assert texts(shown) == ["once"]


# --- hints and verdicts ----------------------------------------------------------------------------------------------


def test_hints_come_in_time_or_not_at_all(server: ScriptedServer, service: Service) -> None:
    hint = {"package": "opencv-python", "command": "%pkg install opencv-python", "text": "it is in opencv-python"}
    ask = ("POST", "kernels/k1/hint")
    server.answers[ask] = lambda: (200, {"schema": 1, "hint": hint})
    assert service.hint({"module": "cv2", "facts": {}}, 30) == hint
    server.answers[ask] = lambda: (200, {"schema": 1, "hint": None})
    assert service.hint({"module": "cv2", "facts": {}}, 30) is None
    release = threading.Event()
    server.answers[ask] = lambda: (200, {"schema": 1, "hint": hint}) if release.wait(30) else None
    assert service.hint({"module": "cv2", "facts": {}}, 0.1) is None
    release.set()
    server.close()
    assert service.hint({"module": "cv2", "facts": {}}, 30) is None


def test_a_verdict_is_told_to_the_server(server: ScriptedServer, service: Service) -> None:
    verdict = {"level": "recommended", "modules": ["six"], "text": "restart", "schema": 1, "part": "verdict"}
    service.report("t1", verdict, {})
    server.wait_for("POST", "kernels/k1/verdict")
    assert [body for _, _, body in server.asked] == [
        {"transaction": "t1", "verdict": {"level": "recommended", "modules": ["six"], "text": "restart"}}
    ]


# --- ways to the server ----------------------------------------------------------------------------------------------


def make_certificate(folder: Path, name: str) -> tuple[Path, str]:
    """A self-signed certificate with its key in one file, and its fingerprint."""
    file = folder / f"{name}.pem"
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    subprocess.run(
        ["openssl", "req", *options, "-keyout", file, "-out", folder / "cert"], check=True, capture_output=True
    )
    certificate = (folder / "cert").read_text()
    file.write_text(file.read_text() + certificate)
    return file, hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()


@pytest.mark.executable("openssl")
def test_over_tls_the_server_is_known_by_its_own_certificate(peer: Path, tmp_path: Path, shown: Shown) -> None:
    file, fingerprint = make_certificate(tmp_path, "jupyter.example")
    _, other = make_certificate(tmp_path, "other.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with contextlib.closing(ScriptedServer(context=context)) as server:
        server.tell("result", result=RESULT)
        for certificate, line in ((fingerprint, []), (other, ["another server answers there"]), (None, ["another"])):
            connection = {**server.connection, "certificate": certificate}
            shown.clear()
            with contextlib.closing(Service(connection, child.Service(str(peer)))) as service:
                service.run({"argv_line": "where"}, lambda key, data: shown.append((key, data)))
            told = [text for text in texts(shown) if "Jupyter server" in text]
            assert len(told) == len(line)
            assert all(expected in text for expected, text in zip(line, told, strict=True))
        assert [path for _, path, _ in server.asked].count("kernels/k1/run") == 1  # the token went to nobody else


def test_over_a_unix_socket_and_past_every_proxy(peer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)
    with contextlib.closing(ScriptedServer(sock=Path("s"))) as server:
        server.tell("result", result=RESULT)
        connection = {**server.connection, "sock": "s"}
        with contextlib.closing(Service(connection, child.Service(str(peer)))) as service:
            assert service.run({"argv_line": "list"}, lambda *_: None) == ({**RESULT, "job": "j1"}, False)
    with contextlib.closing(ScriptedServer()) as server:
        server.tell("result", result=RESULT)
        with contextlib.closing(transport.Client(server.connection)) as client:
            assert client.call("POST", "kernels/k1/run", {})["id"] == "j1"


def test_the_token_shows_nowhere(service: Service, server: ScriptedServer, tmp_path: Path) -> None:
    make_peer(tmp_path)
    server.close()
    token = server.connection["token"]
    with contextlib.closing(transport.Client(server.connection)) as client:
        with pytest.raises(transport.UnreachableError) as caught:
            client.call("GET", "kernels/k1")
        assert token not in repr(client) + repr(service) + repr(caught.value)
