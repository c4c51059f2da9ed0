"""A browser without a window, steered over a pair of pipes: what it loads, logs, shows and measures."""

import fcntl
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
"""Browsers that can be steered like this; Firefox has given the protocol up."""

PATIENCE = 60.0
"""Seconds after which a browser that does not answer is ended."""

_ABOVE_STANDARD = 20
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


def installed_browser() -> str | None:
    """Return the first browser that is installed."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass
class Tab:
    """A page of the browser without network access. `events` has the page's events, oldest first."""

    _to: IO[bytes]
    _from: IO[bytes]
    _session: str = ""
    _asked: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its result."""
        self._asked += 1
        order = {"id": self._asked, "method": method, "params": parameters}
        if self._session:
            order["sessionId"] = self._session
        self._to.write(json.dumps(order).encode() + b"\0")
        self._to.flush()
        while "id" not in (message := self._next()):
            self.events.append(message)
        assert "error" not in message, message
        result: dict[str, Any] = message["result"]
        return result

    def _next(self) -> dict[str, Any]:
        message = b""
        while not message.endswith(b"\0"):
            piece = self._from.read(1)
            assert piece, "the browser went away"
            message += piece
        read: dict[str, Any] = json.loads(message[:-1])
        return read

    def attach(self) -> None:
        """Open the page, and subscribe to its loading, log and error events."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable")
        self.ask("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)

    def size(self, width: int, height: int = 900) -> None:
        """Set the width of the window to that of a screen or a phone."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < height
        )
        self.wait(f"innerWidth === {width}")

    def prefer(self, scheme: str, media: str = "screen") -> None:
        """Prefer the light or the dark theme, on a screen or on paper."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.ask("Emulation.setEmulatedMedia", media=media, features=[feature])
        self.wait(f"matchMedia('{media}').matches && matchMedia('(prefers-color-scheme: {scheme})').matches")

    def open(self, path: Path) -> None:
        """Load a file of this machine to its end."""
        self.ask("Page.navigate", url=path.as_uri())
        # The page before this one is complete, too: its state alone says nothing of the new one.
        self.wait(f"location.href === {json.dumps(path.as_uri())} && document.readyState === 'complete'")

    def wait(self, condition: str) -> None:
        """Wait until an expression is true in the page, for at most `PATIENCE`."""
        while self.value(condition) is not True:
            time.sleep(0.01)

    def value(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def of(self, method: str) -> list[Mapping[str, Any]]:
        """Return the events of the page with this name."""
        return [event["params"] for event in self.events if event.get("method") == method]


@contextmanager
def browsing(browser: str, profile: Path) -> Iterator[Tab]:
    """Open a page in a new browser, which is stopped afterwards."""
    incoming, orders = os.pipe()
    results, outgoing = os.pipe()
    high = [fcntl.fcntl(each, fcntl.F_DUPFD, _ABOVE_STANDARD) for each in (incoming, outgoing)]
    os.close(incoming)
    os.close(outgoing)
    # The protocol speaks on the descriptors 3 and 4.
    script = f'exec "$0" "$@" 3<&{high[0]} 4>&{high[1]}'
    command = ["bash", "-c", script, browser, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"]
    with (
        os.fdopen(orders, "wb") as writing,
        os.fdopen(results, "rb") as reading,
        subprocess.Popen(
            command,
            pass_fds=high,
            env={**os.environ, "HOME": str(profile)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        for each in high:
            os.close(each)
        hurry = threading.Timer(PATIENCE, process.kill)
        hurry.start()
        try:
            tab = Tab(writing, reading)
            tab.attach()
            yield tab
        finally:
            hurry.cancel()
            process.terminate()
            process.wait(60)
