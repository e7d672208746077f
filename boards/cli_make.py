"""The verbs that make something: images, cards and packages."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boards import bundle, card_device, choice, profile, texts
from boards.cli_verb import cache_folder, path, payload_options, settings_from
from boards.errors import UsageError
from boards.profile import Image, Profile
from boards.progress import say
from boards.settings import Settings
from edge.commands import command
from edge.commands.command import Parser, filled
from edge.commands.exits import OK
from edge.files import refuse_same

if TYPE_CHECKING:
    from boards.payload import Payload


def add_verbs(verbs: Any) -> None:
    """Declare flash and deb."""
    one = command.verb(
        verbs, "flash", "make an image or a card that installs ferlite at its first start", _flash
    )
    one.add_argument("bundle", metavar="BUNDLE", help="folder, .zip or shipped name")
    one.add_argument("--image", type=path, help="stock system image (.img); it is not changed")
    one.add_argument("--out", "-o", type=path, help="image to make (or folder, for boards flashed by a hook)")
    one.add_argument(
        "--card", type=filled, metavar="DEVICE", help="also write it to this card, as /dev/disk/by-id/..."
    )
    one.add_argument("--yes", action="store_true", help="really write to the card")
    one.add_argument("--dry-run", action="store_true", help="only print every change")
    _board_options(one)
    one = command.verb(verbs, "deb", "build a package with a bundle and all of its wheels", _deb)
    one.add_argument("bundle", metavar="BUNDLE", help="folder, .zip or shipped name")
    one.add_argument(
        "--out", "-o", type=path, default=Path(), help="package to make, or its folder (default: here)"
    )
    _board_options(one)


def _board_options(one: Parser) -> None:
    one.add_argument("--board", type=filled, required=True, help="the board's id")
    one.add_argument(
        "--system", type=filled, metavar="NAME", help="system image of the board (see ferlite boards show)"
    )
    payload_options(one)


def _make_payload(arguments: argparse.Namespace, settings: Settings, system: Image, folder: str) -> Payload:
    from boards import payload
    from boards.wheels import Target

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
    command.output(arguments, result, texts.table(result))
    return OK


def _flash_hook(arguments: argparse.Namespace, board: Profile, settings: Settings) -> dict[str, Any]:
    """A folder for the maker's own tool; with --dry-run, what it would hold."""
    from boards import flash

    with tempfile.TemporaryDirectory(prefix="ferlite-payload-") as folder:
        system = board.image_named(arguments.system or "")
        made = _make_payload(arguments, settings, system, folder)
        planned = flash.hook_changes(made) if arguments.dry_run else flash.rootfs_hook(arguments.out, made)
        result: dict[str, Any] = {"system": system.name, "version": made.id}
        result["changes"] = [one.describe() for one in planned]
    return (
        result
        if arguments.dry_run
        else {**result, "out": str(arguments.out), "next": f"{arguments.out}/{flash.HOOK} ROOTFS"}
    )


def _flash_image(arguments: argparse.Namespace, board: Profile, settings: Settings) -> dict[str, Any]:
    """An image, and a card where one is named; with --dry-run, what would be written to it."""
    from boards import flash

    card = None
    if arguments.card:
        card = card_device.examine(arguments.card, arguments.image.stat().st_size)
    stock = flash.examine(arguments.image)
    system = flash.system_of(board, stock.form, arguments.system or "")
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
    if board.flash.method == "rootfs-hook" and (arguments.image or arguments.card):
        raise UsageError(
            f"{board.name} is flashed with its maker's tool: leave out --image and --card, and --out is a "
            "folder for that tool"
        )
    if board.flash.method == "fat" and not arguments.image:
        raise UsageError("which system image? name the stock .img file with --image")
    if arguments.image and not arguments.image.is_file():
        raise UsageError(f"there is no image '{arguments.image}'")


def _deb(arguments: argparse.Namespace) -> int:
    from boards import deb, flash

    if not arguments.out.is_dir():
        refuse_same([arguments.out], [*bundle.files_of(arguments.bundle), arguments.detector_model])
    system, settings = (
        profile.load(arguments.board).image_named(arguments.system or ""),
        settings_from(arguments),
    )
    with tempfile.TemporaryDirectory(prefix="ferlite-payload-") as folder:
        made = _make_payload(arguments, settings, system, folder)
        out = deb.build(made, arguments.out)
    result = {
        "out": str(out),
        "version": deb.version(made),
        "system": system.name,
        "sha256": flash.sha256(out),
    }
    command.output(arguments, result, texts.table(result))
    return OK
