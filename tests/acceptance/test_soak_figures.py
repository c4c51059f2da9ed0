"""The figures of the soak detect what they are meant to detect."""

from pathlib import Path

import orjson
import pytest
from openai import OpenAI

from floridify_batch.components.failure import Failure, FailureReason
from floridify_batch.pipeline.chunk import write_failures
from floridify_batch.sandbox.process import sandbox_in_thread
from floridify_batch.sandbox.sandbox_settings import SandboxSettings
from scripts.soaks.figures import Figures, batches_of, figures, picture
from scripts.soaks.plan import plan_of
from scripts.soaks.site import Site
from tests.acceptance.command_server import Forked

WORDS = ("ember", "fathom")
OPTIONS = ("--components", "synonyms,examples")


def test_a_seed_determines_everything() -> None:
    """A case depends on its seed only, and another seed gives another case."""
    assert plan_of(7) == plan_of(7)
    assert len({plan_of(seed) for seed in range(100)}) == 100


def test_each_figure_can_be_off(tmp_path: Path, mongo_url: str, database_name: str) -> None:
    """A second paid batch, an answer that was bought again, one that is lost, and a changed document are all seen."""
    settings = SandboxSettings(tmp_path / "service", port=0, validating_seconds=0, running_seconds=0, fast=True)
    with sandbox_in_thread(settings) as url:
        site = Site(
            tmp_path / "shell", settings.data, url, mongo_url, database_name, WORDS, OPTIONS, start=Forked.logged
        )
        site.prepare(WORDS[:1])
        assert site.live() == 0
        with site.opened() as database:
            fair = picture(database)
            fine = figures(site, fair)
            assert (fine.fine, fine.batches) == (True, len(batches_of(site)))
            database["examples"].update_one({}, {"$set": {"text": "Somebody was here."}})
            assert figures(site, fair) == Figures(fine.batches, different=1)
            database["definitions"].update_many({}, {"$unset": {"synthesis": True}})
            lost = figures(site, fair)
            assert lost.unaccounted == sum(batch.total for batch in batches_of(site)) - 1  # a word keeps its stamp
            assert lost.different == len(WORDS)
            _fail_a_request(site)
            assert (figures(site, fair).lost, figures(site, fair).given_up) == (1, 0)
        bought = _buy_again(site)
        again = figures(site, fair)
        assert (again.paid_again, again.asked_again, again.fine) == (1, bought, False)


def _fail_a_request(site: Site) -> None:
    """Mark a request about a definition as failed, although it has an answer."""
    output = site.service / "files" / f"{batches_of(site)[0].output_file_id}.jsonl"
    ids = (orjson.loads(line)["custom_id"] for line in output.read_bytes().splitlines())
    failed = next(identity for identity in ids if "synonyms" in identity)
    folder = site.checkpoint.folder / "0001"
    folder.mkdir(exist_ok=True)
    with (folder / "failures.jsonl").open("ab") as out:
        write_failures(out, 0, [Failure(failed, FailureReason.MALFORMED, "cannot be read", 1, 0)])


def _buy_again(site: Site) -> int:
    """Create the first batch again, under the label of a later submission; return the number of repeated requests."""
    first = batches_of(site)[0]
    assert first.metadata is not None
    label = f"{first.metadata['label'].rpartition('/')[0]}/2"
    with OpenAI(api_key="any", base_url=site.base_url) as client:
        batch = client.batches.create(
            input_file_id=first.input_file_id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={"label": label},
        )
        while client.batches.retrieve(batch.id).status != "completed":
            pass
    return first.total


def test_what_is_no_point(tmp_path: Path) -> None:
    """A misspelt crash point is an error, not a process that continues."""
    site = Site(tmp_path, tmp_path, "http://127.0.0.1:9/v1", "mongodb://127.0.0.1:9", "none", WORDS)
    with pytest.raises(ValueError, match="before-creating"):
        site.live("before-creating")
