"""Take credentials out of text before it leaves the process."""

from __future__ import annotations

import re

__all__ = ["redact", "strip_credentials"]

# An apostrophe may be part of it (RFC 3986, 3.2.1). No scheme before it: that takes quadratic time in a long word.
_USERINFO = re.compile(r"//[^\s/\"]+@")
_CONDA_TOKEN = re.compile(r"/t/[^/\s'\"]+")
_QUERY = re.compile(
    r"(?P<key>[?&;#][\w.%-]{0,60}?(?:token|key|sig|secret|pass|pwd|auth|credential)[\w.%-]{0,60}=)"
    r"[^&;\s\"#]*[^&;\s\"#',)\]}]",  # a quotation mark around it isn't part of it, one inside is
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """Replace user names, passwords and tokens in URLs by ``***``.

    Covers ``scheme://user:password@host`` (the whole user part: a bare user name is often a token),
    also where a tool lost the colon (``http//user:password@host`` in a message of conda 26.7),
    conda's ``/t/TOKEN/`` path segment, and what a query or a fragment calls a token, a key, a signature, a password…
    """
    text = _USERINFO.sub("//***@", text)
    text = _CONDA_TOKEN.sub("/t/***", text)
    return _QUERY.sub(r"\g<key>***", text)


def strip_credentials(url: str) -> str:
    """A URL that can be used without its credentials: what :func:`redact` hides is left out.

    Takes URLs that were redacted before, too.
    """
    url = _CONDA_TOKEN.sub("", _USERINFO.sub("//", url))
    url = _QUERY.sub(lambda found: "?" if found["key"].startswith("?") else "", url)
    return re.sub(r"\?(?=#|$)", "", url.replace("?&", "?"))
