"""The consensus actor: a mailbox around the rounds in progress."""

import anyio
from typing_extensions import override

from actors.consensus.desk import Desk
from actors.consensus.messages import (
    CancelRound,
    ConsensusMessage,
    LearnRound,
    StartRound,
)
from actors.consensus.round import Round
from actors.runtime import Actor, Reply

PAUSE_S = 0.005
"""Between two slices of fitting, each of about 2 ms."""


class ConsensusActor(Actor[ConsensusMessage]):
    """Starts a round per request, finds it again when the caller leaves."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._rounds: dict[str, Round] = {}
        self._fitting = False

    @override
    def on_start(self) -> None:
        self._fit()

    @override
    def handle(self, message: ConsensusMessage, reply: Reply) -> None:
        match message:
            case StartRound():
                carried = Round(self._desk, message, self.context.backend)
                self._rounds[message.request.request_id] = carried
                self.context.spawn(self._run(carried, message, reply), name="round")
            case CancelRound():
                found = self._rounds.get(message.request_id)
                if found is not None:
                    found.cancel(interrupted=message.interrupted)
            case LearnRound():
                self._desk.learn(message.record, message.score)
                self._fit()

    def _fit(self) -> None:
        """Take in what was learned, unless that is under way."""
        if not self._fitting and any(book.stale for book in self._desk.books):
            self._fitting = True
            self.context.spawn(self._refit(), name="fit")

    async def _refit(self) -> None:
        """A slice at a time: requests go on beside it."""
        while due := [book for book in self._desk.books if book.stale]:
            for _ in due[0].refit(self._desk.prices):
                await anyio.sleep(PAUSE_S)
        self._fitting = False

    async def _run(self, carried: Round, message: StartRound, reply: Reply) -> None:
        try:
            reply.send(await carried.run())
        finally:
            del self._rounds[message.request.request_id]
