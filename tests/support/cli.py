"""A terminal and a daemon for the command line's tests.

Realism: the fake daemon answers from a table and records what it was asked; it streams
pieces as the real one does. It never hangs; the real one may.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Self

import msgspec
from typing_extensions import override

from actors.errors import GitBridgeError
from actors.messages.chat import Usage
from daemon.cli.output import Output
from daemon.cli.run import Entrances, run, wants_json
from daemon.config import HealthOptions, ServeOptions
from ipc.calls import DaemonUnreachable
from ipc.results import DeltaParams, RouteReply
from ipc.subscribing import NoticeParams

REPLY = RouteReply(
    content="hi there",
    finish_reason="stop",
    provider="openai",
    model="gpt-4o",
    usage=Usage(prompt_tokens=3, completion_tokens=5),
    cost_usd=Decimal("0.0012"),
    cost_source="table",
    latency_s=0.25,
    time_to_first_token_s=None,
    overhead_s=0.001,
    decision_id="d1",
    request_id="r1",
    confidence=None,
    attempts=(),
)


class FakeTerminal(io.StringIO):
    """Text written, and whether a person is said to read it."""

    def __init__(self, *, tty: bool = False) -> None:
        super().__init__()
        self.tty = tty

    @override
    def isatty(self) -> bool:
        return self.tty


class Screen:
    """Stdout and stderr of one command."""

    def __init__(self, *, tty: bool = False) -> None:
        self.stdout = FakeTerminal(tty=tty)
        self.stderr = FakeTerminal(tty=tty)

    def output(self, *, as_json: bool = False, plain: bool = True) -> Output:
        environ = {"NO_COLOR": "1"} if plain else {}
        return Output(self.stdout, self.stderr, environ=environ, as_json=as_json)

    @property
    def out(self) -> str:
        return self.stdout.getvalue()

    @property
    def err(self) -> str:
        return self.stderr.getvalue()

    @property
    def document(self) -> object:
        """The one JSON document on stdout."""
        return msgspec.json.decode(self.out)


class FakeStream:
    """Pieces, then the result or the error."""

    def __init__(
        self,
        pieces: Sequence[str | NoticeParams],
        result: object,
        error: GitBridgeError | None,
    ) -> None:
        self._pieces = pieces
        self._error = error
        self._waiting: Iterator[DeltaParams | NoticeParams] | None = None
        self.waits: list[float] = []
        self.result = result

    def __iter__(self) -> Iterator[DeltaParams]:
        for piece in self.pieces():
            if isinstance(piece, DeltaParams):
                yield piece

    def pieces(self) -> Iterator[DeltaParams | NoticeParams]:
        for piece in self._pieces:
            if isinstance(piece, NoticeParams):
                yield piece
            else:
                yield DeltaParams(id=1, index=0, content=piece, reasoning=None)
        if self._error is not None:
            raise self._error

    def wait_for(self, timeout_s: float) -> DeltaParams | NoticeParams | None:
        """The next piece at once; then silence, unless an error is to come."""
        self.waits.append(timeout_s)
        if self._waiting is None:
            self._waiting = self.pieces()
        return next(self._waiting, None)


class FakeDaemon:
    """Answers by method name; an exception in the table is raised."""

    def __init__(
        self,
        answers: Mapping[str, object] | None = None,
        pieces: Sequence[str | NoticeParams] = (),
    ) -> None:
        self._answers = answers or {}
        self._pieces = pieces
        self.calls: list[tuple[str, object]] = []
        self.closed = False
        self.waited = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True

    def call(self, method: str, params: object = None) -> object:
        self.calls.append((method, params))
        answer = self._answers[method]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def wait_for_end(self) -> None:
        self.waited = True

    def stream(self, method: str, params: object = None) -> FakeStream:
        self.calls.append((method, params))
        answer = self._answers[method]
        error = answer if isinstance(answer, GitBridgeError) else None
        return FakeStream(self._pieces, answer, error)


class Machine:
    """A machine to type commands on; without ``daemon`` nobody listens."""

    def __init__(self, daemon: FakeDaemon | None = None, *, tty: bool = False) -> None:
        self.daemon = daemon
        self.screen = Screen(tty=tty)
        self.served: list[ServeOptions] = []
        self.checked: list[HealthOptions] = []
        self.sockets: list[Path] = []
        self.environ: dict[str, str] = {"HOME": "/nonexistent", "NO_COLOR": "1"}
        self.refuse: BaseException | None = None
        self.code = -1

    def type(self, *argv: str) -> int:
        as_json = wants_json(argv)
        entrances = Entrances(self._serve, self._check, self.connect, lambda: "1.2.3")
        output = self.screen.output(as_json=as_json)
        return run(argv, entrances, self.environ, output)

    def _serve(self, options: ServeOptions) -> int:
        self.served.append(options)
        return 0

    def _check(self, options: HealthOptions) -> int:
        self.checked.append(options)
        return 1

    def connect(self, paths: Sequence[Path]) -> FakeDaemon:
        self.sockets = list(paths)
        if self.refuse is not None:
            raise self.refuse
        if self.daemon is None:
            raise DaemonUnreachable("no daemon answers")
        return self.daemon
