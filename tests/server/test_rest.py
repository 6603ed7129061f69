"""REST as clients use it: a real install into a real venv, followed from two sides, across a reload."""

from __future__ import annotations

from pathlib import Path

from tests.server.conftest import Rest


async def test_settings_tell_what_the_server_is(rest: Rest) -> None:
    answer = await rest.get("settings")
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.body["attach"] is True


async def test_an_install_from_plan_to_undo(rest: Rest, venv: Path) -> None:
    environment = await rest.environment(venv)
    done = await rest.run(environment, "install tb-pure==1.0")
    assert done["state"] == "succeeded", done
