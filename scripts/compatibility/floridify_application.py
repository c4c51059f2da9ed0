"""Floridify itself, at a commit: a process of its own environment that answers commands, one JSON value per line.

It runs in a virtual environment of Floridify's, with the sources of a commit on the path. It creates data with
Floridify's own models, reads a database with them, and runs Floridify's own synthesis against the sandbox.
"""

import asyncio
import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
import types
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

ABSENT = frozenset(
    (
        *("google", "nltk", "torch", "faiss", "sentence_transformers", "transformers", "sklearn", "scipy", "ffuzzy"),
        *("kittentts", "kokoro_onnx", "soundfile", "pydivsufsort", "genanki", "boto3", "botocore", "hishel"),
        *("ebooklib", "pypdf", "PIL"),
    )
)
"""Libraries for search, audio and clouds, which are large and not needed here: modules without content stand in."""

MODEL = "gpt-5-mini"

_MODELS = ("Word", "Definition", "Example", "Fact", "Pronunciation")

type Document = dict[str, Any]


class _Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """A finder and loader of modules without content, in which any attribute exists."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:  # noqa: ARG002  the protocol's
        if name.partition(".")[0] in ABSENT:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = types.ModuleType(spec.name)
        module.__path__ = []

        def attribute(name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            value = MagicMock(name=name)
            value.__iter__.return_value = iter(())
            setattr(module, name, value)
            return value

        module.__getattr__ = attribute  # type: ignore[method-assign]
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing: the module has no content."""


def part(name: str) -> Any:
    """A module of Floridify's."""
    return import_module(f"floridify.{name}")


# ── the application at a commit ────────────────────────────────────────────────────────────────────────────────────


class Application:
    """Floridify with the models of today."""

    entry_collections: tuple[str, ...] = ("dictionary_entries",)
    entry_models: tuple[str, ...] = ("DictionaryEntry",)
    audio: tuple[str, ...] = ("ai.synthesis.word_level",)
    orchestration = "ai.synthesis.orchestration"

    def __init__(self, url: str, database: str, service: str) -> None:
        self.url, self.database, self.service = url, database, service
        self.models = self._models()
        self.storage = part("storage.mongodb")

    def _models(self) -> Any:
        return part("models.dictionary")

    @property
    def documents(self) -> Mapping[str, Any]:
        """The models of documents, by collection."""
        models = (getattr(self.models, name) for name in (*_MODELS, *self.entry_models))
        return {each.Settings.name: each for each in models}

    async def connect(self) -> None:
        """Connect as Floridify does, and leave audio out."""
        storage = self.storage.MongoDBStorage(self.url, self.database)
        await storage.connect()
        self.storage._storage = storage  # noqa: SLF001  Floridify's own instance

        async def silent(*_: object, **__: object) -> None:
            return None

        for name in self.audio:
            part(name)._generate_audio_files = silent  # noqa: SLF001  as above
        self.complete()

    def complete(self) -> None:
        """Add what is missing in the commit: nothing."""

    @property
    def collections(self) -> Any:
        """The database's collections, without models."""
        return self.storage._storage.client[self.database]  # noqa: SLF001  as above

    def connector(self) -> Any:
        """Floridify's connector to the sandbox."""
        connector = part("ai.connector")
        provider = part("ai.connector.config").Provider.OPENAI
        made = connector.AIConnector(provider, _client(self.service), MODEL, asyncio.Semaphore(8))
        made.extract_cluster_mapping = _clusters
        return made

    def offline(self) -> Any:
        """Floridify's connector with answers of ours: the sandbox refuses some of Floridify's schemas."""
        connector = self.connector()
        connector._make_structured_request = _answer  # noqa: SLF001  its only way to the service
        connector._make_structured_request_impl = _answer  # noqa: SLF001  as above
        return connector

    # ── data ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def word(self, text: str) -> Any:
        """A word."""
        return self.models.Word(text=text, normalized=text, lemma=text, languages=["en"])

    def reference(self, document: Any) -> Any:
        """A reference to a document."""
        return document.id

    def definition(self, word: Any, provider: str, fields: Document) -> Any:
        """A definition of a provider."""
        return self.models.Definition(word_id=self.reference(word), providers=[provider], **fields)

    def entry(self, word: Any, provider: str, fields: Document) -> Any:
        """A provider's entry."""
        fields = fields | {"etymology": self.models.Etymology(text=fields["etymology"])}
        return self.models.DictionaryEntry(word_id=self.reference(word), provider=provider, languages=["en"], **fields)

    async def seed(self) -> None:
        """Words with definitions of providers; Floridify's own synthesis of one of them exists."""
        for text, sources in SEED.items():
            word = self.word(text)
            await word.insert()
            for provider, senses in sources.items():
                await self._seed_entry(word, provider, senses)
        await self.synthesize("spring")

    async def _seed_entry(self, word: Any, provider: str, senses: Iterable[Document]) -> None:
        definitions = [self.definition(word, provider, fields) for fields in senses]
        for definition in definitions:
            await definition.insert()
        example = self.models.Example(
            definition_id=self.reference(definitions[0]), text=f"An example of {word.text}.", type="literature"
        )
        await example.insert()
        definitions[0].example_ids = [self.reference(example)]
        ipa = {} if word.text == "calm" else {"ipa": "baŋk"}
        spoken = self.models.Pronunciation(word_id=self.reference(word), phonetic="bank", syllables=["bank"], **ipa)
        await spoken.insert()
        listed = [self.reference(each) for each in definitions]
        fields = {"definition_ids": listed, "pronunciation_id": self.reference(spoken), "etymology": "From Old Norse."}
        entry = self.entry(word, provider, fields)
        await entry.insert()
        for definition in definitions:
            self.place(definition, entry)
            await definition.save()

    def place(self, definition: Any, entry: Any) -> None:
        """Name the entry of a provider's definition."""
        definition.dictionary_entry_id = entry.id

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def read(self) -> Document:
        """The documents and the word pages that Floridify cannot load, and a digest of each of the providers' ones."""
        unreadable: dict[str, str] = {}
        loaded = 0
        for name, model in self.documents.items():
            async for document in self.collections[name].find({}):
                try:
                    await model.find_one({"_id": document["_id"]})
                    loaded += 1
                except Exception as error:
                    unreadable[f"{name} {document['_id']}"] = " ".join(str(error).split())[:200]
        return {
            "loaded": loaded,
            "unreadable": unreadable,
            "pages": {text: await self._page(text) for text in [*SEED, NEW_WORD]},
            "providers": await self._providers(),
            "dangling": await self._dangling(),
        }

    async def _page(self, text: str) -> Document:
        try:
            page = await self.page(text)
        except Exception as error:
            return {"error": " ".join(str(error).split())[:200]}
        return page or {"error": "no page"}

    async def page(self, text: str) -> Document | None:
        """The page of a word, as the API answers it."""
        entry = await self.storage.get_synthesized_entry(text)
        if entry is None:
            return None
        found = await part("api.services.loaders").DictionaryEntryLoader.load_as_lookup_response(entry)
        shown = part("api.routers.lookup").DictionaryEntryResponse(**found).model_dump(mode="json")
        return _summary(shown) | {"attribution": entry.attribution_text}

    async def _providers(self) -> dict[str, str]:
        """Digests of the documents of providers."""
        ids: set[str] = set()
        digests: dict[str, str] = {}
        for name in self.provider_collections:
            async for entry in self.collections[name].find({"provider": {"$ne": "synthesis"}}):
                digests[f"{name} {entry['_id']}"] = _digest(entry)
                ids |= {str(each) for each in (*entry["definition_ids"], entry.get("pronunciation_id"))}
        for name in ("definitions", "pronunciations", "examples"):
            async for document in self.collections[name].find({}):
                if str(document["_id"]) in ids or (name == "examples" and str(document["definition_id"]) in ids):
                    digests[f"{name} {document['_id']}"] = _digest(document)
        return digests

    provider_collections: tuple[str, ...] = ("dictionary_entries",)

    async def _dangling(self) -> int:
        """The number of references in entries to definitions that do not exist."""
        existing = {str(each["_id"]) async for each in self.collections["definitions"].find({}, ("_id",))}
        missing = 0
        for name in self.entry_collections:
            async for entry in self.collections[name].find({}):
                missing += sum(str(each) not in existing for each in entry["definition_ids"])
        return missing

    # ── synthesis ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def providers_data(self, text: str) -> list[Any]:
        """The entries of a word's providers."""
        word = await self.models.Word.find_one(self.models.Word.text == text)
        query = {"word_id": word.id, "provider": {"$ne": "synthesis"}}
        found: list[Any] = await self.models.DictionaryEntry.find(query).to_list()
        return found

    def languages(self) -> Document:
        """The parameter for the language of a synthesis."""
        return {"languages": [part("models.base").Language.ENGLISH]}

    async def synthesize(self, text: str, *, force: bool = False) -> Document:
        """Floridify's own synthesis of a word."""
        synthesizer = part("ai.synthesizer").DefinitionSynthesizer(self.offline())
        data = await self.providers_data(text)
        entry = await synthesizer.synthesize_entry(text, data, force_refresh=force, **self.languages())
        return {"definitions": [str(each) for each in entry.definition_ids]}

    async def regenerate(self, text: str) -> Document:
        """Floridify's own regeneration of the components of a synthesised word."""
        entry = await self.storage.get_synthesized_entry(text)
        synthesizer = part("ai.synthesizer").DefinitionSynthesizer(self.offline())
        await synthesizer.regenerate_entry_components(str(entry.id))
        return await self._values(text)

    async def _values(self, text: str) -> Document:
        """The number of values that the definitions of a word's entry have."""
        entry = await self.storage.get_synthesized_entry(text)
        found = [await self.models.Definition.get(each) for each in entry.definition_ids]
        names = ("synonyms", "antonyms", "example_ids", "cefr_level", "frequency_band", "language_register")
        counts = {name: sum(bool(getattr(each, name)) for each in found) for name in names}
        return {"definitions": len(found), **counts}

    async def replaced(self, text: str, mode: str) -> Document:
        """Floridify's orchestration of a word with our function in place of its own: immediately or in a batch."""
        from floridify_batch import OpenAIBatches, enhance_definitions_parallel

        module = part(self.orchestration)
        own = module.enhance_definitions_parallel
        failed: list[Any] = []
        batches = OpenAIBatches("sk-loopback", base_url=self.service)
        given = {"batch_mode": True, "batches": batches, "poll_interval": 0.2} if mode == "batch" else {}

        async def ours(*arguments: Any, **options: Any) -> None:
            enhancement = await enhance_definitions_parallel(*arguments, **(options | given))
            failed.extend((each.component, each.detail) for each in enhancement.failed)

        try:
            module.enhance_definitions_parallel = ours
            entry = await self.storage.get_synthesized_entry(text)
            await module.enhance_synthesized_entry(str(entry.id), self.connector(), force=True)
        finally:
            module.enhance_definitions_parallel = own
            await batches.close()
        return await self._values(text) | {"failed": failed}

    async def bridged(self, text: str) -> Document:
        """Floridify's own functions, unchanged, in a batch: its connector forwards to an intercepting one."""
        async with self._bridge() as (bridge, collector):
            module = part(self.orchestration)
            entry = await self.storage.get_synthesized_entry(text)
            kinds = part("ai.constants").SynthesisComponent
            components = {kinds.SYNONYMS, kinds.ANTONYMS, kinds.EXAMPLES}  # the sandbox makes up labels of any text
            enhancing = module.enhance_synthesized_entry(str(entry.id), bridge, components=components, force=True)
            await collector.gather(enhancing)
        return await self._values(text)

    @asynccontextmanager
    async def _bridge(self) -> AsyncIterator[tuple[Any, Any]]:
        from floridify_batch import BatchSynthesisCollector, InterceptingConnector, OpenAIBatches

        batches = OpenAIBatches("sk-loopback", base_url=self.service)
        collector = BatchSynthesisCollector(batches, poll_interval=0.2)
        bridge = self.connector()
        intercepting = InterceptingConnector(collector, MODEL)

        async def forward(prompt: str, response_model: Any, *arguments: Any, **options: Any) -> Any:
            return await intercepting._make_structured_request(prompt, response_model, *arguments, **options)  # noqa: SLF001

        bridge._make_structured_request = forward  # noqa: SLF001  as docs/floridify.md shows
        try:
            yield bridge, collector
        finally:
            await batches.close()


class ApplicationOfJuly(Application):
    """Floridify with the models of July 2025."""

    entry_collections = ("synthesized_dictionary_entries", "provider_data")
    entry_models = ("ProviderData", "SynthesizedDictionaryEntry")
    provider_collections = ("provider_data",)
    audio = ("ai.synthesis_functions",)
    orchestration = "ai.synthesis_functions"

    def _models(self) -> Any:
        return part("models")

    def connector(self) -> Any:
        """Floridify's connector to the sandbox."""
        connector = part("ai.connector").OpenAIConnector("sk-loopback", "gpt-4o-mini")
        connector.client = _client(self.service)
        connector.extract_cluster_mapping = _clusters
        return connector

    def word(self, text: str) -> Any:
        """A word."""
        return self.models.Word(text=text, normalized=text)

    def reference(self, document: Any) -> Any:
        """A reference to a document: a string."""
        return str(document.id)

    def definition(self, word: Any, provider: str, fields: Document) -> Any:  # noqa: ARG002  named by the entry only
        """A definition of a provider."""
        return self.models.Definition(word_id=self.reference(word), **fields)

    def entry(self, word: Any, provider: str, fields: Document) -> Any:
        """A provider's entry."""
        name = provider if provider in {"wiktionary", "oxford"} else "dictionary_com"
        fields = fields | {"etymology": self.models.Etymology(text=fields["etymology"])}
        return self.models.ProviderData(word_id=self.reference(word), provider=name, **fields)

    def place(self, definition: Any, entry: Any) -> None:
        """Name the entry of a provider's definition."""
        definition.provider_data_id = str(entry.id)

    def complete(self) -> None:
        """Use a prompt under its plain name where the commit lacks the optimised one that it asks for."""
        templates = part("ai.templates").PromptTemplateManager
        render = templates.render_template

        def rendered(self: Any, template_name: str, **variables: Any) -> Any:
            try:
                return render(self, template_name, **variables)
            except Exception:
                return render(self, template_name.removesuffix("_optimized"), **variables)

        templates.render_template = rendered

    def languages(self) -> Document:
        """The parameter for the language of a synthesis: none."""
        return {}

    async def providers_data(self, text: str) -> list[Any]:
        """The entries of a word's providers."""
        word = await self.models.Word.find_one(self.models.Word.text == text)
        found: list[Any] = await self.models.ProviderData.find({"word_id": str(word.id)}).to_list()
        return found

    async def page(self, text: str) -> Document | None:
        """The page of a word, as the API answers it; a word is looked up by its spelling only."""
        lookup = part("api.routers.lookup")

        async def stored(word: str, **_: object) -> Any:
            return await self.storage.get_synthesized_entry(word)

        lookup.lookup_word_pipeline = stored
        uncached = getattr(lookup._cached_lookup, "__wrapped__", lookup._cached_lookup)  # noqa: SLF001  its own function
        page = await uncached(text, lookup.LookupParams())
        return _summary(page.model_dump(mode="json")) if page else None


@cache
def _client(service: str) -> Any:
    """One client of the sandbox: a client that is collected with open connections can close those of another one."""
    from openai import AsyncOpenAI

    return AsyncOpenAI(api_key="sk-loopback", base_url=service)


async def _clusters(word: str, definitions: Collection[object], *_: object, **__: object) -> SimpleNamespace:
    """Clusters of two definitions each: those of the sandbox are arbitrary, and a file of July's prompt is missing."""
    found = [
        SimpleNamespace(
            cluster_id=f"{word}_{number}",
            cluster_slug=f"{word}_{number}",
            cluster_description=f"Meaning {number}",
            definition_indices=list(range(len(definitions)))[number * 2 : number * 2 + 2],
            confidence=1.0,
            relevancy=1.0 / (number + 1),
        )
        for number in range((len(definitions) + 1) // 2)
    ]
    return SimpleNamespace(word=word, cluster_mappings=found, confidence=1.0)


async def _answer(prompt: str, response_model: Any, *_: object, **__: object) -> Any:
    """An answer to a structured request: values that the model's schema accepts."""
    seed = hashlib.sha256(prompt.encode()).hexdigest()[:4]
    schema = response_model.model_json_schema()
    return response_model.model_validate(_value(schema, schema.get("$defs", {}), seed))


def _value(schema: Document, definitions: Document, seed: str) -> Any:
    """A value of a JSON schema."""
    if "$ref" in schema or "anyOf" in schema:
        chosen = definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema["anyOf"][0]
        return _value(chosen, definitions, seed)
    if "enum" in schema or "const" in schema:
        return schema.get("enum", [schema.get("const")])[0]
    kind = schema.get("type")
    if kind == "object":
        fields = schema.get("properties", {})
        return {name: _value(each, definitions, f"{name} {seed}") for name, each in fields.items()}
    if kind == "array":
        return [_value(schema.get("items", {}), definitions, f"{seed}{number}") for number in range(2)]
    if kind in {"integer", "number", "boolean"}:
        return schema.get("minimum", schema.get("maximum", 1))
    return _LABELS.get(seed.partition(" ")[0], seed)


_LABELS = {
    "level": "B2",
    "language": "en",
    "register": "neutral",
    "language_register": "neutral",
    "part_of_speech": "noun",
    "type": "grammar",
}
"""Values of fields that are labels in the database and plain texts in Floridify's schemas."""


def _summary(page: Document) -> Document:
    definitions = page["definitions"]
    return {
        "definitions": len(definitions),
        "examples": sum(len(each["examples"]) for each in definitions),
        "synonyms": sum(bool(each["synonyms"]) for each in definitions),
        "clusters": sum(bool(each["meaning_cluster"]) for each in definitions),
        "ipa": (page["pronunciation"] or {}).get("ipa"),
    }


def _digest(document: Document) -> str:
    return hashlib.sha256(json.dumps(document, default=str, sort_keys=True).encode()).hexdigest()[:16]


def _sense(part_of_speech: str, text: str, **fields: Any) -> Document:
    return {"part_of_speech": part_of_speech, "text": text, **fields}


SEED: Mapping[str, Mapping[str, list[Document]]] = {
    "bank": {
        "wiktionary": [
            _sense("noun", "An institution that keeps money.", synonyms=["lender"]),
            _sense("noun", "The edge of a river."),
            _sense("verb", "To put money into an account."),
        ],
        "oxford": [_sense("noun", "Sloping land beside water."), _sense("verb", "To lean to one side in a turn.")],
        "wordnet": [_sense("noun", "A row of things of one kind.", cefr_level="B2")],
    },
    "spring": {
        "wiktionary": [_sense("noun", "The season after winter."), _sense("noun", "A place where water wells up.")],
        "oxford": [_sense("verb", "To jump up suddenly.")],
    },
    "calm": {"wiktionary": [_sense("adjective", "Free of wind and waves.")]},
}
NEW_WORD = "zeal"


# ── commands ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def serve(url: str, service: str) -> None:
    """Answer commands from the standard input: `{"database": …, "name": …, "arguments": {…}}`."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    sys.meta_path.insert(0, _Absent())
    today = importlib.util.find_spec("floridify.models.dictionary") is not None
    current = ""
    while line := await asyncio.to_thread(sys.stdin.readline):
        command = json.loads(line)
        name = command["database"]
        application = (Application if today else ApplicationOfJuly)(url, name, service)
        if current != name:
            await application.connect()
            current = name
        try:
            answer = await getattr(application, command["name"])(**command["arguments"])
        except Exception as error:
            import traceback

            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        answers.write(json.dumps(answer, default=str) + "\n")


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
