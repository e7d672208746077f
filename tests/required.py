"""Tests that may be skipped where something is not installed, and must not be where CI has installed it."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

VARIABLE = "FERLITE_REQUIRE"


def absent(name: str, reason: str) -> NoReturn:
    """Skip this test for ``reason``; fail it where ``FERLITE_REQUIRE`` (names with commas) has ``name``."""
    if name in os.environ.get(VARIABLE, "").split(","):
        pytest.fail(f"{VARIABLE} names '{name}', but {reason}")
    pytest.skip(reason)
