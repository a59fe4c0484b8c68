"""L1: provider dialects, sans-I/O: neutral messages <-> bytes.

``base`` says what a dialect and a transport are; ``catalogue`` finds the dialect of a
kind of provider or preset. ``anthropic*`` is the Messages API, ``openai*`` chat
completions, each split into request, messages, response, stream and usage. ``quirks``,
``presets`` and ``model_rules`` declare, as data, how chat servers and models differ
(``azure``: where it keeps things; ``call_ids``: ids as each server takes them).

Shared by the dialects: ``sse`` parses event streams, ``assembly`` puts the pieces of an
answer together, ``tolerant`` reads careless JSON, ``failures`` says what an error means
(``error_markers``: by which words; ``retry_after`` and ``rate_limits``: how long to
wait). Imports messages and errors only.
"""
