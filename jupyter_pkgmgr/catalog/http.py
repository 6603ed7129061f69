"""Asks package indexes: credentials, certificates, proxies, retries, the cache, and errors in words.

``requests`` is imported with the first request, because importing it costs more than most look-ups.
"""

from __future__ import annotations

import importlib
import importlib.util
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from jupyter_pkgmgr import __version__
from jupyter_pkgmgr.environments.index_settings import IndexSettings
from jupyter_pkgmgr.model import redact, stoppable
from jupyter_pkgmgr.model.errors import UnreachableError

from .answers import Freshness
from .cache import CachedAnswer, HttpCache

if TYPE_CHECKING:
    from requests import Response, Session

__all__ = ["POOL_SIZE", "Answer", "Client", "TooLargeError", "path_of", "without_credentials"]

POOL_SIZE = 16
"""Connections kept open to one host: as many as look-ups run side by side."""
_KEYRING_PATIENCE = 5.0
"""Seconds for the keyring to answer: one that asks its user for a password must not hold us."""
_MOST = 512 * 1024**2
"""Bytes of one answer, whoever sends it; the longest of all, the names on PyPI, has a tenth of that."""
_OK, _NOT_MODIFIED, _UNAUTHORIZED, _FORBIDDEN = 200, 304, 401, 403
_GONE = frozenset({404, 410})
_SERVER_TROUBLE = 500
_TOO_MANY_REQUESTS = 429


class TooLargeError(Exception):
    """The answer is larger than the caller wanted to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an index said. ``url`` is where it finally came from, without credentials."""

    url: str
    content_type: str
    body: bytes
    freshness: Freshness


class Client:
    """One user's way to their indexes. Safe to use from several threads.

    Parameters
    ----------
    patience
        How many requests to one host may fail before it isn't asked any more; without end by default.
    """

    def __init__(self, settings: IndexSettings, cache: HttpCache, *, patience: int | None = None) -> None:
        self._settings = settings
        self._patience = patience
        self._failures: Counter[str] = Counter()
        self._cache = cache
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._keyring: dict[str, tuple[str, str] | None] = {}
        urls = filter(_is_url, (settings.index_url, *settings.extra_index_urls, *settings.find_links))
        self._credentials = dict(sorted(filter(None, map(_split_credentials, urls)), key=lambda item: -len(item[0])))

    def get(self, url: str, *, accept: str = "*/*", limit: int | None = None) -> Answer | None:
        """Fetch one URL, through the cache.

        Parameters
        ----------
        url
            May hold credentials; what goes over the wire and into the answer doesn't.
        limit
            Bytes beyond which the answer isn't wanted.

        Returns
        -------
        Answer or None
            ``None`` if there is nothing at the URL.

        Raises
        ------
        UnreachableError
            If it can't be had, neither from the index nor from the cache.
        TooLargeError
            If it is larger than ``limit``.
        """
        _check(url, self._settings)
        if url.startswith("file:"):
            return _read_file(url)
        bare, auth = without_credentials(url), self._auth(url)
        key = f"{bare}\n{accept}\n{auth}"
        cached = self._cache.load(key)
        if cached is not None and cached.is_fresh(datetime.now(UTC)):
            return _from_cache(cached)
        if self._settings.offline:
            if cached is None:
                raise _offline(bare)
            return _from_cache(cached, note="offline: what the index said then")
        headers = {"Accept": accept} | (cached.validators if cached else {})
        try:
            self._check_patience(bare)
            return stoppable(lambda: self._fetch(bare, headers, auth, key=key, cached=cached, limit=limit))
        except UnreachableError as error:
            self._failures[_origin(bare)] += 1
            if cached is None or error.reference in ("index-unauthorized", "index-forbidden"):
                raise
            return _from_cache(cached, note=f"{error.message}: what the index said then")

    def _fetch(
        self,
        url: str,
        headers: Mapping[str, str],
        auth: tuple[str, str] | None,
        *,
        key: str,
        cached: CachedAnswer | None,
        limit: int | None,
    ) -> Answer | None:
        with self._send(url, headers, auth) as response:
            return self._judge(response, key=key, cached=cached, limit=limit)

    def _check_patience(self, url: str) -> None:
        if self._patience is not None and self._failures[_origin(url)] >= self._patience:
            message = f"{_host(url)} failed {self._patience} times, so it isn't asked any more"
            raise UnreachableError(message, reference="index-down", note=_where(self._settings), hint="try again later")

    def get_range(self, url: str, start: int, end: int) -> tuple[bytes, int] | None:
        """Bytes ``start`` to ``end`` (a negative start counts from the end) and the size of the whole file.

        ``None`` where the server doesn't serve parts.
        """
        if self._settings.offline:
            raise _offline(without_credentials(url))
        span = f"bytes={start}" if start < 0 else f"bytes={start}-{end}"
        headers = {"Range": span, "Accept-Encoding": "identity"}

        def fetch() -> tuple[bytes, int] | None:
            with self._send(without_credentials(url), headers, self._auth(url)) as response:
                _, _, total = response.headers.get("Content-Range", "").rpartition("/")
                if response.status_code != 206 or not total.isdigit():  # noqa: PLR2004  Partial Content
                    return None
                return self._read(response, limit=None), int(total)

        return stoppable(fetch)

    def close(self) -> None:
        """Give back the connections, and disk space that the cache has too much of."""
        self._cache.trim()
        if self._session is not None:
            self._session.close()

    def _judge(self, response: Response, *, key: str, cached: CachedAnswer | None, limit: int | None) -> Answer | None:
        """Make an answer or an error of a response."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        if response.status_code == _NOT_MODIFIED and cached is not None:
            return _from_cache(self._cache.confirm(key, cached, headers))
        if response.status_code in _GONE:
            self._cache.forget(key)
            return None
        if response.status_code != _OK:
            raise _refused(response, self._settings)
        if limit is not None and int(headers.get("content-length") or 0) > limit:
            raise TooLargeError
        body = self._read(response, limit=limit)
        url = without_credentials(response.url)
        self._cache.store(key, url=url, headers=headers, body=body)
        return Answer(
            url=url,
            content_type=headers.get("content-type", ""),
            body=body,
            freshness=Freshness(date=datetime.now(UTC)),
        )

    def _read(self, response: Response, *, limit: int | None) -> bytes:
        import requests  # noqa: PLC0415

        chunks, size = [], 0
        try:
            for chunk in response.iter_content(65536):
                chunks.append(chunk)
                size += len(chunk)
                if limit is not None and size > limit:
                    raise TooLargeError
                if size > _MOST:
                    raise _endless(response.url, self._settings)
        except requests.RequestException as error:
            raise _unreachable(response.url, error, self._settings) from error
        return b"".join(chunks)

    def _send(self, url: str, headers: Mapping[str, str], auth: tuple[str, str] | None) -> Response:
        import requests  # noqa: PLC0415

        options: dict[str, Any] = {
            "headers": dict(headers),
            "stream": True,
            "timeout": self._settings.timeout,
            "verify": self._verify(url),
        }
        if proxy := self._settings.proxy:  # said with each request, or the environment's would go before it
            options["proxies"] = {"http": proxy, "https": proxy}
        try:
            session = self._open()
            response = session.get(url, auth=auth, **options)
            if response.status_code == _UNAUTHORIZED and (found := self._ask_keyring(url, auth)):
                response.close()
                response = session.get(url, auth=found, **options)
        except (requests.RequestException, OSError) as error:  # OSError: a CA bundle that isn't there
            raise _unreachable(url, error, self._settings) from error
        return response

    def _open(self) -> Session:
        with self._lock:
            if self._session is None:
                self._session = _new_session(self._settings)
            return self._session

    def _verify(self, url: str) -> bool | str:
        parts = urlsplit(url)
        if {parts.hostname, parts.netloc.rpartition("@")[2]} & set(self._settings.trusted_hosts):
            return False
        return self._settings.cert or True

    def _auth(self, url: str) -> tuple[str, str] | None:
        """Credentials in the URL itself, or of the configured index it lies below; netrc is left to requests."""
        if (own := _split_credentials(url)) is not None:
            return own[1]
        origin = _origin(url)
        for index, credentials in self._credentials.items():
            if _origin(index) == origin:
                return credentials
        return None

    def _ask_keyring(self, url: str, auth: tuple[str, str] | None) -> tuple[str, str] | None:
        """What the keyring of the user holds for this index; asked once for each host, after a refusal."""
        if auth is not None and auth[1]:
            return None
        origin = _origin(url)
        with self._lock:
            if origin not in self._keyring:
                user = auth[0] if auth else None
                services = [index for index in self._indexes() if _origin(index) == origin]
                self._keyring[origin] = _from_keyring([*services, urlsplit(url).netloc], user)
            return self._keyring[origin]

    def _indexes(self) -> list[str]:
        return [without_credentials(url) for url in (self._settings.index_url, *self._settings.extra_index_urls)]


def without_credentials(url: str) -> str:
    """The URL without its user part."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme == "file" or (parts.scheme in ("http", "https") and bool(parts.hostname))


def _check(url: str, settings: IndexSettings) -> None:
    if not _is_url(url):
        message = f"{redact(url)!r} is no URL of an index"
        hint = "an index is given as https://host/path or file:///path"
        raise UnreachableError(message, reference="index-url", note=_where(settings), hint=hint)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()


def _split_credentials(url: str) -> tuple[str, tuple[str, str]] | None:
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    if not at:
        return None
    name, _, password = user.partition(":")
    return without_credentials(url), (unquote(name), unquote(password))


def path_of(url: str) -> Path:
    """The path that a ``file:`` URL names."""
    from urllib.request import url2pathname  # noqa: PLC0415  it imports http.client and ssl

    return Path(url2pathname(unquote(urlsplit(url).path)))


def _new_session(settings: IndexSettings) -> Session:
    import ssl  # noqa: PLC0415
    from http.cookiejar import DefaultCookiePolicy  # noqa: PLC0415

    import requests  # noqa: PLC0415
    import urllib3  # noqa: PLC0415
    from requests.adapters import HTTPAdapter  # noqa: PLC0415

    class SystemStoreAdapter(HTTPAdapter):
        """Trusts the system's certificates beside certifi's, as pip does: companies put theirs there."""

        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            context = ssl.create_default_context()
            super().init_poolmanager(*args, **kwargs, ssl_context=context)

    retries = urllib3.Retry(
        total=3,
        connect=2,
        read=0,
        other=0,
        status=2,
        redirect=None,
        backoff_factor=0.1,
        status_forcelist=(502, 503, 504),
        respect_retry_after_header=False,
        raise_on_status=False,
    )
    session = requests.Session()
    plain = HTTPAdapter(pool_maxsize=POOL_SIZE, max_retries=retries)
    session.mount("http://", plain)
    if settings.cert or settings.trusted_hosts:
        session.mount("https://", plain)
    else:
        session.mount("https://", SystemStoreAdapter(pool_maxsize=POOL_SIZE, max_retries=retries))
    session.headers["User-Agent"] = f"jupyter_pkgmgr/{__version__}"
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    if settings.client_cert:
        session.cert = settings.client_cert
    if settings.trusted_hosts:  # the user said so; urllib3 has no other way to be told
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    return session


def _from_keyring(services: list[str], user: str | None) -> tuple[str, str] | None:
    if importlib.util.find_spec("keyring") is None:
        return None
    found: list[tuple[str, str]] = []
    worker = threading.Thread(target=_look_in_keyring, args=(services, user, found), name="keyring", daemon=True)
    worker.start()
    worker.join(_KEYRING_PATIENCE)
    return next(iter(found), None)


def _look_in_keyring(services: list[str], user: str | None, found: list[tuple[str, str]]) -> None:
    try:
        keyring: ModuleType = importlib.import_module("keyring")
        for service in services:
            credential = keyring.get_credential(service, user)
            if credential is not None:
                found.append((credential.username, credential.password))
                return
    except Exception:  # noqa: BLE001  a keyring without a working backend raises whatever it likes: then it has nothing
        return


def _read_file(url: str) -> Answer | None:
    """A page of a ``file:`` index: the file, or ``index.html`` in a folder (as pip reads them)."""
    path = path_of(url)
    if path.is_dir():
        path /= "index.html"
    try:
        body = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnreachableError(f"{path} can't be read", note=error.strerror) from error
    kind = "application/vnd.pypi.simple.v1+json" if path.suffix == ".json" else "text/html"
    return Answer(url=path.as_uri(), content_type=kind, body=body, freshness=Freshness(date=datetime.now(UTC)))


def _from_cache(cached: CachedAnswer, *, note: str = "") -> Answer:
    return Answer(
        url=cached.url,
        content_type=cached.headers.get("content-type", ""),
        body=cached.body,
        freshness=Freshness(from_cache=True, stale=bool(note), date=cached.confirmed, note=note),
    )


def _host(url: str) -> str:
    return redact(urlsplit(url).netloc.rpartition("@")[2])


def _where(settings: IndexSettings) -> str:
    return "it is the default index" if settings.source == "default" else f"the index is set by {settings.source}"


def _offline(url: str) -> UnreachableError:
    return UnreachableError(
        f"{_host(url)} isn't asked because offline is set, and its answer isn't in the cache",
        reference="offline",
        hint="drop --offline",
    )


def _refused(response: Response, settings: IndexSettings) -> UnreachableError:
    """The error for a status that is neither success nor "nothing here"."""
    status, host = response.status_code, _host(response.url)
    context = (f"GET {redact(without_credentials(response.url))}: {status} {response.reason}",)
    where = _where(settings)
    if status == _UNAUTHORIZED:
        return UnreachableError(
            f"{host} wants a user name and a password, or refuses those it was given",
            reference="index-unauthorized",
            context=context,
            note=where,
            hint="put them into the index URL, ~/.netrc or the keyring",
        )
    if status == _FORBIDDEN:
        return UnreachableError(
            f"{host} refuses to answer this user",
            reference="index-forbidden",
            context=context,
            note=where,
            hint="ask whoever runs the index for access",
        )
    trouble = status >= _SERVER_TROUBLE or status == _TOO_MANY_REQUESTS
    return UnreachableError(
        f"{host} answered {status} {response.reason}".rstrip(),
        reference="index-error",
        context=context,
        note="the index itself has a problem" if trouble else where,
        hint="try again later" if trouble else "look at the index URL",
    )


def _endless(url: str, settings: IndexSettings) -> UnreachableError:
    message = f"{_host(url)} answers with more than {_MOST // 1024**2} MB, which isn't read"
    return UnreachableError(message, reference="index-error", note=_where(settings), hint="look at the index URL")


def _unreachable(url: str, error: Exception, settings: IndexSettings) -> UnreachableError:
    """The error for a request that got no answer."""
    import requests  # noqa: PLC0415

    host, detail = _host(url), redact(str(error))
    where = _where(settings)
    if isinstance(error, requests.exceptions.SSLError):
        return UnreachableError(
            f"the certificate of {host} isn't trusted",
            reference="index-tls",
            note="a company's proxy may have its own certificate authority",
            hint="set cert in pip's configuration to its CA bundle, or trusted-host to do without",
            detail=detail,
        )
    if isinstance(error, requests.Timeout) or "timed out" in detail:
        message = f"{host} did not answer within {settings.timeout:g} seconds"
        return UnreachableError(message, reference="index-timeout", note=where, hint="try again", detail=detail)
    if isinstance(error, requests.exceptions.ProxyError):
        message = f"the proxy on the way to {host} can't be reached"
        return UnreachableError(message, reference="proxy", hint="look at HTTPS_PROXY and pip's proxy", detail=detail)
    if isinstance(error, requests.exceptions.InvalidURL):
        message = f"{redact(url)!r} is no URL of an index"
        return UnreachableError(message, reference="index-url", note=where, hint="look at index-url", detail=detail)
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
        message = f"{host} can't be asked: {detail}"
        return UnreachableError(message, reference="index-tls", hint="look at cert and client-cert")
    return UnreachableError(
        f"{host} can't be reached",
        reference="index-down",
        note=where,
        hint="look at the network, the proxy and the index URL",
        detail=detail,
    )
