"""The reference of settings, written from the traits, the limits and the front end's schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import jupyter_pkgmgr
from jupyter_pkgmgr.server.extension import PkgmgrExtension
from jupyter_pkgmgr.server.policy import PolicyTraits
from jupyter_pkgmgr.transactions.limits import Limits

__all__ = ["VARIABLES", "describe_front_end", "describe_traits", "describe_variables", "used_variables"]

PACKAGE = Path(jupyter_pkgmgr.__file__).parent
FRONT_END = PACKAGE.parent / "labextension" / "schema" / "panel.json"
VARIABLES = {
    "JUPYTER_PKGMGR_PYTHON": (
        "none",
        "In a kernel: the interpreter that runs the service, of an environment that has jupyter_pkgmgr.",
    ),
    "JUPYTER_PKGMGR_IMPORT_HELP": ("1", "In a kernel: `0` turns the line after a failed import off."),
    "JUPYTER_PKGMGR_KEEP": (str(Limits().keep), "How many snapshots are kept for undo; the newest always is."),
    "JUPYTER_PKGMGR_KEEP_BYTES": (
        Limits().in_words()[1][1].partition(" (")[0],
        "How much room all snapshots of an environment may take: a number of bytes, or `500 MB`, `2 GiB`.",
    ),
}
"""Every variable of ours: its default, and what it does."""


def describe_traits(*, policy: bool) -> Iterator[str]:
    """The extension's traits: either those of the policy or the others."""
    yield "| setting | type | default | meaning |\n|---|---|---|---|"
    of_policy = PolicyTraits.class_own_traits(config=True)
    traits = of_policy if policy else PkgmgrExtension.class_own_traits(config=True)
    for name, trait in traits.items():
        if policy or name not in of_policy:
            default = "in Jupyter's data folder" if name == "data_dir" else repr(trait.default())
            kind = trait.info().replace("|", "or")
            yield f"| `{name}` | {kind} | {_code(default)} | {_cell(trait.help)} |"
    yield ""


def _code(text: str) -> str:
    plain = text if re.fullmatch(r"[a-zA-Z' ]+ folder", text) else ""
    return plain or f"`{text}`"


def describe_variables() -> Iterator[str]:
    """The environment variables of ours."""
    yield "| variable | default | meaning |\n|---|---|---|"
    for name, (default, meaning) in VARIABLES.items():
        yield f"| `{name}` | {default} | {meaning} |"
    yield ""


def used_variables() -> set[str]:
    """Every variable of ours that the sources name, and that is a user's to set: none with an underscore before it."""
    texts = (path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    return {name for text in texts for name in re.findall(r"\bJUPYTER_PKGMGR_[A-Z_]+", text)}


def describe_front_end() -> Iterator[str]:
    """What users set in JupyterLab's settings editor."""
    schema = json.loads(FRONT_END.read_text(encoding="utf-8"))
    yield "| setting | default | meaning |\n|---|---|---|"
    for name, item in schema["properties"].items():
        yield f"| `{name}` | `{json.dumps(item['default'])}` | {_cell(item['description'])} |"
    yield ""
    for shortcut in schema["jupyter.lab.shortcuts"]:
        keys = " ".join(shortcut["keys"]).replace("Accel", "Ctrl (⌘ on a Mac)").replace(" ", " + ", 0)
        yield f"Shortcut of `{shortcut['command']}`: {keys}.\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("*", "\\*")
