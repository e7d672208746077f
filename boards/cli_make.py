"""The verbs that make something: images, cards and packages."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from boards import bundle, card_device, choice, deb, flash, payload, profile, texts
from boards.cli_verb import add_verb, cache_folder, output, payload_arguments, settings_from
from boards.errors import UsageError
from boards.payload import Payload, Settings
from boards.profile import Image, Profile
from boards.progress import say
from boards.wheels import Target


def add_verbs(verbs: Any) -> None:
    """Declare flash and deb."""
    _flash_parser(verbs)


def _flash_parser(verbs: Any) -> None:
    one = add_verb(verbs, "flash", "make an image or a card that installs ferlite at its first start", _flash)
    one.add_argument("bundle", metavar="BUNDLE", help="folder of a model bundle")
    one.add_argument("--image", type=Path, help="stock system image (.img); it is not changed")
    one.add_argument("--out", type=Path, help="image to make (or folder, for boards flashed by a hook)")
    one.add_argument("--device", default="", help="also write it to this card, as /dev/disk/by-id/...")
    one.add_argument("--yes", action="store_true", help="really write to the card")
    one.add_argument("--dry-run", action="store_true", help="only print every change")
    _board_arguments(one)
    one = add_verb(verbs, "deb", "build a package with a bundle and all of its wheels", _deb)
    one.add_argument("bundle", metavar="BUNDLE", help="folder of a model bundle")
    one.add_argument(
        "--out", type=Path, default=Path(), help="package to make, or its folder (default: here)"
    )
    _board_arguments(one)


def _board_arguments(one: argparse.ArgumentParser) -> None:
    one.add_argument("--board", required=True, help="the board's id")
    one.add_argument("--system", default="", help="system image of the board (see ferlite boards show)")
    payload_arguments(one)


def _make_payload(arguments: argparse.Namespace, settings: Settings, system: Image, folder: str) -> Payload:
    board = profile.load(arguments.board)
    plan = choice.plan(board, bundle.read(arguments.bundle), own_wheels=bool(arguments.wheels))
    target = Target(board.arch, system.python, system.glibc)
    say(f"{plan.bundle.name} will run on {plan.chosen().name}; gathering wheels for {target}")
    return payload.make(plan, target, settings, Path(folder), cache_folder() / "wheels")


def _flash(arguments: argparse.Namespace) -> int:
    board = profile.load(arguments.board)
    _check_flash(arguments, board)
    settings = settings_from(arguments)
    act = _flash_hook if board.flash.method == "rootfs-hook" else _flash_image
    result = act(arguments, board, settings)
    output(arguments.json, result, texts.table(result))
    return 0


def _flash_hook(arguments: argparse.Namespace, board: Profile, settings: Settings) -> dict[str, Any]:
    """A folder for the maker's own tool; with --dry-run, what it would hold."""
    with tempfile.TemporaryDirectory(prefix="ferlite-payload-") as folder:
        system = board.image_named(arguments.system)
        made = _make_payload(arguments, settings, system, folder)
        planned = flash.hook_changes(made) if arguments.dry_run else flash.rootfs_hook(arguments.out, made)
        result: dict[str, Any] = {"system": system.name, "version": made.id}
        result["changes"] = [one.describe() for one in planned]
    return result if arguments.dry_run else {
        **result, "out": str(arguments.out), "next": f"{arguments.out}/{flash.HOOK} ROOTFS"
    }  # fmt: skip


def _flash_image(arguments: argparse.Namespace, board: Profile, settings: Settings) -> dict[str, Any]:
    """An image, and a card where one is named; with --dry-run, what would be written to it."""
    card = None
    if arguments.device:
        card = card_device.examine(arguments.device, arguments.image.stat().st_size)
    stock = flash.examine(arguments.image)
    system = flash.system_of(board, stock.form, arguments.system)
    with tempfile.TemporaryDirectory(prefix="ferlite-payload-") as folder:
        made = _make_payload(arguments, settings, system, folder)
        planned = flash.changes(stock, made) if arguments.dry_run else flash.flash(stock, arguments.out, made)
        result: dict[str, Any] = {"system": system.name, "version": made.id}
        result["changes"] = [one.describe() for one in planned]
    if arguments.dry_run:
        return result
    result |= {"out": str(arguments.out), "sha256": flash.sha256(arguments.out)}
    if card:
        say(f"{card.id} is {card.model}, {card.size >> 20} MB, now /dev/{card.kernel_name}")
        say(f"all of it will be overwritten by {arguments.out}")
        written = card_device.write(arguments.out, card) if arguments.yes else "not written: add --yes"
        result["card"] = written
    return result


def _check_flash(arguments: argparse.Namespace, board: Profile) -> None:
    if board.flash.method == "deb":
        raise UsageError(
            f"{board.name} is set up with a package: ferlite boards deb BUNDLE --board {board.id}"
        )
    if not arguments.out and not arguments.dry_run:
        raise UsageError("where shall the result go? name it with --out")
    if board.flash.method == "rootfs-hook" and (arguments.image or arguments.device):
        raise UsageError(
            f"{board.name} is flashed with its maker's tool: leave out --image and --device, and --out is a "
            "folder for that tool"
        )
    if board.flash.method == "fat" and not arguments.image:
        raise UsageError("which system image? name the stock .img file with --image")
    if arguments.image and not arguments.image.is_file():
        raise UsageError(f"there is no image '{arguments.image}'")


def _deb(arguments: argparse.Namespace) -> int:
    system, settings = profile.load(arguments.board).image_named(arguments.system), settings_from(arguments)
    with tempfile.TemporaryDirectory(prefix="ferlite-payload-") as folder:
        made = _make_payload(arguments, settings, system, folder)
        out = deb.build(made, arguments.out)
    result = {
        "out": str(out),
        "version": deb.version(made),
        "system": system.name,
        "sha256": flash.sha256(out),
    }
    output(arguments.json, result, texts.table(result))
    return 0
