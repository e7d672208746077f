"""The systemd unit: it may read frames and compute, and next to nothing else.

Everything the runtime does not need is taken from it; ``systemd-analyze security`` scores the result, and
a test holds the score at 1.0 or below.
"""

from __future__ import annotations

from collections.abc import Sequence

from boards.errors import UsageError
from boards.profile import EngineChoice, Profile

NAME = "ferlite.service"
STATE = "/var/lib/ferlite"
_NETWORK_SCHEMES = ("http:", "https:", "tcp:", "udp:", "rtsp:", "rtsps:", "rtmp:")


def wants_network(source: str) -> bool:
    """Whether frames come over the network; only then is it left open (readings never leave that way)."""
    return source.startswith(_NETWORK_SCHEMES)


def text(profile: Profile, engine: EngineChoice, *, base: str = "/opt/ferlite", source: str,
         sinks: Sequence[str]) -> str:  # fmt: skip
    """The unit's text for this board and engine."""
    for spec in (source, *sinks, base):
        if any(ord(letter) < 32 for letter in spec):
            raise UsageError(f"'{spec!r}' has a control character in it")
    deploy = profile.deploy
    optional = [
        f"SupplementaryGroups={' '.join(deploy.groups)}" if deploy.groups else "",
        f"MemoryMax={deploy.memory_max_mb}M" if deploy.memory_max_mb else "",
        # OpenVINO and the GPU libraries compile machine code at run time; the others run without.
        "MemoryDenyWriteExecute=yes" if engine.name != "openvino" and engine.device == "CPU" else "",
    ]
    lines = [
        *_UNIT,
        f"ExecStart={base}/current/venv/bin/ferlite run --config {base}/current/edge.json --notify",
        *_LIFE,
        *(line for line in optional if line),
        *_SANDBOX,
        *(f"DeviceAllow={device} rw" for device in deploy.devices),
        *(_NETWORK if wants_network(source) else _NO_NETWORK),
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
    # Engines set the affinity and priority of their own threads.
    "SystemCallFilter=sched_setaffinity sched_setscheduler setpriority",
    "SystemCallErrorNumber=EPERM",
    "DevicePolicy=closed",
)
_NO_NETWORK = ("PrivateNetwork=yes", "IPAddressDeny=any", "RestrictAddressFamilies=AF_UNIX")
_NETWORK = ("RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",)
