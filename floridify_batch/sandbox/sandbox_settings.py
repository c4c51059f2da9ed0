"""Settings of the sandbox."""

from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
"""The only address it listens on, since it does not check API keys."""

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """Settings of one sandbox; times are in seconds, `port` 0 picks a free port.

    `faults` have the syntax of `Faults.parse`. `fast` estimates output tokens by length, for benchmarks.
    `answers_from` is the base URL of a service that answers the requests, each within `answer_seconds`.
    """

    data: Path
    port: int = 8787
    validating_seconds: float = 0.5
    running_seconds: float = 10.0
    window_seconds: float = DAY
    faults: tuple[str, ...] = ()
    seed: int = 0
    fast: bool = False
    answers_from: str = ""
    answer_seconds: float = 600.0
