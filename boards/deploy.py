"""``deploy``: a bundle onto a board over ssh. Looks first, sends what is missing, installs in one step.

Files travel under the name of their sha256 into a folder of the user's cache on the board, so a deploy
that broke off goes on where it stopped, and the next one sends only what changed.
"""

from __future__ import annotations

import io
import json
import re
import shlex
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boards
from boards import choice, facts, match, payload, profile
from boards.agreement import camera_note, disagreements
from boards.bundle import Bundle
from boards.child import last_line
from boards.choice import Plan
from boards.errors import BoardRefused, DeployFailed
from boards.facts import Facts
from boards.payload import Payload
from boards.profile import Profile
from boards.progress import say
from boards.remote import Remote
from boards.settings import Settings, check_settings
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
command -v dpkg-query >/dev/null && echo "dpkg=yes"
for package in PACKAGES; do
    status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)
    [ "$status" = installed ] && echo "package=$package"
done
cd "$store" || exit 1
for file in *; do [ -f "$file" ] && echo "have=$file $(wc -c <"$file")"; done
"""
_PROBE_THERE = """
here=.probe.$$
mkdir "$here" || exit 1
cat >"$here/probe.pyz"
if facts=$(python3 -I "$here/probe.pyz" 2>"$here/log"); then
    echo "facts=$facts"
else
    echo "unprobed=$(tail -n 1 "$here/log")"
fi
rm -rf "$here"
"""


@dataclass(frozen=True)
class Look:
    """What the board said before anything was sent.

    ``have``: names and sizes of files already there; ``packages``: those of the packages asked for that the
    system has, None where it is no Debian; ``facts``: its probe, None where none was asked for.
    """

    store: str
    uid: int
    python: str
    writable: bool
    sudo: str
    have: dict[str, int]
    packages: frozenset[str] | None = None
    facts: Facts | None = None

    def probed(self) -> Facts:
        """The probe's facts. Raises DeployFailed where this look asked for none."""
        if self.facts is None:
            raise DeployFailed("the board was looked at without its probe")
        return self.facts


def look(remote: Remote, prefix: str, *, probing: bool = False, packages: Sequence[str] = ()) -> Look:
    """Ask the board what it has, in one session; ``probing`` runs the probe there too.

    Nothing is installed for that. Raises DeployFailed, BoardRefused.
    """
    script = _LOOK.replace("PREFIX", shlex.quote(prefix.rstrip("/")))
    script = script.replace("PACKAGES", shlex.join(packages)) + (_PROBE_THERE if probing else "") + "exit 0\n"
    data = _probe_program() if probing else b""
    words = remote.check(script, "cannot use your home folder there", data)
    answers: dict[str, list[str]] = {}
    for line in words.splitlines():
        key, mark, value = line.partition("=")
        answers.setdefault(key, []).extend([value] if mark else [])
    uid, python = _last(answers, "uid"), _last(answers, "python")
    if not (uid.isdigit() and re.fullmatch(r"(\d+\.\d+)?", python)):
        raise DeployFailed(f"{remote.host}: its answer makes no sense: {last_line(words)[:80]!r}")
    if not python:
        raise BoardRefused(f"{remote.host} has no python3: sudo apt install python3")
    if not match.python_is_enough(python):
        raise BoardRefused(f"{remote.host}: {match.python_refusal(python)}")
    sizes = [one.rpartition(" ") for one in answers.get("have", [])]
    return Look(
        store=_last(answers, "store"),
        uid=int(uid),
        python=python,
        writable=_last(answers, "writable") == "yes",
        sudo=_last(answers, "sudo"),
        have={name: int(size) for name, _, size in sizes if size.isdigit()},
        packages=frozenset(answers.get("package", [])) if "dpkg" in answers else None,
        facts=_facts(remote, answers) if probing else None,
    )


def _last(answers: Mapping[str, Sequence[str]], key: str) -> str:
    return answers.get(key, [""])[-1]


def _facts(remote: Remote, answers: Mapping[str, Sequence[str]]) -> Facts:
    if "facts" not in answers:
        raise DeployFailed(f"{remote.host}: the probe did not run: {_last(answers, 'unprobed')}")
    try:
        return facts.from_json(json.loads(_last(answers, "facts")))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DeployFailed(
            f"{remote.host}: the probe's answer makes no sense: {_last(answers, 'facts')[:80]}"
        ) from error


def probe_remote(remote: Remote) -> Facts:
    """Probe the board with the probe's own modules, sent there; nothing is installed."""
    return look(remote, "/", probing=True).probed()


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


@dataclass(frozen=True)
class Ready:
    """A board that was looked at and can take the bundle: what will run there, and what wheels must fit."""

    seen: Look
    plan: Plan
    target: Target


def deploy(
    bundle: Bundle,
    remote: Remote,
    *,
    board: str = "",
    settings: Settings,
    cache: Path,
    prefix: str = "/",
    start: bool = True,
) -> dict[str, Any]:
    """Put a bundle on a board and start it. Raises BoardsError; the board then runs what it ran before."""
    ready = prepare(bundle, remote, board=board, settings=settings, prefix=prefix)
    with tempfile.TemporaryDirectory(prefix="ferlite-payload-") as folder:
        made = payload.make(ready.plan, ready.target, settings, Path(folder), cache)
        return send_and_install(made, remote, ready.seen, prefix=prefix, start=start)


def prepare(
    bundle: Bundle, remote: Remote, *, board: str = "", settings: Settings, prefix: str = "/"
) -> Ready:
    """Look at a board, once, and decide what runs there; nothing is sent. Raises BoardsError."""
    check_settings(settings)
    named = profile.load(board) if board else None
    say(f"looking at {remote.host}")
    cameras = [one.camera for one in ([named] if named else profile.load_all())]
    packages = sorted({name for camera in cameras for name in camera.system_packages})
    seen = look(remote, prefix, probing=True, packages=packages)
    found = seen.probed()
    as_root(seen, remote, prefix)
    chosen = _chosen(found, named)
    _check_camera(seen, chosen, settings.source, remote.host)
    plan = choice.plan(chosen, bundle, found, own_wheels=bool(settings.own_wheels))
    target, engine = target_of(found), plan.chosen()
    say(f"{bundle.name} will run on {engine.name} ({engine.device}); gathering wheels for {target}")
    return Ready(seen, plan, target)


def _chosen(found: Facts, named: Profile | None) -> Profile:
    """The profile that the user named, or the one that fits; what is unlike it is said."""
    if named is None:
        chosen, why = match.identify(found)
        say(f"it is a {chosen.name}: {why}")
    else:
        chosen, reason = named, match.refusal(found)
        if reason:
            raise BoardRefused(reason)
    for one in disagreements(chosen, found):
        say(f"unlike its profile: {one}")
    return chosen


def _check_camera(seen: Look, chosen: Profile, source: str, host: str) -> None:
    """Refuse a camera whose packages are not there; say it where none is plugged in."""
    camera = chosen.camera
    if source in ("", camera.source) and seen.packages is not None:
        missing = [name for name in camera.system_packages if name not in seen.packages]
        if missing:
            raise BoardRefused(
                f"{host}: its camera '{camera.source}' needs a package that is not there: sudo apt install "
                f"{' '.join(missing)}, or name another camera with --source"
            )
    note = camera_note(chosen, seen.probed(), source or camera.source)
    if note:
        say(note)


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
    made: Payload, remote: Remote, seen: Look | None = None, *, prefix: str = "/", start: bool = True
) -> dict[str, Any]:
    """Send what the board lacks of a payload, and run its installer there. ``seen``: what a look told."""
    seen = seen or look(remote, prefix)
    rights = as_root(seen, remote, prefix)
    # Small files are always sent: their names do not tell their content.
    missing = {
        name: path
        for name, path in made.files.items()
        if not name.isalnum() or seen.have.get(name) != path.stat().st_size
    }
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
