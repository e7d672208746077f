"""Readings to a real broker: Debian's mosquitto, started, killed and started again."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import FerliteError, UsageError
from edge.results import Box, Face, FrameReadings, Reading
from edge.source import Frame

pytest.importorskip("paho.mqtt.client", reason="MQTT needs paho-mqtt: pip install 'ferlite[mqtt]'")

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge.live.mqtt import Broker, MqttSink, broker

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
LABELS = ("anger", "half asleep")
FRAME = Frame("cam", 0, 0.0, np.zeros((4, 4, 3), np.uint8))


def result(index: int, *shares: float) -> FrameReadings:
    """A frame with a face for each share of anger, the first the largest."""
    readings = tuple(
        Reading(
            Face(Box(0, 0, 90 - 10 * n, 90 - 10 * n)),
            dict(zip(LABELS, (s, 1 - s), strict=True)),
            LABELS[s < 0.5],
            (),
            n,
        )
        for n, s in enumerate(shares)
    )
    return FrameReadings("cam", index, index / 10, 640, 480, readings)


def until(true: Callable[[], object], seconds: float = 40) -> None:
    for _ in range(int(seconds / 0.05)):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("did not come true")


class Mosquitto:
    """A broker at a port of its own, with whatever its configuration says."""

    def __init__(self, folder: Path, config: str = "allow_anonymous true\n") -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        (folder / "mosquitto.conf").write_text(f"listener {self.port} 127.0.0.1\nuser root\n{config}")
        self._config = folder / "mosquitto.conf"
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([str(MOSQUITTO), "-c", str(self._config)], stderr=subprocess.DEVNULL)

        def answers() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        until(answers)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Listener:
    """Hears everything that the broker passes on: topic -> (payload, retained) in order."""

    def __init__(self, port: int, prepare: Callable[[paho.Client], None] = lambda client: None) -> None:
        self.heard: list[tuple[str, str, bool]] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        prepare(self._client)
        ready = threading.Event()
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.on_message = lambda _, __, message: self.heard.append(
            (message.topic, message.payload.decode(), message.retain)
        )
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("#", qos=1)
        self._client.loop_start()
        assert ready.wait(20)

    def of(self, topic: str) -> list[str]:
        return [payload for name, payload, _ in self.heard if name == topic]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    made = Mosquitto(tmp_path)
    yield made
    made.kill()


@pytest.fixture
def sinks() -> Iterator[Callable[..., MqttSink]]:
    made: list[MqttSink] = []

    def make(to: Broker, said: list[str] | None = None, **more: Any) -> MqttSink:
        said = [] if said is None else said

        def complain(error: FerliteError) -> None:
            said.append(str(error))

        made.append(MqttSink(to, LABELS, "tiny", complain, **more))
        return made[-1]

    yield make
    for sink in made:
        sink.close()


@needs_mosquitto
def test_frames_and_states_arrive_and_home_assistant_finds_its_sensors(
    mosquitto: Mosquitto, sinks: Callable[..., MqttSink]
) -> None:
    listener = Listener(mosquitto.port)
    sink = sinks(Broker("127.0.0.1", mosquitto.port, "hall"), vitals=lambda: {"fps": 9.5, "faults": 0})
    until(lambda: listener.of("ferlite/hall/availability") == ["online"])
    sink.write(FRAME, result(0, 0.8, 0.1))
    sink.write(FRAME, result(1))
    until(lambda: len(listener.of("ferlite/hall/frame")) == 2)
    first = json.loads(listener.of("ferlite/hall/frame")[0])
    assert first["schema"] == 1 and [face["track"] for face in first["faces"]] == [0, 1]
    states = listener.of("ferlite/hall/state")
    assert len(states) == 1, "a state a second, and not one a frame"
    state = json.loads(states[0])
    assert (state["faces"], state["label"], state["fps"]) == (2, "anger", 9.5)
    assert state["weights"] == {"anger": 0.8, "half asleep": 0.2}
    late = Listener(mosquitto.port)  # what is retained is all that a newcomer hears
    kept = {name for name, _, _ in listener.heard if not name.endswith(("/frame", "/state"))}
    until(lambda: {name for name, _, _ in late.heard} >= kept)
    assert all(retained for _, _, retained in late.heard)
    topics = {
        name: json.loads(payload) for name, payload, _ in late.heard if name.startswith("homeassistant/")
    }
    assert set(late.of("ferlite/hall/availability")) == {"online"}
    assert not late.of("ferlite/hall/state") and not late.of("ferlite/hall/frame"), "no reading is kept"
    weight = topics["homeassistant/sensor/ferlite_hall/weight_half_asleep/config"]
    assert weight["value_template"].startswith('{{ (100 * value_json.weights["half asleep"]) | round(0)')
    assert weight["state_topic"] == "ferlite/hall/state"
    assert weight["availability_topic"] == "ferlite/hall/availability"
    assert len({sensor["unique_id"] for sensor in topics.values()}) == len(topics) >= 8
    assert len({json.dumps(sensor["device"]) for sensor in topics.values()}) == 1
    for one in (listener, late):
        one.close()


@needs_mosquitto
def test_a_good_end_and_a_bad_one_are_both_told(mosquitto: Mosquitto, sinks: Callable[..., MqttSink]) -> None:
    listener = Listener(mosquitto.port)
    sink = sinks(Broker("127.0.0.1", mosquitto.port, "hall"))
    until(lambda: listener.of("ferlite/hall/availability") == ["online"])
    sink.close()
    until(lambda: listener.of("ferlite/hall/availability") == ["online", "offline"])
    sink = sinks(Broker("127.0.0.1", mosquitto.port, "porch"))
    until(lambda: listener.of("ferlite/porch/availability") == ["online"])
    raw = sink._client.socket()
    assert raw is not None
    sink._client.loop_stop()
    raw.close()  # as when the process dies: the broker speaks the last will
    until(lambda: listener.of("ferlite/porch/availability") == ["online", "offline"])
    listener.close()


@needs_mosquitto
def test_a_broker_that_goes_costs_frames_that_are_counted_and_one_that_comes_back_hears_the_rest(
    mosquitto: Mosquitto, sinks: Callable[..., MqttSink]
) -> None:
    said: list[str] = []
    counts: dict[str, int] = {}
    sink = sinks(Broker("127.0.0.1", mosquitto.port, "hall"), said, losses=counts)
    until(sink._client.is_connected)
    mosquitto.kill()
    until(lambda: not sink._client.is_connected())
    began = time.monotonic()
    for index in range(500):
        sink.write(FRAME, result(index, 0.8))
    assert time.monotonic() - began < 5, "a broker that is away must not be waited for"
    assert list(counts.values()) == [500]
    assert len(said) == 1 and f"MQTT broker '127.0.0.1:{mosquitto.port}': 1 frame lost so far: " in said[0]
    mosquitto.start()
    until(sink._client.is_connected)
    listener = Listener(mosquitto.port)
    until(lambda: "online" in listener.of("ferlite/hall/availability"))
    sink.write(FRAME, result(501, 0.8))
    until(lambda: listener.of("ferlite/hall/frame"))
    assert json.loads(listener.of("ferlite/hall/frame")[0])["frame"] == 501
    listener.close()
    sink.close()
    assert len(said) == 2 and "500 frames lost in all: the connection was lost" in said[1]


def test_no_broker_at_all_stops_nothing(sinks: Callable[..., MqttSink]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    said: list[str] = []
    sink = sinks(Broker("127.0.0.1", port, "hall"), said)
    until(lambda: sink._why == "it cannot be reached")
    for index in range(3):
        sink.write(FRAME, result(index))
    sink.close()
    assert "3 frames lost in all: it cannot be reached" in said[-1]


def test_a_broker_that_takes_nothing_does_not_fill_the_memory(sinks: Callable[..., MqttSink]) -> None:
    """It accepts, says that all is well, and never reads again."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        counts: dict[str, int] = {}
        sink = sinks(Broker("127.0.0.1", server.getsockname()[1], "hall"), losses=counts)
        peer, _ = server.accept()
        peer.recv(1000)
        peer.sendall(b"\x20\x02\x00\x00")  # CONNACK (MQTT 3.1.1, 3.2)
        until(sink._client.is_connected)
        faces = [0.8] * 60  # about 20 kB a message

        def flood() -> bool:
            for _ in range(50):
                sink.write(FRAME, result(0, *faces))
            return sum(counts.values()) > 100

        until(flood)
        assert len(sink._waiting) <= 64
        peer.close()


@needs_mosquitto
# paho-mqtt leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_and_a_password_from_a_file(tmp_path: Path, sinks: Callable[..., MqttSink]) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    make = [
        openssl,
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
    ]
    subprocess.run(make, cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "users").write_text("board:swordfish\n")
    (tmp_path / "users").chmod(0o600)
    subprocess.run(["mosquitto_passwd", "-U", "users"], cwd=tmp_path, check=True, capture_output=True)
    running = Mosquitto(
        tmp_path,
        f"allow_anonymous false\npassword_file {tmp_path}/users\n"
        f"certfile {tmp_path}/cert.pem\nkeyfile {tmp_path}/key.pem\n",
    )
    try:
        (tmp_path / "password").write_text("swordfish\n")
        (tmp_path / "wrong").write_text("haddock\n")
        address = f"mqtts://board@localhost:{running.port}/hall"
        said: list[str] = []
        good = sinks(broker(address, tmp_path / "password", tmp_path / "cert.pem"), said)
        until(good._client.is_connected)
        wrong = sinks(broker(address, tmp_path / "wrong", tmp_path / "cert.pem"))
        until(lambda: "it refuses us: Not authorized" in wrong._why)
        unknown = sinks(broker(address, tmp_path / "password"))  # nobody vouches for this certificate
        until(lambda: unknown._why == "it cannot be reached")
    finally:
        running.kill()


def test_addresses(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("p@ss\n")
    assert broker("mqtt://broker/hall") == Broker("broker", 1883, "hall")
    assert broker("mqtts://b%40b@broker:99/hall", tmp_path / "password") == Broker(
        "broker", 99, "hall", True, "b@b", "p@ss"
    )
    assert broker("mqtts://broker").port == 8883
    assert broker("mqtt://broker").node


BAD = {
    "no scheme": ("broker:1883", "must be mqtt://HOST"),
    "scheme": ("http://broker", "must be mqtt://HOST"),
    "no host": ("mqtt://", "must be mqtt://HOST"),
    "port": ("mqtt://broker:x", "its port must be a number"),
    "password": ("mqtt://u:secret@broker", "must not hold the password"),
    "node": ("mqtt://broker/a/b", "names the node 'a/b'"),
    "wildcard": ("mqtt://broker/%23", "names the node '#'"),
}


@pytest.mark.parametrize("case", BAD)
def test_addresses_that_are_none(case: str) -> None:
    text, sentence = BAD[case]
    with pytest.raises(UsageError, match=sentence) as caught:
        broker(text)
    assert "secret" not in str(caught.value)


def test_files_that_are_not_there_or_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the password in"):
        broker("mqtt://u@broker", tmp_path / "nowhere")
    with pytest.raises(UsageError, match="needs a user"):
        broker("mqtt://broker", tmp_path / "nowhere")
    with pytest.raises(UsageError, match="write mqtts://"):
        broker("mqtt://broker", None, tmp_path / "ca.pem")
    (tmp_path / "empty").write_text("")
    with pytest.raises(UsageError, match="is empty"):
        broker("mqtt://u@broker", tmp_path / "empty")
    with pytest.raises(UsageError, match="cannot read the certificates in"):
        MqttSink(broker("mqtts://broker", None, tmp_path / "empty"), LABELS, "tiny", print)
