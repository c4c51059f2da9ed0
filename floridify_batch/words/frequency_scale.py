"""Scales of frequency bands."""

from enum import StrEnum


class FrequencyScale(StrEnum):
    """Direction of the frequency bands: which end is band 1."""

    COMMON_FIRST = "common-first"
    RARE_FIRST = "rare-first"
