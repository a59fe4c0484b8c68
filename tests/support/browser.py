"""A real browser without a window, spoken to over its debugging protocol."""

import asyncio
import base64
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import anyio

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
NO_BROWSER = "there is no chromium: apt-get install chromium"
START_S = 30.0
WAIT_S = 15.0


class Tab:
    """One page. ``problems`` are what it logged: errors, refused by its policy."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._last = 0
        self.problems: list[str] = []

    async def send(self, method: str, **params: Any) -> Any:
        self._last += 1
        await self._socket.send_json(
            {"id": self._last, "method": method, "params": params}
        )
        while True:
            message = await self._socket.receive_json(timeout=WAIT_S)
            if message.get("id") == self._last:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def _note(self, message: Any) -> None:
        params = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.problems.append(str(params["exceptionDetails"]))
        entry = params.get("entry", {})
        if message.get("method") == "Log.entryAdded" and entry["level"] == "error":
            self.problems.append(f"{entry['text']} {entry.get('url', '')}")

    async def open(self, url: str) -> None:
        for domain in ("Page", "Runtime", "Log"):
            await self.send(f"{domain}.enable")
        await self.send("Page.navigate", url=url)
        await self.until(
            f"location.href === '{url}' && document.readyState === 'complete'"
        )

    async def run(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        found = await self.send(
            "Runtime.evaluate",
            expression=script,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, script: str) -> Any:
        """Wait until an expression is true."""
        with anyio.fail_after(WAIT_S):
            while not (value := await self.run(script)):  # noqa: ASYNC110 - a page tells nobody
                await anyio.sleep(0.05)
        return value

    async def look(self, *, width: int, dark: bool) -> None:
        """Have a window of this width, in light or dark colours."""
        await self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {
            "name": "prefers-color-scheme",
            "value": "dark" if dark else "light",
        }
        await self.send("Emulation.setEmulatedMedia", features=[scheme])

    async def picture(self) -> bytes:
        """What is to be seen, as a PNG."""
        found = await self.send("Page.captureScreenshot", format="png")
        return base64.b64decode(found["data"])


@asynccontextmanager
async def open_tab() -> AsyncIterator[Tab]:
    """A browser of its own, ended afterwards."""
    assert BROWSER is not None, NO_BROWSER
    folder = Path(tempfile.mkdtemp(prefix="gb-browser"))
    process = await asyncio.create_subprocess_exec(
        BROWSER,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--remote-debugging-port=0",
        f"--user-data-dir={folder}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        port = await _port(folder / "DevToolsActivePort")
        async with aiohttp.ClientSession() as client:
            async with client.get(f"http://127.0.0.1:{port}/json") as response:
                pages = await response.json()
            url = next(p for p in pages if p["type"] == "page")["webSocketDebuggerUrl"]
            async with client.ws_connect(url, max_msg_size=0) as socket:
                yield Tab(socket)
    finally:
        process.terminate()
        await process.wait()
        shutil.rmtree(folder, ignore_errors=True)


async def _port(path: Path) -> str:
    with anyio.fail_after(START_S):
        while not (found := _words(path)):  # noqa: ASYNC110 - a file tells nobody
            await anyio.sleep(0.05)
    return found[0]


def _words(path: Path) -> list[str]:
    return path.read_text().split() if path.is_file() else []
