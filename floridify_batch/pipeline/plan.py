"""The plan: the requests that a word needs, as a function of what is stored.

Nothing else decides what is requested. There is no list of waves: a word is planned again once its answers are stored,
and the components that depend on them have become ready. A finished word is tidied up.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple

from floridify_batch.components.change import Collection, Update, value_digest
from floridify_batch.components.failure import Failure, FailureReason
from floridify_batch.components.recipe import Target, ValueState, is_defined
from floridify_batch.components.registry import SynthesisComponent
from floridify_batch.components.requests import custom_id
from floridify_batch.pipeline.brief import Brief, Question
from floridify_batch.pipeline.bundle import Bundler, Opening, WordOpenings
from floridify_batch.pipeline.chunk import Group, Limits, Planned, planned
from floridify_batch.words.entry import Definition, DocId, Entry, Stamp, derived_id, order_of

type Failures = Mapping[str, Failure]
"""The last failure of each failed request, by custom id."""


type _Open = tuple[Question, Target, Failure | None]


@dataclass(frozen=True, slots=True)
class Outline:
    """The requests that are ready for a word, by question, and the questions that wait for their answers."""

    entry: Entry
    askable: Sequence[Sequence[_Open]]
    """The ready targets of each question that has any."""
    waiting: Sequence[Question]

    def openings(self) -> list[Opening]:
        """The ready targets with their questions, before prompts are rendered."""
        return [
            Opening(question, self.entry, target, failure)
            for opened in self.askable
            for question, target, failure in opened
        ]


def outlined(entry: Entry, asked: Brief, failures: Failures) -> Outline:
    """The plan before prompts are rendered, with the questions that are deferred.

    A component is ready once each component that it needs is answered or has failed for good.
    """
    if entry.odd:
        return Outline(entry, (), ())
    askable: list[Sequence[_Open]] = []
    waiting: list[Question] = []
    pending: set[str] = set()
    for question in asked.questions:
        if not pending.isdisjoint(question.recipe.needs):
            pending.add(question.recipe.component)
            waiting.append(question)
            continue
        opened = [each for each in _missing(question, entry, asked, failures) if _may_ask(each, asked)]
        if opened:
            pending.add(question.recipe.component)
            askable.append(opened)
    return Outline(entry, askable, waiting)


def renewed_values(entry: Entry, asked: Brief) -> Counter[ValueState]:
    """The stored values that a run with --force or --stale is about, by their state."""
    if entry.odd or not (asked.stale or asked.forced_run):
        return Counter()
    return Counter(
        question.recipe.state(target)
        for question in asked.questions
        for target in question.recipe.targets(entry)
        if question.renews(target, asked)
    )


def has_unclustered(entry: Entry) -> bool:
    """Whether definitions of sources stay outside clusters that are requested.

    The entry was synthesised without clusters, or the definitions came after its clustering.
    """
    clustered = [bool(each.meaning_cluster) for each in entry.sources]
    return len(clustered) > 1 and not all(clustered) and (entry.synthesised or any(clustered))


def left_over(entries: Sequence[Entry], asked: Brief, failures: Failures) -> str | None:
    """The reason why a word without further requests is incomplete or has failed; None if nothing is missing."""
    missing = [
        each for entry in entries for question in asked.questions for each in _missing(question, entry, asked, failures)
    ]
    if missing:
        return _reason(missing, answers_of(entries, asked))
    defined = all(is_defined(entry) or entry.sibling_defined for entry in entries)
    return None if defined else "no definitions: the model does not know the word"


def answers_of(entries: Sequence[Entry], asked: Brief) -> int:
    """The number of requested answers that are stored; definitions count only where we generated them."""
    return sum(
        not question.missing(entry, target, asked)
        and (not question.recipe.structural or question.recipe.stamp(target) is not None)
        for entry in entries
        for question in asked.questions
        for target in question.recipe.targets(entry)
    )


def is_finished_by(answered: Set[tuple[DocId, str]], entries: Iterable[Entry], asked: Brief) -> bool:
    """Whether a word is processed and in order once the answers to components of these documents are stored.

    `entries` are those before; only the usual case is decided: definitions without clusters, and no failure. Any other
    word is looked up and planned again.
    """
    return all(_is_finished_by(answered, entry, asked) for entry in entries)


def _is_finished_by(answered: Set[tuple[DocId, str]], entry: Entry, asked: Brief) -> bool:
    clustered = entry.synthesised or any(each.meaning_cluster for each in (*entry.definitions, *entry.sources))
    if entry.odd or clustered or not (is_defined(entry) or entry.sibling_defined):
        return False
    outline = outlined(entry, asked, {})
    return not outline.waiting and all(
        (target.id, question.recipe.component) in answered and not question.recipe.structural
        for opened in outline.askable
        for question, target, _ in opened
    )


def _reason(missing: Sequence[_Open], answers: int) -> str:
    question, _, failure = missing[0]
    why = f"{failure.kind}: {failure.detail}" if failure else "not requested"
    more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    if answers:
        more = f" (missing {len(missing)} of {len(missing) + answers})"
    return f"{question.recipe.component}: {why}{more}"


def _missing(question: Question, entry: Entry, asked: Brief, failures: Failures) -> Iterable[_Open]:
    for target in question.recipe.targets(entry):
        if question.missing(entry, target, asked):
            # Most words have no failures, and making the id is the expensive part of the look-up.
            failure = failures.get(question.identity(entry, target)) if failures else None
            if failure is None or failure.reason is not FailureReason.KEPT:
                yield question, target, failure


def _may_ask(missing: _Open, asked: Brief) -> bool:
    question, _, failure = missing
    if failure is None:
        return True
    cut_again = failure.reason is FailureReason.TRUNCATED and not failure.packed and question.envelope.has_fixed_cap
    return failure.repeatable and failure.attempt < asked.max_attempts and not cut_again


PAGE_WORDS = 100
"""Words that are looked up by one query and planned together."""


def finish(entry: Entry, run: str) -> list[Update]:
    """The updates that tidy up a word that a run has finished; pure and idempotent. Only values of the run change."""
    return [*_distinct_words(entry, run), *_entry_in_order(entry, run)]


def _distinct_words(entry: Entry, run: str) -> Iterable[Update]:
    """A synonym or antonym of several definitions is kept only by the one whose cluster is the most relevant.

    Definitions without a relevance are not changed, nor are lists of other runs.
    """
    lists = {"synonyms": SynthesisComponent.SYNONYMS, "antonyms": SynthesisComponent.ANTONYMS}
    greatest = {field: _relevances(field, entry) for field in lists}
    for definition in entry.definitions:
        own, fields = _relevance(definition), dict[str, Any]()
        if own is None:
            continue
        for field, component in lists.items():
            words = getattr(definition, field)
            kept = [word for word in words if greatest[field][word.casefold()] <= own]
            ours = _is_of(run, definition.stamps.get(component)) and not _edited(field, definition)
            if ours and kept != words:
                fields[field] = kept
        if fields:
            before = {name: getattr(definition, name) for name in fields}
            yield Update(Collection.DEFINITIONS, definition.id, fields, before=before)


def _is_of(run: str, stamp: Stamp | None) -> bool:
    return stamp is not None and stamp.run == run


def _edited(field: str, definition: Definition) -> bool:
    """Whether a value was changed since this tool wrote it, as far as that is recorded."""
    digest = definition.digests.get(field)
    return digest is not None and digest != value_digest(getattr(definition, field))


def _relevances(field: str, entry: Entry) -> Mapping[str, float]:
    """The greatest relevance of the definitions that have a synonym or antonym, by the folded word."""
    greatest: dict[str, float] = {}
    for definition in entry.definitions:
        relevance = _relevance(definition) or 0.0
        for word in map(str.casefold, getattr(definition, field)):
            greatest[word] = max(relevance, greatest.get(word, relevance))
    return greatest


def _relevance(definition: Definition) -> float | None:
    relevance = (definition.meaning_cluster or {}).get("relevance")
    return None if relevance is None else float(relevance)


def _entry_in_order(entry: Entry, run: str) -> Iterable[Update]:
    """The entry lists the definitions that the run has written or clustered in the order of their clusters.

    An order that a person gave them stays, and so do the places of all other definitions. Only where these are in the
    order of their clusters, too, do new ones take their places among them.
    """
    if entry.synthesis_entry is None or entry.draft is not None:
        return
    places = _places(entry, run)
    new = [each for each in entry.definitions if each.id in places]
    if new != sorted(new, key=lambda each: places[each.id]):
        return  # somebody has moved them since they were stored
    others = [each for each in entry.definitions if each.id not in places]
    if [*others, *new] == list(entry.definitions) and others == sorted(others, key=order_of):
        ordered = sorted(entry.definitions, key=order_of)
    else:
        in_order = iter(sorted(new, key=order_of))
        ordered = [next(in_order) if each.id in places else each for each in entry.definitions]
    ids: list[DocId] = [each.id for each in ordered]
    written = entry.digests.get("definition_ids") == value_digest(ids)
    if ordered != list(entry.definitions) and not written:
        before = {"definition_ids": [each.id for each in entry.definitions]}
        yield Update(Collection.ENTRIES, entry.synthesis_entry, {"definition_ids": ids}, before=before)


type _Place = tuple[float, float, float, float]


def _places(entry: Entry, run: str) -> dict[DocId, _Place]:
    """Sort keys of the definitions that a run has written or clustered, in the order in which it listed them.

    Copies are listed in the order of the sources, before the definitions that are written from them. Services state
    times in seconds: batches of one second count in the order in which the entry lists them.
    """
    clustered = SynthesisComponent.CLUSTER_DEFINITIONS
    places: dict[DocId, _Place] = {
        each.id: (0, number, 0, 0)
        for number, each in enumerate(entry.sources)
        if _is_of(run, each.stamps.get(clustered))
    }
    written = {
        derived_id(custom_id(entry.word.text, entry.id, key), stamp.id, 0): stamp
        for key, stamp in entry.stamps.items()
        if key.startswith(SynthesisComponent.DEFINITION_TEXT) and stamp.run == run
    }
    batches: dict[str, int] = {}
    for definition in entry.definitions:
        if stamp := written.get(definition.id):
            batch = batches.setdefault(stamp.batch_id, len(batches))
            places[definition.id] = (1, stamp.batch_created.timestamp(), batch, order_of(definition))
    return places


class WordToPlan(NamedTuple):
    """A word of the list with the input of its plan.

    `asked`: the custom ids of its last chunk; None for a word that was not requested yet.
    """

    ordinal: int
    entries: Sequence[Entry]
    failures: Mapping[str, Failure]
    asked: frozenset[str] | None = None


class Finished(NamedTuple):
    """A word without further requests: processed, or failed for a reason.

    `untidy`: it needs the updates of `finish`; `incomplete`: some of its answers are stored.
    """

    ordinal: int
    reason: str | None
    untidy: bool = False
    incomplete: bool = False


class PageToPlan(NamedTuple):
    """Words that are planned together, the folder for the file of their lines, and the limits of a chunk."""

    words: Sequence[WordToPlan]
    folder: str
    limits: Limits = Limits()


class PlannedPage(NamedTuple):
    """The plan of each word, or of those that share packs, and the file of their lines."""

    words: Sequence[Planned | Finished]
    piece: str


def plan_words(brief: Brief, page: PageToPlan) -> PlannedPage:
    """Plan a page of words: into lines of a batch file, or as finished."""
    # A new name for each attempt: a worker that was given up may still be writing.
    with NamedTemporaryFile(dir=page.folder, suffix=".jsonl", delete=False) as piece:
        words = [planned(each, piece) if isinstance(each, Group) else each for each in _outcomes(brief, page)]
    return PlannedPage(words, piece.name)


def _outcomes(brief: Brief, page: PageToPlan) -> Iterator[Group | Finished]:
    bundler = Bundler(brief, page.limits)
    for word in page.words:
        outcome = _plan_word(brief, word)
        if isinstance(outcome, Finished):
            yield outcome
            continue
        for bundle in bundler.add(outcome):
            yield from bundler.groups(bundle)
    for bundle in bundler.finish():
        yield from bundler.groups(bundle)


def _plan_word(brief: Brief, word: WordToPlan) -> WordOpenings | Finished:
    failures = word.failures
    if word.asked is not None and not any(entry.word.stored for entry in word.entries):
        return Finished(word.ordinal, _DELETED)  # its document is created before its first request
    if odd := next(filter(None, (entry.odd for entry in word.entries)), ""):
        return Finished(word.ordinal, odd)
    openings = _openings(word.entries, brief, failures)
    vanished = {each.identity for each in openings if each.failure is None} & word.asked if word.asked else frozenset()
    if vanished:
        failures = {**failures, **_vanished(vanished, word.entries, brief)}
        openings = _openings(word.entries, brief, failures)
    if openings:  # a chunk holds one model: requests to another one wait until these are answered
        model = openings[0].question.envelope.model
        return WordOpenings(
            word.ordinal, [each for each in openings if each.question.envelope.model == model], failures
        )
    reason = left_over(word.entries, brief, failures)
    processed = reason is None and word.asked is not None
    untidy = processed and any(finish(entry, brief.run or "") for entry in word.entries)
    known = any(is_defined(entry) for entry in word.entries)
    return Finished(word.ordinal, reason, untidy, bool(reason and known and answers_of(word.entries, brief)))


def _openings(entries: Iterable[Entry], brief: Brief, failures: Failures) -> list[Opening]:
    return [each for entry in entries for each in outlined(entry, brief, failures).openings()]


def _vanished(identities: Iterable[str], entries: Sequence[Entry], asked: Brief) -> dict[str, Failure]:
    """Failures of stored answers that are not found afterwards: to request them again would cost money without end.

    Where a stamp shows that another run has replaced the answer meanwhile, the word is not incomplete.
    """
    stamped = {
        question.identity(entry, target)
        for entry in entries
        for question in asked.questions
        for target in question.recipe.targets(entry)
        if question.recipe.stamp(target) is not None
    }
    return {identity: Failure(identity, *(_REPLACED if identity in stamped else _LOST)) for identity in identities}


_DELETED = "somebody deleted or renamed this word during the run; run the list again to create it"
_REPLACED = (FailureReason.KEPT, "another run has replaced the answer")
_LOST = (FailureReason.ORPHANED, "it was answered and stored, but is not in the database")
