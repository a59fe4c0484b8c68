"""Handing a round's answer to a caller who reads along."""

from msgspec.structs import replace

from actors.consensus.members import Members
from actors.consensus.messages import StartRound
from actors.messages.chat import Delta, ToolCallDelta
from actors.messages.routing import RouteResult, Started


class Delivery:
    """Of one round. Does nothing for a caller who waits for the whole."""

    def __init__(self, start: StartRound, members: Members, decision_id: str) -> None:
        self._start = start
        self._members = members
        self._decision_id = decision_id

    def begins(self, started: Started) -> None:
        """A chair's first words: the caller is told of the round, not of the chair's."""
        if self._start.on_start is None:
            return
        heard = sum(
            len(asked.reply.attempts)
            for asked in self._members.asked
            if asked.reply is not None
        )
        self._start.on_start(
            replace(
                started,
                decision_id=self._decision_id,
                attempts=started.attempts + heard,
            )
        )

    def whole(self, reply: RouteResult) -> None:
        """The verdict, in one piece."""
        start = self._start
        if start.on_start is not None:
            start.on_start(
                Started(
                    provider=reply.provider,
                    model=reply.model,
                    decision_id=reply.decision_id,
                    attempts=len(reply.attempts),
                    simulated=reply.simulated,
                )
            )
        if start.sink is not None:
            calls = tuple(
                ToolCallDelta(place, call.id, call.name, call.arguments)
                for place, call in enumerate(reply.tool_calls)
            )
            start.sink(
                Delta(content=reply.content, tool_calls=calls, model=reply.model)
            )
