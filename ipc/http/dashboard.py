"""``GET /dashboard``: one page that asks ``/api`` and ``/events`` for all it shows.

It holds no data, so it needs no token; what it asks for does. Its policy lets it load
and run nothing but what is in it, and talk to nobody but where it came from.
"""

import base64
import functools
import hashlib
import re
from pathlib import Path
from typing import Final

from ipc.http.errors import Reply

_STYLE: Final = re.compile(rb"<style>(.*?)</style>", re.DOTALL)
_SCRIPT: Final = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


@functools.cache
def page() -> Reply:
    """The page with its headers; read when it is first asked for."""
    body = (Path(__file__).parent / "page" / "dashboard.html").read_bytes()
    policy = (
        "default-src 'none'",
        f"script-src {_only(_SCRIPT, body)}",
        f"style-src {_only(_STYLE, body)}",
        "img-src data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    headers = {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": "; ".join(policy),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-cache",
    }
    return Reply(200, headers, body)


def _only(element: re.Pattern[bytes], body: bytes) -> str:
    """The elements of this kind that are in the page, by their hashes."""
    digests = [hashlib.sha256(inside).digest() for inside in element.findall(body)]
    return " ".join(f"'sha256-{base64.b64encode(d).decode()}'" for d in digests)
