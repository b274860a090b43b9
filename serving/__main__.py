"""`python -m serving`: checks address and port, then does what `bentoml serve` does, which checks the rest."""

from __future__ import annotations

import errno
import os
import socket
import sys

from data.errors import ConfigError, KefuError
from models.manifest import read_manifest
from serving.access import Access
from serving.checks import bundle_path
from serving.settings import ROOT, Settings, ip_address


def main() -> int:
    """Runs the service; returns 2, with the reason on standard error, if it could not."""
    try:
        settings = Settings.from_environment()
        host = ip_address(settings.host)
        Access(settings).check_host(host)
        check_port(host, settings.port)
        version = read_manifest(bundle_path(settings)).bundle_version
        become_bentoml(settings, host, version)  # which checks bundle and stores
    except KefuError as error:
        print(f"kefu: {error}", file=sys.stderr)
        return 2
    return 0


def become_bentoml(settings: Settings, host: str, version: str) -> None:
    """Does what `bentoml serve` does, in this process, so that signals reach it and nothing is loaded twice. Returns at the end.

    Raises:
        KefuError: `serving.service.Kefu.check` found something, or the port was taken meanwhile.
    """
    os.environ.update(settings.to_environment())
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    # Two services of one machine must not share, and delete, one folder of metrics.
    os.environ.setdefault("BENTOML_HOME", str(settings.state.parent / f".bentoml-{settings.port}"))
    shown = f"[{host}]" if ":" in host else host
    print(f"kefu: bundle {version}, {settings.workers} workers, http://{shown}:{settings.port}/", file=sys.stderr, flush=True)
    from bentoml._internal.configuration import set_quiet_mode  # what `--quiet` sets; it and the service read the environment

    from serving.service import Kefu

    set_quiet_mode(True)
    Kefu.working_dir = str(ROOT)  # type: ignore[attr-defined]
    try:
        Kefu.serve_http(host=host, port=settings.port)  # type: ignore[attr-defined]
    except OSError as error:
        if error.errno == errno.EADDRINUSE:  # taken since `check_port`
            raise _unusable(host, settings.port, error) from error
        raise


def check_port(host: str, port: int) -> None:
    """Raises ConfigError if the port cannot be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise _unusable(host, port, error) from error


def _unusable(host: str, port: int, error: OSError) -> ConfigError:
    return ConfigError(f"port {port} on {host} cannot be used ({error.strerror}); stop what holds it, or set KEFU_PORT")


if __name__ == "__main__":
    sys.exit(main())
