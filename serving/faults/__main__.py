"""`python -m serving.faults [--json FILE] [run ...]`: runs the faults against the current bundle and prints what came of each."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from data.errors import KefuError
from serving.checks import check_files
from serving.faults.runs import RUNS, Outcome, Place, SkipRunError
from serving.settings import Settings


def main() -> int:
    """Returns 1 if a run did not go as promised."""
    parser = argparse.ArgumentParser(description="Runs faults against a real server with a copy of the current bundle.")
    parser.add_argument("runs", nargs="*", metavar="run", help=f"of {', '.join(RUNS)}; all by default")
    parser.add_argument("--json", type=Path, help="writes the results there too")
    chosen = parser.parse_args()
    unknown = set(chosen.runs) - RUNS.keys()
    if unknown:
        parser.error(f"no run is named {', '.join(sorted(unknown))}; there are {', '.join(RUNS)}")
    try:
        bundle = check_files(Settings.from_environment())
    except KefuError as error:
        print(f"kefu: {error}", file=sys.stderr)
        return 2
    started, results, failed = time.monotonic(), [], False
    for name in chosen.runs or RUNS:
        try:
            outcome = _run(name, bundle)
        except SkipRunError as reason:
            print(f"{name}: left out, {reason}\n", flush=True)
            results.append({"name": name, "skipped": str(reason)})
            continue
        _show(outcome)
        failed |= bool(outcome.faults)
        results.append(asdict(outcome) | {"passed": not outcome.faults})
    print(f"{'FAILED' if failed else 'all as promised'}, {time.monotonic() - started:.0f} s")
    if chosen.json is not None:
        found = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "bundle": bundle.name, "runs": results}
        chosen.json.write_text(json.dumps(found, ensure_ascii=False, indent=1), encoding="utf-8")
    return 1 if failed else 0


def _run(name: str, bundle: Path) -> Outcome:
    """Returns the outcome of a run with folders and a copy of the bundle of its own."""
    with tempfile.TemporaryDirectory(prefix="kefu-faults-") as folder:
        bundles = Path(folder) / "bundles"
        shutil.copytree(bundle, bundles / bundle.name)
        (bundles / "current").write_text(f"{bundle.name}\n", encoding="utf-8")
        place = Place(bundles, Path(folder) / "run")
        place.folder.mkdir()
        return asyncio.run(RUNS[name](place))


def _show(outcome: Outcome) -> None:
    replies = ", ".join(f"{count} × {kind}" for kind, count in outcome.kinds.items())
    seconds = "-" if outcome.seconds is None else f"{outcome.seconds:.1f} s"
    print(f"{outcome.name}: {'FAIL' if outcome.faults else 'pass'}")
    print(f"  did       {outcome.did}")
    print(f"  expected  {outcome.expected}")
    print(
        f"  measured  {outcome.requests} requests ({replies}); well again after {seconds}; {outcome.lost} acknowledged items lost"
    )
    for name, value in outcome.notes.items():
        print(f"            {name.replace('_', ' ')}: {value}")
    for fault in outcome.faults:
        print(f"  FAULT     {fault}")
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
