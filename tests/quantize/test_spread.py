"""A build whose rungs a cluster makes: the same bytes, and time measured where nothing else runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.errors import ClusterError
from quantize.cli import main
from quantize.spread import alone
from tests.required import absent


def worker(host: str, threads: int = 1, **resources: float) -> dict[str, object]:
    return {"host": host, "nthreads": threads, "resources": resources}


def test_a_worker_that_offers_alone_must_have_its_machine_to_itself() -> None:
    assert alone({"a": worker("1"), "b": worker("1")}) == []
    assert alone({"a": worker("1"), "b": worker("1"), "c": worker("2", alone=1)}) == ["c"]
    with pytest.raises(ClusterError, match="worker c offers 'alone' and has 2 threads and 0 neighbours"):
        alone({"c": worker("2", threads=2, alone=1)})
    with pytest.raises(ClusterError, match="has 1 threads and 1 neighbours on its machine: start one with"):
        alone({"b": worker("2"), "c": worker("2", alone=1)})


@pytest.mark.slow
@pytest.mark.parametrize("offers", [(), ("--resources", "alone=1")], ids=["nobody alone", "a worker alone"])
def test_the_same_bytes_as_without_a_cluster(
    offers: tuple[str, ...],
    run: Path,
    pack: Path,
    ladder_file: Path,
    crop_file: Path,
    built: Path,
    tmp_path: Path,
) -> None:
    try:
        from tests.cluster.conftest import scheduler

        with scheduler(tmp_path) as processes:
            processes.worker("--no-nanny", *offers)
            processes.wait_for(1)
            words = [
                run,
                "--data",
                pack,
                "-o",
                tmp_path / "there",
                "--ladder",
                ladder_file,
                "--crop",
                crop_file,
            ]
            assert main(["build", *map(str, words), "--threads", "1", "--on", processes.address]) == 0
    except ImportError:
        absent("cluster", "the packages of ferlite[cluster] are not installed")
    here, there = sorted(built.glob("model*")), sorted((tmp_path / "there").glob("model*"))
    assert here and [one.name for one in here] == [one.name for one in there]
    assert [one.read_bytes() for one in here] == [one.read_bytes() for one in there]
    record = json.loads((tmp_path / "there/build.json").read_text())
    (race,) = (rung["race"] for rung in record["engines"]["onnx"]["rungs"])
    # The race names the machine that it was run on, where that was a worker's.
    assert bool(race["machine"]) == bool(offers)
    assert not (tmp_path / "there.building").exists()
