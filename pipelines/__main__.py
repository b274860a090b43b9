"""Entry point of `python -m pipelines`."""

import os

# Our own bars tell what matters; libraries' bars would fill logs. Read when tqdm is imported, so it stands first.
os.environ.setdefault("TQDM_DISABLE", "1")

from pipelines.cli import app

if __name__ == "__main__":
    app()
