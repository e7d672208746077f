"""Opens a cluster: starts its processes or reaches its scheduler, and looks whether its workers are alike."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from cluster.alike import Software, software
from cluster.spec import Host, Spec
from edge.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client

# Runs again of a task whose worker died; then it is given up and named.
RUNS_AGAIN = 3
PATIENCE_S = 10.0  # for a scheduler to answer
FIRST_WORKER_S = 60.0  # for a first worker to be there
# Set where the scheduler is ours; that of a cluster of yours keeps its own (docs/scale.md).
OURS = {
    "distributed.scheduler.allowed-failures": RUNS_AGAIN,
    # A worker is given what it does now and no more, so that one that dies takes nothing else with it.
    "distributed.scheduler.worker-saturation": 1.0,
}


@contextmanager
def connect(
    spec: Spec, patience: float = PATIENCE_S, first_worker: float = FIRST_WORKER_S
) -> Iterator[Client]:
    """A client of the cluster, all of whose workers have our Python and ferlite. Raises ClusterError."""
    import dask
    from distributed import Client

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    logging.getLogger("asyncssh").setLevel(logging.CRITICAL)
    with ExitStack() as close:
        close.enter_context(dask.config.set(OURS))
        where: Any = spec.address
        if spec.kind == "local":
            where = _processes(spec.processes, close)
        elif spec.kind == "ssh":
            where = _over_ssh(spec.hosts, close)
        try:
            client = close.enter_context(Client(where, timeout=patience, set_as_default=False))
            client.wait_for_workers(1, timeout=first_worker)
        except TimeoutError as error:
            where = f"the scheduler at '{spec.address}'" if spec.address else "the cluster"
            raise ClusterError(f"{where} has no worker, and none came for {first_worker:g} s") from error
        except Exception as error:  # whatever else answers there
            raise ClusterError(
                f"no Dask scheduler answers at '{spec.address or spec.kind}': {_first_line(error)}"
            ) from error
        refuse_unlike(software(), answers_of(client))
        yield client


def _processes(count: int, close: ExitStack) -> Any:
    """Processes of this machine. What they say to one another is encrypted: others may have accounts here."""
    from distributed import LocalCluster

    folder = close.enter_context(tempfile.TemporaryDirectory(prefix="ferlite-cluster-"))
    return close.enter_context(
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            security=True,
            local_directory=folder,
            preload=["cluster.deaf"],
            silence_logs=logging.CRITICAL,
        )
    )


def _over_ssh(hosts: tuple[Host, ...], close: ExitStack) -> Any:
    """A scheduler on the first host, and a worker of one thread for each line of the file."""
    import sys

    from distributed import SSHCluster

    options = [_login(host) for host in hosts]
    pythons = [host.python or sys.executable for host in hosts]
    try:
        return close.enter_context(
            SSHCluster(
                [hosts[0].name, *(host.name for host in hosts)],
                connect_options=[options[0], *options],
                remote_python=[pythons[0], *pythons],
                worker_options={"nthreads": 1, "n_workers": 1},
                scheduler_options={"port": 0, "dashboard_address": "127.0.0.1:0"},
            )
        )
    except ImportError:
        raise
    except Exception as error:
        raise ClusterError(f"the cluster does not start over ssh: {_first_line(error)}") from error


def _login(host: Host) -> dict[str, Any]:
    return {**({"username": host.user} if host.user else {}), **({"port": host.port} if host.port else {})}


def answers_of(client: Client) -> Mapping[str, Any]:
    """Each worker's software by its address; an exception where it could not say."""
    pythons = {
        address: ".".join(str(facts["host"]["python"]).split(".")[:2])
        for address, facts in client.get_versions(check=False)["workers"].items()
        if facts
    }
    said: Mapping[str, Any] = client.run(software, on_error="return")
    return {
        address: Software(pythons.get(address, "?"), "(none)", "")
        if isinstance(answer, Exception)
        else answer
        for address, answer in said.items()
    }


def refuse_unlike(here: Software, answers: Mapping[str, Any]) -> None:
    """Raise ClusterError where a worker's software is not ours."""
    for address, there in sorted(answers.items()):
        unlike = here.unlike(there)
        if unlike:
            raise ClusterError(f"worker {address} has {unlike}: install the same on both")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
