"""The HTTP client against servers that behave, and servers that do not."""

import asyncio
import errno
import gzip
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import aiohttp
import anyio
import pytest
from aiohttp.client_reqrep import ConnectionKey

from actors.errors import (
    Overloaded,
    ProviderConnectionError,
    ProviderResponseError,
    ProviderTimeout,
)
from actors.transport import AiohttpTransport, TransportConfig
from actors.transport.explain import explain
from actors.wire.base import HttpRequest, Timeouts
from tests.support.raw_server import Caller, RawServer, Script, raw_server

SECRET: Final = "sk-very-secret"
KEY: Final = ConnectionKey("host", 443, True, True, None, None, None)
TIMEOUTS: Final = Timeouts(connect_s=5, first_token_s=5, idle_s=5, total_s=10)
PEM: Final = Path(__file__).parents[1] / "fixtures" / "selfsigned.pem"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Not virtual time: this is the layer that meets the operating system."""
    return ("asyncio", {"use_uvloop": True})


@pytest.fixture
async def closing() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def transport(closing: AsyncExitStack) -> AiohttpTransport:
    return configured(closing)


def configured(
    closing: AsyncExitStack,
    config: TransportConfig | None = None,
    tls: ssl.SSLContext | None = None,
) -> AiohttpTransport:
    transport = AiohttpTransport(config, provider="p", tls=tls)
    closing.push_async_callback(transport.aclose)
    return transport


def post(server: RawServer, body: bytes = b"{}", path: str = "/v1/chat") -> HttpRequest:
    headers = {
        "authorization": f"Bearer {SECRET}",
        "content-type": "application/json",
    }
    return HttpRequest("POST", server.url + path, headers, body)


async def read(
    transport: AiohttpTransport,
    request: HttpRequest,
    timeouts: Timeouts = TIMEOUTS,
    *,
    stream: bool = False,
) -> bytes:
    async with transport.send(request, timeouts, stream=stream) as response:
        return await response.read()


async def hold(caller: Caller) -> None:
    """Read the request, then say nothing until the caller leaves."""
    await caller.request()
    await caller.until_left()


def echo(*headers: str, status: str = "200 OK") -> Script:
    async def script(caller: Caller) -> None:
        while True:
            await caller.request()
            await caller.answer(caller.bodies[-1], *headers, status=status)

    return script


class TestRequests:
    async def test_request_arrives_as_given_and_nothing_is_added(
        self, transport: AiohttpTransport
    ) -> None:
        async with raw_server(echo()) as server:
            body = await read(transport, post(server, b'{"a":1}'))
            head = server.callers[0].requests[0]

        assert body == b'{"a":1}'
        first, *lines = head.strip().split("\r\n")
        assert first == "POST /v1/chat HTTP/1.1"
        assert {line.partition(":")[0].lower() for line in lines} == {
            "host",
            "authorization",
            "content-type",
            "content-length",
            "accept-encoding",
            "user-agent",
        }
        assert "User-Agent: gitbridge-smartrouter" in lines

    async def test_get_has_no_body(self, transport: AiohttpTransport) -> None:
        async with raw_server(echo()) as server:
            request = HttpRequest("GET", f"{server.url}/v1/models", {})
            assert await read(transport, request) == b""
            assert "content-length" not in server.callers[0].requests[0].lower()

    async def test_large_bodies_arrive_whole(self, transport: AiohttpTransport) -> None:
        body = bytes(range(256)) * (8 << 10)
        async with raw_server(echo()) as server:
            assert await read(transport, post(server, body)) == body

    async def test_head_has_status_and_lower_case_names(
        self, transport: AiohttpTransport
    ) -> None:
        script = echo("Retry-After: 3", "X-Request-ID: r1", status="529 Busy")
        async with (
            raw_server(script) as server,
            transport.send(post(server), TIMEOUTS, stream=False) as response,
        ):
            assert response.head.status == 529
            assert dict(response.head.headers) == {
                "retry-after": "3",
                "x-request-id": "r1",
                "content-length": "2",
            }

    async def test_connections_are_used_again(
        self, transport: AiohttpTransport
    ) -> None:
        async with raw_server(echo()) as server:
            for _ in range(3):
                await read(transport, post(server))
            assert [len(caller.requests) for caller in server.callers] == [3]

    async def test_cookies_are_not_kept(self, transport: AiohttpTransport) -> None:
        async with raw_server(echo("Set-Cookie: a=b; Path=/")) as server:
            await read(transport, post(server))
            await read(transport, post(server))
            assert "cookie" not in server.callers[0].requests[1].lower()

    @pytest.mark.parametrize("status", ["301 Moved", "307 Moved", "308 Moved"])
    async def test_redirects_are_handed_up_and_not_followed(
        self, transport: AiohttpTransport, status: str
    ) -> None:
        async with raw_server(echo()) as elsewhere:
            script = echo(f"Location: {elsewhere.url}/", status=status)
            async with raw_server(script) as server:
                request = post(server)
                async with transport.send(request, TIMEOUTS, stream=False) as response:
                    assert response.head.status == int(status[:3])
                    assert response.head.headers["location"] == f"{elsewhere.url}/"
            assert elsewhere.callers == []


class TestBodies:
    async def test_stream_is_handed_on_as_it_arrives(
        self, transport: AiohttpTransport
    ) -> None:
        go_on = asyncio.Event()

        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.head()
            for data in (b"one", b"two", b"three"):
                await caller.chunk(data)
                await go_on.wait()
                go_on.clear()
            await caller.chunk(b"")

        seen = []
        async with (
            raw_server(script) as server,
            transport.send(post(server), TIMEOUTS, stream=True) as response,
        ):
            async for chunk in response.chunks():
                seen.append(chunk)
                go_on.set()

        assert seen == [b"one", b"two", b"three"]

    @pytest.mark.parametrize("stream", [False, True])
    async def test_bodies_are_decompressed(
        self, transport: AiohttpTransport, stream: bool
    ) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer(gzip.compress(b"hello" * 99), "Content-Encoding: gzip")

        async with raw_server(script) as server:
            body = await read(transport, post(server), stream=stream)

        assert body == b"hello" * 99

    @pytest.mark.parametrize("stream", [False, True])
    async def test_decoded_size_is_limited(
        self, closing: AsyncExitStack, stream: bool
    ) -> None:
        bomb = gzip.compress(b"\0" * (4 << 20))

        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer(bomb, "Content-Encoding: gzip")

        config = TransportConfig(max_body_bytes=1 << 20, max_stream_bytes=1 << 20)
        transport = configured(closing, config)
        async with raw_server(script) as server:
            with pytest.raises(ProviderResponseError, match="larger than 1048576"):
                await read(transport, post(server), stream=stream)

    async def test_body_that_does_not_decompress_is_a_bad_response(
        self, transport: AiohttpTransport
    ) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer(b"not gzip at all", "Content-Encoding: gzip")

        async with raw_server(script) as server:
            with pytest.raises(ProviderResponseError, match="does not decompress"):
                await read(transport, post(server))

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize(
        "part",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        ],
    )
    async def test_body_that_ends_early_is_a_broken_connection(
        self, transport: AiohttpTransport, part: bytes, stream: bool
    ) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.say(part)

        async with raw_server(script) as server:
            with pytest.raises(ProviderConnectionError, match="broke in the") as caught:
                await read(transport, post(server), stream=stream)
        assert caught.value.sent

    async def test_what_is_not_http_is_a_bad_response(
        self, transport: AiohttpTransport
    ) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.say(b"220 smtp.example ESMTP\r\n\r\n")

        async with raw_server(script) as server:
            with pytest.raises(ProviderResponseError, match="does not speak HTTP"):
                await read(transport, post(server))


class TestTimeouts:
    async def test_connect_timeout_covers_the_tls_handshake(
        self, transport: AiohttpTransport
    ) -> None:
        async def script(caller: Caller) -> None:
            await caller.until_left()

        async with raw_server(script) as server:
            request = HttpRequest("POST", server.url.replace("http", "https"), {})
            with pytest.raises(ProviderTimeout, match=r"connect timeout: .* 0.05 s"):
                await read(transport, request, Timeouts(connect_s=0.05))

    @pytest.mark.parametrize(
        ("timeouts", "stream", "message"),
        [
            (Timeouts(first_token_s=0.05), True, "first-token timeout: .* 0.05 s"),
            (Timeouts(total_s=0.05), True, "total timeout: .* 0.05 s"),
            (
                Timeouts(total_s=0.05, first_token_s=0.01, idle_s=0.01),
                False,
                "total timeout: .* 0.05 s",
            ),
        ],
    )
    async def test_silence_before_the_head_ends(
        self,
        transport: AiohttpTransport,
        timeouts: Timeouts,
        stream: bool,
        message: str,
    ) -> None:
        async with raw_server(hold) as server:
            with pytest.raises(ProviderTimeout, match=message):
                await read(transport, post(server), timeouts, stream=stream)
            await asyncio.wait_for(server.callers[0].left.wait(), 1)

    @pytest.mark.parametrize(
        ("timeouts", "stream", "message"),
        [
            (Timeouts(idle_s=0.05), True, "idle timeout: silent for 0.05 s"),
            (Timeouts(total_s=0.05), True, "total timeout: .* 0.05 s"),
            (Timeouts(total_s=0.05, idle_s=0.01), False, "total timeout: .* 0.05 s"),
        ],
    )
    @pytest.mark.parametrize("first", [b"", b"some"])
    async def test_silence_in_the_body_ends(
        self,
        transport: AiohttpTransport,
        timeouts: Timeouts,
        stream: bool,
        message: str,
        first: bytes,
    ) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.head()
            if first:
                await caller.chunk(first)
            await caller.until_left()

        async with raw_server(script) as server:
            with pytest.raises(ProviderTimeout, match=message):
                await read(transport, post(server), timeouts, stream=stream)
            await asyncio.wait_for(server.callers[0].left.wait(), 1)

    async def test_bytes_reset_the_idle_timer_but_not_the_total(
        self, transport: AiohttpTransport
    ) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.head()
            while True:
                await caller.chunk(b":\n")
                await anyio.sleep(0.02)

        async with raw_server(script) as server:
            with pytest.raises(ProviderTimeout, match="total timeout"):
                await read(
                    transport,
                    post(server),
                    Timeouts(idle_s=0.15, total_s=0.2),
                    stream=True,
                )

    async def test_waiting_for_a_connection_is_bounded_by_the_total(
        self, closing: AsyncExitStack
    ) -> None:
        transport = configured(closing, TransportConfig(connections=1))
        async with raw_server(hold) as server:
            first = asyncio.ensure_future(read(transport, post(server)))
            await server.asked.wait()
            with pytest.raises(ProviderTimeout, match="all 1 connections were busy"):
                await read(transport, post(server), Timeouts(total_s=0.05))
            first.cancel()
            await asyncio.wait([first])
            assert len(server.callers) == 1

    async def test_connection_given_back_serves_who_waits(
        self, closing: AsyncExitStack
    ) -> None:
        transport = configured(closing, TransportConfig(connections=1))
        async with raw_server(echo()) as server:
            answers = await asyncio.gather(
                *(read(transport, post(server, b"%d" % i)) for i in range(5))
            )
            assert answers == [b"0", b"1", b"2", b"3", b"4"]
            assert len(server.callers) == 1


class TestLeaving:
    """The upstream sees the connection end within 100 ms."""

    async def test_cancelling_before_the_head_closes_the_upstream(
        self, transport: AiohttpTransport
    ) -> None:
        arrived = asyncio.Event()

        async def script(caller: Caller) -> None:
            await caller.request()
            arrived.set()
            await caller.until_left()

        async with raw_server(script) as server:
            task = asyncio.ensure_future(read(transport, post(server)))
            await arrived.wait()
            await self.cancelled(task, server)

    async def test_cancelling_in_mid_stream_closes_the_upstream(
        self, transport: AiohttpTransport
    ) -> None:
        received = asyncio.Event()

        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.head()
            await caller.chunk(b"some")
            await caller.until_left()

        async def consume(request: HttpRequest) -> None:
            async with transport.send(request, TIMEOUTS, stream=True) as response:
                async for _ in response.chunks():
                    received.set()

        async with raw_server(script) as server:
            task = asyncio.ensure_future(consume(post(server)))
            await received.wait()
            await self.cancelled(task, server)

    async def test_cancelling_while_the_body_is_stuck_closes_the_upstream(
        self, transport: AiohttpTransport
    ) -> None:
        """A provider that stopped reading must not keep us flushing."""
        stuck = asyncio.Event()
        cancelled = asyncio.Event()

        async def script(caller: Caller) -> None:
            await caller.reader.readuntil(b"\r\n\r\n")
            stuck.set()
            await cancelled.wait()
            await caller.until_left()

        async with raw_server(script) as server:
            request = post(server, b"x" * (32 << 20))
            task = asyncio.ensure_future(read(transport, request))
            await stuck.wait()
            cancelled.set()
            await self.cancelled(task, server)

    async def test_leaving_the_context_early_closes_the_upstream(
        self, transport: AiohttpTransport
    ) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.head()
            await caller.chunk(b"some")
            await caller.until_left()

        async with raw_server(script) as server:
            async with transport.send(post(server), TIMEOUTS, stream=True) as response:
                async for _ in response.chunks():
                    break
                left = asyncio.get_running_loop().time()
            await asyncio.wait_for(server.callers[0].left.wait(), 1)
            assert server.callers[0].left_at - left < 0.1

    async def cancelled(self, task: "asyncio.Task[object]", server: RawServer) -> None:
        cancelled_at = asyncio.get_running_loop().time()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        caller = server.callers[0]
        await asyncio.wait_for(caller.left.wait(), 1)
        assert caller.left_at - cancelled_at < 0.1

    async def test_closing_the_transport_ends_requests_in_flight(
        self, transport: AiohttpTransport
    ) -> None:
        async with raw_server(hold) as server:
            task = asyncio.ensure_future(read(transport, post(server)))
            await server.asked.wait()
            await transport.aclose()
            with pytest.raises(ProviderConnectionError):
                await task

    async def test_closed_transport_refuses(self, transport: AiohttpTransport) -> None:
        await transport.aclose()
        await transport.aclose()
        async with raw_server(echo()) as server:
            with pytest.raises(ProviderConnectionError, match="transport is closed"):
                await read(transport, post(server))
            assert server.callers == []


class TestStaleConnections:
    """A provider may close a kept-alive connection just as we use it."""

    async def test_one_free_second_try_on_a_fresh_connection(
        self, transport: AiohttpTransport
    ) -> None:
        async with raw_server(stale_after_first) as server:
            assert await read(transport, post(server, b"1")) == b"1"
            assert await read(transport, post(server, b"2")) == b"2"

            stale, fresh = server.callers
            assert [len(stale.requests), len(fresh.requests)] == [2, 1]
            assert "connection: close" in fresh.requests[0].lower()

    async def test_other_idle_connections_are_not_tried(
        self, transport: AiohttpTransport
    ) -> None:
        both = asyncio.Barrier(2)

        async def script(caller: Caller) -> None:
            await caller.request()
            if caller.number < 2:
                await both.wait()
                await caller.answer(b"")
                await caller.request()  # both are stale by now
            else:
                await caller.answer(b"fresh")

        async with raw_server(script) as server:
            await asyncio.gather(*(read(transport, post(server)) for _ in range(2)))
            assert await read(transport, post(server)) == b"fresh"
            assert sorted(len(c.requests) for c in server.callers) == [1, 1, 2]
            assert len(server.callers[2].requests) == 1

    async def test_failing_again_is_the_providers_fault(
        self, transport: AiohttpTransport
    ) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            if caller.number == 0:
                await caller.answer(b"")
                await caller.request()

        async with raw_server(script) as server:
            await read(transport, post(server))
            with pytest.raises(ProviderConnectionError, match="hung up") as caught:
                await read(transport, post(server))
            assert not caught.value.reused
            assert caught.value.sent
            assert len(server.callers) == 2

    async def test_without_time_left_there_is_no_second_try(
        self, transport: AiohttpTransport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("actors.transport.exchange.STALE_WITHIN_S", -1.0)
        async with raw_server(stale_after_first) as server:
            await read(transport, post(server))
            with pytest.raises(ProviderConnectionError, match="hung up after"):
                await read(transport, post(server))
            assert len(server.callers) == 1

    @pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 O", b"HTTP/1.1 200 OK\r\nA:"])
    async def test_new_connection_gets_no_second_try(
        self, transport: AiohttpTransport, said: bytes
    ) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.say(said)

        async with raw_server(script) as server:
            with pytest.raises(ProviderConnectionError) as caught:
                await read(transport, post(server))
            assert not caught.value.reused
            assert len(server.callers) == 1

    async def test_part_of_an_answer_gets_no_second_try(
        self, transport: AiohttpTransport
    ) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer(b"")
            await caller.request()
            await caller.say(b"HTTP/1.1 200 OK\r\nContent-")

        async with raw_server(script) as server:
            await read(transport, post(server))
            with pytest.raises(ProviderConnectionError):
                await read(transport, post(server))
            assert len(server.callers) == 1


async def stale_after_first(caller: Caller) -> None:
    """Answer; but the first connection only once, then close on the next request."""
    await caller.request()
    await caller.answer(caller.bodies[-1])
    if caller.number == 0:
        await caller.request()


class TestTls:
    async def test_self_signed_certificate_is_refused(
        self, transport: AiohttpTransport
    ) -> None:
        async with raw_server(echo(), tls=server_tls()) as server:
            with pytest.raises(ProviderConnectionError, match="certificate") as caught:
                await read(transport, post(server))
        assert not caught.value.sent
        assert all(caller.requests == [] for caller in server.callers)

    async def test_certificate_of_a_trusted_authority_is_accepted(
        self, closing: AsyncExitStack
    ) -> None:
        trusting = ssl.create_default_context(cafile=str(PEM))
        transport = configured(closing, tls=trusting)
        async with raw_server(echo(), tls=server_tls()) as server:
            assert await read(transport, post(server, b"safe")) == b"safe"


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    return context


class TestProxies:
    async def test_environment_is_ignored_unless_configured(
        self, transport: AiohttpTransport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with raw_server(echo()) as proxy, raw_server(echo()) as server:
            monkeypatch.setenv("http_proxy", proxy.url)
            await read(transport, post(server))
            assert (len(proxy.callers), len(server.callers)) == (0, 1)

    async def test_configured_proxy_gets_the_request_and_its_password(
        self, closing: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        transport = configured(closing, TransportConfig(trust_env=True))
        async with raw_server(echo()) as proxy, raw_server(echo()) as server:
            url = proxy.url.replace("http://", "http://user:word@")
            monkeypatch.setenv("http_proxy", url)
            monkeypatch.delenv("no_proxy", raising=False)
            await read(transport, post(server))

            head = proxy.callers[0].requests[0]
            assert head.startswith(f"POST {server.url}/v1/chat HTTP/1.1")
            assert "Proxy-Authorization: Basic dXNlcjp3b3Jk" in head
            assert server.callers == []

    async def test_no_proxy_is_obeyed(
        self, closing: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        transport = configured(closing, TransportConfig(trust_env=True))
        async with raw_server(echo()) as proxy, raw_server(echo()) as server:
            monkeypatch.setenv("http_proxy", proxy.url)
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            await read(transport, post(server))
            assert (len(proxy.callers), len(server.callers)) == (0, 1)


class TestErrors:
    async def test_refused_connection_was_never_sent(
        self, transport: AiohttpTransport
    ) -> None:
        async with raw_server(echo()) as server:
            request = post(server)
        with pytest.raises(ProviderConnectionError, match="refused") as caught:
            await read(transport, request)
        assert caught.value.provider == "p"
        assert not caught.value.sent

    @pytest.mark.parametrize("url", ["nonsense", "http://", "http://[::1", "ftp://a/"])
    async def test_what_is_no_url_is_refused(
        self, transport: AiohttpTransport, url: str
    ) -> None:
        with pytest.raises(ProviderConnectionError) as caught:
            await read(transport, HttpRequest("POST", url, {}))
        assert not caught.value.sent

    async def test_key_with_a_line_break_is_refused_without_telling_it(
        self, transport: AiohttpTransport
    ) -> None:
        async with raw_server(echo()) as server:
            request = HttpRequest(
                "POST", server.url, {"authorization": f"Bearer {SECRET}\n"}
            )
            with pytest.raises(ProviderConnectionError, match="header") as caught:
                await read(transport, request)
        assert SECRET not in str(caught.value)
        assert caught.value.__suppress_context__

    @pytest.mark.parametrize(
        ("error", "words", "sent"),
        [
            (aiohttp.ClientConnectorDNSError(KEY, OSError()), "not resolve", False),
            (aiohttp.ClientConnectorError(KEY, OSError(111, "x")), "refused", False),
            (ConnectionResetError(104, "x"), "Connection reset by peer", True),
            (aiohttp.ClientConnectionError("x"), "ClientConnectionError", True),
        ],
    )
    def test_what_goes_wrong_is_said_in_words(
        self, error: Exception, words: str, sent: bool
    ) -> None:
        made = explain(error, "host:443", "p", TIMEOUTS, "head")

        assert isinstance(made, ProviderConnectionError)
        assert made.message.startswith("host:443: ")
        assert words in made.message
        assert made.sent == sent

    @pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS])
    def test_what_we_have_too_little_of_is_not_their_fault(self, number: int) -> None:
        error = aiohttp.ClientConnectorError(KEY, OSError(number, "x"))
        made = explain(error, "host:443", "p", TIMEOUTS, "head")

        assert isinstance(made, Overloaded)
        assert made.message.startswith("there is no connection left for host:443: ")

    async def test_proxy_that_refuses_is_told_without_its_address(
        self, closing: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        transport = configured(closing, TransportConfig(trust_env=True))
        async with raw_server(echo(status="407 Who")) as proxy:
            url = proxy.url.replace("http://", "http://user:word@")
            monkeypatch.setenv("https_proxy", url)
            monkeypatch.delenv("no_proxy", raising=False)
            request = HttpRequest("POST", "https://provider.example/v1", {})
            with pytest.raises(ProviderConnectionError, match="proxy ref") as caught:
                await read(transport, request)
        assert not caught.value.sent
        assert "word" not in caught.value.message
