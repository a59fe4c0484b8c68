"""What a models list says, and which models count as the provider's own."""

from actors.messages.chat import ModelInfo
from actors.provider.listing import MAX_FOUND, Listing
from tests.support.small_house import provider


def rows(*names: str) -> list[ModelInfo]:
    return [ModelInfo(id=name) for name in names]


def discovering(*models: str) -> Listing:
    return Listing(provider("one", models=models, discover=True))


def default(listing: Listing) -> str:
    """``-`` for none."""
    return listing.default or "-"


def test_the_default_is_the_first_model_listed() -> None:
    listing = discovering()
    assert default(listing) == "-"
    assert (*listing.own, *listing.served) == ()
    listing.take(rows("a", "b"))

    assert default(listing) == "a"
    assert listing.own == ("a", "b")


def test_the_default_stays_as_long_as_it_is_listed() -> None:
    listing = discovering()
    listing.take(rows("a", "b"))
    listing.take(rows("c", "a"))
    assert default(listing) == "a"
    listing.take(rows("c", "b"))
    assert default(listing) == "c"
    listing.take(rows())

    assert default(listing) == "-"
    assert listing.own == ()


def test_a_model_that_only_embeds_is_no_default_while_there_is_another() -> None:
    listing = discovering()
    listing.take(rows("nomic-embed-text", "bge-reranker", "llama3.3"))
    assert default(listing) == "llama3.3"
    listing.take(rows("nomic-embed-text"))

    assert default(listing) == "nomic-embed-text"


def test_configured_models_stay_whatever_is_listed() -> None:
    listing = discovering("mine")
    assert default(listing) == "mine"
    listing.take(rows("a"))

    assert (listing.default, listing.own) == ("mine", ("mine", "a"))
    assert listing.keeps("mine")


def test_without_discovery_a_list_only_says_what_is_served() -> None:
    listing = Listing(provider("one", models=("mine",)))
    listing.take(rows("a", "b"))

    assert listing.served == ("a", "b")
    assert (listing.default, listing.own) == ("mine", ("mine",))
    assert listing.keeps("asked for by name")


def test_what_vanished_is_not_kept_once_a_list_came() -> None:
    listing = discovering()
    assert listing.keeps("from the last run")
    listing.take(rows("a"))

    assert listing.keeps("a")
    assert not listing.keeps("from the last run")


def test_a_long_list_can_be_asked_for_but_is_not_watched() -> None:
    listing = discovering()
    names = [f"m{number}" for number in range(MAX_FOUND + 10)]
    listing.take(rows(*names))

    assert listing.served == tuple(names)
    assert len(listing.own) == MAX_FOUND


def test_a_window_is_the_known_one_else_the_listed_one() -> None:
    listing = Listing(provider("one", context_windows={"a": 1000}))
    listing.take(
        [ModelInfo(id="a", context_window=9), ModelInfo(id="b", context_window=2000)]
    )

    assert [listing.window(name) for name in "abc"] == [1000, 2000, None]


def test_a_configured_window_holds_for_models_that_are_found() -> None:
    listing = Listing(provider("one", models=(), discover=True, found_window=4096))
    listing.take([ModelInfo(id="a", context_window=9)])

    assert [listing.window(name) for name in "ab"] == [4096, None]
