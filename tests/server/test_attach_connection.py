"""What a kernel is told of the way to its server, whatever the server listens on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jupyter_server.serverapp import ServerApp

from jupyter_pkgmgr.server.attach_connection import Reachable
from tests.kernel.test_remote import make_certificate


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "http://localhost:8888/pkgmgr/"),
        ({"ip": "0.0.0.0"}, "http://127.0.0.1:8888/pkgmgr/"),  # noqa: S104  nobody listens
        ({"ip": "*"}, "http://localhost:8888/pkgmgr/"),
        ({"ip": "::"}, "http://[::1]:8888/pkgmgr/"),
        ({"ip": "192.0.2.7", "port": 9}, "http://192.0.2.7:9/pkgmgr/"),
        ({"base_url": "/user/a%40b/"}, "http://localhost:8888/user/a%40b/pkgmgr/"),
    ],
)
def test_the_address_is_one_that_can_be_reached(settings: dict[str, Any], url: str) -> None:
    connection = Reachable(ServerApp(**{"port": 8888, **settings})).connection("k1", "secret")
    assert connection == {"url": url, "token": "secret", "kernel": "k1"}


def test_a_socket_is_named_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    connection = Reachable(ServerApp(sock="s")).connection("k1", "secret")
    assert connection is not None
    assert connection["sock"] == str(tmp_path / "s")


@pytest.mark.executable("openssl")
def test_a_certificate_is_that_of_the_start(tmp_path: Path) -> None:
    file, fingerprint = make_certificate(tmp_path, "jupyter.example")
    reachable = Reachable(ServerApp(certfile=str(file), port=8888))
    make_certificate(tmp_path, "jupyter.example")  # renewed
    connection = reachable.connection("k1", "secret")
    assert connection is not None
    assert (connection["url"], connection["certificate"]) == ("https://localhost:8888/pkgmgr/", fingerprint)
    demanding = Reachable(ServerApp(certfile=str(file), client_ca=str(file)))
    assert demanding.connection("k1", "secret") is None  # a kernel has no certificate to show


def test_a_file_without_a_certificate_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    with pytest.raises(ValueError, match="holds no certificate"):
        Reachable(ServerApp(certfile=str(tmp_path / "empty.pem")))
