"""Memory of all threads comes from one place."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

# Four threads ask for memory at once; glibc then tells how many places it keeps.
PROGRAM = """
import ctypes, sys, threading
from edge.memory import one_arena
if sys.argv[1] == "one":
    one_arena()
together = threading.Barrier(4)
def take():
    together.wait()
    kept.append([bytes(1000) for _ in range(2000)])
kept = []
threads = [threading.Thread(target=take) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
library = ctypes.CDLL(None)
library.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(library.fopen(sys.argv[2].encode(), b"w"))
library.malloc_info(0, file)
library.fclose(file)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps a place a thread")
@pytest.mark.parametrize(
    ("asked", "variable", "one"), [("one", "", True), ("many", "", False), ("one", "8", False)]
)
def test_threads_share_one_place(asked: str, variable: str, one: bool, tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "MALLOC_ARENA_MAX"}
    if variable:
        environment["MALLOC_ARENA_MAX"] = variable
    told = tmp_path / "told.xml"
    subprocess.run([sys.executable, "-c", PROGRAM, asked, str(told)], env=environment, check=True)
    places = told.read_text().count("<heap nr=")
    assert (places == 1) == one, told.read_text()
