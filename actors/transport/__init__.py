"""The only HTTP client: moves the bytes of one provider's requests with aiohttp.

``client`` is the ``Transport``; ``pool`` keeps its connections, which aiohttp makes and
parses; ``target`` is where requests go and their heads as bytes; ``exchange`` writes one
request and reads its response; ``explain`` turns what aiohttp raises into our errors.

Nothing is followed, remembered or retried behind the caller's back: a redirect is
handed up as the response it is (following it would carry the key along), cookies are
dropped, and the only second try is for a kept-alive connection that turned out to be
closed already, once, on a connection of its own. Leaving a response early, or
cancelling, aborts its connection: request bytes still buffered are not waited for.
"""

from actors.transport.client import AiohttpTransport
from actors.transport.pool import TransportConfig

__all__ = ["AiohttpTransport", "TransportConfig"]
