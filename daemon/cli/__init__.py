"""The command line: a thin client of the socket, and pure renderers.

``parser`` says what may be typed · ``run`` dispatches and turns errors into sentences
and exit codes · ``ask``, ``reading``, ``control``, ``health``, ``configure`` are the
commands · ``connection`` finds the daemon · ``output`` is the terminal · ``render`` turns
results into text without any I/O.

It starts fast: nothing here may import aiohttp, anyio, uvloop or structlog; ``serve``
and a health check without a daemon are handed in by ``daemon.__main__``.
"""
