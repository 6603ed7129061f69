"""What an administrator allows, as settings of the extension: one for each field of ``AdminPolicy``."""

from __future__ import annotations

from ast import literal_eval
from typing import TYPE_CHECKING, Any

from traitlets import Bool, Enum, HasTraits, List, TraitType, Unicode

if TYPE_CHECKING:
    from jupyter_pkgmgr.model.policy import AdminPolicy

__all__ = ["PolicyTraits"]


class _Allowed(List[str]):
    """A list of what is allowed; ``None`` is no limit."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(Unicode(), default_value=None, allow_none=True, **kwargs)

    def from_string(self, s: str) -> list[str] | None:
        """Read a value from the server's command line.

        traitlets takes a text that is no literal of Python for ``None``: the only URL that is allowed would end every
        limit.
        """
        try:
            found = literal_eval(s)
        except (ValueError, SyntaxError):
            found = s
        return found if found is None or isinstance(found, list) else [s]


class PolicyTraits(HasTraits):
    """The settings by which an administrator limits what users can do."""

    read_only = Bool(default_value=False, help="Nothing may be changed in any environment.").tag(config=True)

    allow_packages = _Allowed(
        help="Nothing else may be installed, dependencies included: names or patterns, with an ecosystem and versions"
        " if need be ('numpy', 'tensor*', 'conda::openssl', 'numpy<2'). None allows everything.",
    ).tag(config=True)

    deny_packages = List(
        Unicode(),
        help="None of these may be installed, not as a dependency either; written like allow_packages. Removing them"
        " is always allowed.",
    ).tag(config=True)

    allowed_channels = _Allowed(
        help="The conda channels that may be used: URLs, with all that lies below them, or names. None allows all.",
    ).tag(config=True)

    allowed_indexes = _Allowed(
        help="The package indexes, find-links places and direct URLs that may be used: URLs, with all that lies below"
        " them. None allows all.",
    ).tag(config=True)

    no_source_builds = Bool(default_value=False, help="Only wheels: building a source distribution runs its code.").tag(
        config=True
    )

    no_direct = Bool(default_value=False, help="No paths, URLs and repositories: names of packages only.").tag(
        config=True
    )

    server_environment = Enum(
        ["protect", "read-only", "free"],
        default_value="protect",
        help="What may be done to the environment of this server: 'protect' keeps the running Jupyter packages and"
        " what they need as they are, 'read-only' everything, 'free' nothing.",
    ).tag(config=True)

    @property
    def configured(self) -> dict[str, Any]:
        """What of this was configured, by name: fields of ``AdminPolicy``, in JSON's terms."""
        values = {name: (getattr(self, name), trait.default()) for name, trait in self._policy_traits().items()}
        return {name: value for name, (value, default) in values.items() if value != default}

    def policy(self) -> AdminPolicy:
        """All of it as the service takes it.

        Raises
        ------
        UsageError
            If a rule or a URL can't be understood.
        """
        from jupyter_pkgmgr.model.policy import AdminPolicy, ServerEnvironment  # noqa: PLC0415  heavy

        values = {name: getattr(self, name) for name in self._policy_traits()}
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return AdminPolicy(**{**values, **lists, "server_environment": ServerEnvironment(self.server_environment)})

    @staticmethod
    def _policy_traits() -> dict[str, TraitType[Any, Any]]:
        return PolicyTraits.class_own_traits(config=True)
