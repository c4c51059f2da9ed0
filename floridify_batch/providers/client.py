"""The SDK's client, and the checks of what it is made of: key, address, certificates and proxy.

The key is never part of a message.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from floridify_batch.errors import UsageError

if TYPE_CHECKING:
    from httpx2 import AsyncClient
    from openai import AsyncOpenAI

REQUEST_TIMEOUT = 600.0
"""Timeout of one HTTP request in seconds; it covers an upload or download of 200 MB."""

FLEX_TIMEOUT = 900.0
"""Timeout of a request in the service tier flex, which may take 15 minutes."""

API_KEY = "OPENAI_API_KEY"

_ADDRESS = re.compile(r"https?://[^/\s@?#]+(?:/\S*)?")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY")


def new_client(api_key: str, base_url: str | None, connections: int) -> "AsyncOpenAI":
    """Return an SDK client with a connection limit. Raises `UsageError` for an unusable key, address or environment.

    The SDK's own retries are off: they would repeat the creation of a batch, and requests of an account without money.
    """
    from openai import AsyncOpenAI

    if base_url is not None and not _ADDRESS.fullmatch(base_url):
        shown = "The --base-url" if "@" in base_url else base_url
        raise UsageError(f"{shown} is not a valid API base URL; pass one such as https://host/v1, without a password.")
    key = checked_key(api_key)
    if not key:
        raise UsageError(f"No API key. Set {API_KEY}.")
    http_client = _http_client(connections)
    return AsyncOpenAI(api_key=key, base_url=base_url, max_retries=0, timeout=REQUEST_TIMEOUT, http_client=http_client)


def _http_client(connections: int) -> "AsyncClient":
    """Return the HTTP client, which reads certificates and proxies from the environment.

    It does not follow a redirect of a creation: a 307 or 308 would repeat one that may have succeeded.
    """
    import httpx2
    from openai import DefaultAsyncHttpxClient

    class Client(DefaultAsyncHttpxClient):
        """An HTTP client that sends each creation of a batch once."""

        async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
            """Send a request; a redirect of a creation is its reply."""
            if request.method == "POST" and request.url.path.endswith("/batches"):
                options["follow_redirects"] = False
            return await super().send(request, **options)

    try:
        return Client(limits=httpx2.Limits(max_connections=connections))
    except ImportError:
        raise _no_socks(" or ".join(_PROXIES)) from None
    except OSError as error:
        raise UsageError(
            f"The certificates cannot be read ({error.strerror or error}). Check {' and '.join(_CERTIFICATES)}."
        ) from None


def checked_key(key: str, name: str = API_KEY) -> str:
    """Return a key without surrounding white space. Raises `UsageError` for one that no service can accept."""
    key = key.strip()
    if any(character.isspace() or not character.isprintable() for character in key):
        raise UsageError(f"{name} contains a space or a line break; set it to the key alone.")
    if not key.isascii():
        raise UsageError(f"{name} contains a non-ASCII character, such as a curly quote; set it to the key alone.")
    return key


def check_environment(environment: Mapping[str, str]) -> None:
    """Raise `UsageError`, naming the variable, for an environment in which no connection would work."""
    from importlib.util import find_spec

    for name in _CERTIFICATES:
        path = environment.get(name)
        if path and not Path(path).exists():
            raise UsageError(f"{name} is set to {path}, which does not exist. Correct or unset it.")
    for name in (spelling for proxy in _PROXIES for spelling in (proxy, proxy.lower())):
        if environment.get(name, "").startswith("socks") and find_spec("socksio") is None:
            raise _no_socks(name)


def _no_socks(variable: str) -> UsageError:
    return UsageError(
        f"{variable} is set to a SOCKS proxy, which needs the package socksio. Install it beside batch-synth "
        f"(pip install socksio), or unset {variable}."
    )
