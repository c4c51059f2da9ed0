"""An editor at work at any moment between any two steps of runs: nothing of theirs is lost.

A state machine over the real store: runs of chosen components, with and without --force, in which a person edits
documents at chosen steps, and the process dies at others; and --stale, recovery, undo, import and migration between
them. A step is a call of a port, or a write of one. The number of examples is EDITOR_EXAMPLES.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, ClassVar

from bson import ObjectId
from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from pymongo.database import Database

from floridify_batch.components.change import Update, WriteOutcome, Writes
from floridify_batch.components.registry import SynthesisComponent as C
from floridify_batch.database.adoption import Adoption
from floridify_batch.database.migration import Migration
from floridify_batch.database.source_import import import_articles
from floridify_batch.database.store import MongoStore
from floridify_batch.database.undo import Undo
from floridify_batch.files import ChunkFolder
from floridify_batch.run.driver import Driver
from floridify_batch.run.recovery import recover
from floridify_batch.words.article import Article
from floridify_batch.words.dictionary_file import ReadStats
from floridify_batch.words.entry import Entry
from tests.documents import LONG_AGO, add_definition, add_entry, add_word
from tests.fakes import Archive, Crash, Crashed, End, Scenario, Service

type Found = Database[dict[str, Any]]

EXAMPLES = int(os.environ.get("EDITOR_EXAMPLES", "5"))
WORDS = ["bank", "calm", "unheard"]
CHOICES = [
    (C.SYNONYMS, C.CEFR_LEVEL, C.EXAMPLES),
    (C.PRONUNCIATION, C.ETYMOLOGY, C.FACTS),
    (C.CLUSTER_DEFINITIONS, C.DEFINITION_TEXT, C.CEFR_LEVEL),
]
ABOUT = [
    ["example", "generated_example", "own_example", "level", "synonyms"],
    ["origin", "spoken", "fact"],
    ["own_sense", "order", "delete", "text", "part_of_speech"],
]
"""The edits that concern the values of each choice."""
MADE = {"created_at": LONG_AGO, "updated_at": LONG_AGO, "version": 1}


def _by_content(document: Mapping[str, Any]) -> str:
    """A sort key that does not depend on ids, which differ from example to example."""
    return repr([document.get(each) for each in ("text", "provider", "ipa", "phonetic", "content", "part_of_speech")])


@dataclass
class Editor:
    """A person who edits documents, and remembers what they wrote."""

    database: Found
    values: dict[tuple[str, ObjectId, str], Any] = field(default_factory=dict)
    """The values that they left, by collection, document and field."""
    listed: set[tuple[str, ObjectId, str, ObjectId]] = field(default_factory=set)
    """The references that they saw when they edited: a field of a document, and the id in it."""
    orders: dict[ObjectId, list[ObjectId]] = field(default_factory=dict)
    """The orders that they gave the senses of entries."""
    deleted: set[ObjectId] = field(default_factory=set)
    """The definitions that they deleted."""
    acts: int = 0

    def edit(self, kind: str, pick: int) -> None:
        """Edit one of the documents that there are."""
        self.acts += 1
        getattr(self, f"_{kind}")(pick)

    def _one(self, collection: str, pick: int, **query: Any) -> dict[str, Any] | None:
        found = sorted(self.database[collection].find(query), key=_by_content)
        return found[pick % len(found)] if found else None

    def _set(self, collection: str, document: Mapping[str, Any] | None, name: str, value: Any) -> None:
        if document is not None:
            self.database[collection].update_one({"_id": document["_id"]}, {"$set": {name: value}})
            self.values[collection, document["_id"], name] = value

    def _level(self, pick: int) -> None:
        self._set("definitions", self._one("definitions", pick), "cefr_level", ("A1", "A2", "C1")[self.acts % 3])

    def _synonyms(self, pick: int) -> None:
        if sense := self._one("definitions", pick):
            self._set("definitions", sense, "synonyms", [*sense["synonyms"], f"mine{self.acts}"])

    def _text(self, pick: int) -> None:
        self._set("definitions", self._one("definitions", pick), "text", f"what an editor wrote, {self.acts}")

    def _part_of_speech(self, pick: int) -> None:
        self._set("definitions", self._one("definitions", pick), "part_of_speech", ("verb", "adjective")[self.acts % 2])

    def _order(self, pick: int) -> None:
        entry = self._one("dictionary_entries", pick, provider="synthesis")
        listed = entry["definition_ids"] if entry else []
        if entry and len(listed) > 1 and entry["_id"] not in self.orders:  # a second act might restore the order before
            self._list(entry, [*listed[-1:], *listed[:-1]])

    def _list(self, entry: Mapping[str, Any], listed: list[ObjectId]) -> None:
        self.database.dictionary_entries.update_one({"_id": entry["_id"]}, {"$set": {"definition_ids": listed}})
        self.orders[entry["_id"]] = listed

    def _new_sense(self, pick: int) -> None:
        self._add_sense(self._one("dictionary_entries", pick, provider={"$ne": "oxford"}), pick)

    def _own_sense(self, pick: int) -> None:
        self._add_sense(self._one("dictionary_entries", pick, provider="synthesis"), pick)

    def _add_sense(self, entry: Mapping[str, Any] | None, pick: int) -> None:
        if entry is None:
            return
        own = add_definition(self.database, entry["word_id"], f"A sense of mine, {self.acts}.")
        self.values["definitions", own, "text"] = f"A sense of mine, {self.acts}."
        self.listed.add(("dictionary_entries", entry["_id"], "definition_ids", own))
        before = entry["definition_ids"]
        at = pick % (len(before) + 1)
        changed = {"$push": {"definition_ids": {"$each": [own], "$position": at}}}
        self.database.dictionary_entries.update_one({"_id": entry["_id"]}, changed)

    def _delete(self, pick: int) -> None:
        entry = self._one("dictionary_entries", pick, provider="synthesis") or {}
        mine = {identity for _, identity, __ in self.values} | {identity for *_, identity in self.listed}
        mine |= {holder for _, holder, *__ in self.listed}
        there = [each for each in entry.get("definition_ids", ()) if each not in mine]
        if there:
            gone = there[pick % len(there)]
            pull = {"$pull": {"definition_ids": gone}}
            self.database.dictionary_entries.update_one({"_id": entry["_id"]}, pull)
            self.database.definitions.delete_one({"_id": gone})
            self.deleted.add(gone)

    def _origin(self, pick: int) -> None:
        value: dict[str, Any] = {
            "text": f"From {self.acts}.",
            "origin_language": None,
            "root_words": [],
            "first_known_use": None,
        }
        self._set("dictionary_entries", self._one("dictionary_entries", pick, provider="synthesis"), "etymology", value)

    def _example(self, pick: int) -> None:
        example = self._one("examples", pick)
        self._set("examples", example, "text", f"An editor's sentence, {self.acts}.")
        self._refer("definitions", "example_ids", example)

    def _generated_example(self, pick: int) -> None:
        """Edit one of several examples that a run has generated for a definition."""
        listed = self._one("definitions", pick, **{"example_ids.1": {"$exists": True}})
        example = self._one(
            "examples", pick, type="generated", **({"_id": {"$in": listed["example_ids"]}} if listed else {})
        )
        self._set("examples", example, "text", f"An editor's sentence, {self.acts}.")
        self._refer("definitions", "example_ids", example)

    def _fact(self, pick: int) -> None:
        fact = self._one("facts", pick)
        self._set("facts", fact, "content", f"An editor's fact, {self.acts}.")
        self._refer("dictionary_entries", "fact_ids", fact)

    def _spoken(self, pick: int) -> None:
        spoken = self._one("pronunciations", pick)
        self._set("pronunciations", spoken, "ipa", f"/{self.acts}/")
        self._refer("dictionary_entries", "pronunciation_id", spoken)

    def _own_example(self, pick: int) -> None:
        sense = self._one("definitions", pick)
        if sense is None:
            return
        own = {"definition_id": sense["_id"], "text": f"Mine, {self.acts}.", "type": "literature", **MADE}
        identity = self.database.examples.insert_one(own).inserted_id
        self.values["examples", identity, "text"] = own["text"]
        self._set("definitions", sense, "example_ids", [*sense["example_ids"], identity])

    def _refer(self, collection: str, name: str, document: Mapping[str, Any] | None) -> None:
        if document is not None:
            for holder in self.database[collection].find({name: document["_id"]}):
                value = holder[name]  # a list is one value: its other documents stay, too
                for each in value if isinstance(value, list) else [value]:
                    self.listed.add((collection, holder["_id"], name, each))

    def check(self) -> None:
        """Check that everything is there that they wrote."""
        for (collection, identity, name), value in self.values.items():
            found = self.database[collection].find_one({"_id": identity})
            assert found is not None, (collection, identity, name, value)
            assert found[name] == value, (collection, identity, name, value)
        for collection, holder, name, identity in self.listed:
            found = self.database[collection].find_one({"_id": holder, name: identity})
            assert found is not None, (collection, holder, name, identity)
        for identity, order in self.orders.items():
            found = self.database.dictionary_entries.find_one({"_id": identity}) or {}
            kept = [each for each in found["definition_ids"] if each in order]
            assert kept == [each for each in order if each in kept], (identity, order, found["definition_ids"])
        assert not list(self.database.definitions.find({"_id": {"$in": list(self.deleted)}}))


KINDS = ["level", "synonyms", "text", "part_of_speech", "origin", "example", "spoken", "own_example"]
KINDS += ["order", "new_sense", "own_sense", "delete", "generated_example", "fact"]
acts = st.tuples(st.sampled_from(KINDS), st.integers(0, 20))


@dataclass
class Steps(Crash):
    """The steps of a driver, at some of which an editor acts."""

    edit: Callable[[str, int], None] = lambda _, __: None
    at: Mapping[int, tuple[str, int]] = field(default_factory=dict)

    def step(self) -> None:
        """Count a step, and edit."""
        Crash.step(self)
        if self.steps in self.at:
            self.edit(*self.at[self.steps])


class SteppedStore(MongoStore):
    """The real store, whose operations are steps of the driver."""

    crash: Crash = Crash()

    async def entries(self, texts: Sequence[str], language: str) -> dict[str, list[Entry]]:
        """Read entries between two steps."""
        self.crash.step()
        return await super().entries(texts, language)

    async def apply(self, writes: Writes) -> WriteOutcome:
        """Write changes between two steps."""
        refused = await super().apply(writes)
        self.crash.step()
        return refused

    async def update(self, updates: Sequence[Update]) -> None:
        """Write updates, then a step."""
        await super().update(updates)
        self.crash.step()


async def _mend(store: Any) -> None:
    await Migration(store, LONG_AGO, write=True).migrate()
    await Adoption(store, LONG_AGO, write=True).adopt()


@dataclass(frozen=True)
class Site:
    """The database and the folder of the machine."""

    database: Found
    url: str
    folder: Path


class EditorMachine(RuleBasedStateMachine):
    """Runs and edits in any order."""

    site: ClassVar[Site]

    def __init__(self) -> None:
        super().__init__()
        self.database, self.url, self.folder = self.site.database, self.site.url, self.site.folder
        self.loop = asyncio.new_event_loop()
        self.runs = 0

    @initialize()
    def fill(self) -> None:
        """A word with two sources and an example, and a word with one."""
        for name in self.database.list_collection_names():
            self.database[name].delete_many({})
        bank = add_word(self.database, "bank")
        senses = [add_definition(self.database, bank, text) for text in ("land beside a river", "where money is kept")]
        example = {"definition_id": senses[0], "text": "We sat there.", "type": "literature", **MADE}
        listed = [self.database.examples.insert_one(example).inserted_id]
        self.database.definitions.update_one({"_id": senses[0]}, {"$set": {"example_ids": listed}})
        add_entry(self.database, bank, senses, "wiktionary")
        add_entry(self.database, bank, [add_definition(self.database, bank, "a row of switches")], "oxford")
        calm = add_word(self.database, "calm")
        add_entry(self.database, calm, [add_definition(self.database, calm, "without wind")], "wiktionary")
        self.editor = Editor(self.database)

    @rule(act=acts)
    def edit(self, act: tuple[str, int]) -> None:
        """The editor works while nothing runs."""
        self.editor.edit(*act)

    @rule(
        components=st.sampled_from(CHOICES),
        force=st.booleans(),
        at=st.dictionaries(st.integers(1, 30), acts, max_size=3),
        dies_at=st.integers(0, 40),
    )
    def run(self, components: tuple[C, ...], force: bool, at: dict[int, tuple[str, int]], dies_at: int) -> None:
        """A run in which the editor acts, and the process may die; it is then resumed."""
        self.runs += 1
        folder = Path(mkdtemp(dir=self.folder))
        self.loop.run_until_complete(self._run(folder, components, force, Steps(dies_at, 0, self.editor.edit, at)))

    @rule(choice=st.sampled_from(range(len(CHOICES))), pick=st.integers(0, 20), data=st.data())
    def renew(self, choice: int, pick: int, data: st.DataObject) -> None:
        """A run, an edit of one of its values, and a run with --force."""
        kind = data.draw(st.sampled_from(ABOUT[choice]))
        self.run(CHOICES[choice], False, {}, 0)
        self.editor.edit(kind, pick)
        self.editor.check()
        self.run(CHOICES[choice], True, {}, 0)

    @rule(before=st.sampled_from(CHOICES), act=acts)
    def cluster_later(self, before: tuple[C, ...], act: tuple[str, int]) -> None:
        """A run, an edit, and a run that writes definitions into the same entry."""
        self.run(before, False, {}, 0)
        self.editor.edit(*act)
        self.run(CHOICES[2], False, {}, 0)

    @rule(choice=st.sampled_from(range(len(CHOICES))), pick=st.integers(0, 20), data=st.data())
    def stale(self, choice: int, pick: int, data: st.DataObject) -> None:
        """A run, an edit of one of its values, and a run of another model with --stale."""
        kind = data.draw(st.sampled_from(ABOUT[choice]))
        self.run(CHOICES[choice], False, {}, 0)
        self.editor.edit(kind, pick)
        self.runs += 1
        folder = Path(mkdtemp(dir=self.folder))
        changes: dict[str, Any] = {"stale": True, "model": "gpt-4o-mini"}
        self.loop.run_until_complete(self._run(folder, CHOICES[choice], False, Steps(), **changes))

    @rule(pick=st.integers(0, 20), act=acts, at=st.integers(0, 12))
    def undo(self, pick: int, act: tuple[str, int], at: int) -> None:
        """An edit at one of the steps of the undo of a run."""
        if self.runs:
            self.loop.run_until_complete(self._with_store(partial(self._undo, f"run{1 + pick % self.runs}", act, at)))

    async def _undo(self, run: str, act: tuple[str, int], at: int, store: Any) -> None:
        steps = Steps(0, 0, self.editor.edit, {at: act})
        store.on_write = lambda _: steps.step()
        await Undo(store, run, LONG_AGO).write()

    @rule(word=st.sampled_from(WORDS[:2]), act=acts, at=st.integers(0, 8))
    def import_source(self, word: str, act: tuple[str, int], at: int) -> None:
        """An edit at one of the steps of an import of further definitions of a source."""
        self.loop.run_until_complete(self._with_store(partial(self._import, word, act, at)))

    async def _import(self, word: str, act: tuple[str, int], at: int, store: Any) -> None:
        steps = Steps(0, 0, self.editor.edit, {at: act})
        store.on_write = lambda _: steps.step()
        found = Article(word, "wiktionary", "noun", ("without wind", "an imported sense"))
        await import_articles(store, [found], "en", ReadStats(0), lambda *_: None)

    @rule()
    def mend(self) -> None:
        """A migration, with the adoption of values of earlier versions."""
        self.loop.run_until_complete(self._with_store(_mend))

    @rule(choice=st.sampled_from(range(len(CHOICES))), pick=st.integers(0, 20), data=st.data())
    def recover(self, choice: int, pick: int, data: st.DataObject) -> None:
        """A run whose checkpoint is lost while its batches are in flight, an edit, and a recovery."""
        self.runs += 1
        kind = data.draw(st.sampled_from(ABOUT[choice]))
        folder = Path(mkdtemp(dir=self.folder))
        recovering = partial(self._recover, folder, CHOICES[choice], (kind, pick))
        self.loop.run_until_complete(self._with_store(recovering))

    async def _recover(self, folder: Path, components: tuple[C, ...], act: tuple[str, int], store: Any) -> None:
        service = Archive(*[End(polls=2)] * 9)
        await Driver(Scenario(folder, WORDS, service, store, components, run_id=f"run{self.runs}").run()).process(
            wait=False
        )
        self.editor.edit(*act)
        for number, batch in enumerate(service.found()):
            while not (ended := await service.retrieve(batch.id)).terminal:
                pass
            kept = ChunkFolder(folder / f"recovery{number}")
            kept.path.mkdir()
            found = replace(ended, input_file_id=batch.input_file_id, metadata=batch.metadata)
            await recover(found, service, store, kept)

    async def _run(self, folder: Path, components: tuple[C, ...], force: bool, steps: Steps, **changes: Any) -> None:
        store: Any = SteppedStore(self.url, self.database.name)
        store.reads_edits = force or bool(changes)
        await store.check()
        run_id = f"run{self.runs}"
        try:
            scenario = Scenario(folder, WORDS, Service(), store, components, force=force, run_id=run_id, **changes)
            try:
                await Driver(scenario.run(steps)).process()
            except Crashed:
                await Driver(scenario.run()).process()
        finally:
            await store.close()

    async def _with_store(self, work: Callable[[Any], Awaitable[None]]) -> None:
        store: Any = SteppedStore(self.url, self.database.name)
        await store.check()
        try:
            await work(store)
        finally:
            await store.close()

    @invariant()
    def nothing_is_lost(self) -> None:
        """Everything is there that the editor wrote."""
        if hasattr(self, "editor"):
            self.editor.check()

    def teardown(self) -> None:
        """Close the event loop."""
        self.loop.close()


def test_nothing_of_an_editor_is_lost(database: Found, mongo_url: str, tmp_path: Path) -> None:
    """Whatever an editor does at any moment between any two steps of a run, nothing of theirs is lost."""

    class Machine(EditorMachine):
        pass

    Machine.site = Site(database, mongo_url, tmp_path)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=6,
            deadline=None,
            phases=[Phase.generate, Phase.shrink] if EXAMPLES > 50 else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
