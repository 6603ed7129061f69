from __future__ import annotations

import hashlib
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from testbed.environments import make_venv, tool, uv_install
from testbed.index import JSON, Fault, Server, serve, serve_files


@pytest.fixture
def server(index_folder: Path) -> Iterator[Server]:
    with serve(index_folder) as running:
        yield running


@pytest.fixture
def session(clean_settings: Path) -> Iterator[requests.Session]:  # noqa: ARG001
    with requests.Session() as session:
        yield session


def test_json_and_html_say_the_same(server: Server, session: requests.Session) -> None:
    page = session.get(f"{server.index_url}tb-pure/", headers={"Accept": JSON}).json()
    assert page["versions"] == ["1.0", "1.1", "2.0"]
    text = session.get(f"{server.index_url}tb-pure/").text
    for file in page["files"]:
        assert f'href="../../files/{file["filename"]}#sha256={file["hashes"]["sha256"]}"' in text
        content = session.get(f"{server.url}/files/{file['filename']}").content
        assert hashlib.sha256(content).hexdigest() == file["hashes"]["sha256"]
        assert len(content) == file["size"]
        metadata = session.get(f"{server.url}/files/{file['filename']}.metadata").content
        assert hashlib.sha256(metadata).hexdigest() == file["core-metadata"]["sha256"]


def test_facts_of_files(server: Server, session: requests.Session) -> None:
    def files(name: str) -> list[dict[str, object]]:
        answer = session.get(f"{server.index_url}{name}/", headers={"Accept": JSON})
        return list(answer.json()["files"])

    assert files("tb-future")[0]["requires-python"] == ">=4"
    assert [file["yanked"] for file in files("tb-withdrawn")] == [False, "withdrawn on purpose"]
    assert "core-metadata" not in files("tb-source")[0]
    assert session.get(f"{server.index_url}nope/").status_code == 404


def test_without_metadata_files(index_folder: Path, session: requests.Session) -> None:
    with serve(index_folder, metadata=False) as server:
        assert "core-metadata" not in session.get(f"{server.index_url}tb-pure/").text
        assert session.get(f"{server.url}/files/tb_pure-1.0-py3-none-any.whl.metadata").status_code == 404


def test_etag(server: Server, session: requests.Session) -> None:
    url = f"{server.index_url}tb-pure/"
    etag = session.get(url).headers["ETag"]
    assert session.get(url, headers={"If-None-Match": etag}).status_code == 304
    assert [request.status for request in server.requests] == [200, 304]


def test_credentials(index_folder: Path, session: requests.Session) -> None:
    with serve(index_folder, auth=("me", "secret")) as server:
        assert session.get(server.index_url).status_code == 401
        assert session.get(server.auth_url + "/simple/").status_code == 200


@pytest.mark.parametrize("fault", ["401", "403", "404", "429", "500", "503"])
def test_status_faults(server: Server, session: requests.Session, fault: Fault) -> None:
    server.fail("/simple/tb-pure/", fault, times=1)
    url = f"{server.index_url}tb-pure/"
    assert [session.get(url).status_code for _ in range(2)] == [int(fault), 200]


def test_faults_of_the_connection(server: Server, session: requests.Session) -> None:
    url = f"{server.url}/files/tb_pure-1.0-py3-none-any.whl"
    whole = session.get(url).content
    server.fail("*.whl", "reset", times=1)
    with pytest.raises(requests.ConnectionError):
        session.get(url)
    server.fail("*.whl", "truncated", times=1)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        session.get(url)
    server.fail("*.whl", "garbage")
    assert session.get(url).content != whole
    server.heal()
    assert session.get(url).content == whole


@pytest.mark.parametrize("fault", ["hang", "stall"])
def test_waiting_ends_with_the_server(index_folder: Path, session: requests.Session, fault: Fault) -> None:
    outcome: list[str] = []

    def ask(url: str) -> None:
        try:
            session.get(url, timeout=60)
        except requests.RequestException as error:
            outcome.append(type(error).__name__)

    with serve(index_folder) as server:
        server.fail("*", fault)
        thread = threading.Thread(target=ask, args=[server.index_url])
        thread.start()
        while not server.requests:
            thread.join(0.01)
        assert not outcome
    thread.join(30)
    assert outcome in (["ConnectionError"], ["ChunkedEncodingError"])


def test_files_stay_inside_the_folder(tmp_path: Path, session: requests.Session) -> None:
    (tmp_path / "secret").write_text("no")
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "file").write_text("yes")
    with serve_files(tmp_path / "open") as server:
        assert session.get(f"{server.url}/file").text == "yes"
        assert session.get(f"{server.url}/%2e%2e/secret").status_code == 404
        assert session.head(f"{server.url}/file").headers["Content-Length"] == "3"


def test_uv_installs_from_it(server: Server, tmp_path: Path) -> None:
    python = make_venv(tmp_path / "venv")
    uv_install(python, "tb-mixed", "tb-source", "tb-extra[more]", "tb-withdrawn", index_url=server.index_url)
    code = "import tb_alpha, tb_pure, tb_source, tb_withdrawn as w; print(tb_alpha.__version__, w.__version__)"
    assert subprocess.check_output([python, "-c", code], text=True) == "2.1 1.0\n"
    assert server.paths("*.whl.metadata")


@pytest.mark.usefixtures("clean_settings")
def test_pip_installs_from_it(server: Server, tmp_path: Path) -> None:
    python = make_venv(tmp_path / "venv", pip=True)
    command = [str(python), "-m", "pip", "install", "-q", "--index-url", server.index_url, "tb-cli", "tb-native==1.1"]
    subprocess.run(command, check=True, timeout=120)
    assert subprocess.check_output([python.with_name("tb-cli")], text=True) == "1.0\n"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("tb-foreign", "win_arm64"), ("tb-future", "Python"), ("tb-broken", "on purpose"), ("tb-nope", "not found")],
)
def test_what_uv_can_not_install(server: Server, tmp_path: Path, name: str, reason: str) -> None:
    python = make_venv(tmp_path / "venv")
    with pytest.raises(RuntimeError, match=reason):
        uv_install(python, name, index_url=server.index_url)


def test_latency_and_rate_slow_down(server: Server, session: requests.Session) -> None:
    server.latency = 50
    assert session.get(server.index_url).elapsed.total_seconds() >= 0.05


def test_tool_not_there() -> None:
    with pytest.raises(FileNotFoundError, match="tb-nope"):
        tool("tb-nope")
