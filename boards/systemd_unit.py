"""The systemd unit: it may read frames and compute, and next to nothing else.

Everything the runtime does not need is taken from it; ``systemd-analyze security`` scores the result, and
a test holds the score at 1.0 or below.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from boards.errors import UsageError
from boards.profile import EngineChoice, Profile

NAME = "ferlite.service"
STATE = "/var/lib/ferlite"
_ADDRESS = re.compile(r"(https?|tcp|udp|rtsps?|rtmp):")
_LOCAL = "localhost link-local 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7"
_LOCAL_NAMES = (".local", ".lan", ".home", ".internal", ".home.arpa")
_CAMERA = re.compile(r"\d+$|/dev/|picamera2$")


def wants_network(source: str) -> bool:
    """Whether frames come over the network; only then is it left open (readings never leave that way)."""
    return bool(_ADDRESS.search(source) if "!" in source else _ADDRESS.match(source))


def wants_devices(source: str, engine: EngineChoice) -> bool:
    """Whether a camera or accelerator of the board is used. A GStreamer pipeline ("!") may hold anything."""
    return engine.device != "CPU" or "!" in source or bool(_CAMERA.match(source))


def _addresses(source: str) -> str:
    """Where frames may come from: one address, the local network for a local name, "" where unknown."""
    if "!" in source:
        return ""
    host = urlsplit(source).hostname or ""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return _LOCAL if "." not in host or host.endswith(_LOCAL_NAMES) else ""


def text(profile: Profile, engine: EngineChoice, *, base: str = "/opt/ferlite", source: str,
         sinks: Sequence[str]) -> str:  # fmt: skip
    """The unit's text for this board and engine."""
    for spec in (source, *sinks, base):
        if any(ord(letter) < 32 for letter in spec):
            raise UsageError(f"'{spec!r}' has a control character in it")
    deploy, devices = profile.deploy, wants_devices(source, engine)
    plain = not engine.library.compiles
    optional = [
        f"SupplementaryGroups={' '.join(deploy.groups)}" if deploy.groups and devices else "",
        f"MemoryMax={deploy.memory_max_mb}M" if deploy.memory_max_mb else "",
        # OpenVINO and the GPU libraries compile machine code at run time; the others run without.
        "MemoryDenyWriteExecute=yes" if plain else "",
    ]
    lines = [
        *_UNIT,
        f"ExecStart={base}/current/venv/bin/ferlite run --config {base}/current/edge.json --notify",
        *_LIFE,
        *(line for line in optional if line),
        *_SANDBOX,
        # Those also set the affinity and priority of their own threads. strace shows no such call of ONNX
        # Runtime and LiteRT on the CPU, which get their number of threads from the board's profile.
        *([] if plain else ["SystemCallFilter=sched_setaffinity sched_setscheduler setpriority"]),
        *([f"DeviceAllow={device} rw" for device in deploy.devices] if devices else _NO_DEVICES),
        *(_network(source) if wants_network(source) else _NO_NETWORK),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


_UNIT = (
    "[Unit]",
    "Description=Facial-expression recognition",
    "StartLimitIntervalSec=120",
    "StartLimitBurst=10",
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
    "Restart=always",
    "RestartSec=3",
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
    # It asks for frames and never answers anybody. RTP comes over UDP ports that the client chooses.
    "SocketBindDeny=ipv4:tcp",
    "SocketBindDeny=ipv6:tcp",
)


def _network(source: str) -> tuple[str, ...]:
    addresses = _addresses(source)
    return (*_NETWORK, *((f"IPAddressAllow={addresses}", "IPAddressDeny=any") if addresses else ()))
