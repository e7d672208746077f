"""The live page in a real browser: what it shows, at which widths, by keyboard and by screen reader."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from tests.edge.moments.acted import write_film
from tests.serve.conftest import Live

pytest.importorskip("aiohttp", reason="ferlite serve needs aiohttp: pip install 'ferlite[serve]'")

from tests.serve.browser import Tab, open_tab, program
from tests.serve.test_command import serving

pytestmark = pytest.mark.skipif(program() is None, reason="no Chromium is installed: apt install chromium")
Start = Callable[..., Live]
# FERLITE_SHOTS=folder keeps the screenshots, to be looked at.
SHOTS = os.environ.get("FERLITE_SHOTS")
SHOWN = "document.querySelector('#list h3') && document.querySelector('#line-0').getAttribute('points')"


def visit(live: Live, folder: Path, look: Callable[[Tab], Awaitable[None]], path: str = "/") -> None:
    """Open the page and look at it."""

    async def main() -> None:
        async with open_tab(folder / "profile") as tab:
            await tab.call("Page.navigate", url=f"http://127.0.0.1:{live.port}{path}")
            await look(tab)
            assert not tab.complaints, tab.complaints

    asyncio.run(main())


def test_it_shows_what_is_read_at_phone_and_desktop_width_in_light_and_dark(
    start: Start, tmp_path: Path
) -> None:
    async def look(tab: Tab) -> None:
        await tab.until(SHOWN)
        await tab.until("document.querySelector('#video').naturalWidth === 320")
        assert await tab.run("document.querySelector('#state').textContent") == "live"
        assert "Face 1: " in await tab.run("document.querySelector('#list').innerText")
        assert await tab.run("document.querySelectorAll('#list tr').length") == 7
        assert float(await tab.run("document.querySelector('#fps').textContent")) > 0
        assert await tab.run("document.querySelector('#latency_ms').textContent.endsWith(' ms')")
        grounds = []
        for scheme in ("light", "dark"):
            feature = {"name": "prefers-color-scheme", "value": scheme}
            await tab.call("Emulation.setEmulatedMedia", features=[feature])
            grounds.append(await tab.run("getComputedStyle(document.body).backgroundColor"))
            for width, height in ((390, 844), (1280, 800)):
                await tab.size(width, height)
                await asyncio.sleep(0.5)
                wide = await tab.run("document.documentElement.scrollWidth")
                assert wide <= width, f"the page is {wide} pixels wide on a screen of {width}"
                shot = Path(SHOTS or tmp_path) / f"{scheme}-{width}.png"
                await tab.picture(shot)
                assert cv2.imread(str(shot)).shape[1] == width
        assert grounds[0] != grounds[1]
        loaded = "performance.getEntriesByType('resource').map(each => new URL(each.name).origin)"
        assert set(await tab.run(loaded)) == {await tab.run("location.origin")}

    visit(start(video=True), tmp_path, look)


def test_movements_are_listed_where_they_are_watched_for(tmp_path: Path) -> None:
    write_film(tmp_path / "film.avi", 100)
    words = ["serve", "film.avi", "--listen", "0", "--detector", "haar", "--threads", "1", "--moments"]

    async def main() -> None:
        # The browser first: the film is over in seconds.
        async with open_tab(tmp_path / "profile") as tab:
            with serving([sys.executable, "-m", "edge.cli", *words], tmp_path) as (_, address):
                await tab.call("Page.navigate", url=address)
                await tab.until("document.querySelector('#told li')")
                assert await tab.run("document.querySelector('#no-moment').hidden")
                line = await tab.run("document.querySelector('#told li').textContent")
        assert re.fullmatch(r"\d\.\d\d s, face 1: micro, (\w+, )?\d+ ms, .*brow.*", line), line

    asyncio.run(main())


def test_it_works_by_keyboard(start: Start, tmp_path: Path) -> None:
    async def look(tab: Tab) -> None:
        await tab.until(SHOWN)
        seen = []
        for _ in range(4):
            await tab.press("Tab", 9)
            seen.append(await tab.run("document.activeElement.id || document.activeElement.className"))
            assert await tab.run("getComputedStyle(document.activeElement).outlineStyle") != "none"
        assert seen == ["skip", "pause", "aloud", "who"]
        await tab.run("document.querySelector('#pause').focus()")
        await tab.press("Enter", 13)
        await tab.until("document.querySelector('#pause').getAttribute('aria-pressed') === 'true'")
        await tab.until("document.querySelector('#video').src.startsWith('blob:')")
        await tab.until("document.querySelector('#viewers').textContent === '0'")  # nothing more is sent
        await tab.press("Enter", 13)
        await tab.until("document.querySelector('#viewers').textContent === '1'")

    visit(start(video=True), tmp_path, look)


def test_a_screen_reader_is_told_everything(start: Start, tmp_path: Path) -> None:
    def named(nodes: list[dict[str, Any]], role: str) -> list[str]:
        here = [node for node in nodes if node.get("role", {}).get("value") == role and not node["ignored"]]
        return [node.get("name", {}).get("value", "") for node in here]

    async def look(tab: Tab) -> None:
        await tab.until(SHOWN)
        assert await tab.run("document.documentElement.lang") == "en"
        nodes = (await tab.call("Accessibility.getFullAXTree"))["nodes"]
        assert named(nodes, "heading")[:2] == ["ferlite", "Video"]
        assert any(name.startswith("Face 1: ") for name in named(nodes, "heading"))
        assert "anger" in named(nodes, "rowheader")
        assert named(nodes, "button") == ["Pause the video"]
        assert named(nodes, "checkbox") == ["Tell a screen reader of changes"]
        assert named(nodes, "combobox") == ["Face"]
        images = named(nodes, "image")
        assert len(images) == 2 and all(images), "the video and the chart have names"
        await tab.run("document.querySelector('#aloud').click()")
        await tab.until("/^face 1: /.test(document.querySelector('#say').textContent)")

    visit(start(video=True), tmp_path, look)


def test_it_comes_back_when_the_server_does_and_says_so_meanwhile(start: Start, tmp_path: Path) -> None:
    from edge.live.listen import Address
    from edge.serve.server import Server, Show
    from edge.serve.stills import Stills

    live = start(video=True)
    stills = Stills(lambda: pytest.fail("nothing is read"))
    first = Server(Address("127.0.0.1", 0), "", Show(live.newest, live.vitals, stills, ("a", "b")))
    again: list[Server] = []

    async def look(tab: Tab) -> None:
        await tab.until("document.querySelector('#state').textContent === 'live'")
        await asyncio.to_thread(first.close)
        await tab.until("document.querySelector('#state').textContent.startsWith('connection lost')")
        show = Show(live.newest, live.vitals, Stills(lambda: pytest.fail("nothing is read")), ("a", "b"))
        again.append(await asyncio.to_thread(Server, Address("127.0.0.1", first.port), "", show))
        await tab.until("document.querySelector('#state').textContent === 'live'")
        await tab.until("document.querySelector('#viewers').textContent === '1'")
        tab.complaints.clear()  # of the connection that was lost

    visit(Live(first.port, live.vitals, live.newest), tmp_path, look)
    again[0].close()


def test_the_token_opens_it(start: Start, tmp_path: Path) -> None:
    async def look(tab: Tab) -> None:
        await tab.until(SHOWN)
        assert await tab.run("location.search") == ""

    visit(start(video=True, token="correct-horse-battery"), tmp_path, look, "/?token=correct-horse-battery")


def test_without_a_video_it_says_what_it_is_for(start: Start, tmp_path: Path) -> None:
    async def look(tab: Tab) -> None:
        await tab.until("document.querySelector('#state').textContent === 'ready for stills'")
        assert await tab.run("document.querySelector('#no-video').innerText.includes('reads stills')")
        assert await tab.run("document.querySelector('#pause').offsetParent === null")

    visit(start(), tmp_path, look)
