"""One ``subscribe`` on a native connection: a piece of work that ends when it is ended.

Notices are encoded only while the connection can be written to. Until then they wait
with the board, which drops the oldest: a slow reader costs a bounded amount of memory.
"""

import asyncio
from collections.abc import Callable

from actors.errors import Cancelled
from actors.messages.routing import EndSink, error_info
from ipc.methods import Peer, Service
from ipc.session import Call, Session
from ipc.stopping import stopped
from ipc.subscribing import Listening, SubscribeParams, begun, taken


class Subscription:
    """A ``RouteHandle`` as far as a connection is concerned."""

    def __init__(
        self,
        call: Call,
        params: SubscribeParams,
        session: Session,
        send: Callable[[], None],
        writable: Callable[[], bool],
    ) -> None:
        self._call = call
        self._params = params
        self._session = session
        self._send = send
        self._writable = writable
        self._listening: Listening | None = None
        self._on_end: EndSink | None = None

    def listen(self, service: Service, peer: Peer) -> None:
        """Be told from now on what this peer may know."""
        loop = asyncio.get_running_loop()
        self._listening = service.listen(
            self._params.chosen, lambda: loop.call_soon(self.pump), peer
        )
        self._session.notice(self._call, begun(self._call.id, self._params))
        self._send()

    def begin(self, on_end: EndSink) -> None:
        self._on_end = on_end

    def pump(self) -> None:
        """Send what waits, if it can be written now."""
        if self._listening is None or not self._writable():
            return
        for notice in taken(self._call.id, self._listening):
            self._session.notice(self._call, notice)
        self._send()

    def cancel(self, *, interrupted: bool = False) -> None:
        """Listen no more, and say why."""
        listening, self._listening = self._listening, None
        if listening is None:
            return
        listening.close()
        if self._on_end is not None:
            why = stopped() if interrupted else Cancelled("the caller left")
            self._on_end(error_info(why))
