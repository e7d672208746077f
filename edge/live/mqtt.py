"""Readings to an MQTT broker, and what Home Assistant needs to show them.

    ferlite/NODE/frame          every frame's readings, as docs/json-lines.md describes them
    ferlite/NODE/state          once a second: the largest face, how many there are, how the run goes
    ferlite/NODE/availability   "online" or "offline", retained; the broker says "offline" where we cannot

Only the last one and Home Assistant's discovery are retained: a broker keeps nobody's reading. Nothing here
waits: a broker that is away or slow costs messages, which are counted.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from edge.errors import FerliteError, SinkError, UsageError
from edge.live.losses import Losses
from edge.results import FrameReadings, Reading
from edge.sinks.json_lines import as_json
from edge.source import Frame

try:
    from paho.mqtt import client as paho
    from paho.mqtt.enums import CallbackAPIVersion
    from paho.mqtt.reasoncodes import ReasonCode
except ModuleNotFoundError as error:
    if error.name not in ("paho", "paho.mqtt"):
        raise
    raise SinkError("MQTT needs the paho-mqtt package: pip install 'ferlite[mqtt]'") from error

DISCOVERY = "homeassistant"  # Home Assistant's own default
STATE_EVERY = 1.0  # seconds
STALE = 60  # seconds after which Home Assistant shows a state no more
MOST_WAITING = 64  # messages that a slow broker has not taken yet; beyond, they are lost
KEEP_ALIVE = 20  # seconds; after half as many more the broker tells of our end
SLOWEST_RETRY = 30  # seconds between two tries to reach the broker
GOODBYE = 2.0  # seconds for the last message


@dataclass(frozen=True)
class Broker:
    """Where readings go. ``node`` names this computer in topics; ``ca`` is a file of trusted certificates."""

    host: str
    port: int
    node: str
    tls: bool = False
    user: str = ""
    password: str = ""
    ca: Path | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def broker(text: str, password_file: Path | None = None, ca: Path | None = None) -> Broker:
    """What ``--mqtt`` says: mqtt://[USER@]HOST[:PORT][/NODE], or mqtts:// for TLS. Raises UsageError."""
    parts = urlsplit(text)
    try:
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"--mqtt is '{text}', and its port must be a number up to 65535") from error
    if parts.scheme not in ("mqtt", "mqtts") or not host or parts.query or parts.fragment:
        raise UsageError(f"--mqtt is '{text}', and must be mqtt://HOST or mqtts://USER@HOST:PORT/NODE")
    if parts.password is not None:
        raise UsageError("--mqtt must not hold the password, which others could see: --mqtt-password FILE")
    tls = parts.scheme == "mqtts"
    if ca and not tls:
        raise UsageError("--mqtt-ca is for TLS: write mqtts:// in --mqtt")
    if password_file and not parts.username:
        raise UsageError("--mqtt-password needs a user: write mqtt://USER@HOST in --mqtt")
    node = unquote(parts.path).strip("/") or socket.gethostname().partition(".")[0] or "board"
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", node):
        raise UsageError(f"--mqtt names the node '{node}', and it must be letters, digits, - and _")
    return Broker(
        host,
        port or (8883 if tls else 1883),
        node,
        tls,
        unquote(parts.username or ""),
        _password(password_file) if password_file else "",
        ca,
    )


def _password(file: Path) -> str:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise UsageError(f"cannot read the password in '{file}': {reason}") from error
    if not lines or not lines[0]:
        raise UsageError(f"the password's file '{file}' is empty: write it on the first line")
    return lines[0]


class MqttSink:
    """Publishes frames and states. ``vitals`` gives the run's numbers; ``labels`` are the expressions."""

    def __init__(
        self,
        to: Broker,
        labels: tuple[str, ...],
        model: str,
        complain: Callable[[FerliteError], None],
        losses: MutableMapping[str, int] | None = None,
        vitals: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self._to, self._labels, self._model, self._vitals = to, labels, model, vitals
        self.name = f"MQTT broker '{to}'"
        self._losses = Losses(self.name, complain, losses)
        self._root = f"ferlite/{to.node}"
        self._why = "it was not reached yet"
        self._waiting: deque[paho.MQTTMessageInfo] = deque()
        self._stated = float("-inf")
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"ferlite-{to.node}")
        self._client.on_connect, self._client.on_disconnect = self._connected, self._disconnected
        self._client.on_connect_fail = self._unreached
        self._client.reconnect_delay_set(1, SLOWEST_RETRY)
        self._client.max_queued_messages_set(MOST_WAITING)
        self._client.will_set(f"{self._root}/availability", "offline", qos=1, retain=True)
        if to.user:
            self._client.username_pw_set(to.user, to.password or None)
        if to.tls:
            self._client.tls_set_context(_trust(to.ca))
        self._client.connect_async(to.host, to.port, KEEP_ALIVE)
        self._client.loop_start()

    def write(self, frame: Frame, result: FrameReadings) -> None:
        """The frame's readings, and once a second the state."""
        self._settle()
        if not self._client.is_connected():
            self._losses.lost(self._why)
            return
        if len(self._waiting) >= MOST_WAITING:
            self._losses.lost("it takes messages too slowly")
            return
        self._publish("frame", as_json(result))
        now = time.monotonic()
        if now - self._stated >= STATE_EVERY:
            self._stated = now
            self._publish("state", self._state(result))

    def close(self) -> None:
        """Say good-bye, wait a moment for it to arrive, and tell what was lost."""
        if self._client.is_connected():
            last = self._client.publish(f"{self._root}/availability", "offline", qos=1, retain=True)
            with suppress(RuntimeError, ValueError):  # the connection went meanwhile, or the queue is full
                last.wait_for_publish(GOODBYE)
        self._client.disconnect()
        self._client.loop_stop()
        self._settle()
        self._losses.close()

    def _publish(self, topic: str, table: Mapping[str, Any]) -> None:
        self._waiting.append(self._client.publish(f"{self._root}/{topic}", json.dumps(table)))

    def _settle(self) -> None:
        """Forget the messages that are out, and count those that a lost connection took with it."""
        while self._waiting and (
            self._waiting[0].rc != paho.MQTT_ERR_SUCCESS or self._waiting[0].is_published()
        ):
            if self._waiting.popleft().rc != paho.MQTT_ERR_SUCCESS:
                self._losses.lost(self._why)

    def _state(self, result: FrameReadings) -> dict[str, Any]:
        largest = max(result.readings, key=lambda reading: reading.face.box.area, default=None)
        return {"faces": len(result.readings), **_largest(largest), **self._vitals()}

    def _connected(
        self, client: paho.Client, data: Any, flags: Any, code: ReasonCode, properties: Any
    ) -> None:
        if code.is_failure:
            self._why = f"it refuses us: {code}"
            return
        for name, sensor in self._sensors().items():
            topic = f"{DISCOVERY}/sensor/ferlite_{self._to.node}/{name}/config"
            client.publish(topic, json.dumps(sensor), qos=1, retain=True)
        client.publish(f"{self._root}/availability", "online", qos=1, retain=True)

    def _disconnected(
        self, client: paho.Client, data: Any, flags: Any, code: ReasonCode, properties: Any
    ) -> None:
        if code.is_failure and not self._why.startswith("it refuses us"):
            self._why = f"the connection was lost: {code}"

    def _unreached(self, client: paho.Client, data: Any) -> None:
        self._why = "it cannot be reached"

    def _sensors(self) -> dict[str, dict[str, Any]]:
        """Home Assistant's discovery: a sensor each, of one device."""
        common = {
            "state_topic": f"{self._root}/state",
            "availability_topic": f"{self._root}/availability",
            "expire_after": STALE,
            "device": {
                "identifiers": [f"ferlite_{self._to.node}"],
                "name": f"ferlite {self._to.node}",
                "manufacturer": "ferlite",
                "model": self._model,
            },
            "origin": {"name": "ferlite"},
        }
        return {
            name: {**common, "unique_id": f"ferlite_{self._to.node}_{name}", **own}
            for name, own in _own(self._labels).items()
        }


def _own(labels: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """What each sensor has of its own. "None" is Home Assistant's word for unknown."""
    ours: dict[str, dict[str, Any]] = {
        "faces": {
            "name": "Faces",
            "icon": "mdi:account-group",
            "state_class": "measurement",
            "value_template": "{{ value_json.faces }}",
        },
        "label": {
            "name": "Expression",
            "icon": "mdi:emoticon-outline",
            "value_template": "{{ value_json.label }}",
        },
    }
    for label in labels:
        # The bundle's words may hold what topics must not.
        ours[f"weight_{re.sub(r'[^A-Za-z0-9_-]', '_', label)}"] = {
            "name": f"Weight of {label}",
            "icon": "mdi:chart-bar",
            "unit_of_measurement": "%",
            "state_class": "measurement",
            "value_template": _percent(label),
        }
    for key, name, more in (
        ("fps", "Frames per second", {"state_class": "measurement"}),
        ("latency_ms", "Latency", {"unit_of_measurement": "ms", "state_class": "measurement"}),
        ("temperature_c", "Temperature", {"unit_of_measurement": "°C", "device_class": "temperature"}),
        ("faults", "Faults", {"state_class": "total_increasing"}),
    ):
        ours[key] = {
            "name": name,
            "entity_category": "diagnostic",
            "value_template": f"{{{{ value_json.{key} }}}}",
            **more,
        }
    return ours


def _percent(label: str) -> str:
    share = f"(100 * value_json.weights[{json.dumps(label)}]) | round(0)"
    return f"{{{{ {share} if value_json.weights else None }}}}"


def _largest(reading: Reading | None) -> dict[str, Any]:
    if reading is None:
        return {"label": None, "expression": None, "weights": None}
    weights = {name: round(weight, 4) for name, weight in reading.weights.items()}
    return {"label": reading.label, "expression": reading.expression, "weights": weights}


def _trust(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca) if ca else None)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"cannot read the certificates in '{ca}': {error.strerror}") from error
