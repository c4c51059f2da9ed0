"""Recovery in memory: lost, partly stored and superseded batches, and those of other runs."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import override

from floridify_batch.components.change import Collection
from floridify_batch.components.registry import SynthesisComponent as C
from floridify_batch.costs.price import Price
from floridify_batch.files import ChunkFolder
from floridify_batch.pipeline.change_derivation import Disposition as Became
from floridify_batch.providers.interface import BatchJob
from floridify_batch.run.driver import Driver, StopReason
from floridify_batch.run.recovery import Recovered, RecoveryOptions, recover
from floridify_batch.words.entry import DocId, Entry, copied_id
from tests.fakes import Archive, Crash, Crashed, End, MemoryStore, Scenario

ASKED = (C.SYNONYMS, C.EXAMPLES, C.CEFR_LEVEL)


class Indexed(MemoryStore):
    """An in-memory store that finds entries by their documents."""

    async def entries_of(self, documents: Sequence[DocId], language: str) -> dict[DocId, Entry]:
        """Return the entry that each of these words and definitions belongs to."""
        definitions, words = self.documents[Collection.DEFINITIONS], self.documents[Collection.WORDS]
        found = {}
        for each in documents:
            named = definitions.get(each) or definitions.get(copied_id(each)) or {"word_id": each}
            word = words.get(named["word_id"])
            if word is not None:
                entries = (await self.entries([word["text"]], language))[word["text"]]
                found[each] = next(entry for entry in entries if entry.id == word["_id"])
        return found


def new_scenario(folder: Path, *ends: End) -> Scenario:
    """A run over two words, of which one is known and one is not."""
    folder.mkdir()
    store = Indexed()
    store.know("bank", "a sense", "another")
    return Scenario(folder, ["bank", "tree"], Archive(*ends), store, ASKED)


def copied(store: MemoryStore) -> Indexed:
    """Return the database before the run, with the words only."""
    before = Indexed()
    before.know("bank", "a sense", "another")
    for identity, word in store.documents[Collection.WORDS].items():
        plain = {name: value for name, value in word.items() if name != "synthesis"}
        before.documents[Collection.WORDS].setdefault(identity, plain | {"version": 1})
    return before


async def through(scenario: Scenario) -> None:
    """Run to the end."""
    assert await Driver(scenario.run()).process() is StopReason.FINISHED


async def recovered(service: Archive, store: Indexed, price: Price | None = None) -> Recovered:
    """Recover every batch."""
    total = Recovered()
    for batch in service.found():
        with tempfile.TemporaryDirectory() as folder:
            options = RecoveryOptions(price=price, pending=total.missing)
            total += await recover(batch, service, store, ChunkFolder(Path(folder)), options)
    return total


def documents(store: MemoryStore) -> dict[str, dict[DocId, object]]:
    """Return every document with its content, without times."""
    return {
        name: {key: {k: v for k, v in each.items() if k not in _MOMENTS} for key, each in held.items()}
        for name, held in store.documents.items()
    }


_MOMENTS = {"updated_at", "created_at"}


async def test_all_waves(tmp_path: Path) -> None:
    """Recovery of all batches, in order of creation, gives exactly the documents of the run."""
    scenario = new_scenario(tmp_path / "run")
    await through(scenario)
    assert isinstance(scenario.service, Archive)
    store = copied(scenario.store)
    total = await recovered(scenario.service, store)
    assert total.dispositions == {Became.FRESH: total.requests}
    assert documents(store) == documents(scenario.store)
    assert store.stamps == scenario.store.stamps


async def test_retries_are_not_missing(tmp_path: Path) -> None:
    """Requests that a later batch has answered are not missing; without that batch, they are."""
    scenario = new_scenario(tmp_path / "run", End("expired", answered=1))
    await through(scenario)
    assert isinstance(scenario.service, Archive)
    store = copied(scenario.store)
    total = await recovered(scenario.service, store)
    assert total.failures.total() > 0
    assert total.missing == {}
    scenario.service.kept = scenario.service.kept[:1]
    alone = await recovered(scenario.service, copied(scenario.store))
    assert set(alone.missing.values()) == {"expired"}


async def test_dead_at_every_step(tmp_path: Path) -> None:
    """Recovery is idempotent: after a crash at any step, the next one stores the same documents."""
    scenario = new_scenario(tmp_path / "run", End("expired", answered=2))
    await through(scenario)
    service = scenario.service
    assert isinstance(service, Archive)
    service.crash = Crash()
    steps = 1
    while True:
        store = copied(scenario.store)
        store.crash = Crash(steps)
        try:
            await recovered(service, store)
            break
        except Crashed:
            store.crash = Crash()
        await recovered(service, store)
        assert documents(store) == documents(scenario.store), f"dead at deed {steps}"
        settled = documents(store)
        again = await recovered(service, store)
        assert (again.dispositions[Became.FRESH], documents(store)) == (0, settled)
        steps += 1
    assert steps > 6


async def test_recovery_uses_the_users_price(tmp_path: Path) -> None:
    """The cost of recovered answers uses the user's price."""
    scenario = new_scenario(tmp_path / "run")
    await through(scenario)
    assert isinstance(scenario.service, Archive)
    total = await recovered(scenario.service, copied(scenario.store), Price(Decimal(1), Decimal(2)))
    assert total.cost == total.requests * (100 * Decimal(1) + 20 * Decimal(2)) / 10**6


async def test_nothing_of_ours(tmp_path: Path) -> None:
    """A batch whose words are in another database is counted separately and changes nothing."""
    scenario = new_scenario(tmp_path / "run")
    await through(scenario)
    assert isinstance(scenario.service, Archive)
    empty = Indexed()
    total = await recovered(scenario.service, empty)
    assert (total.elsewhere, total.dispositions, total.failures) == (total.requests, Counter(), Counter())
    assert not any(empty.documents.values())


async def test_shorter_metadata(tmp_path: Path) -> None:
    """Batches with the shorter metadata of an older version are stored, too, with their templates."""
    scenario = new_scenario(tmp_path / "run")
    await through(scenario)
    service = scenario.service
    assert isinstance(service, Archive)
    known = {"run", "components"}
    for number, (batch, file_id, result) in enumerate(service.kept):
        less = {name: value for name, value in result.items() if name in known} | {"templates": "of-another-time"}
        service.kept[number] = (batch, file_id, less)
    store = copied(scenario.store)
    total = await recovered(service, store)
    assert total.dispositions == {Became.FRESH: total.requests}
    assert {stamp.template for stamp in store.stamps.values()} == {"of-another-time"}


class Shortened(Archive):
    """A service that does not count requests, and whose answer files lack their first lines."""

    @override
    def found(self) -> list[BatchJob]:
        return [replace(batch, total=0, done=0) for batch in super().found()]

    @override
    async def answers(self, job: BatchJob, output: Path, errors: Path) -> None:
        await super().answers(job, output, errors)
        output.write_bytes(b"".join(output.read_bytes().splitlines(keepends=True)[1:]))  # noqa: ASYNC240  a few lines


async def test_short_answer_files(tmp_path: Path) -> None:
    """Answer files that lack answers are stored as far as they go; the others are reported, at an unknown cost."""
    scenario = new_scenario(tmp_path / "run")
    await through(scenario)
    whole = scenario.service
    assert isinstance(whole, Archive)
    service = Shortened()
    service.kept, service.batches, service.files = whole.kept, whole.batches, whole.files
    total = await recovered(service, copied(scenario.store))
    assert [each for each in total.shortfalls if "batch_1 lack requests" in each] == list(total.shortfalls) != []
    assert (total.dispositions[Became.FRESH] > 0, total.cost) == (True, None)


async def test_counts_in_metadata(tmp_path: Path) -> None:
    """A count of thousands of digits in a batch's metadata is ignored."""
    scenario = new_scenario(tmp_path / "run")
    await through(scenario)
    service = scenario.service
    assert isinstance(service, Archive)
    service.kept = [(batch, file, {**said, "counts": f"synonyms={'9' * 5_000}"}) for batch, file, said in service.kept]
    total = await recovered(service, copied(scenario.store))
    assert total.dispositions == {Became.FRESH: total.requests}
