"""More than one redis-server: a master with replica and sentinel, a cluster; TLS."""

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.redis_server import (
    RedisServer,
    free_port,
    has_tls,
    redis_server,
    wanted_program,
)

WAIT_S = 20.0
POLL_S = 0.05
SLOTS = 16384


def ask(server: RedisServer, *words: str) -> str:
    """What it answers to one command, by its unix socket."""
    beside = wanted_program().with_name("redis-cli")
    program = shutil.which("redis-cli") or (str(beside) if beside.is_file() else None)
    if program is None:
        pytest.skip("no redis-cli here")
    done = subprocess.run(  # every word is a test's own
        [program, "-s", str(server.socket), *words],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    return done.stdout


def wait_for(server: RedisServer, said: str, *words: str) -> None:
    """Until its answer contains that."""
    until = time.monotonic() + WAIT_S
    while said not in (got := ask(server, *words)):
        assert time.monotonic() < until, f"{words} never said {said!r}: {got}"
        time.sleep(POLL_S)


def certificates(folder: Path) -> Mapping[str, Path]:
    """An authority, and what it signed for a server at 127.0.0.1: by openssl."""
    if (program := shutil.which("openssl")) is None:
        pytest.skip("no openssl here")
    folder.mkdir(parents=True, exist_ok=True)
    names = ("ca.key", "ca.pem", "server.key", "server.csr", "server.pem", "ext")
    paths = {name: folder / name for name in names}
    paths["ext"].write_text("subjectAltName=IP:127.0.0.1\n")
    new = "-newkey rsa:2048 -nodes -sha256"
    sign = "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial"
    root = f"req -x509 {new} -keyout ca.key -out ca.pem -days 2 -subj /CN=test"
    steps = (
        f"{root} -addext keyUsage=critical,keyCertSign",
        f"req {new} -keyout server.key -out server.csr -subj /CN=127.0.0.1",
        f"{sign} -out server.pem -days 2 -extfile ext",
    )
    for step in steps:
        subprocess.run(
            [program, *step.split()], cwd=folder, capture_output=True, check=True
        )
    return paths


@contextmanager
def tls_server(folder: Path) -> Iterator[tuple[RedisServer, int, Path]]:
    """A server that speaks TLS only, its port, and the authority to trust."""
    if not has_tls(wanted_program()):
        pytest.skip("this redis-server was built without TLS")
    made = certificates(folder / "tls")
    port = free_port()
    arguments = ["--tls-port", str(port), "--tls-auth-clients", "no"]
    arguments += ["--tls-cert-file", str(made["server.pem"])]
    arguments += ["--tls-key-file", str(made["server.key"])]
    arguments += ["--tls-ca-cert-file", str(made["ca.pem"])]
    with redis_server(folder, *arguments) as server:
        yield server, port, made["ca.pem"]


@contextmanager
def sentinel_set(folder: Path) -> Iterator[tuple[RedisServer, RedisServer, str]]:
    """A master, its replica, and the URL by their one sentinel."""
    with ExitStack() as stack:
        master = stack.enter_context(redis_server(folder / "master"))
        of = ("--replicaof", "127.0.0.1", str(master.port))
        replica = stack.enter_context(
            redis_server(folder / "replica", *of, "--repl-diskless-sync-delay", "0")
        )
        wait_for(master, "state=online", "info", "replication")
        port = free_port()
        stack.enter_context(_sentinel(folder, master.port, port))
        yield master, replica, f"redis+sentinel://127.0.0.1:{port}/main"


@contextmanager
def _sentinel(folder: Path, watched: int, port: int) -> Iterator[None]:
    file = folder / "sentinel.conf"
    file.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
        f"sentinel monitor main 127.0.0.1 {watched} 1\n"
        "sentinel down-after-milliseconds main 500\n"
        "sentinel failover-timeout main 3000\n"
    )
    with (folder / "sentinel.log").open("wb") as log:
        process = subprocess.Popen(
            [str(wanted_program()), str(file), "--sentinel"], stdout=log, stderr=log
        )
    try:
        until = time.monotonic() + WAIT_S
        while "+slave" not in (folder / "sentinel.log").read_text():
            assert process.poll() is None, (folder / "sentinel.log").read_text()
            assert time.monotonic() < until, "the sentinel never saw the replica"
            time.sleep(POLL_S)
        yield
    finally:
        process.kill()
        process.wait(10)


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[list[RedisServer], str]]:
    """Three masters that have all slots among them, and their URL."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(
                redis_server(
                    folder / f"node{n}",
                    *("--cluster-enabled", "yes", "--cluster-node-timeout", "2000"),
                    *("--cluster-require-full-coverage", "no"),
                )
            )
            for n in range(3)
        ]
        first, *others = servers
        for n, server in enumerate(servers):
            slots = range(n * SLOTS // 3, (n + 1) * SLOTS // 3)
            ask(server, "cluster", "addslots", *map(str, slots))  # a range: from 7.0
        for server in others:
            ask(first, "cluster", "meet", "127.0.0.1", str(server.port))
        for server in servers:
            wait_for(server, "cluster_known_nodes:3", "cluster", "info")
            wait_for(server, "cluster_state:ok", "cluster", "info")
            wait_for(server, "cluster_slots_ok:16384", "cluster", "info")
        places = ",".join(f"127.0.0.1:{each.port}" for each in servers)
        yield servers, f"redis+cluster://{places}"
