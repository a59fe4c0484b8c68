"""Pretend Ollama, vLLM and llama.cpp servers that start late, change and go away.

Realism: paths, models lists, answers, streams and errors have the fields that those
servers send; llama.cpp answers 503 while it loads, and ignores which model is asked for.
They answer at once and say which model spoke; real ones compute first.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal

import msgspec
from aiohttp import web

Flavour = Literal["ollama", "vllm", "llamacpp"]
Json = dict[str, object]

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
CREATED = 1_760_000_000


class LocalServer:
    """One server on a port of its own, whether it runs or not.

    ``models`` may be changed at any time; ``loading`` answers 503. ``asked`` are the
    chat requests that came, ``held`` how many of them wait for ``release``.
    """

    def __init__(self, flavour: Flavour, *models: str) -> None:
        self.flavour = flavour
        self.models = list(models)
        self.loading = False
        self.asked: list[Json] = []
        self.held = 0
        self._free = asyncio.Event()
        self._free.set()
        self.port = _free_port()
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/v1/models", self._list)
        app.router.add_post("/v1/chat/completions", self._chat)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(
            self._runner, "127.0.0.1", self.port, reuse_address=True
        ).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def hold(self) -> None:
        """Answer nothing from now on."""
        self._free.clear()

    def release(self) -> None:
        self._free.set()

    # ---- what it says

    async def _list(self, request: web.Request) -> web.Response:
        if self.loading:
            return _json(503, _LOADING)
        rows = [self._row(name) for name in self.models]
        listing: Json = {"object": "list", "data": rows}
        if self.flavour == "ollama" and not rows:
            listing["data"] = None
        if self.flavour == "llamacpp":
            listing["models"] = [{"name": n, "model": n} for n in self.models]
        return _json(200, listing)

    def _row(self, name: str) -> Json:
        row: Json = {"id": name, "object": "model", "created": CREATED}
        match self.flavour:
            case "ollama":
                return {**row, "owned_by": "library"}
            case "vllm":
                window: Json = {"max_model_len": 32_768, "root": name, "parent": None}
                return {**row, "owned_by": "vllm", **window, "permission": []}
            case "llamacpp":
                meta = {"n_ctx_train": 131_072, "n_params": 3_212_749_888}
                return {**row, "owned_by": "llamacpp", "meta": meta}

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = msgspec.json.decode(await request.read(), type=Json)
        self.asked.append(body)
        self.held += 1
        await self._free.wait()
        self.held -= 1
        if self.loading:
            return _json(503, _LOADING)
        model = str(body["model"])
        if self.flavour == "llamacpp":
            model = self.models[0]
        if model not in self.models:
            return _json(404, self._missing(model))
        if body.get("stream"):
            return await self._stream(request, model)
        return _json(200, self._answer(model))

    def _missing(self, model: str) -> Json:
        if self.flavour == "ollama":
            text, kind = f"model '{model}' not found", "not_found_error"
            error: Json = {"message": text, "type": kind, "param": None, "code": None}
        else:
            text = f"The model `{model}` does not exist."
            error = {"message": text, "type": "NotFoundError", "code": 404}
        return {"error": error}

    def _answer(self, model: str) -> Json:
        message = {"role": "assistant", "content": f"I am {model}."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return {**self._head(model, "chat.completion"), "choices": [choice], **_usage()}

    def _head(self, model: str, kind: str) -> Json:
        head: Json = {"id": "chatcmpl-12", "object": kind, "created": CREATED}
        if self.flavour == "ollama":
            head["system_fingerprint"] = "fp_ollama"
        if self.flavour == "llamacpp":
            head["timings"] = {"predicted_per_second": 55.5}
        return {**head, "model": model}

    async def _stream(self, request: web.Request, model: str) -> web.StreamResponse:
        head = self._head(model, "chat.completion.chunk")
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        with suppress(ConnectionError):
            for word in ("I ", "am ", f"{model}."):
                delta: Json = {"role": "assistant", "content": word}
                await response.write(_event(head, delta, None))
            await response.write(_event(head, {}, "stop"))
            last = {**head, "choices": [], **_usage()}
            await response.write(b"data: " + msgspec.json.encode(last) + b"\n\n")
            await response.write_eof(b"data: [DONE]\n\n")
        return response


@asynccontextmanager
async def local_server(flavour: Flavour, *models: str) -> AsyncIterator[LocalServer]:
    """A server that does not run yet; at the end it does not run any more."""
    server = LocalServer(flavour, *models)
    try:
        yield server
    finally:
        await server.stop()


_LOADING: Json = {
    "error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}
}


def _usage() -> Json:
    return {"usage": USAGE}


def _event(head: Json, delta: Json, finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + msgspec.json.encode({**head, "choices": [choice]}) + b"\n\n"


def _json(status: int, body: Json) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
