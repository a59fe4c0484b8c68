"""The process: configuration, wiring, storage, simulator and CLI.

``__main__`` sends ``serve``, ``config`` and a daemonless ``health`` to ``app``, every
other command to the thin ``cli``. ``app`` is the process around one ``house``, which
wires actors, stores and transports; ``service`` answers the methods of the doors.
Layers: ``__main__`` > ``app`` > ``house`` > ``service`` and the rest; imports point down.
"""
