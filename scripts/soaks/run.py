"""`scripts/soak`: kills, faults and outages against the installed command, and their cost, which should be 0.

Each case is a list of words with a database and a service of its own. Processes are killed, stopped and cut off; in the
end `resume` finishes the run, and six figures are computed: chunks that were paid for more than once, usable answers
that were requested again or lost, requests and words that are unaccounted for, words that are stored differently from a
run without faults, and parts of bills that differ from the service's own records. Immediate requests that were in
flight at a death and sent twice, and requests of batches that the user gave up, are counted apart. Every random case
follows from its seed, which is printed: `scripts/soak --seed SEED --cases 1` repeats it.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path
from secrets import randbelow
from threading import Lock
from typing import Any

from floridify_batch.database.server import local_mongod
from scripts.soaks.case import Database, SoakCase, Verdict, database_at
from scripts.soaks.figures import Figures
from scripts.soaks.matrix import BATCH_ENDS, SIDES, WRITES, Case, Matrix, Outcome, whole_matrix, write_case
from scripts.soaks.plan import Plan, plan_of
from scripts.soaks.site import Interrupted, interruption, pause

_HEADER = "batches  paid again  asked again  lost  unaccounted  different  misbilled"
_SEEDS = 1_000_000
_STOPPED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 1 if a figure is not 0, 130 if it was stopped."""
    options = _parser().parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="batch-synth-soak-"))
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, lambda *_: interruption.set())  # cases end at once, and their servers with them
    fine = _matrix(folder, options) if options.matrix else _soak(folder, options)
    if interruption.is_set():
        print("Stopped.")
        shutil.rmtree(folder, ignore_errors=True)
        return _STOPPED
    if fine:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"What the cases left that went wrong lies in {folder}.")
    return 0 if fine else 1


# ── the matrix ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _matrix(folder: Path, options: Any) -> bool:
    began, outcomes, lock = time.monotonic(), list[Outcome](), Lock()
    cases = [case for case in whole_matrix() if options.fate in (None, case.crash)]
    runs = () if options.fate else WRITES
    print(f"{len(cases)} cases and every write of {len(runs)} runs, {options.workers} at a time.", flush=True)

    def play(case: Case) -> Outcome:
        pause(0)
        outcome = matrix.play(case)
        with lock:
            outcomes.append(outcome)
            _print_outcome(len(outcomes), outcome)
        return outcome

    def play_writes(run: str, side: str) -> None:
        number = next(number for number in count(1) if not play(write_case(run, side, number)).died)
        print(f"{run}: {number - 1} writes", flush=True)

    with suppress(Interrupted), local_mongod(folder / "mongodb") as mongo, ThreadPoolExecutor(options.workers) as pool:
        matrix = Matrix(folder / "cases", mongo.url).learn()
        print(f"{'case':>4}  {_HEADER}  point, fate, trouble", flush=True)
        playing: list[Future[Any]] = [pool.submit(play_writes, run, side) for run in runs for side in SIDES]
        playing += [pool.submit(play, case) for case in cases]
        for each in playing:
            each.result()  # a case that ends by an error ends the matrix
    reached = {point for outcome in outcomes for point in outcome.died}
    never = sorted({point for outcome in outcomes for point in outcome.case.points} - reached)
    died = sum(bool(outcome.died) for outcome in outcomes)
    print(f"\n{len(outcomes)} cases, {died} of them with a kill, in {time.monotonic() - began:.0f} s.")
    print(f"Points that no fate comes by: {', '.join(never) or 'none'}.")
    _print_totals([outcome.figures for outcome in outcomes])
    return _print_problems([f"{each.case}: {each.figures} {each.wrong}" for each in outcomes if not each.fine])


def _print_outcome(done: int, outcome: Outcome) -> None:
    how = "" if outcome.died else " (not reached)"
    mark = "" if outcome.fine else f"  WRONG {outcome.wrong}"
    print(f"{done:>4}  {_row(outcome.figures)}  {outcome.case}{how}{mark}", flush=True)


# ── random cases ───────────────────────────────────────────────────────────────────────────────────────────────────


def _soak(folder: Path, options: Any) -> bool:
    seed = randbelow(_SEEDS) if options.seed is None else options.seed
    end = float("inf") if options.cases else time.monotonic() + 60 * options.minutes
    seeds = iter(range(seed, seed + options.cases)) if options.cases else count(seed)
    print(f"Seeds from {seed} on, {options.workers} cases at a time.", flush=True)
    print(f"{'seed':>9}  words  failed  kills  seconds  {_HEADER}", flush=True)
    began, verdicts = time.monotonic(), list[Verdict]()

    def work(number: int) -> None:
        with database_at(folder / f"mongodb-{number}") as database:
            while time.monotonic() < end and not interruption.is_set() and (case := next(seeds, None)) is not None:
                verdicts.append(_undergone(plan_of(case), folder, database))
                _print_verdict(verdicts[-1])

    with suppress(Interrupted), ThreadPoolExecutor(options.workers) as pool:
        for working in [pool.submit(work, number) for number in range(options.workers)]:
            working.result()
    processes, kills = sum(len(each.codes) for each in verdicts), sum(each.kills for each in verdicts)
    print(f"\n{len(verdicts)} cases in {(time.monotonic() - began) / 60:.1f} minutes: {processes} processes, of which")
    print(f"{kills} were killed; {sum(len(each.plan.words) for each in verdicts)} words.")
    _print_totals([each.figures for each in verdicts])
    return _print_problems([_described(each) for each in verdicts if not each.fine])


def _undergone(plan: Plan, folder: Path, database: Database) -> Verdict:
    place = folder / f"{plan.seed}"
    case, began = SoakCase(plan, place, database), time.monotonic()
    try:
        verdict = case.undergo()
    except Interrupted:
        raise
    except Exception as error:  # the other cases go on
        wrong = f"{type(error).__name__}: {error}"
        verdict = Verdict(plan, Figures(), tuple(case.codes), 0, time.monotonic() - began, wrong)
    if verdict.fine:
        shutil.rmtree(place, ignore_errors=True)
    return verdict


def _print_verdict(verdict: Verdict) -> None:
    plan, mark = verdict.plan, "" if verdict.fine else f"  WRONG {verdict.wrong}"
    counts = f"{plan.seed:>9}  {len(plan.words):>5}  {verdict.failed:>6}  {verdict.kills:>5}  {verdict.seconds:>7.1f}"
    print(f"{counts}  {_row(verdict.figures)}{mark}", flush=True)


def _described(verdict: Verdict) -> str:
    plan = verdict.plan
    disruptions = "; ".join(map(str, plan.disruptions)) or "no blow"
    return (
        f"seed {plan.seed}: {verdict.figures} {verdict.wrong}\n    {' '.join((*plan.options, *plan.limits))}\n    "
        f"{' '.join(plan.faults) or 'no fault'}\n    {disruptions}\n    exit codes {verdict.codes}"
    )


# ── what is told ───────────────────────────────────────────────────────────────────────────────────────────────────


def _row(found: Figures) -> str:
    return (
        f"{found.batches:>7}  {found.paid_again:>10}  {found.asked_again:>11}  {found.lost:>4}  "
        f"{found.unaccounted:>11}  {found.different:>9}  {found.misbilled:>9}"
    )


def _print_totals(found: Sequence[Figures]) -> None:
    total = sum(found, Figures())
    print(f"Batches created:                          {total.batches:>7,}")
    print(f"Chunks that were paid for more than once: {total.paid_again:>7,}")
    print(f"Usable answers asked for more than once:  {total.asked_again:>7,}")
    print(f"Usable answers lost:                      {total.lost:>7,}")
    print(f"Requests and words unaccounted for:       {total.unaccounted:>7,}")
    print(f"Words stored otherwise than without fault:{total.different:>7,}")
    print(f"Parts of bills unlike the service's:      {total.misbilled:>7,}")
    print(f"Requests in flight at a death, sent twice:{total.in_flight:>7,}")
    print(f"Requests that the user gave up:           {total.given_up:>7,}")


def _print_problems(wrong: Sequence[str]) -> bool:
    """Print the problems of a case; whether there are none."""
    for each in wrong:
        print(f"WRONG {each}")
    print(
        f"{len(wrong)} cases went wrong." if wrong else "Every case came to its end with every figure as it should be."
    )
    return not wrong


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--minutes", type=float, default=5.0, help="begin new random cases for so long (default %(default)s)")
    add("--seed", type=int, help="of the first random case; the next ones follow (default: a random one)")
    add("--cases", type=int, help="so many random cases, however long they take")
    add("--matrix", action="store_true", help="instead, every kill point against every fate of a batch")
    add("--fate", choices=BATCH_ENDS, help="of the matrix, this fate alone")
    add("--workers", type=int, default=4, help="cases at a time: they mostly wait (default %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
