"""The page as it is served: whole, by itself, and allowed to do little."""

import base64
import hashlib
import re
from pathlib import Path

from tests.support.http_door import open_door


async def test_the_page_needs_no_token_and_its_policy_names_what_may_run(
    tmp_path: Path,
) -> None:
    async with open_door(tmp_path) as door:
        page = await door.ask("GET", "/dashboard", tcp=True)
        foreign = await door.ask(
            "GET", "/dashboard", tcp=True, headers={"host": "evil.example"}
        )
    policy = page.headers["content-security-policy"]
    (script,) = re.findall(rb"<script>(.*?)</script>", page.body, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()

    assert (page.status, foreign.status) == (200, 403)
    assert f"script-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "connect-src 'self'" in policy
    assert "unsafe" not in policy
    assert len(page.body) < 24 * 1024


async def test_it_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        page = await door.ask("GET", "/dashboard")

    assert re.findall(rb"https?://", page.body) == []
    assert re.findall(rb"(?:src|href)=\"(?!data:)", page.body) == []
    assert b"innerHTML" not in page.body
