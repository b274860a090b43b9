"""A real PostgreSQL for the tests, on a free port."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from serving.bench import free_port
from tests.required import require

PASSWORD = "tests/only@kefu"  # the signs must be percent-encoded
_ENCODED = "tests%2Fonly%40kefu"


class PostgresServer:
    """Starts at once; may be stopped and started again."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries, self._folder, self._port = binaries, folder, free_port()
        (folder / "password").write_text(PASSWORD)
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            for path in (folder, folder / "password"):
                shutil.chown(path, "postgres", "postgres")
        data, password = str(folder / "data"), str(folder / "password")
        self._run("initdb", "-D", data, "-U", "kefu", "-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "--no-locale")
        self.start()

    def start(self) -> None:
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='{self._folder}' -c max_connections=40"
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-l", str(self._folder / "log"), "-w", "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "-w", "stop")

    def database(self) -> str:
        """Returns the URL of an empty schema, which is made within milliseconds."""
        name = f"kefu_{uuid4().hex}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return f"{self.url()}?options=-c%20search_path%3D{name}"

    def url(self, password: str = _ENCODED) -> str:
        return f"postgresql://kefu:{password}@127.0.0.1:{self._port}/postgres"

    def _run(self, program: str, *arguments: str) -> None:
        user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        command = [*user, str(self._binaries / program), *arguments]
        # The server inherits the output: a pipe would stay open as long as it lives.
        with (self._folder / "out").open("ab") as out:
            done = subprocess.run(command, cwd="/", stdout=out, stderr=out, stdin=subprocess.DEVNULL, timeout=60, check=False)
        assert done.returncode == 0, (self._folder / "out").read_text()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    installed = shutil.which("initdb") or (found[-1] if found else None)
    if installed is None:
        require("initdb", "postgresql")
    folder = Path(tempfile.mkdtemp(prefix="kefu-postgres-"))  # not pytest's: only its owner may enter that
    try:
        server = PostgresServer(Path(str(installed)).parent, folder)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
