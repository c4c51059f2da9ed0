"""Regressions: crashes at the wrong moment, partial answers, reordered senses."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import openai
import orjson
import pytest
from typer.testing import CliRunner

from floridify_batch.cli.main import app, explained
from floridify_batch.components.change import Collection, value_digest
from floridify_batch.components.failure import Failure, FailureReason
from floridify_batch.components.registry import SynthesisComponent as C
from floridify_batch.components.requests import custom_id, parse_custom_id
from floridify_batch.errors import ServiceUncertain
from floridify_batch.files import ChunkFolder
from floridify_batch.pipeline.brief import Brief
from floridify_batch.pipeline.chunk import read_failures
from floridify_batch.pipeline.plan import Failures, left_over
from floridify_batch.providers.error import translated
from floridify_batch.providers.immediate import ImmediateBatches
from floridify_batch.providers.interface import BatchJob, Reply, Submission
from floridify_batch.providers.openai_connector import OpenAIConnector
from floridify_batch.run.driver import Driver
from floridify_batch.run.ledger import ChunkState, Ledger
from floridify_batch.run.resources import redacted_url
from floridify_batch.words.entry import Definition, DocId, Entry, Stamp, Word, cluster_fields, derived_id
from tests.fakes import Crashed, End, MemoryStore, Scenario, Service, brief_of, completion
from tests.plans import plan

BANK = Word(derived_id("bank"), "bank", "en")
EARLIER = Stamp(derived_id("s"), "earlier", "b1", datetime(2026, 1, 1, tzinfo=UTC), "gpt-6-luna", "t", "batch")
GOOD: dict[str, dict[str, Any]] = {
    C.CLUSTER_DEFINITIONS: {
        "clusters": [
            {"cluster_slug": slug, "cluster_description": slug, "definition_indices": [number], "relevancy": 0.5}
            for number, slug in ((1, "bank_river"), (2, "bank_money"))
        ]
    },
    C.DEFINITION_TEXT: {
        "definitions": [{"part_of_speech": "noun", "definition": "new", "relevancy": 0.5, "source_providers": []}]
    },
    C.PRONUNCIATION: {"phonetic": "bangk", "ipa": "bæŋk"},
    C.EXAMPLES: {"example_sentences": ["The first."]},
}


def cluster(slug: str, order: float) -> dict[str, Any]:
    return cluster_fields(slug, slug, "", 0, 0.5) | {"order": order}


def asked(*components: C, **more: Any) -> Brief:
    return replace(brief_of(components), **more)


# ── runs at once ───────────────────────────────────────────────────────────────────────────────────────────────────


class Answering(OpenAIConnector):
    """A connector that answers every request with its component's content, and records the requests."""

    def __init__(self, **contents: Mapping[str, Any]) -> None:
        self.concurrency = 1
        self.contents = GOOD | contents
        self.asked: list[str] = []
        self.meanwhile: Callable[[], None] | None = None

    async def post(self, body: Mapping[str, Any]) -> Reply:
        """Run the concurrent change, and answer."""
        if self.meanwhile:
            self.meanwhile()
        component = body["response_format"]["json_schema"]["name"]
        self.asked.append(component)
        return Reply(200, "r", completion(orjson.dumps({"confidence": 0.9, **self.contents[component]}).decode()))

    async def close(self) -> None:
        """Close nothing: there is nothing open."""


class DyingAtOnce(ImmediateBatches):
    """A process killed by a power failure when a file has its name and not yet its content."""

    async def create(self, submission: Submission) -> BatchJob:
        """Leave an empty file."""
        (self._run_folder / submission.file_id / "immediate.json").write_bytes(b"")
        raise Crashed


async def at_once(scenario: Scenario, connector: Answering, kind: type[ImmediateBatches] = ImmediateBatches) -> Ledger:
    """Run one process with --immediate to its end."""
    run = scenario.run()
    batches = kind(connector, run.checkpoint.folder)
    run.batches, run.sleep = batches, lambda _: asyncio.sleep(0)
    try:
        async with asyncio.timeout(60):
            run.ledger.change_execution_settings({"max_batches": 1})
            await Driver(run).process()
    finally:
        await batches.close()
    return run.ledger


def bank(folder: Path, *components: C, run_id: str = "run1", store: MemoryStore | None = None, **more: Any) -> Scenario:
    """Return a run over the word "bank" in its own folder, with the dictionary of an earlier run or a new one."""
    if store is None:
        store = MemoryStore()
        store.know("bank", "river", "money")
    (folder / run_id).mkdir()
    return Scenario(folder / run_id, ["bank"], Service(), store, components, run_id=run_id, **more)


def definitions(store: MemoryStore) -> dict[DocId, dict[str, Any]]:
    return store.documents[Collection.DEFINITIONS]


def source(store: MemoryStore, text: str) -> dict[str, Any]:
    """Return a source's definition by its text."""
    return next(document for document in definitions(store).values() if document["text"] == text)


def sources_of_texts(store: MemoryStore) -> list[str]:
    """The texts of the sources that the entry's definitions were written from; none of them is a copy."""
    (entry,) = (each for each in store.documents[Collection.ENTRIES].values() if each["provider"] == "synthesis")
    shown = [definitions(store)[each] for each in entry["definition_ids"]]
    assert all(each["model_info"] for each in shown)
    references = (reference for each in shown for reference in each["source_definitions"])
    return sorted(definitions(store)[each]["text"] for named in references for each in named["definition_ids"])


def new_source(store: MemoryStore, **fields: Any) -> None:
    """Import one more definition of the word, in front of the others."""
    identity, word = derived_id("came later"), source(store, "river")["word_id"]
    new = {"_id": identity, "word_id": word, "part_of_speech": "noun", "text": "row", "version": 1, **fields}
    store.documents[Collection.DEFINITIONS] = {identity: new, **definitions(store)}


def list_sources(store: MemoryStore) -> None:
    """Wiktionary's entry lists every definition that no synthesis entry lists."""
    word = source(store, "river")["word_id"]
    sources = [each for each, document in definitions(store).items() if "source_definitions" not in document]
    identity = derived_id("entry of wiktionary")
    listed = {"_id": identity, "word_id": word, "provider": "wiktionary", "definition_ids": sources, "version": 1}
    store.documents[Collection.ENTRIES][identity] = listed


async def test_force_at_once(tmp_path: Path) -> None:
    """`--force --immediate` replaces old example sentences by new ones."""
    first = bank(tmp_path, C.EXAMPLES)
    await at_once(first, Answering())
    second = bank(tmp_path, C.EXAMPLES, run_id="run2", store=first.store, force=True)
    ledger = await at_once(second, Answering(examples={"example_sentences": ["The second."]}))
    assert ledger.chunks[0].batch_id == "immediate:0001"
    examples = first.store.documents[Collection.EXAMPLES]
    assert [each["text"] for each in examples.values()] == ["The second."] * 2
    shown = [example for each in definitions(first.store).values() for example in each.get("example_ids", ())]
    assert sorted(shown) == sorted(examples)


async def test_a_note_that_the_power_cut_emptied(tmp_path: Path) -> None:
    """An immediate run whose record of its files was left empty by a power failure can be resumed."""
    scenario, connector = bank(tmp_path, C.EXAMPLES), Answering()
    with pytest.raises(Crashed):
        await at_once(scenario, connector, DyingAtOnce)
    ledger = await at_once(scenario, connector)
    assert ledger.processed_words == ["bank"]
    assert len(connector.asked) == 2


# ── definitions made from clusters ─────────────────────────────────────────────────────────────────────────────────


def test_half_of_the_texts() -> None:
    """A word with two meanings, of which one has its definition and the other failed, fails with the reason."""
    both = asked(C.DEFINITION_TEXT)
    river, money = (
        Definition(derived_id(name), "noun", name, meaning_cluster=cluster(f"bank_{name}", order))
        for order, name in enumerate(("river", "money"))
    )
    made = Definition(derived_id("made"), "noun", "made", meaning_cluster=river.meaning_cluster)
    stamps = {"definition_text-00": EARLIER}
    entry = Entry(BANK, (made,), stamps, derived_id("entry"), (river, money), synthesised=True)
    lost = custom_id("bank", BANK.id, C.DEFINITION_TEXT, 1)
    failures: Failures = {lost: Failure(lost, FailureReason.EXPIRED, "time ran out", 3)}
    assert [request.custom_id for request in plan(entry, both, {})] == [lost]
    assert plan(entry, both, failures) == []
    assert left_over([entry], both, failures) == "definition_text: expired: time ran out (missing 1 of 2)"


async def test_clustering_that_failed(tmp_path: Path) -> None:
    """A word whose meanings could not be clustered is failed, and a later run clusters it."""
    components = (C.CLUSTER_DEFINITIONS, C.PRONUNCIATION)
    first = bank(tmp_path, *components, max_attempts=1)
    ledger = await at_once(first, Answering(cluster_definitions={"clusters": []}))
    assert ledger.missing["bank"].startswith("cluster_definitions: malformed")
    second, connector = bank(tmp_path, *components, run_id="run2", store=first.store), Answering()
    ledger = await at_once(second, connector)
    assert connector.asked == [C.CLUSTER_DEFINITIONS, C.DEFINITION_TEXT, C.DEFINITION_TEXT]
    assert ledger.processed_words == ["bank"]


async def test_a_meaning_that_comes_between(tmp_path: Path) -> None:
    """A meaning that is imported later gets its own definition, at any position among the others."""
    first = bank(tmp_path, C.DEFINITION_TEXT)
    for order, text in enumerate(("river", "money")):
        source(first.store, text)["meaning_cluster"] = cluster(f"bank_{text}", order)
    list_sources(first.store)
    await at_once(first, Answering())
    new_source(first.store, meaning_cluster=cluster("bank_row", 0.5))
    list_sources(first.store)
    second, connector = bank(tmp_path, C.DEFINITION_TEXT, run_id="run2", store=first.store), Answering()
    ledger = await at_once(second, connector)
    assert (connector.asked, ledger.processed_words) == ([C.DEFINITION_TEXT], ["bank"])
    assert sources_of_texts(first.store) == ["money", "river", "row"]


async def test_places_that_moved(tmp_path: Path) -> None:
    """An answer that numbers senses is not stored once these have changed: it is requested again for all of them."""
    scenario, connector = bank(tmp_path, C.CLUSTER_DEFINITIONS, max_attempts=1), Answering()
    store = scenario.store
    list_sources(store)

    def meanwhile() -> None:
        new_source(store)
        list_sources(store)

    connector.meanwhile = meanwhile
    ledger = await at_once(scenario, connector)
    failures = ChunkFolder.of(scenario.folder / "run.checkpoint.files", 1).failures
    assert [failure.reason for _, failure in read_failures(failures)] == [FailureReason.OUTDATED]
    assert connector.asked[:2] == [C.CLUSTER_DEFINITIONS] * 2  # once more, about the senses as they are now
    assert ledger.processed_words == ["bank"]
    assert sources_of_texts(store) == ["money", "river", "row"]


def test_more_than_a_hundred_clusters() -> None:
    """The answer about a word's hundredth meaning is recognised like that about the first."""
    for number in (0, 99, 100, 999):
        parts = parse_custom_id(custom_id("set", BANK.id, C.DEFINITION_TEXT, number))
        assert parts is not None
        assert (parts.document, parts.component, parts.number) == (BANK.id, C.DEFINITION_TEXT, number)


# ── batches that nobody knows of ───────────────────────────────────────────────────────────────────────────────────


class Dying(Service):
    """A service at whose n-th batch the process crashes; the list shows that batch after a number of look-ups."""

    dies_at, hidden = 1, 0

    async def create(self, submission: Submission) -> BatchJob:
        """Create a batch, possibly without a reply."""
        job = await super().create(submission)
        if len(self.batches) == self.dies_at:
            self.batches[job.id].hidden = self.hidden
            raise Crashed
        return job


async def test_a_batch_that_shows_itself_late(tmp_path: Path) -> None:
    """A crash during a creation does not pay twice: the resumed run cancels the batch that appears late."""
    service = Dying(End(polls=5), End(polls=5))
    service.hidden = 6
    scenario = Scenario(tmp_path, ["happy"], service)
    scenario.store.know("happy", "glad")
    with pytest.raises(Crashed):
        await Driver(scenario.run()).process()
    await Driver(scenario.run()).process()
    assert service.labels == ["run1/0001/1"] * 2
    assert service.cancelled == ["batch_1"]
    assert set(service.answered.values()) == {1}


async def test_a_checkpoint_that_was_put_back(tmp_path: Path) -> None:
    """A run from the restored previous copy pays for no batch twice: it adopts the existing one."""
    service = Dying(End(polls=3), End(polls=5), End(polls=5), queue=3)  # the second batch is sent twice
    service.dies_at = 3
    scenario = Scenario(tmp_path, ["happy", "sad"], service, batch_size=1)
    scenario.store.know("happy", "glad")
    scenario.store.know("sad", "low")
    with pytest.raises(Crashed):
        await Driver(scenario.run()).process()
    checkpoint = tmp_path / "run.checkpoint.json"
    checkpoint.with_name("run.checkpoint.json.previous").replace(checkpoint)
    run = scenario.run()
    assert [record.state for record in run.ledger.chunks if record.number == 2] == [ChunkState.PLANNED]
    await Driver(run).process()
    assert len(service.labels) == len(set(service.labels)) == 3
    assert sorted(run.ledger.processed_words) == ["happy", "sad"]
    assert set(service.answered.values()) == {1}


# ── small things ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_force_does_not_name_what_it_replaces() -> None:
    """Synonyms that will be replaced are not in the prompt, so that the best of them can be generated again."""
    known = Definition(derived_id("joy"), "adjective", "feeling joy", synonyms=["blithesome"])
    known.digests = {"synonyms": value_digest(known.synonyms)}
    entry = Entry(BANK, (known,), sources=(known,))
    (forced,) = plan(entry, asked(C.SYNONYMS, forced_run="now"), {})
    assert "blithesome" not in forced.prompt
    assert "feeling joy" in forced.prompt


@pytest.mark.parametrize("status", [408, 409])
def test_errors_that_pass(status: int) -> None:
    """A time-out or a conflict at the service is transient: the call is retried, and the run continues."""
    request = httpx2.Request("GET", "http://service/")
    response = httpx2.Response(status, request=request, json={"error": {"message": "m"}})
    assert isinstance(translated(openai.APIStatusError("m", response=response, body=None)), ServiceUncertain)


@pytest.mark.parametrize(
    ("url", "harmless"),
    [
        ("mongodb://u:p@h/?authMechanismProperties=AWS_SESSION_TOKEN:s3cret&authSource=admin", "authSource=admin"),
        ("mongodb://h:27017/?replicaSet=rs0&w=majority", "27017/?replicaSet=rs0&w=majority"),
        ("mongodb://h/?tls=true&tlsCertificateKeyFilePassword=s3cret", "tls=true"),
    ],
)
def test_secrets_behind_the_question_mark(url: str, harmless: str) -> None:
    """Secrets among the options of a database's address are not in the checkpoint; the other options are."""
    shown = redacted_url(url)
    assert shown is not None
    assert harmless in shown
    assert "s3cret" not in shown


def test_at_once_and_not_waiting(tmp_path: Path) -> None:
    """`--immediate` with `--no-wait` is refused with exit code 2."""
    words = tmp_path / "words.txt"
    words.write_text("bank\n", encoding="utf-8")
    place = ["--checkpoint", str(tmp_path / "run.checkpoint.json")]
    command = ["run", str(words), *place, "--immediate", "--no-wait"]
    result = CliRunner().invoke(app, command, env={"OPENAI_API_KEY": ""})
    assert isinstance(result.exception, Exception)
    sentence, code = explained(result.exception)
    assert code == 2
    assert "--no-wait" in sentence
    assert list(tmp_path.iterdir()) == [words]
