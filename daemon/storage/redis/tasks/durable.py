"""Whether a server keeps what it has acknowledged, as far as it says."""

import re
from typing import Final, cast

_SAID: Final = re.compile(r"^(\w+):(.*?)\r?$", re.MULTILINE)


def doubt(reply: object) -> str | None:
    """What may lose acknowledged tasks, by ``task_server.lua``'s answer.

    ``None`` where nothing speaks for it, which is also where the server does not say.
    How often it writes to the disk (``appendfsync``) it tells only who may configure it.
    """
    said = {
        name: value
        for section in cast("tuple[bytes, ...]", reply)
        for name, value in _SAID.findall(section.decode("utf-8", "replace"))
    }
    found = []
    if said.get("aof_enabled") == "0":
        found.append("it has no append-only file (appendonly is not yes)")
    policy = said.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and said.get("maxmemory", "0") != "0":
        found.append(
            f"it drops keys when its memory is full (maxmemory-policy {policy})"
        )
    return "; ".join(found) or None
