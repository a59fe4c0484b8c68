"""L1: what runs the actors, and what may be relied on. Knows nothing of LLMs.

``restart`` and ``mailbox`` are pure; ``backend`` is all that is wanted of an event loop
(``backend_asyncio`` for the daemon, ``backend_trio`` for virtual time); ``ref`` carries
messages; an ``actor`` lives in a ``cell`` of the tree; a ``supervisor`` starts cells
and starts them again; ``system`` is the root. Imports messages and errors only.

Messages

- **Order**: messages of one sender to one actor are handled in the order they were
  sent, one at a time, never inside ``tell`` or ``ask``. Each is handled at most once.
- **Fairness**: an actor handles at most 64 messages before others get a turn.
- **Overflow**: a full mailbox refuses (``reject``, ``drop_newest``) or gives up its
  oldest message (``drop_oldest``). Refused: ``tell`` is False, ``ask`` raises
  ``MailboxFull``. Given up: an ask fails with ``MailboxFull``. ``reject`` counts as
  rejected, since the sender still has the message; the others as dropped.
- **Depth**: every ref tells how many messages wait.
- **Context**: context variables do not travel with messages.

Asks

- **Timeout**: an ask not answered within its ``timeout_s`` raises ``AskTimeout``. The
  message is not withdrawn; a late answer goes nowhere, ``reply.wanted`` says so.
- **Cancelled ask**: cancelling the waiter makes the answer unwanted, nothing else.
- **Answered once**: answering an ask a second time raises; a ``tell`` wants no answer.

Tasks and timers

- **Tasks**: what an actor spawns ends with this life of it: cancelled, and waited for,
  before the next begins. A task still there 5 s after that is left behind and named in
  the exit's event.
- **Timers**: a message to itself always fits and never reaches a later life.

Crash

- **Containment**: an exception in ``on_start``, ``handle`` or a task ends that actor
  and nobody else; one in ``on_stop`` ends nothing.
- **Failing fast**: its pending asks, queued ones too, raise ``ActorStopped`` at once;
  what was told it and not handled is lost.
- **Down**: until it runs again ``tell`` is False and ``ask`` raises ``ActorStopped``.
- **Refs**: a ref stays valid and reaches the next life.

Stop and cancel

- **Stop** is orderly: others are refused, what is queued is handled, what the actor
  sends itself too, asks in progress are answered. After ``shutdown_s`` at the latest
  its tasks are cancelled and open asks raise ``ActorStopped``.
- **Cancel** is at once: nothing queued is handled, asks raise ``ActorStopped``, tasks
  are cancelled. ``shutdown_s = 0`` makes every stop a cancel.
- **on_stop** runs once for each life that started, whatever ended it, as its last act.
- **Start and stop order**: children start left to right and end right to left, each
  when the one before has ended.
- **Leaving**: the end of the ``async with`` block stops; an exception or a cancellation
  that leaves it cancels.

Supervision

- **Restart**: a permanent child is restarted whenever it ends by itself, a transient
  one after a crash, a temporary one never; at once, without a delay.
- **one_for_one** restarts that child alone.
- **rest_for_one** cancels the children after it, right to left, and starts it and them
  left to right.
- **Intensity**: more than ``max_restarts`` (5) within ``within_s`` (30) seconds, a
  failed start counted as a restart, and the supervisor gives up.
- **Escalation**: a supervisor that gives up cancels its children and crashes; its own
  supervisor restarts it with all of them, and an empty history. At the root it is the
  system's failure: ``system.failed`` raises ``RestartsExceeded``, or else the end of
  the block does.
- **Run time**: children, and supervisors with theirs, may be added and removed while the
  system runs; an added one stays over restarts of its supervisor, a removed one is
  stopped. One that does not start is not added.
- **Events**: each end and each restart is told to ``on_event``, once it is complete.
"""

from actors.runtime.actor import Actor, ActorContext
from actors.runtime.backend import (
    Backend,
    Future,
    TaskHandle,
    TimerHandle,
    current_backend,
)
from actors.runtime.ref import (
    ActorRef,
    ActorStopped,
    AskTimeout,
    MailboxFull,
    Reply,
)
from actors.runtime.supervisor import RestartsExceeded, Supervisor, SupervisorSpec
from actors.runtime.system import ActorStatistics, ActorSystem
from actors.runtime.tree import ChildSpec

__all__ = [
    "Actor",
    "ActorContext",
    "ActorRef",
    "ActorStatistics",
    "ActorStopped",
    "ActorSystem",
    "AskTimeout",
    "Backend",
    "ChildSpec",
    "Future",
    "MailboxFull",
    "Reply",
    "RestartsExceeded",
    "Supervisor",
    "SupervisorSpec",
    "TaskHandle",
    "TimerHandle",
    "current_backend",
]
