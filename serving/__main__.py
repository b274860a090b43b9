"""`python -m serving`: checks port, state and bundle, then becomes `bentoml serve`."""

from __future__ import annotations

import os
import socket
import sys
from typing import NoReturn

from data.errors import ConfigError, KefuError
from models.bundle import read_manifest
from serving.access import Access
from serving.bundles import check_files
from serving.feedback.desk import check_target
from serving.settings import ROOT, Settings, ip_address
from serving.stores import check_store


def main() -> int:
    """Starts the service; returns 2, with the reason on standard error, if it could not run."""
    try:
        settings = Settings.from_environment()
        host = ip_address(settings.host)
        Access(settings).check_host(host)
        check_port(host, settings.port)
        check_store(settings)
        check_target(settings)
        version = read_manifest(check_files(settings)).bundle_version  # workers load it, each for itself
    except KefuError as error:
        print(f"kefu: {error}", file=sys.stderr)
        return 2
    return become_bentoml(settings, host, version)


def become_bentoml(settings: Settings, host: str, version: str) -> NoReturn:
    """Replaces this process by `bentoml serve`, so that signals reach it and nothing is loaded twice."""
    environment = {**os.environ, **settings.to_environment()}
    environment.setdefault("BENTOML_DO_NOT_TRACK", "True")
    # Two services of one machine must not share, and delete, one folder of metrics.
    environment.setdefault("BENTOML_HOME", str(settings.state.parent / f".bentoml-{settings.port}"))
    shown = f"[{host}]" if ":" in host else host
    print(f"kefu: bundle {version}, {settings.workers} workers, http://{shown}:{settings.port}/", file=sys.stderr, flush=True)
    command = [
        sys.executable, "-m", "bentoml", "serve", "--quiet", "serving.service:Kefu", "--host", host, "--port", str(settings.port),
        "--working-dir", str(ROOT),
    ]  # fmt: skip
    os.execve(sys.executable, command, environment)  # noqa: S606 - no shell is wanted # nosec B606


def check_port(host: str, port: int) -> None:
    """Raises ConfigError if the port cannot be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"port {port} on {host} cannot be used ({error.strerror}); stop what holds it, or set KEFU_PORT"
            ) from error


if __name__ == "__main__":
    sys.exit(main())
