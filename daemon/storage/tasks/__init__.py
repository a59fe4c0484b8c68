"""Durable tasks in a database of their own, behind ``actors.messages.tasks.TaskStore``.

``commits`` transactions in a thread, those that wait together in one · ``table`` tasks as
rows (``status`` in msgpack), and the books kept beside them · ``changing`` what writes: submit, claim, finish
and the rest · ``tidying`` what time alone changes · ``reading`` what only reads ·
``sqlite`` all of it as the store.

What a task becomes is decided by ``actors.policy.task_states``. Whatever is asked often
has an index of its own that holds only what it is for, so that no step looks at all
tasks that wait.
"""
