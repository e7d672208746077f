"""``ferlite-boards`` (or ``ferlite boards``): a thin face on the package, every verb a library call.

Results go to standard output, everything else to standard error.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from boards import bundle, choice, deb, deploy, device, emulate, flash, match, payload, profile, show
from boards.errors import BoardsError, UsageError, exit_code
from boards.facts import Facts
from boards.payload import Payload, Settings
from boards.probe import probe
from boards.progress import say
from boards.remote import Remote
from boards.wheels import Target


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, run the verb, and return its exit code."""
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    action: Callable[[argparse.Namespace], int] = arguments.action
    return exit_code(lambda: action(arguments), as_json=arguments.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ferlite boards", description="Know boards, and put ferlite on them."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _verb(verbs, "list", "list the boards that ferlite knows", _list)
    one = _verb(verbs, "show", "show one board's profile", _show)
    one.add_argument("board", metavar="BOARD", help="a board's id, or a profile of your own (.toml)")
    one = _verb(verbs, "probe", "find out what this board is and what it can do", _probe)
    one.add_argument("--root", default="/", help="read the recorded file tree in this folder instead")
    one.add_argument("--host", default="", help="probe this board over ssh instead")
    _ssh_arguments(one)
    one = _verb(verbs, "plan", "explain which engine runs a bundle on a board", _plan)
    one.add_argument("bundle", metavar="BUNDLE", help="folder of a model bundle")
    one.add_argument("--board", default="", help="a board's id (default: this machine)")
    _deploy_parser(verbs)
    _flash_parser(verbs)
    _emulate_parser(verbs)
    return parser


def _deploy_parser(verbs: Any) -> None:
    one = _verb(verbs, "deploy", "put a bundle on a board over ssh, and start it at power-on", _deploy)
    one.add_argument("bundle", metavar="BUNDLE", nargs="?", default="", help="folder of a model bundle")
    one.add_argument("host", metavar="HOST", help="the board, as user@host")
    one.add_argument("--board", default="", help="a board's id (default: what the board says it is)")
    one.add_argument("--rollback", action="store_true", help="return to the version before")
    one.add_argument("--status", action="store_true", help="only say what is installed there")
    one.add_argument("--prefix", default="/", help="install below this folder of the board")
    one.add_argument("--no-start", action="store_true", help="install, but do not start the service")
    _payload_arguments(one)
    _ssh_arguments(one)


def _flash_parser(verbs: Any) -> None:
    one = _verb(verbs, "flash", "make an image, or a card, that installs ferlite at its first start", _flash)
    one.add_argument("bundle", metavar="BUNDLE", help="folder of a model bundle")
    one.add_argument("--image", type=Path, help="stock system image (.img); it is not changed")
    one.add_argument("--out", type=Path, help="image to make (or folder, for boards flashed by a hook)")
    one.add_argument("--device", default="", help="also write it to this card, as /dev/disk/by-id/...")
    one.add_argument("--yes", action="store_true", help="really write to the card")
    one.add_argument("--dry-run", action="store_true", help="only print every change")
    _board_arguments(one)
    one = _verb(verbs, "deb", "build a package with a bundle and all of its wheels", _deb)
    one.add_argument("bundle", metavar="BUNDLE", help="folder of a model bundle")
    one.add_argument(
        "--out", type=Path, default=Path(), help="package to make, or its folder (default: here)"
    )
    _board_arguments(one)


def _emulate_parser(verbs: Any) -> None:
    one = _verb(
        verbs, "emulate", "run ferlite here as on an Arm board, under QEMU's model of its core", _emulate
    )
    one.add_argument("board", metavar="BOARD", help="a board's id")
    one.add_argument("--system", default="", help="system image of the board (see ferlite boards show)")
    one.add_argument("--wheels", action="append", default=[], type=Path, help="folder of wheels of your own")
    one.add_argument("--wheelhouse", type=Path, help="folder to keep downloaded wheels in")
    one.add_argument("--offline", action="store_true", help="download nothing")
    one.add_argument(
        "command", nargs="+", metavar="-- COMMAND", help="what to run: ferlite ... or python ..."
    )


def _board_arguments(one: argparse.ArgumentParser) -> None:
    one.add_argument("--board", required=True, help="the board's id")
    one.add_argument("--system", default="", help="system image of the board (see ferlite boards show)")
    _payload_arguments(one)


def _payload_arguments(one: argparse.ArgumentParser) -> None:
    one.add_argument("--source", default="", help="where frames come from (default: the board's camera)")
    one.add_argument("--sink", action="append", default=[], help="where readings go (default: jsonl:-)")
    one.add_argument("--detector", default="haar", choices=["haar", "yunet"], help="face detector")
    one.add_argument("--detector-model", type=Path, help="weights of the detector (.onnx) to carry along")
    one.add_argument("--wheels", action="append", default=[], type=Path, help="folder of wheels of your own")
    one.add_argument("--wheelhouse", type=Path, help="folder to keep downloaded wheels in")
    one.add_argument("--offline", action="store_true", help="download nothing")


def _ssh_arguments(one: argparse.ArgumentParser) -> None:
    one.add_argument("--port", type=int, default=0, help="ssh port")
    one.add_argument("--identity", default="", help="ssh key file")
    one.add_argument("--ssh-config", default="", help="ssh configuration file")
    one.add_argument(
        "--accept-new-host-key", action="store_true", help="trust a host seen for the first time"
    )


def _verb(
    verbs: Any, name: str, help_text: str, action: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name, help=help_text, description=help_text.capitalize() + "."
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(action=action)
    return parser


def _print(as_json: bool, data: object, text: str) -> None:
    print(json.dumps(data, indent=2, ensure_ascii=False) if as_json else text)


def _list(arguments: argparse.Namespace) -> int:
    boards = profile.load_all()
    rows = [f"{one.id:<18}{one.name}" for one in boards]
    _print(
        arguments.json,
        [{"id": one.id, "name": one.name, "arch": one.arch} for one in boards],
        "\n".join(rows),
    )
    return 0


def _show(arguments: argparse.Namespace) -> int:
    board = profile.load(arguments.board)
    _print(arguments.json, asdict(board), show.profile_text(board))
    return 0


def _identified(facts: Facts) -> tuple[profile.Profile | None, str]:
    try:
        return match.identify(facts)
    except BoardsError as error:
        return None, str(error)


def _probe(arguments: argparse.Namespace) -> int:
    if not Path(arguments.root).is_dir():
        raise UsageError(f"--root '{arguments.root}' is not a folder")
    if arguments.host:
        with _remote(arguments) as remote:
            facts = deploy.probe_remote(remote)
    else:
        facts = probe(arguments.root)
    board, why = _identified(facts)
    data = {"board": board.id if board else None, "why": why, **asdict(facts)}
    _print(arguments.json, data, show.probe_text(facts, board, why))
    if board is None:
        match.identify(facts)
    return 0


def _plan(arguments: argparse.Namespace) -> int:
    model = bundle.read(arguments.bundle)
    facts = None if arguments.board else probe()
    board = profile.load(arguments.board) if facts is None else match.identify(facts)[0]
    chosen = choice.plan(board, model, facts)
    _ = chosen.chosen
    _print(arguments.json, chosen.as_json(), show.plan_text(chosen))
    return 0


def _remote(arguments: argparse.Namespace) -> Remote:
    return Remote(
        arguments.host, port=arguments.port, identity=arguments.identity, config=arguments.ssh_config,
        accept_new_host_key=arguments.accept_new_host_key,
    )  # fmt: skip


def _settings(arguments: argparse.Namespace) -> Settings:
    for folder in (
        *arguments.wheels,
        *([arguments.wheelhouse] if arguments.offline and arguments.wheelhouse else []),
    ):
        if not folder.is_dir():
            raise UsageError(f"'{folder}' is not a folder of wheels")
    return Settings(
        source=arguments.source,
        sinks=tuple(arguments.sink) or ("jsonl:-",),
        detector=arguments.detector,
        detector_model=arguments.detector_model,
        own_wheels=tuple(arguments.wheels),
        wheelhouse=arguments.wheelhouse,
        offline=arguments.offline,
    )


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ferlite"


def _deploy(arguments: argparse.Namespace) -> int:
    start = not arguments.no_start
    if arguments.rollback or arguments.status:
        if arguments.bundle:
            raise UsageError("--rollback and --status take a host only, no bundle")
        with _remote(arguments) as remote:
            act = deploy.rollback if arguments.rollback else deploy.status
            result = act(remote, prefix=arguments.prefix, start=start)
    else:
        if not arguments.bundle:
            raise UsageError("what shall run on the board? ferlite boards deploy BUNDLE user@host")
        model, settings = bundle.read(arguments.bundle), _settings(arguments)
        with _remote(arguments) as remote:
            result = deploy.deploy(
                model, remote, board=arguments.board, settings=settings, cache=_cache() / "wheels",
                prefix=arguments.prefix, start=start,
            )  # fmt: skip
    _print(arguments.json, result, show.installed_text(result))
    return 0


def _make_payload(arguments: argparse.Namespace, system: profile.Image, folder: Path) -> Payload:
    board = profile.load(arguments.board)
    plan = choice.plan(board, bundle.read(arguments.bundle), own_wheels=bool(arguments.wheels))
    target = Target(board.arch, system.python, system.glibc)
    say(f"{plan.bundle.name} will run on {plan.chosen.name}; gathering wheels for {target}")
    return payload.make(plan, target, _settings(arguments), folder, _cache() / "wheels")


def _flash(arguments: argparse.Namespace) -> int:
    board = profile.load(arguments.board)
    _check_flash(arguments, board)
    with tempfile.TemporaryDirectory(prefix="ferlite-payload-") as folder:
        if board.flash.method == "rootfs-hook":
            made = _make_payload(arguments, board.image_named(arguments.system), Path(folder))
            flash.rootfs_hook(arguments.out, made)
            hook = {"out": str(arguments.out), "version": made.id, "next": "install-into.sh ROOTFS"}
            _print(arguments.json, hook, show.table(hook))
            return 0
        card = device.examine(arguments.device, arguments.image.stat().st_size) if arguments.device else None
        system = flash.system_of(board, flash.form_of(arguments.image), arguments.system)
        made = _make_payload(arguments, system, Path(folder))
        act = flash.changes if arguments.dry_run else functools.partial(flash.flash, out=arguments.out)
        planned = act(arguments.image, payload=made)
    result: dict[str, Any] = {
        "system": system.name,
        "version": made.id,
        "changes": [one.describe() for one in planned],
    }
    if not arguments.dry_run:
        result |= {"out": str(arguments.out), "sha256": flash.sha256(arguments.out)}
        if card:
            say(f"{card.id} is {card.model}, {card.size >> 20} MB, now /dev/{card.kernel_name}")
            say(f"all of it will be overwritten by {arguments.out}")
            result["card"] = device.write(arguments.out, card) if arguments.yes else "not written: add --yes"
    _print(arguments.json, result, show.table(result))
    return 0


def _check_flash(arguments: argparse.Namespace, board: profile.Profile) -> None:
    if board.flash.method == "deb":
        raise UsageError(
            f"{board.name} is set up with a package: ferlite boards deb BUNDLE --board {board.id}"
        )
    if not arguments.out and not arguments.dry_run:
        raise UsageError("where shall the result go? name it with --out")
    if board.flash.method == "fat" and not arguments.image:
        raise UsageError("which system image? name the stock .img file with --image")
    if arguments.image and not arguments.image.is_file():
        raise UsageError(f"there is no image '{arguments.image}'")


def _deb(arguments: argparse.Namespace) -> int:
    system = profile.load(arguments.board).image_named(arguments.system)
    with tempfile.TemporaryDirectory(prefix="ferlite-payload-") as folder:
        made = _make_payload(arguments, system, Path(folder))
        out = deb.build(made, arguments.out)
    result = {
        "out": str(out),
        "version": deb.version(made),
        "system": system.name,
        "sha256": flash.sha256(out),
    }
    _print(arguments.json, result, show.table(result))
    return 0


def _emulate(arguments: argparse.Namespace) -> int:
    settings = Settings(
        own_wheels=tuple(arguments.wheels), wheelhouse=arguments.wheelhouse, offline=arguments.offline
    )
    board = profile.load(arguments.board)
    machine = emulate.prepare(board, _cache(), settings=settings, system=arguments.system)
    done = machine.run(arguments.command, capture=arguments.json)
    if arguments.json:
        result = {"board": board.id, "core": machine.core, "exit_code": done.returncode}
        _print(True, {**result, "stdout": done.stdout, "stderr": done.stderr}, "")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
