"""Durable tasks in a Redis (or Valkey) that several daemons share.

``rows`` tasks as hashes · ``moves`` where a task is looked for, and the commands that
bring it from one state into another · ``replies`` what scripts answer · ``store`` all of
it as a ``TaskStore`` · ``asked`` what is asked · ``news`` what is told of
changes, here and by others · ``durable`` whether the server keeps what it acknowledges.

What a task becomes is decided by ``actors.policy.task_states``, here as everywhere. A
change is read, decided in Python, and written by one script that first compares the
version of what was read; so a result and the acknowledgement of its entry in the stream
are one step. Only the choice of what to claim is made inside the server.

A task in work is a pending entry of its priority's stream, in the one consumer group,
with its worker as the consumer: ``XPENDING`` shows who works on what, and since when
they were last heard of. What waits is not in a stream, for a stream knows one order only,
that of arrival: it could neither be fair between tenants nor pass by a full lane.
Leases run by the clocks of the daemons, as in every store, and are kept beside the
streams; the idle time that ``XAUTOCLAIM`` goes by is the server's own and knows no
``now``. It finds what is left besides: entries that are pending without anybody at work.
No stream is ever trimmed.
"""
