"""What follows the answer to an event: call a URL, run a command, write a file, comment.

Every action is done at least once: after a crash it may be done again, under the same
task id. URLs get it as ``Idempotency-Key``, commands as ``GITBRIDGE_TASK_ID``, a comment
carries it as an invisible mark and is looked for before it is posted, and a file is put
in place whole, whatever was there. Retrying is the queue's business: errors say whether
it helps.
"""

from actors.actions.performer import ActionPerformer, ActionSettings, ActionTools

__all__ = ["ActionPerformer", "ActionSettings", "ActionTools"]
