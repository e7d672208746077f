"""What a benchmark's record says of its making: the day, and a command that another machine can type."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from benchmarks import record


def test_the_command_is_what_was_typed_with_files_by_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faces.npz").touch()
    place = str(tmp_path / "faces.npz")
    typed = ["96 px=" + place, "--data", place, "--save", "kept.json", "--note", "alone", "--count", "3"]
    monkeypatch.setattr(sys, "argv", ["people.py", *typed, "--note=alone", "--unit", "m/s"])
    made = record.origin("benchmarks.people")
    wanted = ["96 px=faces.npz", "--data", "faces.npz", "--count", "3", "--unit", "m/s"]
    assert shlex.split(made["command"]) == ["python", "-m", "benchmarks.people", *wanted]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", made["date"])


def test_a_record_is_kept_where_it_is_wanted_and_else_nowhere(tmp_path: Path) -> None:
    record.save({"a": [1, 2]}, None)
    assert not list(tmp_path.iterdir())
    record.save({"a": [1, 2]}, tmp_path / "a.json")
    record.save({"a": [1, 2]}, tmp_path / "b.json", indent=None)
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": [1, 2]}
    assert (tmp_path / "b.json").read_text() == '{"a": [1, 2]}\n'
