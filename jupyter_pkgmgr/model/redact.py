"""Take credentials out of text before it leaves the process."""

from __future__ import annotations

import re

__all__ = ["redact"]

_USERINFO = re.compile(r"//[^\s/'\"]+@")  # no scheme before it: that would take quadratic time in a long word
_CONDA_TOKEN = re.compile(r"/t/[^/\s'\"]+")
_QUERY = re.compile(
    r"(?P<key>[?&](?:token|api_key|apikey|access_token|password|sig|signature)=)[^&\s'\"#]+", re.IGNORECASE
)


def redact(text: str) -> str:
    """Replace user names, passwords and tokens in URLs by ``***``.

    Covers ``scheme://user:password@host`` (the whole user part: a bare user name is often a token),
    also where a tool lost the colon (``http//user:password@host`` in a message of conda 26.7),
    conda's ``/t/TOKEN/`` path segment, and tokens in a query.
    """
    text = _USERINFO.sub("//***@", text)
    text = _CONDA_TOKEN.sub("/t/***", text)
    return _QUERY.sub(r"\g<key>***", text)
