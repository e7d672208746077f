"""Tasks to workers and back, whatever becomes of the workers."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cluster import alike, connect
from cluster.connect import answers_of, refuse_unlike
from cluster.parcels import Packed, of_file
from cluster.spec import Spec
from cluster.work import Crew
from edge.errors import ClusterError, FerliteError
from tests.cluster import acts
from tests.cluster.conftest import ROOT, Processes, scheduler


@pytest.fixture
def crew(cluster: Processes) -> Iterator[Crew]:
    said: list[FerliteError] = []
    with connect.connect(Spec("scheduler", address=cluster.address)) as client:
        yield Crew(client, said.append)


def test_every_order_is_done_once_and_errors_are_the_tasks_own(crew: Crew) -> None:
    done = {one.order: one for one in crew.do(acts.double, [*range(40), -1, -2])}
    assert {number: one.result for number, one in done.items() if number >= 0} == {
        number: 2 * number for number in range(40)
    }
    assert str(done[-1].error) == "-1 is below 0" and done[-1].result is None
    assert str(done[-2].error).startswith("unexpected _Odd: ")


def test_a_worker_that_refuses_gets_no_more_and_the_others_do_its_tasks(crew: Crew, tmp_path: Path) -> None:
    said: list[FerliteError] = []
    crew.complain = said.append
    crew.client.wait_for_workers(2)
    done = list(crew.do(acts.refuse, [str(tmp_path / "notes")] * 12))
    first = int((tmp_path / "notes").read_text())
    assert len(done) == 12 and all(one.result and one.result != first for one in done)
    assert len(said) == 1
    assert str(said[0]).endswith("cannot write '/full': No space left on device: it gets no more tasks")


def test_no_worker_left_is_an_end(crew: Crew) -> None:
    crew.client.wait_for_workers(2)
    crew._shunned = {address: f"worker {address} has a full disk" for address in crew.client.nthreads()}
    with pytest.raises(ClusterError, match="no worker is left: worker tcp://.* has a full disk"):
        list(crew.do(acts.double, [1]))


def test_what_a_worker_lacks_is_sent_to_it_once(crew: Crew, tmp_path: Path) -> None:
    (tmp_path / "prior.json").write_text("{}" * 50)
    here = of_file(tmp_path / "prior.json")
    (tmp_path / "prior.json").unlink()
    crew.client.wait_for_workers(2)
    crew.carry([here])
    assert crew.sent == 2
    crew.carry([here])
    assert crew.sent == 2
    assert [one.result for one in crew.do(acts.weigh, [here.parcel] * 6)] == [100] * 6
    # A worker that came later, or that was started anew, asks for it.
    other = of_file(Path(__file__))
    late = Packed(replace(other.parcel, origin="/nowhere"), other.content)
    crew.parcels = [late]
    assert next(crew.do(acts.weigh, [late.parcel])).result == len(other.content)


def test_a_file_that_lies_there_already_is_not_sent(crew: Crew) -> None:
    crew.carry([of_file(Path(__file__))])
    assert crew.sent == 0


def test_a_worker_that_dies_is_replaced_and_its_task_done_again(crew: Crew, tmp_path: Path) -> None:
    done = list(crew.do(acts.die, [(str(tmp_path / "notes"), 1), (str(tmp_path / "other"), 0)]))
    assert len(done) == 2 and all(one.error is None for one in done)
    assert (tmp_path / "notes").read_text() == "ran\n" * 2


@pytest.mark.slow
def test_a_task_whose_worker_dies_each_time_is_given_up_after_three_more(crew: Crew, tmp_path: Path) -> None:
    (done,) = crew.do(acts.die, [(str(tmp_path / "notes"), 99)])
    assert str(done.error) == "the worker that had it died, 4 times in a row"
    assert (tmp_path / "notes").read_text() == "ran\n" * 4


def test_a_scheduler_that_is_not_there_is_said() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(ClusterError, match=f"no Dask scheduler answers at '{address}'"):  # noqa: SIM117
            with connect.connect(Spec("scheduler", address=address), patience=0.5):
                pass


def test_a_scheduler_without_a_worker_and_one_with_another_ferlite(tmp_path: Path) -> None:
    for package in alike.PACKAGES:
        shutil.copytree(
            ROOT / package,
            tmp_path / "tree" / package,
            ignore=shutil.ignore_patterns("*.onnx", "*.xz", "__pycache__"),
        )
    changed = tmp_path / "tree/edge/errors.py"
    changed.write_text(changed.read_text() + "# changed\n")
    with scheduler(tmp_path) as processes:
        spec = Spec("scheduler", address=processes.address)
        with pytest.raises(ClusterError, match=r"has no worker, and none came for 0\.2 s"):  # noqa: SIM117
            with connect.connect(spec, first_worker=0.2):
                pass
        processes.worker(root=tmp_path / "tree")
        with (
            pytest.raises(
                ClusterError, match=r"worker tcp://\S+ has ferlite \S+ with other code \(\w{8}, and"
            ),
            connect.connect(spec),
        ):
            pass


def test_what_is_unlike_is_said_of_the_first_thing_that_is() -> None:
    here = alike.Software("3.11", "0.1.0", "a" * 64)
    for there, said in (
        (alike.Software("3.12", "0.2.0", "b"), "has Python 3.12, and here is Python 3.11: install the same"),
        (alike.Software("3.11", "0.2.0", "b"), "has ferlite 0.2.0, and here is ferlite 0.1.0"),
        (alike.Software("3.11", "(none)", ""), "has ferlite (none), and here is ferlite 0.1.0"),
    ):
        with pytest.raises(ClusterError, match="worker w has "):
            refuse_unlike(here, {"w": there})
        assert said.removeprefix("has ").split(": ")[0] == here.unlike(there)
    refuse_unlike(here, {"w": here})


def test_a_worker_says_its_python_and_its_ferlite(crew: Crew) -> None:
    assert set(answers_of(crew.client).values()) == {alike.software()}
