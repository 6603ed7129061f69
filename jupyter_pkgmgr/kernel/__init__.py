"""What runs inside a kernel. Standard library and IPython only, Python 3.8 and later.

Attaching registers the magic, its completion and the missing-import help, and imports nothing more: the
modules beside this one are loaded when they are first needed.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Answer", "changed", "load", "unload"]

_faces: dict[int, Face] = {}
"""The face of each shell, by ``id``: a process has one shell, but tests and embedded shells have more."""


def load(
    ipython: Any,
    python: str | None = None,
    connection: dict[str, Any] | None = None,
    limits: dict[str, Any] | None = None,
) -> None:
    """Register ``%pkg``, ``%%pkg`` and the missing-import help in a shell.

    Loading again changes nothing but the interpreter and the connection, where they are given.

    Parameters
    ----------
    ipython
        IPython's ``InteractiveShell``.
    python
        The interpreter that runs the service; without it, it is looked for when it is needed.
    connection
        How to reach the server that does the work: see ``remote.py``. Without it the work is done in a child.
    limits
        What the server's administrator allows, and where the server lives, for the child: see ``child.py``.
    """
    face = _faces.get(id(ipython))
    if face is None:
        face = _faces[id(ipython)] = Face(ipython)
        ipython.register_magic_function(face.pkg, "line_cell", "pkg")
        ipython.set_hook("complete_command", face.complete, str_key="%pkg")
        ipython.events.register("post_run_cell", face.after_cell)
    if python:
        face.python = python
    if connection:
        face.connection = connection
    if limits:
        face.limits = limits


def unload(ipython: Any) -> None:
    """Take out what :func:`load` put in, and end the service."""
    face = _faces.pop(id(ipython), None)
    if face is None:
        return
    for kind in ("line", "cell"):
        ipython.magics_manager.magics[kind].pop("pkg", None)
    ipython.strdispatchers["complete_command"].strs.pop("%pkg", None)
    ipython.events.unregister("post_run_cell", face.after_cell)
    face.close()


def changed(document: str) -> Answer:
    """Somebody else changed the environment: judge what that means here, and say so after the next cell.

    Parameters
    ----------
    document
        JSON: as ``changes.Changes.judge`` wants it.

    Returns
    -------
    Answer
        ``{level, modules, text, withdrawn}``: the last says that what was taken back is all that asked for a restart.
    """
    import json  # noqa: PLC0415  on first use; IPython has it

    change = json.loads(document)
    answers = [face.changed(change) for face in list(_faces.values())]
    return Answer(answers[0] if answers else None)


class Answer:
    """What a silent request gets back: IPython displays the value of its expression, and this is its JSON."""

    def __init__(self, content: Any) -> None:
        self._content = content

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"application/json": self._content}


class Face:
    """What a shell holds of us: cheap to make, the work is in modules that are imported on first use."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self.python: str | None = None
        self.connection: dict[str, Any] | None = None
        self.limits: dict[str, Any] | None = None
        self._magic: Any = None
        self._import_help: Any = None
        self._notices: Any = None

    def pkg(self, line: str, cell: str | None = None) -> None:
        """Install, remove, update, list, search … packages in the environment of this kernel.

        ``%pkg install pandas`` installs a package, ``%pkg list`` shows what is there, ``%pkg help`` names all
        verbs. ``%%pkg install`` takes one spec a line, ``%%pkg`` alone one command a line, too.
        """
        from .satisfied import answer  # noqa: PLC0415  on first use, and the rest only if it can't answer

        lines = answer(line, cell)
        if lines is None:
            self._ready().run(line, cell)
        elif lines:
            print("\n".join(lines))  # noqa: T201  the cell's output

    def complete(self, _shell: Any, event: Any) -> list[str]:
        """Verbs and options, for IPython's completer."""
        from .completion import complete  # noqa: PLC0415  on first use

        return complete(event.line, event.symbol)

    def after_cell(self, result: Any = None) -> None:
        """Help with a missing import when a cell ended with one, and tell what others changed meanwhile."""
        error = getattr(result, "error_in_exec", None)
        try:
            if isinstance(error, Exception) and not hasattr(error, "_render_traceback_"):  # that one is explained
                self._help_with(error)
            if self._notices is not None:
                self._notices.show(self._shell)
        except KeyboardInterrupt:  # the cell has ended: there is nothing else to stop but this
            return

    def _help_with(self, error: Exception) -> None:
        if self._import_help is None:
            from .missing_import import ImportHelp  # noqa: PLC0415  on first use

            self._import_help = ImportHelp()
        self._import_help.after_error(error, self._ready)

    def changed(self, change: dict[str, Any]) -> dict[str, Any]:
        """Judge a change that somebody else made; returns the verdict."""
        if self._notices is None:
            from .notices import Notices  # noqa: PLC0415  on first use

            self._notices = Notices()
        verdict: dict[str, Any] = self._notices.take(change, self._ready())
        return verdict

    def close(self) -> None:
        """End the service, if it was ever started."""
        if self._magic is not None:
            self._magic.close()

    def _ready(self) -> Any:
        if self._magic is None:
            from .magic import PkgMagic  # noqa: PLC0415  on first use

            self._magic = PkgMagic(self._shell)
        self._magic.reach(self.python, self.connection, self.limits)
        return self._magic
