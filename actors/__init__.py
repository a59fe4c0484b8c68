"""The domain: actors, the messages between them, and the pure code they decide with.

Layers, imports pointing down only (import-linter keeps them)::

    provider | router | ledger | transport   actors and the one HTTP-client file
    pending                                  one request in an actor's hands
    runtime | policy | wire                  actor machinery, decisions, dialects
    messages                                 frozen Structs without behaviour
    errors                                   the one hierarchy

Knows no socket, no database, no HTTP library (except ``transport``): transports,
stores, clocks and randomness are handed in by ``daemon.app``.
"""
