"""Fuzz every dialect: ``python tests/fuzz/wire.py [corpus folder] [libFuzzer options]``.

With atheris (``pip install atheris``) coverage leads the way, until something breaks or
``-max_total_time=SECONDS`` has passed; without it the valid answers are spoilt at
random for a minute. What counts as broken is ``tests.support.wire_oracle``.
"""

import random
import sys
from importlib import import_module
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.wire_oracle import SEEDS, check_everything

BLIND_S = 60.0


def one_input(data: bytes) -> None:
    """The first byte says how the rest is cut into pieces."""
    size = data[0] + 1 if data else 1
    body = data[1:]
    check_everything(body, (body[i : i + size] for i in range(0, len(body), size)))


def blindly(draw: random.Random) -> int:
    """Spoil seeds until the time is up; returns how many were tried."""
    until, tried = monotonic() + BLIND_S, 0
    while monotonic() < until:
        body = bytearray(b"".join(draw.choices(SEEDS, k=draw.randint(1, 2))))
        for _ in range(draw.randint(1, 8)):
            at = draw.randrange(len(body) + 1)
            body[at : at + draw.randint(0, 8)] = draw.randbytes(draw.randint(0, 4))
        one_input(bytes([draw.randrange(256)]) + bytes(body))
        tried += 1
    return tried


def main() -> None:
    """Run until something breaks or the time is up."""
    try:
        atheris = import_module("atheris")
    except ImportError:
        sys.stdout.write(f"no atheris: spoiling answers blindly for {BLIND_S:g} s\n")
        sys.stdout.write(f"{blindly(random.Random())} inputs, nothing broke\n")
        return
    if not any(Path(argument).is_dir() for argument in sys.argv[1:]):
        corpus = Path(mkdtemp(prefix="fuzz-wire-"))
        sys.argv.append(str(corpus))
        for number, seed in enumerate(SEEDS):
            (corpus / f"seed-{number}").write_bytes(b"\xff" + seed)
    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
