"""Plausible answers for each component, generated from its prompt and from pools of words.

The result is conformed to the request's schema afterwards.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from floridify_batch.sandbox.prompt import Prompt, read_instructions
from floridify_batch.sandbox.random_generator import Random
from floridify_batch.sandbox.vocabulary import (
    CENTURIES,
    COLLOCATIONS,
    DOMAINS,
    EXPLANATIONS,
    FACTS,
    FOREIGN,
    FRAMES,
    MEANINGS,
    ORIGINS,
    PATTERNS,
    PHRASES,
    PROVIDERS,
    REGIONS,
    ROOTS,
    SENTENCES,
    SYNONYMS,
    USAGE_NOTES,
)


def _candidates(prompt: Prompt, count: int) -> list[dict[str, Any]]:
    random, language = prompt.random, prompt.language(prompt.instructions.language)
    found = [_candidate(random, word, language) for word in random.some(SYNONYMS, count)]
    if found and random.below(4) == 0:  # the prompts allow words of other languages
        word, origin = random.pick(FOREIGN)
        found[-1] = _candidate(random, word, prompt.language(origin))
    return found


def _candidate(random: Random, word: str, language: str) -> dict[str, Any]:
    return {
        "word": word,
        "language": language,
        "relevance": random.share(0.5),
        "efflorescence": random.share(),
        "explanation": random.pick(EXPLANATIONS),
    }


def _synonyms(prompt: Prompt) -> dict[str, Any]:
    return {"synonyms": _candidates(prompt, prompt.count(5, 15))}


def _antonyms(prompt: Prompt) -> dict[str, Any]:
    return {"antonyms": _candidates(prompt, prompt.count(3, 10))}


def _examples(prompt: Prompt) -> dict[str, Any]:
    word = prompt.word()
    frames = prompt.random.some(FRAMES, prompt.count(2, 5))
    return {"example_sentences": [frame.replace("{word}", word) for frame in frames]}


def _cefr_level(prompt: Prompt) -> dict[str, Any]:
    levels = ("A1", "A2", "B1", "B1", "B2", "B2", "C1", "C2", None)
    return {"reasoning": prompt.random.pick(SENTENCES), "level": prompt.random.pick(levels)}


def _frequency_band(prompt: Prompt) -> dict[str, Any]:
    return {"reasoning": prompt.random.pick(SENTENCES), "band": prompt.random.between(1, 5)}


def _register(prompt: Prompt) -> dict[str, Any]:
    registers = ("neutral", "neutral", "neutral", "formal", "informal", "technical", "slang")
    return {"reasoning": prompt.random.pick(SENTENCES), "register": prompt.random.pick(registers)}


def _domain(prompt: Prompt) -> dict[str, Any]:
    domain = prompt.random.pick(DOMAINS) if prompt.random.below(4) else None
    return {"reasoning": prompt.random.pick(SENTENCES), "domain": domain}


def _grammar_patterns(prompt: Prompt) -> dict[str, Any]:
    chosen = prompt.random.some(PATTERNS, prompt.count(2, 10))
    return {"patterns": [{"pattern": pattern, "description": text} for pattern, text in chosen]}


def _collocations(prompt: Prompt) -> dict[str, Any]:
    word, random = prompt.word(), prompt.random
    return {
        "collocations": [
            {"type": kind, "phrase": phrase.replace("{word}", word), "frequency": random.share(0.2)}
            for kind, phrase in random.some(COLLOCATIONS, prompt.count(4, 10))
        ]
    }


def _usage_notes(prompt: Prompt) -> dict[str, Any]:
    word = prompt.word()
    chosen = prompt.random.some(USAGE_NOTES, prompt.count(2, 5))
    return {"notes": [{"type": kind, "text": text.replace("{word}", word)} for kind, text in chosen]}


def _regional_variants(prompt: Prompt) -> dict[str, Any]:
    return {"regions": prompt.random.some(REGIONS, prompt.random.below(4))}


_FORMS = {
    "noun": (("plural", "s"),),
    "verb": (("past", "ed"), ("past_participle", "ed"), ("present_participle", "ing")),
    "adjective": (("comparative", "er"), ("superlative", "est")),
}


def _word_forms(prompt: Prompt) -> dict[str, Any]:
    word = prompt.word()
    endings = _FORMS.get(prompt.part_of_speech(), ())
    return {"forms": [{"type": kind, "text": word + ending} for kind, ending in endings]}


def _senses(prompt: Prompt, count: int) -> list[dict[str, Any]]:
    random, part = prompt.random, prompt.part_of_speech()
    return [
        {"part_of_speech": part, "definition": text, "relevancy": random.share(0.4), "source_providers": [PROVIDERS[0]]}
        for text in random.some(MEANINGS, count)
    ]


def _definitions(prompt: Prompt) -> dict[str, Any]:
    return {"definitions": _senses(prompt, 1 + prompt.random.below(3))}


def _definition_text(prompt: Prompt) -> dict[str, Any]:
    return {"definitions": _senses(prompt, 1 + prompt.random.below(2))}


_STRESS = "\N{MODIFIER LETTER VERTICAL LINE}"
_FIRST_OTHER = "\N{GREEK CAPITAL LETTER HETA}"
"""The first letter after the Latin ones: a transcription has no letters of other scripts."""


def _pronunciation(prompt: Prompt) -> dict[str, Any]:
    latin = (letter for letter in prompt.word().lower() if letter.isalpha() and letter < _FIRST_OTHER)
    letters = "".join(latin) or "word"
    syllables = [letters[at : at + 3] for at in range(0, len(letters), 3)]
    return {"phonetic": "-".join(syllables), "ipa": f"/{_STRESS}{'.'.join(syllables)}/"}


def _etymology(prompt: Prompt) -> dict[str, Any]:
    origin = prompt.random.pick(ORIGINS)
    return {
        "text": f"From {origin}; {prompt.random.pick(MEANINGS)}.",
        "origin_language": origin,
        "root_words": prompt.random.some(ROOTS, 1 + prompt.random.below(2)),
        "first_known_use": prompt.random.pick(CENTURIES),
    }


def _facts(prompt: Prompt) -> dict[str, Any]:
    word = prompt.word()
    chosen = prompt.random.some(FACTS, prompt.count(2, 5))
    return {"facts": [{"fact": text.replace("{word}", word), "category": category} for category, text in chosen]}


def _phrases(prompt: Prompt) -> dict[str, Any]:
    word, random = prompt.word(), prompt.random
    chosen = [phrase.replace("{word}", word) for phrase in random.some(PHRASES, 1 + random.below(4))]
    return {
        "phrases": [
            {
                "phrase": phrase,
                "meaning": random.pick(MEANINGS),
                "example": f"It ended, {phrase}.",
                "register": "neutral",
            }
            for phrase in chosen
        ]
    }


def _synonym_chooser(prompt: Prompt) -> dict[str, Any]:
    words = prompt.listed()[:8] or prompt.random.some(SYNONYMS, 4)
    synonyms = [{"word": word, "distinction": prompt.random.pick(EXPLANATIONS)} for word in words]
    return {"essay": " ".join(prompt.random.some(SENTENCES, 4)), "synonyms": synonyms}


def _judgement(prompt: Prompt) -> dict[str, Any]:
    numbers, random = sorted({1, *prompt.numbers()}), prompt.random
    return {
        "judgements": [
            {"number": number, "reason": random.pick(EXPLANATIONS), "score": random.between(2, 5)} for number in numbers
        ]
    }


def _cluster_definitions(prompt: Prompt) -> dict[str, Any]:
    numbers = prompt.numbers()
    random, word = prompt.random, prompt.word()
    count = random.between(1, min(4, len(numbers)))
    return {
        "word": word,
        "clusters": [
            {
                "cluster_slug": f"{random.pick(SYNONYMS)}-{order}",
                "cluster_description": random.pick(MEANINGS),
                "definition_indices": numbers[order::count],
                "relevancy": random.share(0.3),
            }
            for order in range(count)
        ],
    }


COMPONENTS: Mapping[str, Callable[[Prompt], dict[str, Any]]] = {
    "synonyms": _synonyms,
    "antonyms": _antonyms,
    "examples": _examples,
    "cefr_level": _cefr_level,
    "frequency_band": _frequency_band,
    "register": _register,
    "domain": _domain,
    "grammar_patterns": _grammar_patterns,
    "collocations": _collocations,
    "usage_notes": _usage_notes,
    "regional_variants": _regional_variants,
    "word_forms": _word_forms,
    "definitions": _definitions,
    "definition_text": _definition_text,
    "pronunciation": _pronunciation,
    "etymology": _etymology,
    "facts": _facts,
    "phrases": _phrases,
    "synonym_chooser": _synonym_chooser,
    "judgement": _judgement,
    "cluster_definitions": _cluster_definitions,
}
"""Generators of answers by schema name."""


def plausible(component: str, texts: Sequence[str], random: Random) -> dict[str, Any] | None:
    """Return a plausible answer, or None for a schema name that is not a component.

    The last text is the prompt, those before it are instructions.
    """
    generate = COMPONENTS.get(component)
    if generate is None:
        return None
    text = texts[-1]
    prompt = Prompt(read_instructions("\n".join(texts[:-1]) or text), text, random)
    return generate(prompt) | {"confidence": random.share(0.6)}
