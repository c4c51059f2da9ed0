"""Finished dictionary entries from a word list, through OpenAI's Batch API."""
