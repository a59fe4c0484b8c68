"""What this door takes of aiohttp's server, by the modules that have it.

``aiohttp.web`` itself would bring the framework along: its router, its file responses
with a table of MIME types, WebSockets, runners. That is 1.5 MB for the life of the
daemon, and nothing of it is used here.
"""

from aiohttp.web_exceptions import HTTPRequestEntityTooLarge
from aiohttp.web_protocol import RequestHandler, RequestPayloadError
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response, StreamResponse
from aiohttp.web_server import Server

__all__ = [
    "BaseRequest",
    "HTTPRequestEntityTooLarge",
    "RequestHandler",
    "RequestPayloadError",
    "Response",
    "Server",
    "StreamResponse",
]
