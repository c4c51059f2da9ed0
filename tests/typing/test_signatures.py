"""Public signatures of the library, as type checkers see them."""

import subprocess
import sys
from pathlib import Path

import pytest

import floridify_batch

ROOT = Path(__file__).parents[2]

_WORD = "str | WordLike"
_AI = "ai: Connector | StructuredConnector"
_TRACKER = "state_tracker: object ="
_COUNT = "count: int | None ="
_LANGUAGE = "language: str | None ="
_OF_WORD = f"word: {_WORD}, definition: DefinitionLike, {_AI}, {_COUNT}"
_OF_DEFINITION = f"definition: DefinitionLike, word: {_WORD}, {_AI}"
_ALONE = f"definition: DefinitionLike, {_AI}"
_LAST = f"{_TRACKER}, *, {_LANGUAGE}"
_NAMED = f"{_TRACKER}, *, word: {_WORD} =, {_LANGUAGE}"
_SOURCES = "Sequence[DefinitionLike | Mapping[str, Any]]"
_ENTRY = (
    "components: Collection[Any] | None =, batch_mode: bool =, *, batches: Batches | None =, poll_interval: float ="
)
_ENHANCING = (
    "components: Collection[Any] | None =, force_refresh: bool =, state_tracker: object =, batch_mode: bool =, *, "
    "batches: Batches | None =, poll_interval: float =, language: str | None ="
)
_DEFINITIONS = "definitions: Sequence[DefinitionLike] ="

SIGNATURES = {
    "synthesize_synonyms": (f"{_OF_WORD}, force_refresh: bool =, {_TRACKER}, {_LANGUAGE}", "SynonymGenerationResponse"),
    "synthesize_antonyms": (f"{_OF_WORD}, force_refresh: bool =, {_TRACKER}, {_LANGUAGE}", "AntonymResponse"),
    "generate_examples": (f"{_OF_WORD}, {_LAST}", "ExampleGenerationResponse"),
    "assess_definition_cefr": (f"{_OF_DEFINITION}, {_LAST}", "CEFRLevelResponse"),
    "judge_definition": (f"word: {_WORD}, definition: DefinitionLike, {_AI}, {_LAST}", "JudgementResponse"),
    "assess_definition_frequency": (f"{_OF_DEFINITION}, {_LAST}", "FrequencyBandResponse"),
    "assess_collocations": (f"{_OF_DEFINITION}, {_COUNT}, {_LAST}", "CollocationResponse"),
    "usage_note_generation": (f"{_OF_DEFINITION}, {_COUNT}, {_LAST}", "UsageNoteResponse"),
    "classify_definition_register": (f"{_ALONE}, {_NAMED}", "RegisterClassificationResponse"),
    "assess_definition_domain": (
        f"{_ALONE}, {_TRACKER}, word: {_WORD} =, *, {_LANGUAGE}",
        "DomainIdentificationResponse",
    ),
    "assess_grammar_patterns": (f"{_ALONE}, {_COUNT}, {_NAMED}", "GrammarPatternResponse"),
    "assess_regional_variants": (f"{_ALONE}, {_NAMED}", "RegionalVariantResponse"),
    "synthesize_word_forms": (f"word: {_WORD}, part_of_speech: str, {_AI}, {_LAST}", "WordFormResponse"),
    "generate_definitions": (f"word: {_WORD}, {_AI}, {_COUNT}, {_LAST}", "FallbackDefinitionsResponse"),
    "generate_phrases": (f"word: {_WORD}, {_AI}, {_COUNT}, {_LAST}, {_DEFINITIONS}", "PhraseResponse"),
    "synthesize_pronunciation": (
        f"word: {_WORD}, providers_data: Iterable[object], {_AI}, {_TRACKER}, {_LANGUAGE}, {_DEFINITIONS}",
        "PronunciationResponse",
    ),
    "synthesize_etymology": (
        f"word: {_WORD}, providers_data: Iterable[object], {_AI}, {_LAST}, {_DEFINITIONS}",
        "EtymologyResponse",
    ),
    "generate_facts": (
        f"word: {_WORD}, definitions: Sequence[DefinitionLike], {_AI}, {_COUNT}, {_LAST}",
        "FactGenerationResponse",
    ),
    "synthesize_synonym_chooser": (
        f"word: {_WORD}, synonyms: Sequence[str], {_AI}, {_LAST}",
        "SynonymChooserResponse",
    ),
    "cluster_definitions": (
        f"word: {_WORD}, definitions: Sequence[DefinitionLike], {_AI}, {_LAST}",
        "ClusterMappingResponse",
    ),
    "synthesize_definition_text": (
        f"clustered_definitions: {_SOURCES}, word: {_WORD}, {_AI}, {_TRACKER}, *, meaning_cluster: str =, {_LANGUAGE}",
        "SynthesisResponse",
    ),
    "synthesize_entry": (
        f"word: {_WORD}, providers_data: Sequence[object], {_AI}, {_ENTRY}",
        "SynthesizedEntry",
    ),
    "enhance_definitions_parallel": (
        f"definitions: Sequence[DefinitionLike], word: {_WORD}, {_AI}, {_ENHANCING}",
        "Enhancement",
    ),
}
"""Parameters, as a type checker writes them, and result of every synthesis function."""

USES = """
from dataclasses import dataclass

from pydantic import BaseModel

from floridify_batch import (
    BatchSynthesisCollector, Batches, Connector, InterceptingConnector, OpenAIConnector, enhance_definitions_parallel,
    synthesize_synonyms,
)

class Document(BaseModel):
    text: str
    part_of_speech: str

@dataclass(frozen=True)
class Sense:
    text: str
    part_of_speech: str

async def uses(document: Document, sense: Sense, ai: OpenAIConnector, batches: Batches) -> None:
    connectors: list[Connector] = [ai, InterceptingConnector(BatchSynthesisCollector(batches))]
    for connector in connectors:
        await enhance_definitions_parallel([document], "word", connector)
        await enhance_definitions_parallel((sense, document), document, connector, {"synonyms"}, batch_mode=True)
    collector = BatchSynthesisCollector(batches)
    found = await collector.gather(*(synthesize_synonyms("word", sense, ai) for _ in range(2)))
    reveal_type(found[0].synonyms[0].word)
    settled = await collector.gather(synthesize_synonyms("word", sense, ai), return_exceptions=True)
    reveal_type(settled)
"""


OTHER_NAME = "from floridify_batch import synthesise_synonyms\n"

PROGRAMS = {
    "signatures": f"from floridify_batch import {', '.join(SIGNATURES)}\n"
    + "".join(f"reveal_type({name})\n" for name in SIGNATURES),
    "uses": USES,
    "other_name": OTHER_NAME,
}


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The lines that `mypy --strict` prints about each program; one process checks all of them."""
    folder = tmp_path_factory.mktemp("programs")
    for name, source in PROGRAMS.items():
        (folder / f"{name}.py").write_text(source)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context"]
    done = subprocess.run([*command, *sorted(folder.iterdir())], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    return {name: [line for line in lines if f"{name}.py:" in line] for name in PROGRAMS}


def revealed(lines: list[str]) -> list[str]:
    """The revealed types of a program without errors, without the modules' names."""
    assert not [line for line in lines if "Revealed type" not in line]
    return [plain(line.split('"')[1]) for line in lines]


def plain(revealed: str) -> str:
    """A revealed type without the names of modules."""
    for module in sorted({word.rpartition(".")[0] for word in _names(revealed)} - {""}, key=len, reverse=True):
        revealed = revealed.replace(f"{module}.", "")
    return revealed


def _names(revealed: str) -> list[str]:
    return "".join(character if character.isalnum() or character in "._" else " " for character in revealed).split()


def test_the_table_is_complete() -> None:
    """The signature of every function that sends requests is pinned."""
    functions = {name for name in floridify_batch.__all__ if name[0].islower()} - {"get_openai_connector"}
    assert functions == SIGNATURES.keys()


def test_signatures(output: dict[str, list[str]]) -> None:
    """A checker sees each function with these parameters and this one return type, whatever the mode."""
    expected = {
        name: f"def ({parameters}) -> Coroutine[Any, Any, {answer}]"
        for name, (parameters, answer) in SIGNATURES.items()
    }
    assert dict(zip(SIGNATURES, revealed(output["signatures"]), strict=True)) == expected


def test_uses(output: dict[str, list[str]]) -> None:
    """Definitions of any make and connectors of both kinds pass the strictest check, and results keep their types."""
    assert revealed(output["uses"]) == ["str", "list[SynonymGenerationResponse | BaseException]"]


def test_no_other_name(output: dict[str, list[str]]) -> None:
    """A name that the package does not have is an error to a checker, too."""
    (line,) = output["other_name"]
    assert "error" in line
    assert "has no attribute" in line
