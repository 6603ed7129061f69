from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from jupyter_pkgmgr.environments import KernelFacts
from jupyter_pkgmgr.environments.facts import FACTS_SCHEMA, FACTS_SCRIPT
from jupyter_pkgmgr.kernel import facts as kernel_facts
from jupyter_pkgmgr.model.errors import EnvironmentProblem


def test_what_the_kernel_sends_the_service_reads() -> None:
    answer = kernel_facts.collect()
    facts = KernelFacts.from_json(json.dumps(answer))
    assert set(answer) - {"schema"} == set(KernelFacts.__dataclass_fields__)
    assert answer["schema"] == FACTS_SCHEMA
    assert (facts.prefix, facts.executable, facts.pid) == (sys.prefix, sys.executable, str(os.getpid()))
    python = facts.python_info()
    assert python is not None
    assert python.minor == f"{sys.version_info[0]}.{sys.version_info[1]}"


def test_collecting_brings_no_module_that_is_slow() -> None:
    code = "import runpy, sys; runpy.run_path(sys.argv[1])['collect'](); print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code, str(FACTS_SCRIPT)], text=True).split()
    assert not {"platform", "socket", "subprocess", "json"} & set(loaded)


Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda _: "{", "no JSON"),
        (lambda _: [], "no object"),
        (lambda answer: answer | {"schema": 2}, "its schema is 2"),
        (lambda answer: {name: value for name, value in answer.items() if name != "schema"}, "its schema is None"),
        (lambda answer: answer | {"prefix": ""}, "prefix is missing"),
        (lambda answer: answer | {"prefix": 7}, "prefix is no string"),
        (lambda answer: {name: value for name, value in answer.items() if name != "version"}, "version is missing"),
        (lambda answer: answer | {"search_path": "/"}, "search_path is no list"),
        (lambda answer: answer | {"markers": {"os_name": 1}}, "markers is no object of strings"),
        (lambda answer: answer | {"markers": None}, "markers is no object of strings"),
    ],
)
def test_a_kernel_that_tells_nonsense_is_not_believed(change: Change, note: str) -> None:
    with pytest.raises(EnvironmentProblem, match="can't be read") as caught:
        KernelFacts.from_json(change(kernel_facts.collect()))
    assert caught.value.reference == "unreadable-facts"
    assert note in (caught.value.note or "")


def test_unknown_keys_are_left_alone() -> None:
    assert KernelFacts.from_json(kernel_facts.collect() | {"future": 1}).prefix == sys.prefix


def test_facts_that_hold_too_little_give_no_python() -> None:
    facts = KernelFacts(executable="/py", prefix="/", base_prefix="/", version="3.9.1")
    assert facts.python_info() is None
