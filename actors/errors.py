"""Every error the product raises on purpose, as one tree.

The second column is whose fault it is, the third the ``kind`` callers see::

    GitBridgeError
    ├── CallerError                  caller
    │   ├── InvalidRequest                     invalid_request
    │   ├── RequestRejected                    invalid_request   (a provider said so)
    │   ├── ConfigurationRefused               invalid_request
    │   ├── UnknownModel                       unknown_model
    │   ├── NotPermitted                       not_permitted
    │   ├── BudgetExceeded                     budget_exceeded
    │   ├── DeadlineExceeded                   deadline_exceeded
    │   ├── ContextTooLong                     context_too_long
    │   ├── ContentFiltered                    content_filtered
    │   └── Cancelled                          cancelled
    ├── ProviderError                provider
    │   ├── ProviderConnectionError            provider_error
    │   ├── ProviderTimeout                    provider_error
    │   ├── ProviderServerError                provider_error
    │   ├── ProviderOverloaded                 provider_error
    │   ├── ProviderResponseError              provider_error    (sans-I/O layer too)
    │   ├── ProviderRateLimited                rate_limited
    │   ├── ProviderQuotaExceeded              provider_error
    │   ├── ProviderAuthError                  provider_error
    │   └── ProviderModelNotFound              provider_error
    └── OurError                     us
        ├── Overloaded                         overloaded
        ├── NoProvider                         no_provider
        ├── Interrupted                        interrupted
        ├── LedgerUnavailable                  internal
        │   └── LedgerNotOpen                      internal
        ├── LedgerRefused                      internal
        ├── QueueUnavailable                   overloaded
        ├── ActionFailed                       internal
        └── InternalError                      internal

The actor runtime's own are in ``actors.runtime``: ``ActorStopped``, ``AskTimeout`` and
``RestartsExceeded`` are OurErrors, ``MailboxFull`` is Overloaded.

A caller's mistake never counts against a provider; our own bug never opens a breaker.
"""

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

Owner = Literal["caller", "provider", "us"]

ErrorKind = Literal[
    "invalid_request",
    "unknown_model",
    "not_permitted",
    "budget_exceeded",
    "deadline_exceeded",
    "overloaded",
    "no_provider",
    "rate_limited",
    "provider_error",
    "context_too_long",
    "content_filtered",
    "cancelled",
    "interrupted",
    "internal",
]

FailureClass = Literal[
    "connect",  # no connection, reset or end-of-file before any byte
    "timeout",  # connect, first-token, idle or total deadline
    "rate_limit",  # 429 that waiting cures
    "quota",  # 402, or a 429 that waiting does not cure
    "auth",  # our key was refused
    "overloaded",  # 503, 529
    "server_error",  # other 5xx, 408, 409
    "bad_response",  # undecodable, or a stream cut before its finish reason
    "model_not_found",
    "bad_request",  # the request is at fault
    "context_too_long",
    "content_filtered",
    "cancelled",  # the caller left, or a race was lost
    "internal",  # our own bug
]


RESTART_S: Final = 1.0
"""A guess at when the next daemon may be there."""


class GitBridgeError(Exception):
    """Base of everything raised on purpose.

    Attributes:
        kind: The stable word callers branch on (``error.code`` over HTTP).
        owner: Whose fault it is.
        retryable: Whether the same request may succeed later, unchanged.
        message: A sentence with the values.
        retry_after_s: Seconds to wait, where somebody said so.
        provider: The provider concerned, if one is.
    """

    kind: ClassVar[ErrorKind] = "internal"
    owner: ClassVar[Owner] = "us"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        provider: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s
        self.provider = provider


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong in a configuration.

    ``key`` is the dotted path and ``got`` the value as shown to people (never a key);
    both are ``None`` where a file as a whole cannot be used. ``origin`` is where the
    value came from, if not from the file.
    """

    file: str | None
    key: str | None
    got: str | None
    wanted: str
    origin: str | None = None


class CallerError(GitBridgeError):
    """Raised when the caller has to change something."""

    kind: ClassVar[ErrorKind] = "invalid_request"
    owner: ClassVar[Owner] = "caller"


class InvalidRequest(CallerError):
    """Raised when a request does not say what it must.

    Attributes:
        field: Path of the offending field (``messages[0].role``), if one is to blame.
        got: What came, shortened.
        wanted: What was wanted.
    """

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        got: str | None = None,
        wanted: str | None = None,
    ) -> None:
        super().__init__(message)
        self.field = field
        self.got = got
        self.wanted = wanted


class RequestRejected(CallerError):
    """Raised when a provider refuses the request itself (400, 413, 422)."""


class ConfigurationRefused(CallerError):
    """Raised when a configuration that was read again is wrong: nothing has changed.

    Attributes:
        mistakes: All that were found.
    """

    def __init__(self, message: str, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__(message)
        self.mistakes = mistakes


class UnknownModel(CallerError):
    """Raised when nobody serves the model asked for."""

    kind: ClassVar[ErrorKind] = "unknown_model"


class NotPermitted(CallerError):
    """Raised when the caller may not do this."""

    kind: ClassVar[ErrorKind] = "not_permitted"


class BudgetExceeded(CallerError):
    """Raised when the request would cost more than it may."""

    kind: ClassVar[ErrorKind] = "budget_exceeded"


class DailyBudgetSpent(BudgetExceeded):
    """Raised when a daily budget has no room for it now; it has when a day begins."""

    retryable: ClassVar[bool] = True


class DeadlineExceeded(CallerError):
    """Raised when the caller's deadline passed before an answer was whole."""

    kind: ClassVar[ErrorKind] = "deadline_exceeded"
    retryable: ClassVar[bool] = True


class ContextTooLong(CallerError):
    """Raised when no eligible model has a window large enough."""

    kind: ClassVar[ErrorKind] = "context_too_long"


class ContentFiltered(CallerError):
    """Raised when a provider's content policy refused the request."""

    kind: ClassVar[ErrorKind] = "content_filtered"


class Cancelled(CallerError):
    """Raised when the caller cancelled or went away."""

    kind: ClassVar[ErrorKind] = "cancelled"


class ProviderError(GitBridgeError):
    """Raised when a provider failed; the class says how.

    Attributes:
        failure: The failure class that breaker, limiter and retry rules look at.
        status: The HTTP status, where there was one.
    """

    kind: ClassVar[ErrorKind] = "provider_error"
    owner: ClassVar[Owner] = "provider"
    retryable: ClassVar[bool] = True
    failure: ClassVar[FailureClass] = "server_error"

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        provider: str | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s, provider=provider)
        self.status = status


class ProviderConnectionError(ProviderError):
    """Raised when a provider cannot be reached or hangs up before any byte.

    Attributes:
        reused: The connection was a kept-alive one that closed before any byte came
            back, which says nothing about the provider's health.
        sent: The request may have been received, and so may be billed.
    """

    failure: ClassVar[FailureClass] = "connect"

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        reused: bool = False,
        sent: bool = False,
    ) -> None:
        super().__init__(message, provider=provider)
        self.reused = reused
        self.sent = sent


class ProviderTimeout(ProviderError):
    """Raised when a connect, first-token, idle or total deadline passed."""

    failure: ClassVar[FailureClass] = "timeout"


class ProviderServerError(ProviderError):
    """Raised on 5xx other than overload, and on 408 and 409."""

    failure: ClassVar[FailureClass] = "server_error"


class ProviderOverloaded(ProviderError):
    """Raised on 503 and 529."""

    failure: ClassVar[FailureClass] = "overloaded"


class ProviderResponseError(ProviderError):
    """Raised when an answer cannot be decoded or ends before its finish reason."""

    failure: ClassVar[FailureClass] = "bad_response"


class ProviderRateLimited(ProviderError):
    """Raised on a 429 that waiting cures."""

    kind: ClassVar[ErrorKind] = "rate_limited"
    failure: ClassVar[FailureClass] = "rate_limit"


class ProviderQuotaExceeded(ProviderError):
    """Raised when the account is out of money: waiting does not help."""

    failure: ClassVar[FailureClass] = "quota"
    retryable: ClassVar[bool] = False


class ProviderAuthError(ProviderError):
    """Raised when a provider refuses our key."""

    failure: ClassVar[FailureClass] = "auth"
    retryable: ClassVar[bool] = False


class ProviderModelNotFound(ProviderError):
    """Raised when a provider does not serve the model it was asked for."""

    failure: ClassVar[FailureClass] = "model_not_found"
    retryable: ClassVar[bool] = False


class OurError(GitBridgeError):
    """Raised when the daemon itself cannot do it now."""


class Overloaded(OurError):
    """Raised when work is shed before it starts."""

    kind: ClassVar[ErrorKind] = "overloaded"
    retryable: ClassVar[bool] = True


class NoProvider(OurError):
    """Raised when no configured provider is able to take the request now."""

    kind: ClassVar[ErrorKind] = "no_provider"
    retryable: ClassVar[bool] = True


class Interrupted(OurError):
    """Raised when the daemon stops before the answer is whole."""

    kind: ClassVar[ErrorKind] = "interrupted"
    retryable: ClassVar[bool] = True


class LedgerUnavailable(OurError):
    """Raised when the ledger's database cannot be read or written now."""

    retryable: ClassVar[bool] = True


class LedgerNotOpen(LedgerUnavailable):
    """Raised when the ledger's database cannot even be opened."""


class QueueUnavailable(OurError):
    """Raised when what keeps the tasks, or is shared, cannot be reached in time."""

    kind: ClassVar[ErrorKind] = "overloaded"
    retryable: ClassVar[bool] = True


class ActionFailed(OurError):
    """Raised when what is to follow an answer did not work this time."""

    retryable: ClassVar[bool] = True


class LedgerRefused(OurError):
    """Raised when the ledger's database was made by a newer version."""


class InternalError(OurError):
    """Raised in place of an unexpected exception: our bug."""

    retryable: ClassVar[bool] = False
