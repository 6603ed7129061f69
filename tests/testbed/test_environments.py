from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.channel import Channel
from testbed.environments import available_interpreters, conda_environment, copy_venv, kernelspec, make_venv


def test_venvs_with_and_without_pip(tmp_path: Path) -> None:
    for pip in (False, True):
        python = make_venv(tmp_path / f"venv-{pip}", pip=pip)
        done = subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False)
        assert (done.returncode == 0) is pip


def test_a_copy_of_a_venv_is_one_of_its_own(tmp_path: Path) -> None:
    template = make_venv(tmp_path / "one", pip=True)
    python = copy_venv(tmp_path / "one", tmp_path / "two")
    said = subprocess.check_output([python.with_name("pip"), "--version"], text=True)
    assert str(tmp_path / "two" / "lib") in said
    command = python.with_name("pip").read_bytes()
    (record,) = (tmp_path / "two").glob("lib/python*/site-packages/pip-*.dist-info/RECORD")
    digest = base64.urlsafe_b64encode(hashlib.sha256(command).digest()).rstrip(b"=")
    assert b"bin/pip,sha256=%s,%d" % (digest, len(command)) in record.read_bytes()
    subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "pip"], check=True)
    assert subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode
    assert str(tmp_path / "one" / "lib") in subprocess.check_output([template, "-m", "pip", "--version"], text=True)


@pytest.mark.parametrize("minor", available_interpreters())
def test_each_interpreter_makes_a_venv_with_pip(tmp_path: Path, minor: str) -> None:
    python = make_venv(tmp_path / "venv", available_interpreters()[minor], pip=True)
    assert f"(python {minor})" in subprocess.check_output([python, "-m", "pip", "--version"], text=True)


def test_interpreters_are_really_what_they_are_called() -> None:
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert own in available_interpreters()


def test_what_can_not_be_solved_says_why(conda_channel: Channel, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="tb-alpha"):
        conda_environment(
            tmp_path / "env", channels=[conda_channel.url], cache=tmp_path / "cache", specs=("tb-beta", "tb-gamma")
        )


def test_kernelspec(tmp_path: Path) -> None:
    spec = json.loads(kernelspec(tmp_path, "one", "/py", extra=["--x"], env={"A": "b"}).read_text())
    assert spec["argv"] == ["/py", "-m", "ipykernel_launcher", "-f", "{connection_file}", "--x"]
    assert (spec["env"], spec["display_name"], spec["language"]) == ({"A": "b"}, "one", "python")
