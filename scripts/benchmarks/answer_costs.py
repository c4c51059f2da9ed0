"""Costs of answers by shape and size of packs: real requests are planned and counted, answers have expected lengths.

Two lists are compared: common words with many senses, and a mix like that of a whole dictionary, most of whose words
have one. Their definitions are those of the demonstration. Nothing is sent.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import batched, chain, cycle, islice, product
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from floridify_batch.components.registry import SynthesisComponent, components_named
from floridify_batch.costs.answer_length import AnswerShape
from floridify_batch.costs.price import rates
from floridify_batch.costs.usage import Usage
from floridify_batch.display.text import listing
from floridify_batch.formatting import dollars
from floridify_batch.pipeline.brief import Brief, BriefOptions, brief
from floridify_batch.pipeline.bundle import Bundler, WordOpenings
from floridify_batch.pipeline.chunk import ChunkSize, Group, Limits
from floridify_batch.pipeline.plan import PAGE_WORDS, outlined
from floridify_batch.providers.interface import DEFAULT_MODEL
from floridify_batch.words.entry import Definition, Entry, Word, derived_id

_DEFINITIONS = Path(__file__).parents[1] / "demos" / "data" / "definitions.jsonl"
_WORDS = 200
_PACKS = (1, 3, 6, 10)
_SHAPES = (AnswerShape.FULL, AnswerShape.STORED, AnswerShape.BARE)
LISTS = {"many senses": (6, 7, 8, 9), "a whole dictionary": (1, 1, 1, 1, 1, 1, 1, 2, 2, 2)}
"""The numbers of senses of the words of each list, in turn."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The requests of a list, with answers in one shape and packs of one size, per 1,000 words.

    Costs are in US dollars, None if a price is unknown.
    """

    requests: int
    input: int
    output: int
    batch: Decimal | None
    immediate: Decimal | None


def _senses() -> Iterator[tuple[str, str]]:
    """The parts of speech and the texts of the demonstration's definitions."""
    for line in _DEFINITIONS.read_bytes().splitlines():
        article = orjson.loads(line)
        yield from ((article["part_of_speech"], text) for text in article["definitions"])


def entries(name: str, words: int = _WORDS) -> Iterator[Entry]:
    """The words of a list with their definitions."""
    texts = [orjson.loads(line)["word"] for line in _DEFINITIONS.read_bytes().splitlines()]
    senses = cycle(_senses())
    for number, (text, count) in enumerate(islice(zip(cycle(texts), cycle(LISTS[name]), strict=False), words)):
        word = Word(derived_id("costs", number), text, "en")
        definitions = tuple(
            Definition(derived_id("costs", number, place), part, sense, providers=["wiktionary"])
            for place, (part, sense) in enumerate(islice(senses, count))
        )
        yield Entry(word, definitions, sources=definitions)


def cost_of(name: str, shape: AnswerShape, pack: int, model: str, components: tuple[SynthesisComponent, ...]) -> Cost:
    """The cost of a list with answers in one shape, in packs of one size."""
    asked = brief(components, model=model, language_name="English", options=BriefOptions(answers=shape))
    size = sum((made.size for made in groups(name, replace(asked, pack=pack))), ChunkSize())
    per_thousand = 1000 // _WORDS
    usage = Usage(input=per_thousand * size.input_tokens, output=per_thousand * size.output_tokens)
    costs = (rate.cost(usage) if rate else None for rate in (rates(model, batch=mode) for mode in (True, False)))
    return Cost(per_thousand * size.lines, usage.input, usage.output, *costs)


def groups(name: str, asked: Brief) -> Iterator[Group]:
    """The requests of a list, planned page by page as in a run."""
    for page in batched(entries(name), PAGE_WORDS):
        bundler = Bundler(asked, Limits())
        words = (WordOpenings(0, outlined(entry, asked, {}).openings(), {}) for entry in page)
        for bundle in chain.from_iterable(chain(map(bundler.add, words), [bundler.finish()])):
            yield from bundler.groups(bundle)


def table(model: str, components: tuple[SynthesisComponent, ...]) -> Table:
    """The cost of each list in each shape and size of packs, compared with full answers at once, one by one."""
    heads = ("list", "answers", "pack", "requests", "input M", "output M", "batch or flex", "", "immediate", "")
    shown = listing(*heads, right=heads[2:])
    for name in LISTS:
        most = cost_of(name, AnswerShape.FULL, 1, model, components).immediate
        for shape, pack in product(_SHAPES, _PACKS):
            cost = cost_of(name, shape, pack, model, components)
            batch, immediate = (_share(each, most) for each in (cost.batch, cost.immediate))
            tokens = (f"{cost.requests:,}", f"{cost.input / 10**6:.2f}", f"{cost.output / 10**6:.2f}")
            money = (dollars(cost.batch), batch, dollars(cost.immediate), immediate)
            shown.add_row(name, shape, str(pack), *tokens, *money)
    return shown


def _share(cost: Decimal | None, of: Decimal | None) -> str:
    return f"{cost / of:.1%}" if cost is not None and of else ""


def main() -> None:
    """Read the options and print the table."""
    parser = argparse.ArgumentParser(prog="scripts/costs", description=__doc__)
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME", help="the model whose prices apply")
    parser.add_argument(
        "--components", default="default", metavar="NAMES", help="as those of run; requests of the first wave"
    )
    options = parser.parse_args()
    console = Console()
    console.print(f"Per 1,000 words, {options.model}; percentages of full answers at once", highlight=False)
    console.print(table(options.model, components_named(options.components)))


if __name__ == "__main__":
    main()
