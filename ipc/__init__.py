"""The door: bytes on a socket -> one method call or one ``RouteRequest``, and back.

``listener`` takes connections and tells protocols apart by the first byte · ``frames``
JSON lines and msgpack frames · ``session`` JSON-RPC without I/O · ``native`` the I/O
shell around it, ``server`` all of those · ``http`` the same methods as HTTP ·
``methods`` the one table, with ``route``, ``conversation``, ``passed_on``, ``results``,
``fields`` for in and out, ``plain`` for most of what comes in · ``client`` (over
``link``, its answers in ``streaming``) and ``blocking`` the other end, for Python
programs and the CLI, which meet the daemon at ``places``.

May import ``actors.messages`` and ``actors.errors``; never an actor, a store or
``daemon``. What serves the methods is handed in as ``methods.Service``.
"""
