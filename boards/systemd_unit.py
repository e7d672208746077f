"""The systemd unit: it may read frames and compute, and next to nothing else.

Everything the runtime does not need is taken from it; ``systemd-analyze security`` scores the result, and
a test holds the score at 1.0 or below.

It keeps running: a service that dies, or lets no frame through for WatchdogSec, is started again a second
later. After five starts in a minute systemd gives up, which its OnFailure hands to a timer: that one waits
a minute and begins anew. (RestartSteps would do the same, but systemd knows it only since 254.)
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from boards.errors import UsageError
from boards.profile import EngineChoice, Profile

NAME = "ferlite.service"
RETRY = "ferlite-again.timer"
STATE = "/var/lib/ferlite"
_ADDRESS = re.compile(r"(https?|tcp|udp|rtsps?|rtmp):")
_LOCAL = "localhost link-local 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7"
_LOCAL_NAMES = (".local", ".lan", ".home", ".internal", ".home.arpa")
# Sinks that are addresses; whatever else a sink is, it is a file.
_NETWORK_SINK = re.compile(r"(mqtts?|https?)://")
_CAMERA = re.compile(r"\d+$|/dev/|picamera2$")


def addresses(source: str, sinks: Sequence[str]) -> list[str]:
    """Where frames come from and readings go to over the network; only for these is it left open.

    Of a GStreamer pipeline ("!") with an address in it that is all of it.
    """
    comes = _ADDRESS.search(source) if "!" in source else _ADDRESS.match(source)
    return [*([source] if comes else []), *(sink for sink in sinks if _NETWORK_SINK.match(sink))]


def wants_devices(source: str, engine: EngineChoice) -> bool:
    """Whether a camera or accelerator of the board is used. A GStreamer pipeline ("!") may hold anything."""
    return engine.device != "CPU" or "!" in source or bool(_CAMERA.match(source))


def _reach(address: str) -> str:
    """What must be reached for it: one host, the local network for a local name, "" where unknown."""
    if "!" in address:
        return ""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return ""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return _LOCAL if "." not in host or host.endswith(_LOCAL_NAMES) else ""


def text(
    profile: Profile, engine: EngineChoice, *, base: str = "/opt/ferlite", source: str, sinks: Sequence[str]
) -> str:
    """The unit's text for this board and engine."""
    for spec in (source, *sinks, base):
        if any(ord(letter) < 32 for letter in spec):
            raise UsageError(f"'{spec!r}' has a control character in it")
    deploy, devices, far = profile.deploy, wants_devices(source, engine), addresses(source, sinks)
    plain = not engine.library.compiles
    optional = [
        f"SupplementaryGroups={' '.join(deploy.groups)}" if deploy.groups and devices else "",
        f"MemoryMax={deploy.memory_max_mb}M" if deploy.memory_max_mb else "",
        # OpenVINO and the GPU libraries compile machine code at run time; the others run without.
        "MemoryDenyWriteExecute=yes" if plain else "",
    ]
    lines = [
        *_UNIT,
        *(_ONLINE if far else ()),
        *_SERVICE,
        f"ExecStart={base}/current/venv/bin/ferlite run --config {base}/current/edge.json --notify",
        # A clip or a photograph comes to its end; a camera or a stream that ends must come back.
        f"Restart={'always' if devices or addresses(source, ()) else 'on-failure'}",
        *_LIFE,
        *(line for line in optional if line),
        *_SANDBOX,
        # Those also set the affinity and priority of their own threads. strace shows no such call of ONNX
        # Runtime and LiteRT on the CPU, which get their number of threads from the board's profile.
        *([] if plain else ["SystemCallFilter=sched_setaffinity sched_setscheduler setpriority"]),
        *([f"DeviceAllow={device} rw" for device in deploy.devices] if devices else _NO_DEVICES),
        *(_network(far) if far else _NO_NETWORK),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


_UNIT = (
    "[Unit]",
    "Description=Facial-expression recognition",
    "StartLimitIntervalSec=60",
    "StartLimitBurst=5",
    f"OnFailure={RETRY}",
)
_ONLINE = ("Wants=network-online.target", "After=network-online.target")
_SERVICE = (
    "",
    "[Service]",
    "Type=notify",
    "NotifyAccess=main",
)
_LIFE = (
    # The runtime says READY after its first frame and WATCHDOG=1 after each one that went all the way.
    "TimeoutStartSec=90",
    "WatchdogSec=30",
    "TimeoutStopSec=10",
    "RestartSec=1",
    "DynamicUser=yes",
    "User=ferlite",
    "StateDirectory=ferlite",
    "CacheDirectory=ferlite",
    f"Environment=HOME={STATE} XDG_CACHE_HOME=/var/cache/ferlite PYTHONDONTWRITEBYTECODE=1",
    # A small compressed picture may claim to be a huge one; OpenCV refuses it beyond this.
    "Environment=OPENCV_IO_MAX_IMAGE_PIXELS=16777216",
    "LimitCORE=0",
    "OOMScoreAdjust=500",
    "Nice=5",
)
_SANDBOX = (
    "UMask=0077",
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "PrivateMounts=yes",
    # No ProcSubset=pid: engines read the CPU's features in /proc/cpuinfo.
    "ProtectProc=invisible",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "RemoveIPC=yes",
    "KeyringMode=private",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources @obsolete",
    "SystemCallErrorNumber=EPERM",
    "DevicePolicy=closed",
)
_NO_NETWORK = ("PrivateNetwork=yes", "IPAddressDeny=any", "RestrictAddressFamilies=AF_UNIX")
# Without a camera there is nobody else's device or file to reach.
_NO_DEVICES = ("PrivateDevices=yes", "PrivateUsers=yes")
_NETWORK = (
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
    # It asks for frames, hands readings over, and never answers anybody. RTP comes over UDP ports that the
    # client chooses.
    "SocketBindDeny=ipv4:tcp",
    "SocketBindDeny=ipv6:tcp",
)


def _network(far: Sequence[str]) -> tuple[str, ...]:
    reached = [_reach(address) for address in far]
    if "" in reached:
        return _NETWORK
    allowed = " ".join(dict.fromkeys(part for reach in reached for part in reach.split()))
    return (*_NETWORK, f"IPAddressAllow={allowed}", "IPAddressDeny=any")


def retry_text() -> str:
    """The timer that starts the service again after a storm of restarts."""
    return "\n".join(_RETRY) + "\n"


_RETRY = (
    "[Unit]",
    "Description=Start ferlite again, a minute after it failed too often",
    # Whoever stops the service wants it stopped.
    f"PartOf={NAME}",
    "",
    "[Timer]",
    "OnActiveSec=60",
    "AccuracySec=1",
    "RemainAfterElapse=no",
    f"Unit={NAME}",
)
