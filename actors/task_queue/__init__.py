"""Durable tasks: claimed when there is room, worked, and always accounted for.

``actor`` claims, renews and gives back · ``work`` one attempt at one task · ``requests``
asks models for tasks of kind ``request`` · ``desk`` what outlives the actor's lives ·
``handle`` what the doors hold. What keeps the tasks is handed in (``TaskStore``).
"""

from actors.task_queue.actor import TaskQueueActor
from actors.task_queue.desk import Desk, QueueSettings, QueueTools
from actors.task_queue.handle import TaskQueueHandle
from actors.task_queue.requests import RequestPerformer

__all__ = [
    "Desk",
    "QueueSettings",
    "QueueTools",
    "RequestPerformer",
    "TaskQueueActor",
    "TaskQueueHandle",
]
