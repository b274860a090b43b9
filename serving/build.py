"""`python -m serving.build`: packs code, page and the current bundle into a Bento that serves without the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from data.errors import ConfigError, KefuError
from serving.bundles import load_brain
from serving.checks import bundle_path
from serving.settings import ROOT, Settings

_BENTOFILE = "serving/bentofile.yaml"
_CODE = ("data/**/*.py", "models/**/*.py", "serving/**/*")  # the Bento file leaves out what only developers need


def main() -> int:
    """Builds the Bento and prints its tag; returns 2, with the reason on standard error, if there is no bundle to pack."""
    settings = Settings.from_environment()
    try:
        version = load_brain(settings).bundle.manifest.bundle_version
        with tempfile.TemporaryDirectory(prefix="kefu-bento-") as folder:
            stage(Path(folder), bundle_path(settings))
            tag = build(Path(folder), version)
    except KefuError as error:
        sys.stderr.write(f"kefu: {error}\n")
        return 2
    sys.stdout.write(f"{tag}: try `bentoml serve {tag}` or `bentoml containerize {tag}`\n")
    return 0


def stage(folder: Path, bundle: Path) -> None:
    """Copies what a Bento needs, and of the bundles only the one given, as the current one."""
    for pattern in _CODE:
        for source in sorted(ROOT.glob(pattern)):
            if source.is_dir() or "__pycache__" in source.parts:
                continue
            target = folder / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    bundles = folder / "artifacts" / "bundles"
    shutil.copytree(bundle, bundles / bundle.name)
    (bundles / bundle.name).chmod(0o755)
    (bundles / "current").write_text(f"{bundle.name}\n", encoding="utf-8")


def build(folder: Path, version: str) -> str:
    """Returns the tag of the Bento made from a staged folder. Works without a network.

    Raises:
        ConfigError: BentoML refused; its own words are on standard error.
    """
    # A process of its own, in the stage: it can import nothing of the repository that was not staged.
    command = [sys.executable, "-m", "bentoml", "build", "--output", "tag", "-f", _BENTOFILE]
    command += ["--label", f"kefu-bundle={version}", "."]
    environment = {"BENTOML_DO_NOT_TRACK": "True", **os.environ}
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
    found = re.search(r"kefu:[\w.-]+", done.stdout)
    if done.returncode != 0 or found is None:
        raise ConfigError(f"`bentoml build` ended with {done.returncode} and made no Bento: {done.stdout.strip()}; see above")
    return found.group()


if __name__ == "__main__":
    sys.exit(main())
