"""A real browser, driven over its DevTools protocol with the aiohttp that the page's server needs too."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
STARTS_WITHIN = 60.0  # seconds: machines are shared


def program() -> str | None:
    """Where a Chromium is installed, None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Tab:
    """One page of the browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._number = socket, 0
        self.complaints: list[str] = []  # what the browser wrote to its console

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json(timeout=60)
            if message.get("id") == self._number:
                assert "error" not in message, message
                return dict(message["result"])
            if message.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.complaints.append(str(message["params"]))

    async def run(self, script: str) -> Any:
        """What a JavaScript expression is worth."""
        done = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    async def until(self, script: str, seconds: float = 60.0) -> None:
        """Wait until a JavaScript expression is true."""
        for _ in range(int(seconds / 0.25)):
            # Before the page is there, there is nothing to ask.
            if await self.run(f"(() => {{ try {{ return Boolean({script}) }} catch {{ return false }} }})()"):
                return
            await asyncio.sleep(0.25)
        raise AssertionError(f"not within {seconds} s: {script}; {await self.run('document.body.innerText')}")

    async def size(self, width: int, height: int) -> None:
        """Lay the page out as a screen of so many CSS pixels would."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    async def picture(self, file: Path) -> None:
        """The whole page, as long as it is."""
        shot = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    async def press(self, key: str, code: int) -> None:
        """Press and release a key."""
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            more = text if kind == "keyDown" else {}
            await self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more
            )


@asynccontextmanager
async def open_tab(profile: Path) -> AsyncIterator[Tab]:
    """A headless browser with one empty tab; ``profile`` is its folder."""
    executable = program()
    assert executable is not None
    # A browser that is root has no sandbox; it sees no page but ours.
    options = [
        "--headless=new",
        "--disable-gpu",
        "--no-first-run",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
    ]
    options += ["--no-sandbox"] if os.geteuid() == 0 else []
    options += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    process = subprocess.Popen(
        [executable, *options, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port = await _port(profile / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                page = next(each for each in await answer.json() if each["type"] == "page")
            async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                tab = Tab(socket)
                for domain in ("Page", "Runtime", "Log"):
                    await tab.call(f"{domain}.enable")
                yield tab
    finally:
        process.terminate()
        process.wait(30)


async def _port(file: Path) -> int:
    for _ in range(int(STARTS_WITHIN / 0.25)):
        if file.exists() and (lines := file.read_text().splitlines()):
            return int(lines[0])
        await asyncio.sleep(0.25)
    raise AssertionError("the browser did not start")


if __name__ == "__main__":  # python -m tests.serve.browser ADDRESS FOLDER: look at the page yourself

    async def main(address: str, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        async with open_tab(folder / "profile") as tab:
            await tab.call("Page.navigate", url=address)
            await tab.until("document.querySelector('#state')?.dataset.state === 'good'")
            await asyncio.sleep(12)
            for scheme in ("light", "dark"):
                feature = {"name": "prefers-color-scheme", "value": scheme}
                await tab.call("Emulation.setEmulatedMedia", features=[feature])
                for width, height in ((390, 844), (1280, 800)):
                    await tab.size(width, height)
                    await asyncio.sleep(1)
                    await tab.picture(folder / f"{scheme}-{width}.png")
            print(tab.complaints)

    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
