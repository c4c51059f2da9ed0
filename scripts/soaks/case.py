"""Execution of a random case: killed processes, server outages, and the final check."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx2

from floridify_batch.database.server import find_mongod, free_port, listens, server_arguments
from floridify_batch.run.ledger import ChunkState
from floridify_batch.sandbox.process import SandboxProcess, sandbox_in_thread
from floridify_batch.sandbox.sandbox_settings import SandboxSettings
from scripts.soaks.figures import Figures, Picture, figures, picture, repeated_requests, with_repeated
from scripts.soaks.plan import CONCURRENCY, Disruption, Plan
from scripts.soaks.site import (
    ENDS,
    KILLED,
    LOG,
    REFUSED,
    UNDECIDED,
    Process,
    Site,
    Start,
    Stuck,
    ended,
    pause,
    start_installed,
)

STOPPED, UNAVAILABLE = (130, -signal.SIGINT, -signal.SIGTERM), (4, 5)
"""Exit codes of an interrupted run, and of one without a reachable server."""

LAST_TRIES = 12
_LOOK = 0.02
_PATIENCE = 3.0
"""Seconds after which a user whose batch is denied presses Ctrl-C; the command would request it for ten minutes."""
_ENOUGH = "100"
"""The cost limit, in US dollars, of a user who raises one."""
_DENIAL = re.compile(rb"no access to batch (\S+)")
_UNDER_WAY = re.compile(rb"Run [0-9a-f]+ (?:started|resumed)")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a case: its figures, the exit codes of its processes, and further problems."""

    plan: Plan
    figures: Figures
    codes: tuple[int, ...]
    failed: int
    seconds: float
    wrong: str = ""

    @property
    def fine(self) -> bool:
        """Whether the run finished with correct figures."""
        return self.figures.fine and not self.wrong

    @property
    def kills(self) -> int:
        """Return the number of killed processes."""
        return self.codes.count(KILLED)


class Database:
    """A MongoDB server that can stop and restart on the same port."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._port = folder, free_port()
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return the address of the server."""
        return f"mongodb://127.0.0.1:{self._port}/"

    def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        binary = find_mongod()
        if binary is None:
            raise RuntimeError("there is no mongod")
        command = server_arguments(self._folder, binary, self._port)
        self._server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while not listens(self._port):
            if self._server.poll() is not None:
                raise RuntimeError(f"mongod ended with {self._server.returncode}")
            time.sleep(_LOOK)

    def stop(self, how: int = signal.SIGKILL) -> None:
        """Stop the server, by default with SIGKILL."""
        if self._server is not None:
            self._server.send_signal(how)
            self._server.wait()
            self._server = None


@contextmanager
def database_at(folder: Path) -> Iterator[Database]:
    """Run a server until the block ends."""
    database = Database(folder)
    database.start()
    try:
        yield database
    finally:
        database.stop()


@dataclass(slots=True)
class SoakCase:
    """A case in progress."""

    plan: Plan
    folder: Path
    database: Database
    start: Start = start_installed
    codes: list[int] = field(default_factory=list)
    _sandbox: SandboxProcess | None = None
    _has_paid: bool = False

    def undergo(self) -> Verdict:
        """Execute the plan to the end of its run and return the figures."""
        began, wrong = time.monotonic(), ""
        expected = self._without_faults()
        site = self._site("shell", self._serve().url, self._settings.data, self.plan.limits)
        site.prepare(self.plan.known)
        try:
            wrong = self._live_through(site)
            interruptions = sum(code not in ENDS for code in self.codes)
            outages = sum(each.outage == "service" for each in self.plan.disruptions)
            cut_off = (interruptions + outages) * CONCURRENCY
            found = self._with_repeated(figures(site, expected, processed_only=True, cut_off=cut_off))
        except Stuck as problem:
            found, wrong = Figures(unaccounted=len(self.plan.words)), str(problem)
        finally:
            if self._sandbox:
                self._sandbox.stop()
        failed = len(site.ledger.missing) if site.ledger else 0
        if self.plan.gentle and failed and site.ledger:
            wrong += f" words failed: {site.ledger.missing}"
        site.forget()
        return Verdict(self.plan, found, tuple(self.codes), failed, time.monotonic() - began, wrong)

    def _with_repeated(self, found: Figures) -> Figures:
        """Add the immediate requests that were answered again: at most those in flight at each death are allowed."""
        fair = repeated_requests(self.folder / "fair")
        repeated = repeated_requests(self._settings.data) - fair if self.plan.immediate else 0
        deaths = sum(code not in (*ENDS, *UNAVAILABLE) for code in self.codes)
        return with_repeated(found, repeated, deaths * CONCURRENCY)

    # ── the run ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _live_through(self, site: Site) -> str:
        for disruption in self.plan.disruptions:
            self._live(site, disruption)
            if self.codes[-1] not in (*ENDS, *STOPPED, *UNAVAILABLE, UNDECIDED, KILLED):
                return f"a process ended with {self.codes[-1]}"
            if site.is_through(self.codes[-1]):
                break
        for _ in range(LAST_TRIES):
            self._live(site, Disruption())
            if self.codes[-1] not in (*UNAVAILABLE, UNDECIDED, *(STOPPED if self.plan.denies else ())):
                break
        return "" if site.is_through(self.codes[-1]) else f"the last process ended with {self.codes[-1]}"

    def _live(self, site: Site, disruption: Disruption) -> None:
        """Run one process to its end, and do what the user does then."""
        given_up = self._denied(site)
        with site.process(disruption.point or None, disruption.verb, self._decisions(given_up)) as process:
            if disruption.begun and (disruption.signals or disruption.outage):
                _wait_for(site, process)
            self._hit(process, disruption)
            if self.plan.denies:
                self._wait_for_denial(site, process, given_up)
            self.codes.append(ended(process))
        if self.codes[-1] == REFUSED and self.plan.after_payment != self.plan.faults and not self._has_paid:
            self._pay()

    def _decisions(self, given_up: Sequence[str]) -> list[str]:
        """Return the options of the user who resumes: denied batches are given up, a reached cost limit is raised."""
        raised = ["--max-cost", _ENOUGH] if UNDECIDED in self.codes else []
        return [*raised, *(part for batch in given_up for part in ("--give-up", batch))]

    def _denied(self, site: Site) -> list[str]:
        """Return the batches in flight that the service denies for good, according to the log."""
        ledger, log = site.ledger, site.folder / LOG
        if not self.plan.denies or ledger is None or not log.exists():
            return []
        denied = {each.decode() for each in _DENIAL.findall(log.read_bytes())}
        in_flight = (record.batch_id or "" for record in ledger.in_state(ChunkState.SUBMITTED))
        return [batch for batch in in_flight if batch in denied]

    def _wait_for_denial(self, site: Site, process: Process, given_up: Sequence[str]) -> None:
        """Wait until a process ends; interrupt it a while after a batch is denied that it is not to give up."""
        while process.poll() is None and not set(self._denied(site)) - {*given_up}:
            pause(_LOOK)
        if _lives(process, time.monotonic() + _PATIENCE):
            process.send_signal(signal.SIGINT)

    def _pay(self) -> None:
        """Pay the account's bill, so that the service accepts requests again."""
        self._has_paid = True
        if self._sandbox:
            control = self._sandbox.url.removesuffix("/v1") + "/sandbox/control"
            httpx2.post(control, json={"faults": [*self.plan.after_payment]}, timeout=60).raise_for_status()

    def _hit(self, process: Process, disruption: Disruption) -> None:
        began = time.monotonic()
        for after, name in disruption.signals:
            if not _lives(process, began + after):
                return
            process.send_signal(signal.Signals[name])
        if disruption.outage and _lives(process, began + disruption.after):
            self._take_away(disruption)

    def _take_away(self, disruption: Disruption) -> None:
        if disruption.outage == "database":
            self.database.stop(signal.SIGTERM if self.plan.seed % 2 else signal.SIGKILL)
            time.sleep(disruption.lasts)
            self.database.start()
        elif self._sandbox:
            self._sandbox.kill()
            time.sleep(disruption.lasts)
            self._serve()

    # ── the service ────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _settings(self) -> SandboxSettings:
        plan = self.plan
        return SandboxSettings(
            data=self.folder / "service",
            port=0,
            validating_seconds=0,
            running_seconds=plan.seconds,
            faults=plan.after_payment if self._has_paid else plan.faults,
            seed=plan.seed,
            fast=True,
        )

    def _serve(self) -> SandboxProcess:
        """Start or restart the sandbox on the same port."""
        settings = self._settings
        if self._sandbox:
            port = int(self._sandbox.url.removesuffix("/v1").rpartition(":")[2])
            settings = replace(settings, port=port)
        self._sandbox = SandboxProcess.start(settings)
        return self._sandbox

    def _site(self, name: str, url: str, service: Path, limits: Sequence[str] = ()) -> Site:
        place = (self.folder / name, service, url, self.database.url, f"soak_{name}_sandbox")
        return Site(*place, self.plan.words, (*self.plan.options, *limits), start=self.start)

    def _without_faults(self) -> Picture:
        """Return the database contents after the same run without faults."""
        settings = SandboxSettings(self.folder / "fair", port=0, validating_seconds=0, running_seconds=0, fast=True)
        with sandbox_in_thread(settings) as url:
            site = self._site("reference", url, settings.data)
            site.prepare(self.plan.known)
            code = site.live()
            if code:
                raise RuntimeError(f"seed {self.plan.seed}: a run without faults ended with {code}, see {site.folder}")
        with site.opened() as database:
            found = picture(database, packed=site.is_packed)
        site.forget()
        return found


def _wait_for(site: Site, process: Process) -> None:
    """Wait until a process reports progress or ends."""
    log = site.folder / LOG
    seen = log.stat().st_size
    while process.poll() is None and not _UNDER_WAY.search(log.read_bytes(), seen):
        pause(_LOOK)


def _lives(process: Process, until: float) -> bool:
    """Whether the process is still running after a moment."""
    while process.poll() is None and time.monotonic() < until:
        pause(_LOOK)
    return process.poll() is None
