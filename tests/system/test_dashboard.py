"""The dashboard in a real browser, on a real daemon that listens on TCP."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from daemon.simulator import Kind, simulate
from ipc.client import Client
from ipc.threads import ThreadsListResult
from tests.support.browser import BROWSER, NO_BROWSER, Tab, open_tab
from tests.support.daemon_process import configuration, daemon_process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason=NO_BROWSER),
]

TOKEN = "the-admins-token"
ADMIN = (
    '[access]\ntokens = [{ name = "ann", tier = "admin", '
    f'sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}" }}]'
)
LIVE = "document.getElementById('state').textContent === 'live'"
ROWS = "document.querySelectorAll('#requests tbody tr').length"


@asynccontextmanager
async def opened(
    folder: Path, more: str = "", names: tuple[Kind, ...] = ("openai",)
) -> AsyncIterator[tuple[Tab, Client, str]]:
    """A browser, a client, and where the page is."""
    async with simulate(names) as providers:
        config = configuration(providers, f'{more}\n[server]\nlisten = "127.0.0.1:0"\n')
        async with (
            daemon_process(folder, config) as daemon,
            Client([daemon.socket]) as client,
            open_tab() as tab,
        ):
            ready = await daemon.wait_for_log("ready")
            url = f"http://{ready['listen']}/dashboard"
            yield tab, client, url


async def test_with_a_token_it_shows_what_happens_while_it_happens(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, ADMIN) as (tab, client, url):
        await tab.open(url)
        await tab.until("document.activeElement?.id === 'token'")
        await _enter(tab, "wrong")
        await tab.until(
            "document.getElementById('door-why').textContent.includes('not known')"
        )
        assert await tab.run("document.getElementById('view').hidden")
        await _enter(tab, TOKEN)
        await tab.until(LIVE)
        assert await tab.run(ROWS) == 0
        reply = await client.route("hello <b>there</b>", task_type="<i>odd</i>")
        await tab.until(f"{ROWS} === 1")

        row = await tab.run("document.querySelector('#requests tbody').textContent")
        assert f"{reply.provider} / {reply.model}" in row
        assert "<i>odd</i>" in row
        stored = "JSON.stringify([localStorage.length, sessionStorage.length, document.cookie])"
        assert await tab.run(stored) == '[0,0,""]'

        await tab.run("document.querySelector('#requests button').focus()")
        await _press_enter(tab)
        await tab.until("document.querySelectorAll('#why-body table').length >= 2")
        why = await tab.run("document.getElementById('why').textContent")
        assert reply.decision_id in why

        await client.call("tasks.submit", {"prompt": "x", "title": "later"})
        listed = "document.querySelector('#tasks tbody')?.textContent"
        await tab.until(f"({listed} ?? '').includes('done')")
        assert "later" in await tab.run(listed)
        refused = [each for each in tab.problems if "401" not in each.split()]
        assert refused == []  # neither a mistake in the script nor against the policy


async def test_open_to_loopback_it_asks_for_nothing_and_fits_a_phone(
    tmp_path: Path,
) -> None:
    access = "[access]\nopen_loopback = true"
    async with opened(tmp_path, access) as (tab, client, url):
        await tab.look(width=360, dark=True)
        await tab.open(url)
        await tab.until(LIVE)
        await client.route("hello")
        await tab.until(
            "document.querySelector('#providers tbody tr').textContent.includes('closed')"
        )

        assert await tab.run("document.documentElement.scrollWidth") <= 360
        unnamed = (
            "[...document.querySelectorAll('button, [tabindex], section, dialog')]"
            ".filter(e => !(e.ariaLabel || e.textContent.trim())).length"
        )
        assert await tab.run(unnamed) == 0
        assert await tab.run(f"({_CONTRAST})()") >= 4.5
        await tab.look(width=1280, dark=False)
        assert await tab.run(f"({_CONTRAST})()") >= 4.5
        assert tab.problems == []


async def test_threads_are_found_read_and_drawn_with_the_keyboard(
    tmp_path: Path,
) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    async with opened(tmp_path, ADMIN, ("openai", "xai")) as (tab, client, url):
        await tab.look(width=1280, dark=True)
        await tab.open(url)
        await tab.until("document.activeElement?.id === 'token'")
        await _enter(tab, TOKEN)
        await tab.until(LIVE)
        asked = {"prompt": f"Is it so? {hostile}", "thread": f"plan {hostile}"}
        await client.call("consensus", asked)
        await client.call("route", {"prompt": "Another.", "thread": "other"})
        rows = "[...document.querySelectorAll('#threads tbody tr')]"
        await tab.until(f"{rows}.length === 2")

        await tab.run("document.getElementById('words').focus()")
        await tab.run("document.getElementById('words').value = 'SO is'")
        await _press_enter(tab)
        await tab.until(f"{rows}.length === 1")
        assert hostile in await tab.run(f"{rows}[0].textContent")

        await tab.run("document.querySelector('#threads tbody button').focus()")
        await _press_enter(tab)
        images = "[...document.querySelectorAll('#thread-body img')]"
        await tab.until(f"{images}.filter(i => i.naturalWidth > 500).length === 2")
        alts = await tab.run(f"{images}.map(i => i.alt)")
        assert "question: anonymous to consensus" in alts[0].replace(
            await _asker(client), "anonymous"
        )
        assert "agreed in 1 of 1" in alts[1]
        told = await tab.run("document.querySelector('#thread-body ol').textContent")
        assert hostile in told
        assert "verdict consensus to" in told
        assert (
            await tab.run("document.querySelectorAll('#thread-body ol img').length")
            == 0
        )
        assert await tab.run("document.activeElement.closest('dialog').id") == "thread"
        unnamed = "[...document.querySelectorAll('img')].filter(i => !i.alt).length"
        assert await tab.run(unnamed) == 0

        for dark in (True, False):
            await tab.look(width=360, dark=dark)
            assert await tab.run("document.documentElement.scrollWidth") <= 360
            assert await tab.run(f"({_CONTRAST})()") >= 4.5
        await tab.run("document.getElementById('thread-close').focus()")
        await _press_enter(tab)
        back = "document.activeElement.ariaLabel ?? ''"
        await tab.until(f"({back}).startsWith('Open the thread plan')")

        await tab.run("document.getElementById('agreed').focus()")
        await _press_enter(tab)
        await tab.until(f"{images}.some(i => i.alt.startsWith('1 round of consensus'))")
        refused = [each for each in tab.problems if "401" not in each.split()]
        assert refused == []


async def _asker(client: Client) -> str:
    found = await client.call("threads.list", {"query": "plan"})
    assert isinstance(found, ThreadsListResult)
    return found.threads[0].who[0]


async def _enter(tab: Tab, token: str) -> None:
    await tab.run(f"document.getElementById('token').value = '{token}'")
    await tab.run("document.querySelector('#token-form button').click()")


async def _press_enter(tab: Tab) -> None:
    key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
    await tab.send("Input.dispatchKeyEvent", type="keyDown", **key)
    await tab.send("Input.dispatchKeyEvent", type="keyUp", **key)


# The smallest contrast ratio (WCAG 2) of the page's text colours on its panels.
_CONTRAST = """() => {
  const style = getComputedStyle(document.documentElement);
  const light = (name) => {
    const hex = style.getPropertyValue(name).trim().replace('#', '');
    const whole = hex.length === 3 ? [...hex].map((c) => c + c).join('') : hex;
    const part = (at) => {
      const c = parseInt(whole.slice(at, at + 2), 16) / 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    };
    return 0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4);
  };
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const inks = ['--ink', '--soft', '--good', '--warn', '--bad', '--link'];
  return Math.min(...['--ground', '--panel'].flatMap(
    (ground) => inks.map((ink) => ratio(light(ink), light(ground)))));
}"""
