"""Actors, supervised."""

from actors.runtime.actor import Actor, ActorContext
from actors.runtime.backend import (
    Backend,
    Future,
    TaskHandle,
    TimerHandle,
    current_backend,
)
from actors.runtime.cell import ChildSpec
from actors.runtime.ref import (
    ActorRef,
    ActorStopped,
    AskTimeout,
    MailboxFull,
    Reply,
)
from actors.runtime.supervisor import RestartsExceeded, Supervisor, SupervisorSpec
from actors.runtime.system import ActorStatistics, ActorSystem

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
