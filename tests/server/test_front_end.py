"""The front end reads the documents that the OpenAPI file describes: the same fields, the same words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.server.contract import Contract

DOCUMENTS = Path(__file__).parents[2] / "labextension" / "src" / "panel" / "documents.ts"


@dataclass(frozen=True, kw_only=True)
class Interface:
    """One TypeScript interface: which fields it has, which of them must be there, and the words they can be."""

    required: set[str] = field(default_factory=set)
    optional: set[str] = field(default_factory=set)
    words: dict[str, set[str]] = field(default_factory=dict)


def read_interfaces() -> dict[str, Interface]:
    """The interfaces of the front end's documents, by the schema's name."""
    text = DOCUMENTS.read_text()
    aliases = {name: _words(union) for name, union in re.findall(r"export type (\w+) =\s*([^;{]+);", text)}
    found = {}
    for name, body in re.findall(r"^export interface I(\w+) \{\n(.*?)^\}", text, re.DOTALL | re.MULTILINE):
        interface = Interface()
        for key, mark, kind in re.findall(r"^  (\w+)(\??): (.*);$", body, re.MULTILINE):
            (interface.optional if mark else interface.required).add(key)
            if words := _words(kind) or aliases.get(kind.removesuffix(" | null"), set()):
                interface.words[key] = words
        found[name] = interface
    return found


def _words(union: str) -> set[str]:
    return set(re.findall(r"'([\w-]+)'", union))


INTERFACES = read_interfaces()
SCHEMAS: dict[str, dict[str, Any]] = Contract().document["components"]["schemas"]
BOTH = sorted(INTERFACES.keys() & SCHEMAS.keys())
"""Documents with a name on either side; what has none is described where it is used."""


def test_the_interfaces_are_found() -> None:
    assert {"Environment", "Kernel", "Plan", "Change", "Job", "Entry", "PackageRow", "Notice", "Error"} <= {*BOTH}
    assert INTERFACES["Environment"].optional == {"settings"}
    assert INTERFACES["PackageRow"].words["ecosystem"] == {"conda", "pypi"}


@pytest.mark.parametrize("name", BOTH)
def test_the_server_sends_what_the_panel_reads(name: str) -> None:
    assert INTERFACES[name].required <= set(SCHEMAS[name]["required"])
    assert INTERFACES[name].optional <= set(SCHEMAS[name]["properties"])


@pytest.mark.parametrize("name", [name for name in BOTH if INTERFACES[name].words])
def test_the_panel_knows_every_word(contract: Contract, name: str) -> None:
    for key, words in INTERFACES[name].words.items():
        described = contract.resolve(SCHEMAS[name]["properties"][key])
        if "enum" in described:
            assert words == {word for word in described["enum"] if word is not None}, key
