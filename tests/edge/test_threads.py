"""How many threads are started where nobody says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from edge.run import pipeline_of
from edge.settings import RunSettings
from edge.threads import allowed_processors, default_threads

OURS = len(os.sched_getaffinity(0))


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.mark.parametrize(
    ("files", "most"),
    [
        ({}, 10**6),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 10**6),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "190000 100000\n"}, 1),
        # systemd: the bound is the slice's, above the service
        (
            {
                "proc/self/cgroup": "0::/system.slice/ferlite.service\n",
                "sys/fs/cgroup/system.slice/ferlite.service/cpu.max": "max 100000\n",
                "sys/fs/cgroup/system.slice/cpu.max": "100000 100000\n",
            },
            1,
        ),
        # version 1, inside a container that sees its own group as the root
        (
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "100000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            1,
        ),
        (
            {
                "proc/self/cgroup": "5:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            10**6,
        ),
        ({"proc/self/cgroup": "junk\n:::\n", "sys/fs/cgroup/cpu.max": "0 0\n"}, 10**6),
    ],
)
def test_the_quota_of_the_control_groups_bounds_the_threads(
    tmp_path: Path, files: dict[str, str], most: int
) -> None:
    root = tree(tmp_path, files)
    assert allowed_processors(root) == min(OURS, most)
    expected = min(OURS, most)
    assert default_threads(root) == (expected if expected < (os.cpu_count() or 1) else 0)


@pytest.mark.skipif(OURS < 2, reason="there is one processor anyway")
def test_affinity_bounds_opencv_and_the_engines_threads() -> None:
    code = "import edge, cv2, edge.threads; print(edge.threads.default_threads(), cv2.getNumThreads())"
    one = {min(os.sched_getaffinity(0))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, one),
    )
    assert done.stdout.split() == ["1", "1"]


@pytest.mark.parametrize(
    ("stills", "detector", "one"), [(False, "yunet", True), (True, "yunet", False), (False, "haar", False)]
)
def test_opencv_has_one_thread_for_videos_but_where_it_searches_itself(
    stills: bool, detector: str, one: bool, make_bundle: Callable[..., Path]
) -> None:
    pytest.importorskip("onnxruntime", reason="the pipeline needs an engine")
    model = Path(__file__).parent.parent / "data" / "tiny_yunet.onnx"
    settings = RunSettings(
        bundle=str(make_bundle()), detector=detector, detector_model=model if detector == "yunet" else None
    )
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        pipeline_of(settings, stills).close()
        assert cv2.getNumThreads() == (1 if one else 2)
    finally:
        cv2.setNumThreads(before)
