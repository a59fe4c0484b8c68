"""Webhooks as GitHub documents them, shortened."""

from pathlib import Path

FOLDER = Path(__file__).parent.parent / "fixtures" / "github"


def payload(name: str) -> bytes:
    """The body of a webhook: ``push``, ``push_docs``, ``pull_request``, ..."""
    return (FOLDER / f"{name}.json").read_bytes()
