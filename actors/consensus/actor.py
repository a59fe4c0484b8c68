"""The consensus actor: a mailbox around the rounds in progress."""

from typing_extensions import override

from actors.consensus.desk import Desk
from actors.consensus.messages import CancelRound, ConsensusMessage, StartRound
from actors.consensus.round import Round
from actors.runtime import Actor, Reply


class ConsensusActor(Actor[ConsensusMessage]):
    """Starts a round per request, finds it again when the caller leaves."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._rounds: dict[str, Round] = {}

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

    async def _run(self, carried: Round, message: StartRound, reply: Reply) -> None:
        try:
            reply.send(await carried.run())
        finally:
            del self._rounds[message.request.request_id]
