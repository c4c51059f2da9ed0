"""The subject of a prompt that was sent, compared with the subject as it is now.

A recovered request has no precondition, only its prompt, which also quotes other senses. Our own prompts state the word
and the definition on labelled lines, which must be equal. A user's template is rendered where
it is known; otherwise, a definition must stand by itself, and no other definition of the word may.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from floridify_batch.components.prompt_variable import synonyms_of
from floridify_batch.components.recipe import Recipe, Scope, Target
from floridify_batch.components.requests import is_named
from floridify_batch.components.template_environment import delimited
from floridify_batch.errors import UsageError
from floridify_batch.pipeline.brief import Question
from floridify_batch.pipeline.precondition import Precondition, squashed
from floridify_batch.words.entry import DocId, Entry, copied_id

_WORD = re.compile(r"^(?:Word|Headword): (.+)$", re.MULTILINE)
_WORDS = re.compile(r"^Words: (.+)$", re.MULTILINE)
_PART_OF_SPEECH = re.compile(r"^Part of speech: (.*)$", re.MULTILINE)
_DEFINITION = re.compile(r"^(?:Definition|Sense): ", re.MULTILINE)
_DELIMITED = re.compile(r"<<(.*?)>>", re.DOTALL)
_WORD_CHARACTERS = re.compile(r"[^\W_]+")
_NAMED_PART = re.compile(r"part[ _]of[ _]speech\W+([^\W_]+)", re.IGNORECASE)

_OPENING = r"""(?:^[\W_]*|^\W*\d+[.)]\W*|[:("\u201c\u201e\u2018«*_`\[{<>|—\u2013]\s*)"""
_CLOSING = r"""[.!?;,:…]*\s*(?:$|["\u201c\u201d\u2019»*_`)\]}<>|])"""


class SentPrompt(NamedTuple):
    """A prompt that was sent, with the custom id of its request.

    `question`: that of a user's template, where it is known.
    """

    custom_id: str
    prompt: str
    users_template: bool = False
    question: Question | None = None

    def precondition(self, recipe: Recipe[Any, Any], entry: Entry, document: DocId, *, renewed: bool) -> str:
        """The precondition of the request about a document, as far as the prompt shows it; "" without the document."""
        targets: tuple[Target, ...] = (entry, *entry.sources, *entry.definitions)
        names = (document, copied_id(document))  # requests of earlier versions name the source of a copy
        target = next((each for each in targets if each.id in names), None)
        if target is None:
            return ""
        same = self.is_about(recipe, entry, target)
        return str(Precondition.sent(recipe, entry, target, same=same, renewed=renewed))

    def is_about(self, recipe: Recipe[Any, Any], entry: Entry, target: Target) -> bool:
        """Whether it is about the word, the part of speech and the definition of a target as they are now."""
        if recipe.scope is Scope.WORD and not any(True for _ in recipe.targets(entry)):
            return False
        parts, quoted = [*recipe.subject_parts(entry, target)], [*recipe.quoted(entry, target)]
        if not self.users_template and (_WORD.search(self.prompt) or _DEFINITION.search(self.prompt)):
            stated = _states_word(self.prompt, entry, parts) and _states_synonyms(self.prompt, entry)
            stated = stated and all(_states_definition(self.prompt, text) for _, text in parts)
            return stated and _quotes_in_order(self.prompt, quoted)
        if self.question is not None and self.prompt in _renderings(self.question, entry, target):
            return True
        if quoted:  # an answer names them by their numbers, which a template that is not known may give in any way
            return False
        return is_named(self.custom_id, entry.word.text) and _quotes(self.prompt, entry, parts, with_word=not parts)


# ── our own prompts ────────────────────────────────────────────────────────────────────────────────────────────────


def _states_word(prompt: str, entry: Entry, parts: Iterable[tuple[str, str]]) -> bool:
    """Whether the prompt states the word and the part of speech; prompts about labels may omit the word."""
    rest = ""
    if word := _WORD.search(prompt):
        stated, own = _folded(word[1]), _folded(entry.word.text)
        if not stated.startswith(own):
            return False
        rest = stated[len(own) :]
    if part := _PART_OF_SPEECH.search(prompt):
        rest += f" ({part[1]})"
    expected = next((part for part, _ in parts), "")
    return (not rest or rest.startswith(" (")) and squashed(rest) == squashed(expected)


def _states_synonyms(prompt: str, entry: Entry) -> bool:
    """Whether the prompt compares the synonyms that the word's definitions have now, if it compares any."""
    compared, now = _WORDS.search(prompt), ", ".join(synonyms_of(entry))
    return compared is None or squashed(compared[1]) in (squashed(now), squashed(delimited(now)))


def _states_definition(prompt: str, text: str) -> bool:
    found = _DEFINITION.search(prompt)
    if found is None:
        return False
    stated = prompt[found.end() :]
    if between := _DELIMITED.match(stated):
        return squashed(between[0]) == squashed(delimited(text))
    lines = stated.splitlines()  # version 0.1 did not delimit texts
    return any(squashed("\n".join(lines[:number])) == squashed(text) for number in range(1, len(lines) + 1))


def _quotes_in_order(prompt: str, texts: Sequence[str]) -> bool:
    """Whether these texts follow the definition; later ones may have been removed since."""
    stated = [squashed(each[0]) for each in _DELIMITED.finditer(prompt)]
    return stated[1 : 1 + len(texts)] == [squashed(delimited(each)) for each in texts]


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


# ── users' templates ───────────────────────────────────────────────────────────────────────────────────────────────


def _renderings(question: Question, entry: Entry, target: Target) -> list[str]:
    """The prompts that the template gives at present; none where it cannot be rendered."""
    try:
        return [question.request(entry, target, replacing=each).prompt for each in (False, True)]
    except UsageError:
        return []


def _quotes(prompt: str, entry: Entry, parts: Iterable[tuple[str, str]], *, with_word: bool) -> bool:
    """Whether a prompt quotes each of these definitions, and no other one of the word."""
    folded = unicodedata.normalize("NFC", prompt).casefold()
    if with_word and not re.search(rf"(?<!\w){_pattern(entry.word.text)}(?!\w)", folded):
        return False
    for part, text in parts:
        others = {each.text for each in entry.definitions if squashed(each.text) != squashed(text)}
        if not _stands_alone(text, folded) or any(_stands_alone(each, folded) for each in others):
            return False
        named = _NAMED_PART.findall(folded)
        if named and not set(_WORD_CHARACTERS.findall(_folded(part))) & {*named}:
            return False
    return True


def _stands_alone(text: str, prompt: str) -> bool:
    """Whether a text occurs between the ends of a line, quotation marks or the like."""
    pattern = _pattern(text)
    return bool(pattern) and bool(re.search(_OPENING + pattern + _CLOSING, prompt, re.MULTILINE))


def _pattern(text: str) -> str:
    """A pattern of a text's words, with any punctuation between them."""
    return r"[\W_]+".join(map(re.escape, _WORD_CHARACTERS.findall(_folded(text))))
