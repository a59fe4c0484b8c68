"""The table of methods, and how params are read."""

from ipc.methods import (
    METHODS,
    Peer,
    unknown_method,
)


def test_the_table_names_every_method_once() -> None:
    assert list(METHODS) == [
        "hello",
        "route",
        "consensus",
        "embed",
        "cancel",
        "status",
        "providers",
        "models",
        "metrics",
        "history",
        "explain",
        "usage",
        "feedback",
        "events.publish",
        "whatif",
        "consensus.report",
        "subscribe",
        "strategy.get",
        "strategy.set",
        "weights.set",
        "health.check",
        "reload",
        "drain",
        *(f"tasks.{each}" for each in ("submit", "get", "list")),
        *(f"tasks.{each}" for each in ("cancel", "retry", "wait")),
        *(f"threads.{each}" for each in ("list", "get", "export")),
    ]


def test_only_changing_methods_are_for_administrators() -> None:
    admin = {m.name for m in METHODS.values() if m.permission == "admin"}

    assert admin == {"strategy.set", "weights.set", "reload", "drain"}
    assert not any(METHODS[name].reading for name in admin)


def test_users_may_call_what_is_not_for_administrators() -> None:
    user, admin = Peer(door="json"), Peer(door="json", tier="admin")

    assert user.may(METHODS["route"])
    assert not user.may(METHODS["strategy.set"])
    assert admin.may(METHODS["strategy.set"])


def test_every_row_says_what_it_is_for() -> None:
    for method in METHODS.values():
        assert method.summary.endswith(".")
        assert method.params.__doc__


def test_an_unknown_method_is_told_with_the_nearest() -> None:
    error = unknown_method("rout")

    assert error.message == 'there is no method "rout"; did you mean route?'
    assert error.field == "method"
