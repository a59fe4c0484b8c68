"""L1: provider dialects, sans-I/O: neutral messages <-> bytes.

``base`` says what a dialect and a transport are; ``sse`` parses event streams;
``openai`` and ``anthropic`` are the dialects; ``quirks`` declares, as data, how
compatible servers differ. Imports messages and errors only.
"""
