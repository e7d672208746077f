"""Prometheus' view of a run, scraped over HTTP and read by Prometheus' own parser."""

from __future__ import annotations

import urllib.request

import pytest

from edge.errors import SinkError, SourceError
from edge.live.listen import Address
from edge.live.vitals import Vitals
from edge.results import Box, Face, FrameReadings, Reading

pytest.importorskip(
    "prometheus_client", reason="metrics need prometheus-client: pip install 'ferlite[metrics]'"
)

from prometheus_client.parser import text_string_to_metric_families

from edge.live.metrics import MetricsSink, text

READING = Reading(Face(Box(0, 0, 50, 50)), {"anger": 1.0}, "anger")


def run_of(frames: int) -> Vitals:
    vitals = Vitals()
    for index in range(frames):
        vitals.passed(FrameReadings("cam", index, index / 10, 4, 4, (READING, READING), 0.004))
    return vitals


def samples(content: bytes) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(content.decode())
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_prometheus_reads_what_is_served() -> None:
    vitals = run_of(7)
    vitals.fault(SourceError("'cam' is gone"))
    vitals.losses["MQTT broker 'x'"] = 4
    vitals.missed = 3
    server = MetricsSink(Address("127.0.0.1", 0), vitals)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=30) as answer:
            found = samples(answer.read())
    finally:
        server.close()
    assert found["ferlite_frames_total",] == 7
    assert found["ferlite_faces_total",] == 14
    assert found["ferlite_faults_total", "SourceError"] == 1
    assert found["ferlite_lost_frames_total", "MQTT broker 'x'"] == 4
    assert found["ferlite_missed_frames_total",] == 3
    assert found["ferlite_latency_seconds_count",] == 7
    assert found["ferlite_latency_seconds_bucket", "+Inf"] == 7
    assert 0 < found["ferlite_latency_seconds_sum",] < 7
    assert "anger" not in str(found), "nobody's expression is a metric"


def test_buckets_rise_and_hold_what_took_so_long() -> None:
    vitals = Vitals()
    vitals.passed(FrameReadings("cam", 0, 0.0, 4, 4, (), 0.06))
    found = samples(text(vitals)[0])
    assert found["ferlite_latency_seconds_bucket", "0.05"] == 0
    assert found["ferlite_latency_seconds_bucket", "2.0"] == 1
    assert found["ferlite_latency_seconds_sum",] >= 0.06


def test_a_port_that_is_taken_is_one_sentence() -> None:
    first = MetricsSink(Address("127.0.0.1", 0), Vitals())
    try:
        with pytest.raises(SinkError, match="cannot serve metrics at '127.0.0.1:"):
            MetricsSink(Address("127.0.0.1", first.port), Vitals())
    finally:
        first.close()
