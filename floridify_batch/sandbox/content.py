"""A plausible answer for each component, made from what its prompt says and from pools of words.

The shape of the schema has the last word: what is offered here is fitted to it afterwards.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from floridify_batch.sandbox.chance import Dice
from floridify_batch.sandbox.prompt import Asked, read_instructions
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


def _candidates(asked: Asked, count: int) -> list[dict[str, Any]]:
    dice, language = asked.dice, asked.language(asked.instructions.language)
    found = [_candidate(dice, word, language) for word in dice.some(SYNONYMS, count)]
    if found and dice.below(4) == 0:  # now and then one from another language, as the prompts invite
        word, origin = dice.pick(FOREIGN)
        found[-1] = _candidate(dice, word, asked.language(origin))
    return found


def _candidate(dice: Dice, word: str, language: str) -> dict[str, Any]:
    return {
        "word": word,
        "language": language,
        "relevance": dice.share(0.5),
        "efflorescence": dice.share(),
        "explanation": dice.pick(EXPLANATIONS),
    }


def _synonyms(asked: Asked) -> dict[str, Any]:
    return {"synonyms": _candidates(asked, asked.count(5, 15))}


def _antonyms(asked: Asked) -> dict[str, Any]:
    return {"antonyms": _candidates(asked, asked.count(3, 10))}


def _examples(asked: Asked) -> dict[str, Any]:
    word = asked.word()
    frames = asked.dice.some(FRAMES, asked.count(2, 5))
    return {"example_sentences": [frame.replace("{word}", word) for frame in frames]}


def _cefr_level(asked: Asked) -> dict[str, Any]:
    levels = ("A1", "A2", "B1", "B1", "B2", "B2", "C1", "C2")
    return {"reasoning": asked.dice.pick(SENTENCES), "level": asked.dice.pick(levels)}


def _frequency_band(asked: Asked) -> dict[str, Any]:
    return {"reasoning": asked.dice.pick(SENTENCES), "band": asked.dice.between(1, 5)}


def _register(asked: Asked) -> dict[str, Any]:
    registers = ("neutral", "neutral", "neutral", "formal", "informal", "technical", "slang")
    return {"reasoning": asked.dice.pick(SENTENCES), "register": asked.dice.pick(registers)}


def _domain(asked: Asked) -> dict[str, Any]:
    domain = asked.dice.pick(DOMAINS) if asked.dice.below(2) else None
    return {"reasoning": asked.dice.pick(SENTENCES), "domain": domain}


def _grammar_patterns(asked: Asked) -> dict[str, Any]:
    chosen = asked.dice.some(PATTERNS, asked.count(2, 10))
    return {"patterns": [pattern for pattern, _ in chosen], "descriptions": [text for _, text in chosen]}


def _collocations(asked: Asked) -> dict[str, Any]:
    word, dice = asked.word(), asked.dice
    return {
        "collocations": [
            {"type": kind, "phrase": phrase.replace("{word}", word), "frequency": dice.share(0.2)}
            for kind, phrase in dice.some(COLLOCATIONS, asked.count(4, 10))
        ]
    }


def _usage_notes(asked: Asked) -> dict[str, Any]:
    word = asked.word()
    chosen = asked.dice.some(USAGE_NOTES, asked.count(2, 5))
    return {"notes": [{"type": kind, "text": text.replace("{word}", word)} for kind, text in chosen]}


def _regional_variants(asked: Asked) -> dict[str, Any]:
    return {"regions": asked.dice.some(REGIONS, asked.dice.below(4))}


_FORMS = {
    "noun": (("plural", "s"),),
    "verb": (("past", "ed"), ("past_participle", "ed"), ("present_participle", "ing")),
    "adjective": (("comparative", "er"), ("superlative", "est")),
}


def _word_forms(asked: Asked) -> dict[str, Any]:
    word = asked.word()
    endings = _FORMS.get(asked.part_of_speech(), ())
    return {"forms": [{"type": kind, "text": word + ending} for kind, ending in endings]}


def _senses(asked: Asked, count: int) -> list[dict[str, Any]]:
    dice, part = asked.dice, asked.part_of_speech()
    return [
        {"part_of_speech": part, "definition": text, "relevancy": dice.share(0.4), "source_providers": [PROVIDERS[0]]}
        for text in dice.some(MEANINGS, count)
    ]


def _definitions(asked: Asked) -> dict[str, Any]:
    return {"definitions": _senses(asked, 1 + asked.dice.below(3))}


def _definition_text(asked: Asked) -> dict[str, Any]:
    return {"definitions": _senses(asked, 1 + asked.dice.below(2))}


_STRESS = "\N{MODIFIER LETTER VERTICAL LINE}"


def _pronunciation(asked: Asked) -> dict[str, Any]:
    letters = "".join(letter for letter in asked.word().lower() if letter.isalpha()) or "word"
    syllables = [letters[at : at + 3] for at in range(0, len(letters), 3)]
    return {"phonetic": "-".join(syllables), "ipa": f"/{_STRESS}{'.'.join(syllables)}/"}


def _etymology(asked: Asked) -> dict[str, Any]:
    origin = asked.dice.pick(ORIGINS)
    return {
        "text": f"From {origin}; {asked.dice.pick(MEANINGS)}.",
        "origin_language": origin,
        "root_words": asked.dice.some(ROOTS, 1 + asked.dice.below(2)),
        "first_known_use": asked.dice.pick(CENTURIES),
    }


def _facts(asked: Asked) -> dict[str, Any]:
    word = asked.word()
    chosen = asked.dice.some(FACTS, asked.count(2, 5))
    return {
        "facts": [text.replace("{word}", word) for _, text in chosen],
        "categories": [category for category, _ in chosen],
    }


def _phrases(asked: Asked) -> dict[str, Any]:
    word, dice = asked.word(), asked.dice
    chosen = [phrase.replace("{word}", word) for phrase in dice.some(PHRASES, 1 + dice.below(4))]
    return {
        "phrases": [
            {"phrase": phrase, "meaning": dice.pick(MEANINGS), "example": f"It ended, {phrase}.", "register": "neutral"}
            for phrase in chosen
        ]
    }


def _synonym_chooser(asked: Asked) -> dict[str, Any]:
    words = asked.listed()[:8] or asked.dice.some(SYNONYMS, 4)
    synonyms = [{"word": word, "distinction": asked.dice.pick(EXPLANATIONS)} for word in words]
    return {"essay": " ".join(asked.dice.some(SENTENCES, 4)), "synonyms": synonyms}


def _cluster_definitions(asked: Asked) -> dict[str, Any]:
    numbers = asked.numbers()
    dice, word = asked.dice, asked.word()
    count = dice.between(1, min(4, len(numbers)))
    return {
        "word": word,
        "clusters": [
            {
                "cluster_slug": f"{dice.pick(SYNONYMS)}-{order}",
                "cluster_description": dice.pick(MEANINGS),
                "definition_indices": numbers[order::count],
                "relevancy": dice.share(0.3),
            }
            for order in range(count)
        ],
    }


COMPONENTS: Mapping[str, Callable[[Asked], dict[str, Any]]] = {
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
    "cluster_definitions": _cluster_definitions,
}
"""Who answers a request, by the name of its schema."""


def plausible(component: str, texts: Sequence[str], dice: Dice) -> dict[str, Any] | None:
    """An answer as a dictionary would give it; None for a schema of a name that is no component's.

    The last of the texts is the prompt, those before it are instructions.
    """
    make = COMPONENTS.get(component)
    if make is None:
        return None
    prompt = texts[-1]
    asked = Asked(read_instructions("\n".join(texts[:-1]) or prompt), prompt, dice)
    return make(asked) | {"confidence": dice.share(0.6)}
