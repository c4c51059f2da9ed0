"""Pools of words and sentences for generated answers."""

_ADJECTIVES = """
    able ample ancient apt ardent arid august bare blithe bold brave brief bright brisk broad calm candid careful
    cheerful civil clear clever coarse common constant content cool cordial courteous crisp curious dainty daring dear
    deep deft delicate dense devout dim direct distant docile dreary eager early earnest easy elegant eminent empty
    endless even exact faint fair faithful famous fertile fervent festive fierce fine firm fleeting fluent fond forceful
    frail frank free fresh frugal full gallant gentle genuine glad gleaming gloomy graceful grand grave great hale
    handsome hardy harsh hasty hearty heavy hidden high hollow honest huge humble idle immense inner intense jolly
    jovial joyful just keen kind large lasting lavish lean light likely limpid lively lofty lone loose loud loyal lucid
    lucky mellow merry mighty mild modest narrow native neat nimble noble novel obscure odd open orderly pale patient
    placid plain polite prime proper prudent pure quaint quick quiet radiant rapid rare ready regal remote rich robust
    rough rural sacred safe scarce serene severe sharp sheer shrewd silent simple sincere slender slight smooth sober
    solemn solid sound spare sparse stark steady stern stout strange strict strong sturdy subtle sudden supple sure
    sweet swift tame tender tense thorough tidy timid tranquil true upright urgent vague valiant vast vivid warm wary
    wide wild wise witty worthy zealous
"""
SYNONYMS = tuple(_ADJECTIVES.split())

FOREIGN = (
    ("Beständigkeit", "German"), ("Heiterkeit", "German"), ("Sehnsucht", "German"), ("élan", "French"),
    ("bonheur", "French"), ("naïveté", "French"), ("alegría", "Spanish"), ("duende", "Spanish"),
    ("sprezzatura", "Italian"), ("brio", "Italian"), ("felicitas", "Latin"), ("gravitas", "Latin"),
)  # fmt: skip

EXPLANATIONS = (
    "close in sense, a little more formal",
    "shares the core meaning, with a warmer tone",
    "stronger, and used of persons more than of things",
    "milder, and at home in everyday speech",
    "older and now mostly literary",
    "overlaps in most contexts but not in fixed phrases",
)

FRAMES = (
    "She spoke of {word} as if it had been with her all her life.",
    "Nobody in the village had expected {word} to matter so much.",
    "The report mentions {word} twice and then moves on.",
    "After the long winter, {word} was all they could talk about.",
    "He wrote “{word}” on the board and waited for a question.",
    "There is more to {word} than the first look suggests.",
    "Without {word}, the whole plan would have come to nothing.",
    "The old map marks the place with a single word: {word}.",
)

SENTENCES = (
    "The sense is met in speech and in writing alike.",
    "It belongs to the general vocabulary of the language.",
    "Most learners come across it in their reading.",
    "It is narrower in meaning than its nearest neighbours.",
    "Its use has grown steadily over the last century.",
    "It keeps the concrete meaning of its root.",
    "It is rarely used of persons.",
    "It stands before the noun as well as after the verb.",
)

DOMAINS = ("finance", "legal", "medical", "music", "botany", "geology", "sports", "computing", "culinary", "nautical")
REGIONS = ("US", "UK", "AU", "CA", "IE", "NZ", "ZA", "IN")
PATTERNS = (
    ("[Tn]", "takes a noun phrase as its object"),
    ("[I]", "is used without an object"),
    ("[Tn.pr]", "takes an object and a prepositional phrase"),
    ("[It]", "is followed by a to-infinitive"),
    ("adj + noun", "stands before the noun that it describes"),
    ("noun + of + noun", "is linked to its complement by “of”"),
    ("verb + that-clause", "introduces a reported statement"),
)
COLLOCATIONS = (
    ("adjective + noun", "deep {word}"), ("adjective + noun", "lasting {word}"), ("verb + noun", "to find {word}"),
    ("verb + preposition", "to speak of {word}"), ("noun + noun", "a sense of {word}"),
    ("noun + noun", "a matter of {word}"), ("preposition + noun", "in {word}"), ("preposition + noun", "beyond {word}"),
    ("verb + adverb", "quietly {word}"), ("adverb + adjective", "wholly {word}"),
)  # fmt: skip
USAGE_NOTES = (
    ("grammar", "“{word}” takes a singular verb, even where the things meant are many."),
    ("confusion", "Do not confuse “{word}” with words that merely sound like it."),
    ("regional", "In British English “{word}” is commoner in speech than in print."),
    ("register", "In formal writing, prefer a more precise word to “{word}”."),
    ("error", "“{word}” is often misspelt with a doubled consonant."),
)
MEANINGS = (
    "a state or quality that is felt rather than seen",
    "to move or act with a clear purpose",
    "of or relating to the place where something begins",
    "a thing made to hold, carry or keep other things",
    "to change slowly from one condition into another",
    "having more of a quality than is usual or expected",
    "a person who takes part in a common undertaking",
    "in a way that draws little attention",
)
PHRASES = ("by {word}", "{word} and all", "out of {word}", "the long and short of {word}", "a {word} in the making")
FACTS = (
    ("etymology", "The written form of “{word}” settled only after printing began."),
    ("usage", "“{word}” is found more often in fiction than in newspapers."),
    ("cultural", "Proverbs of several countries turn on what English calls “{word}”."),
    ("linguistic", "The stress of “{word}” has stayed on the same syllable since it was borrowed."),
    ("historical", "Early dictionaries gave “{word}” a single line."),
)
ORIGINS = ("Old English", "Old French", "Latin", "Old Norse", "Greek", "Middle Dutch", "Proto-Germanic")
ROOTS = ("wald", "ferre", "logos", "gladr", "mens", "sper", "tenere", "lux", "graph", "kunst")
CENTURIES = ("before 12th century", "13th century", "14th century", "15th century", "1590s", "1640s", "1820s")
PARTS_OF_SPEECH = ("noun", "verb", "adjective", "adverb")
PROVIDERS = ("wiktionary", "wordnet", "free_dictionary")

FORMATS: dict[str, tuple[str, ...]] = {
    "date": ("1999-12-31", "2024-02-29"),
    "time": ("08:15:00Z", "23:59:59Z"),
    "date-time": ("1999-12-31T23:59:59Z", "2024-02-29T12:00:00Z"),
    "duration": ("P1D", "PT15M"),
    "email": ("anna@example.org", "ben@example.org"),
    "hostname": ("example.org", "www.example.org"),
    "ipv4": ("192.0.2.1", "198.51.100.7"),
    "ipv6": ("2001:db8::1",),
    "uri": ("https://example.org/", "https://example.org/a"),
    "uuid": ("123e4567-e89b-12d3-a456-426614174000", "9b2f7c1e-8a44-4a5b-b7a5-2f6a0c9d1e3f"),
}
