"""`python -m floridify_batch.sandbox`: serves, and says where on one line of JSON."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

from floridify_batch.errors import BatchSynthError
from floridify_batch.sandbox.fault import table
from floridify_batch.sandbox.process import serve
from floridify_batch.sandbox.settings import SandboxSettings


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the result is its exit code."""
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
        description="A local service that speaks OpenAI's Files, Batches and Chat Completions endpoints.",
        epilog=table(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    usual = SandboxSettings(Path())
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder for its files and batches")
    add("--port", type=int, default=usual.port, help="0 takes a free one (default %(default)s)")
    add("--seconds", type=float, default=usual.running_seconds, help="how long a batch runs (default %(default)s)")
    add("--validating-seconds", type=float, default=usual.validating_seconds, help="(default %(default)s)")
    add("--window-seconds", type=float, default=usual.window_seconds, help="after which batches expire")
    add("--fault", action="append", default=[], metavar="NAME=VALUE", help="something to go wrong; may be repeated")
    add("--seed", type=int, default=usual.seed, help="decides what faults hit (default %(default)s)")
    add("--fast", action="store_true", help="estimate the tokens of answers instead of counting them")
    add("--exit-with-parent", action="store_true", help="end when standard input does")
    return parser


if __name__ == "__main__":
    sys.exit(main())
