"""Power meters outside the board: plugs that answer over HTTP, and any program that prints watts."""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

from boards.errors import UsageError
from boards.sensor import TIMEOUT_S, Sensor, SensorFailed, output, plausible

EXAMPLES = {
    "shelly": "shelly:192.168.1.20",
    "tasmota": "tasmota:192.168.1.21",
    "command": "command:'./read-watts'",
}
_MOST_BYTES = 1 << 16


def meter(kind: str, rest: str) -> Sensor:
    """An outside meter that the user named. Raises SensorFailed where it does not answer."""
    if not rest:
        wanted = "the program" if kind == "command" else "its address"
        raise UsageError(f"power sensor '{kind}:' lacks {wanted}, as in {EXAMPLES[kind]}")
    if kind == "command":
        sensor = Sensor(
            "command",
            f"what '{rest}' measures",
            "whatever it does not measure: see its manual",
            10.0,
            5.0,
            lambda: plausible("command", _number(output(["sh", "-c", rest], "command"))),
        )
    else:
        base = rest if rest.startswith(("http://", "https://")) else f"http://{rest}"
        read = _shelly if kind == "shelly" else _tasmota
        sensor = Sensor(
            kind,
            "everything behind the plug, the supply's losses with it",
            "nothing of the board; but it is a household meter: about 1 %, one value a second",
            1.0,
            60.0,
            lambda: plausible(kind, read(base.rstrip("/"))),
        )
    sensor.watts()
    return sensor


def _shelly(base: str) -> float:
    table = _get(f"{base}/rpc/Switch.GetStatus?id=0", "shelly")
    return _field(table, ("apower",), "shelly")


def _tasmota(base: str) -> float:
    table = _get(f"{base}/cm?cmnd=Status%208", "tasmota")
    return _field(table, ("StatusSNS", "ENERGY", "Power"), "tasmota")


def _field(table: Any, path: Sequence[str], name: str) -> float:
    value = table
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise SensorFailed(f"sensor '{name}': the answer has no number at {'.'.join(path)}")
    return float(value)


def _get(address: str, name: str) -> Any:
    # A meter stands in the local network: a proxy of the surroundings must not be asked for it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=TIMEOUT_S) as answer:
            return json.loads(answer.read(_MOST_BYTES))
    except urllib.error.HTTPError as error:
        error.close()
        raise SensorFailed(f"sensor '{name}': '{address}' answers {error.code} {error.reason}") from error
    except (OSError, ValueError, RecursionError, http.client.HTTPException) as error:
        raise SensorFailed(f"sensor '{name}': no answer from '{address}': {error}") from error


def _number(text: str) -> float:
    """The only number of the last line: of two, nobody could say which are the watts."""
    lines = [line for line in text.splitlines() if line.strip()]
    numbers = re.findall(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", lines[-1]) if lines else []
    if len(numbers) != 1:
        raise SensorFailed(
            f"sensor 'command' must print watts, one number in the last line, not '{text.strip()[:60]}'"
        )
    return float(numbers[0])
