"""The same methods as HTTP, and OpenAI's chat API: on the Unix socket and on TCP.

``app`` the door: connections, admission, drain · ``auth`` hosts, origins, tokens ·
``routes`` what is served where · ``rpc`` JSON-RPC in one request · ``flight`` one routed
request and its waiting client · ``translate``, ``chunks``, ``errors``, ``schema``
OpenAI's shapes, without I/O.

Bytes -> ``auth`` -> ``routes`` -> ``translate`` -> ``Service.route`` -> ``flight`` ->
``chunks`` or ``translate`` -> bytes. Imports aiohttp's server (``web``), and is the only
part of ``ipc`` that does: import it after the daemon is ready.
"""

from ipc.http.app import HttpDoor
from ipc.http.auth import HttpAccess, Token
from ipc.http.schema import ModelEntry

__all__ = ["HttpAccess", "HttpDoor", "ModelEntry", "Token"]
