"""Costs: tokens as billed (usage), rates of models (price), a tokenizer, and the statistics behind an estimate.

`costs` counts and multiplies; it neither sends requests nor knows what they are about.
"""
