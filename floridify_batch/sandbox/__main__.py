"""`python -m floridify_batch.sandbox`: run the sandbox and print its URL as one line of JSON."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

from floridify_batch.errors import BatchSynthError
from floridify_batch.sandbox.fault import table
from floridify_batch.sandbox.process import serve
from floridify_batch.sandbox.sandbox_settings import SandboxSettings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    settings = SandboxSettings(
        data=options.data,
        port=options.port,
        validating_seconds=options.validating_seconds,
        running_seconds=options.seconds,
        window_seconds=options.window_seconds,
        faults=tuple(options.fault),
        seed=options.seed,
        fast=options.fast,
        answers_from=options.answers_from,
        answer_seconds=options.answer_seconds,
    )
    try:
        serve(settings, listening=_announce, exit_with_parent=options.exit_with_parent)
    except BatchSynthError as problem:
        sys.stderr.write(f"{problem}\n")
        return problem.exit_code
    return 0


def _announce(url: str) -> None:
    sys.stdout.write(orjson.dumps({"url": url}).decode() + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m floridify_batch.sandbox",
        description="A local implementation of OpenAI's Files, Batches and Chat Completions endpoints.",
        epilog=table(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    usual = SandboxSettings(Path())
    add = parser.add_argument
    add("--data", type=Path, required=True, help="data folder of the sandbox: its files and batches")
    add("--port", type=int, default=usual.port, help="port to listen on; 0 picks a free one (default %(default)s)")
    add("--seconds", type=float, default=usual.running_seconds, help="duration of a batch (default %(default)s)")
    add(
        "--validating-seconds",
        type=float,
        default=usual.validating_seconds,
        help="duration of the validation (default %(default)s)",
    )
    add(
        "--window-seconds",
        type=float,
        default=usual.window_seconds,
        help="completion window, after which a batch expires (default %(default)s)",
    )
    add("--fault", action="append", default=[], metavar="NAME=VALUE", help="inject a fault; repeatable")
    add("--seed", type=int, default=usual.seed, help="seed of answers and faults (default %(default)s)")
    add("--fast", action="store_true", help="estimate output tokens instead of counting them")
    add("--answers-from", default="", metavar="URL", help="base URL of a service that answers the requests")
    add("--answer-seconds", type=float, default=usual.answer_seconds, help="time-out of such an answer")
    add("--exit-with-parent", action="store_true", help="exit at the end of standard input")
    return parser


if __name__ == "__main__":
    sys.exit(main())
