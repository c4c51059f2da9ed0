"""Hostile texts, and a service whose answers and errors contain them."""

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson

from floridify_batch.components.requests import parse_custom_id
from tests.http_services import Handler, served

BELL_TITLE, MOVE, LINK = "\x1b]0;pwned\x07", "\x1b[77;99H", "\x1b]8;;http://pwned/\x1b\\"
HOSTILE = f"{BELL_TITLE}{MOVE}{LINK}\x9b77;98H\x9d0;pwned\x9c\u202egnp\u2066.exe\x00[bold]${{x}}"
"""A window's title, a movement, a link (each with its one-byte twin), reversed text, NUL, markup."""

PRINTABLE = "[bold]${x}{{7*7}}<script>"
"""Hostile text without control characters, which make an answer malformed: it is stored as it is."""

WORDS = (
    "../../etc/passwd",
    "{$gt: ''}",
    "$where",
    "a.b.$c",
    "%s{0}{{7*7}}{% raw %}",
    "[red]loud[/red]",
    "; rm -rf ~",
    "-rf",
    "a\u202eb",
    "'; DROP TABLE words; --",
    "CON.txt:stream",
)
"""Unusual but valid words."""

READ = tuple(word.replace("\u202e", "") for word in WORDS)
"""The words as they are read: without direction marks."""

NO_WORDS = ("\x1b]0;pwned\x07owl", "x" * 300, "\u0301\u0301\u0301", "bell\x07", "\x9b31mred")
"""Invalid lines of a list."""

_OWN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_HARMFUL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def harm(shown: str) -> list[str]:
    """Return the harmful parts of terminal output, which come from words, answers or file names."""
    brought = [each for each in (MOVE, "\x1b[31mred") if each in shown]
    return brought + _HARMFUL.findall(_OWN.sub("", shown))


class _HostileService(Handler):
    """A proxy that makes the answers of a service hostile."""

    behind: str

    def respond(self, body: bytes | None) -> None:
        """Forward the request and respond."""
        kept = ("Authorization", "Content-Type")
        headers = {name: self.headers[name] for name in kept if name in self.headers}
        request = urllib.request.Request(self.behind + self.path, body, headers)  # noqa: S310  of this machine
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310
                status, kind, content = reply.status, reply.headers["Content-Type"], reply.read()
        except urllib.error.HTTPError as error:
            status, kind, content = error.code, error.headers["Content-Type"], error.read()
        if self.path.endswith("/content") and status == 200:
            content = b"".join(map(_hostile_line, content.splitlines(keepends=True)))
        elif status >= 400:
            content = orjson.dumps({"error": {"message": HOSTILE, "code": HOSTILE}})
        self.answer(status, kind, content)


def _hostile_line(raw: bytes) -> bytes:
    line = orjson.loads(raw)
    parts = parse_custom_id(line["custom_id"])
    assert parts is not None
    if parts.component == "domain":
        line["response"] = {"status_code": 400, "body": {"error": {"message": HOSTILE}}}
    else:
        message = line["response"]["body"]["choices"][0]["message"]
        message["content"] = orjson.dumps(_spoilt(orjson.loads(message["content"]))).decode()
    return orjson.dumps(line) + b"\n"


def _spoilt(value: Any) -> Any:
    """Return a value with hostile strings."""
    if isinstance(value, str):
        return f"{value}{PRINTABLE}"
    if isinstance(value, list):
        return [_spoilt(each) for each in value]
    return {name: _spoilt(each) for name, each in value.items()} if isinstance(value, dict) else value


@contextmanager
def hostile_service(behind: str) -> Iterator[str]:
    """Run the proxy of a service and yield its address."""
    handler = type("Handler", (_HostileService,), {"behind": behind.removesuffix("/v1")})
    with served(handler) as url:
        yield f"{url}/v1"
