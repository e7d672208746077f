"""A run's numbers for Prometheus: counts and times, and nothing about anybody's face."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

from edge.errors import SinkError
from edge.live.listen import Address
from edge.live.vitals import LATENCIES, Vitals
from edge.results import FrameReadings
from edge.source import Frame

try:
    from prometheus_client import CollectorRegistry, Metric, generate_latest, start_http_server
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
    from prometheus_client.exposition import CONTENT_TYPE_LATEST
    from prometheus_client.registry import Collector
except ModuleNotFoundError as error:
    if error.name != "prometheus_client":
        raise
    raise SinkError("metrics need the prometheus-client package: pip install 'ferlite[metrics]'") from error


class _Numbers(Collector):
    """The run's numbers at the moment when somebody asks."""

    def __init__(self, vitals: Vitals) -> None:
        self._vitals = vitals

    def collect(self) -> Iterable[Metric]:
        """All of them."""
        seen = self._vitals
        yield CounterMetricFamily("ferlite_frames", "Frames read.", seen.frames)
        yield CounterMetricFamily("ferlite_faces", "Faces read, counted in every frame.", seen.faces)
        faults = CounterMetricFamily("ferlite_faults", "Failures of the source.", labels=["kind"])
        for kind, count in sorted(seen.faults.items()):
            faults.add_metric([kind], count)
        yield faults
        yield CounterMetricFamily(
            "ferlite_missed_frames", "Frames that came while others were read.", seen.missed
        )
        lost = CounterMetricFamily("ferlite_lost_frames", "Frames not passed on.", labels=["way_out"])
        for name, count in sorted(seen.losses.items()):
            lost.add_metric([name], count)
        yield lost
        yield GaugeMetricFamily("ferlite_frames_per_second", "Over the last seconds.", seen.fps)
        yield HistogramMetricFamily(
            "ferlite_latency_seconds",
            "From a frame's capture to its reading.",
            buckets=list(zip([*map(str, LATENCIES), "+Inf"], accumulate(seen.latencies), strict=True)),
            sum_value=seen.latency_sum,
        )
        if (degrees := seen.temperature) is not None:
            yield GaugeMetricFamily("ferlite_temperature_celsius", "Of the processor.", degrees)


def registry(vitals: Vitals) -> CollectorRegistry:
    """What Prometheus' library asks for the numbers."""
    made = CollectorRegistry()
    made.register(_Numbers(vitals))
    return made


def text(vitals: Vitals) -> tuple[bytes, str]:
    """The numbers as Prometheus reads them, and the content type of that."""
    return generate_latest(registry(vitals)), CONTENT_TYPE_LATEST


class MetricsSink:
    """Answers Prometheus at an address, in threads of its own. Raises SinkError."""

    def __init__(self, address: Address, vitals: Vitals) -> None:
        try:
            self._server, self._thread = start_http_server(address.port, address.host, registry(vitals))
        except OSError as error:
            raise SinkError(f"cannot serve metrics at '{address}': {error.strerror}") from error
        self.port = int(self._server.server_port)
        self.name = f"metrics at '{address}'"

    def write(self, frame: Frame, result: FrameReadings) -> None:
        """Nothing: the numbers are fetched when Prometheus asks."""

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
