"""OpenAI's fields that go to a provider as they are: checked before anybody is asked.

What would change the answer in a way that we cannot carry (log probabilities, audio) is
refused, never silently lost. Fields that are not in the table are not known here; they
only have to be JSON.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from ipc import fields

Check = Callable[[object, str], object]


def passed_on(value: object, field: str) -> object:
    """The value of a field that a provider gets as it came.

    Raises:
        InvalidRequest: It does not hold what it must, or asks for what cannot be had.
    """
    check = _CHECKS.get(field)
    if check is not None:
        check(value, field)
    return fields.plain(value, field)


def _nothing_of_the_kind(value: object, field: str) -> None:
    raise fields.unsupported(field, value)


def _log_probabilities(value: object, field: str) -> None:
    if fields.boolean(value, field):
        raise fields.unsupported(field, value)


def _top_log_probabilities(value: object, field: str) -> None:
    if fields.integer(value, field, 0) > 0:
        raise fields.unsupported(field, value)


def _logit_bias(value: object, field: str) -> None:
    for token, bias in fields.mapping(value, field).items():
        fields.number(bias, f"{field}.{token[:40]}", -100.0, 100.0)


def _modalities(value: object, field: str) -> None:
    wanted = 'the array ["text"]'
    names = fields.array(value, field, wanted)
    for i, name in enumerate(names):
        if fields.text(name, f"{field}[{i}]") != "text":
            raise fields.unsupported(f"{field}[{i}]", name, "there is only text")


_penalty: Final = partial(fields.number, low=-2.0, high=2.0)

_CHECKS: Final[Mapping[str, Check]] = {
    "audio": _nothing_of_the_kind,
    "frequency_penalty": _penalty,
    "logit_bias": _logit_bias,
    "logprobs": _log_probabilities,
    "metadata": fields.mapping,
    "modalities": _modalities,
    "prediction": fields.mapping,
    "presence_penalty": _penalty,
    "prompt_cache_key": fields.text,
    "safety_identifier": fields.text,
    "service_tier": fields.text,
    "store": fields.boolean,
    "top_logprobs": _top_log_probabilities,
    "verbosity": fields.text,
    "web_search_options": fields.mapping,
}
