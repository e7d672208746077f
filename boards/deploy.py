"""``deploy``: a bundle onto a board over ssh. Looks first, sends what is missing, installs in one step.

Files travel under the name of their sha256 into a folder of the user's cache on the board, so a deploy
that broke off goes on where it stopped, and the next one sends only what changed.
"""

from __future__ import annotations

import io
import json
import shlex
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boards
from boards import choice, facts, match, payload, profile
from boards.bundle import Bundle
from boards.errors import BoardRefused, DeployFailed
from boards.facts import Facts
from boards.payload import Payload, Settings
from boards.progress import say
from boards.remote import Remote, last_line
from boards.wheels import Target

# What the probe consists of; these use the standard library only and run on the board as they are.
_PROBE = ("__init__", "root_tree", "facts", "cpu", "telemetry", "probe")
_PROBE_MAIN = """
import dataclasses, json
from boards.probe import probe
print(json.dumps(dataclasses.asdict(probe())))
"""
_LOOK = """
store="${XDG_CACHE_HOME:-$HOME/.cache}/ferlite/payload"
mkdir -p "$store" || exit 1
echo "store=$store"
echo "uid=$(id -u)"
echo "python=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)"
base=PREFIX/opt
while [ ! -e "$base" ]; do base=$(dirname "$base"); done
[ -w "$base" ] && echo "writable=yes"
if [ -e PREFIX/opt/ferlite ] && [ ! -w PREFIX/opt/ferlite ]; then echo "writable=no"; fi
command -v sudo >/dev/null && echo "sudo=there"
sudo -n true >/dev/null 2>&1 && echo "sudo=yes"
cd "$store" || exit 1
for file in *; do [ -f "$file" ] && echo "have=$file $(wc -c <"$file")"; done
exit 0
"""


@dataclass(frozen=True)
class Look:
    """What the board said before anything was sent. ``have``: names and sizes of files already there."""

    store: str
    uid: int
    python: str
    writable: bool
    sudo: str
    have: dict[str, int]


def look(remote: Remote, prefix: str) -> Look:
    """Ask the board what it has. Raises DeployFailed, BoardRefused."""
    script = _LOOK.replace("PREFIX", shlex.quote(prefix.rstrip("/")))
    words = remote.check(script, "cannot use your home folder there")
    answers = dict(
        line.split("=", 1) for line in words.splitlines() if "=" in line and not line.startswith("have=")
    )
    have = [line[5:].rsplit(" ", 1) for line in words.splitlines() if line.startswith("have=")]
    if not answers.get("python"):
        raise BoardRefused(f"{remote.host} has no python3: sudo apt install python3")
    if not match.python_is_enough(answers["python"]):
        raise BoardRefused(f"{remote.host}: {match.python_refusal(answers['python'])}")
    return Look(
        answers["store"], int(answers["uid"]), answers["python"], answers.get("writable") == "yes",
        answers.get("sudo", ""), {name: int(size) for name, size in have if size.isdigit()},
    )  # fmt: skip


def probe_remote(remote: Remote) -> Facts:
    """Probe the board with the probe's own modules, sent there; nothing is installed."""
    seen = look(remote, "/")
    program = f"{seen.store}/probe.pyz"
    quoted = shlex.quote(program)
    words = remote.check(f"cat >{quoted} && python3 -I {quoted}; code=$?; rm -f {quoted}; exit $code",
                         "the probe did not run", _probe_program())  # fmt: skip
    try:
        return facts.from_json(json.loads(words))
    except (ValueError, TypeError, KeyError) as error:
        raise DeployFailed(
            f"{remote.host}: the probe's answer makes no sense: {last_line(words)[:80]}"
        ) from error


def _probe_program() -> bytes:
    buffer = io.BytesIO()
    folder = Path(boards.__file__).parent
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__main__.py", _PROBE_MAIN)
        for name in _PROBE:
            archive.writestr(f"boards/{name}.py", (folder / f"{name}.py").read_text(encoding="utf-8"))
    return buffer.getvalue()


def target_of(found: Facts) -> Target:
    """What wheels must fit on the probed board. Raises BoardRefused where it cannot be known."""
    system = found.system
    if not (system.arch and system.python and system.glibc):
        raise BoardRefused(
            "the board does not say its architecture, Python and glibc "
            f"({system.arch}, {system.python}, {system.glibc}): ferlite needs a Debian-like system"
        )
    return Target(system.arch, system.python, system.glibc)


def deploy(bundle: Bundle, remote: Remote, *, board: str = "", settings: Settings, cache: Path,
           prefix: str = "/", start: bool = True) -> dict[str, Any]:  # fmt: skip
    """Put a bundle on a board and start it. Raises BoardsError; the board then runs what it ran before."""
    say(f"looking at {remote.host}")
    found = probe_remote(remote)
    if board:
        reason = match.refusal(found)
        if reason:
            raise BoardRefused(reason)
        chosen = profile.load(board)
    else:
        chosen, why = match.identify(found)
        say(f"it is a {chosen.name}: {why}")
    seen = look(remote, prefix)
    as_root(seen, remote, prefix)
    plan = choice.plan(chosen, bundle, found, own_wheels=bool(settings.own_wheels))
    target = target_of(found)
    say(f"{bundle.name} will run on {plan.chosen.name} ({plan.chosen.device}); gathering wheels for {target}")
    with tempfile.TemporaryDirectory(prefix="ferlite-payload-") as folder:
        made = payload.make(plan, target, settings, Path(folder), cache)
        return send_and_install(made, remote, prefix=prefix, start=start)


def as_root(seen: Look, remote: Remote, prefix: str) -> str:
    """The command prefix that gives the right to install ("" where none is needed). Raises DeployFailed."""
    if seen.uid == 0 or (prefix != "/" and seen.writable):
        return ""
    if seen.sudo == "yes":
        return "sudo -n "
    if seen.sudo == "there":
        raise DeployFailed(
            f"{remote.host}: installing needs sudo without a password there: give your user that right, "
            "or deploy to root@"
        )
    raise DeployFailed(
        f"{remote.host}: your user may not install there and the board has no sudo: deploy to root@"
    )


def send_and_install(
    made: Payload, remote: Remote, *, prefix: str = "/", start: bool = True
) -> dict[str, Any]:
    """Send what the board lacks of a payload, and run its installer there."""
    seen = look(remote, prefix)
    rights = as_root(seen, remote, prefix)
    # Small files are always sent: their names do not tell their content.
    missing = {name: path for name, path in made.files.items()
               if not name.isalnum() or seen.have.get(name) != path.stat().st_size}  # fmt: skip
    say(f"sending {len(missing)} of {len(made.files)} files")
    remote.send(missing, seen.store)
    say("installing")
    store = shlex.quote(seen.store)
    command = (
        f"{rights}python3 -I {store}/install.py install --manifest {store}/manifest.json --store {store}"
    )
    result = _installer(remote, command, prefix, start)
    stale = [name for name in seen.have if name not in made.files]
    if stale:
        remote.run(f"cd {store} && rm -f -- {' '.join(map(shlex.quote, stale))}")
    return {"host": remote.host, **result}


def rollback(remote: Remote, *, prefix: str = "/", start: bool = True) -> dict[str, Any]:
    """Return to the version before. Raises DeployFailed where there is none."""
    return _sent_installer(remote, "rollback", prefix, start)


def status(remote: Remote, *, prefix: str = "/", start: bool = True) -> dict[str, Any]:
    """What is installed on the board."""
    return _sent_installer(remote, "status", prefix, start)


def _sent_installer(remote: Remote, verb: str, prefix: str, start: bool) -> dict[str, Any]:
    seen = look(remote, prefix)
    rights = "" if verb == "status" else as_root(seen, remote, prefix)
    remote.send({"install.py": payload.INSTALLER}, seen.store)
    command = f"{rights}python3 -I {shlex.quote(seen.store)}/install.py {verb}"
    return {"host": remote.host, **_installer(remote, command, prefix, start)}


def _installer(remote: Remote, command: str, prefix: str, start: bool) -> dict[str, Any]:
    command += f" --prefix {shlex.quote(prefix)}" + ("" if start else " --no-start")
    words = remote.check(command, "the installer stopped")
    try:
        result: dict[str, Any] = json.loads(last_line(words))
    except ValueError as error:
        raise DeployFailed(f"{remote.host}: the installer's answer makes no sense: {words[:80]!r}") from error
    return result
