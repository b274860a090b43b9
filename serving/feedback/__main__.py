"""`python -m serving.feedback`: upgrades the database, exports it for training, and deletes from it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from data.errors import KefuError
from serving.checks import bundle_path
from serving.feedback.export import Known, export
from serving.feedback.store import FeedbackStore
from serving.settings import Settings

_Command = Callable[[FeedbackStore, Settings, argparse.Namespace], str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what the command line says; returns 2, with the reason on standard error, if it could not."""
    given = _parser().parse_args(arguments)
    command: _Command = given.command
    try:
        settings = Settings.from_environment()
        store = FeedbackStore(settings.feedback, days=settings.feedback_days)
        try:
            print(command(store, settings, given))
        finally:
            store.close()
    except (KefuError, OSError) as error:
        reason = f" ({error.__cause__})" if isinstance(error.__cause__, RuntimeError) else ""
        print(f"kefu: {error}{reason}", file=sys.stderr)
        return 2
    return 0


def _upgrade(store: FeedbackStore, _settings: Settings, _given: argparse.Namespace) -> str:
    store.upgrade()
    return "the feedback database is up to date"


def _export(store: FeedbackStore, settings: Settings, given: argparse.Namespace) -> str:
    # Not `.jsonl`: in a folder of dialogues it would be read as one of them.
    queries: Path = given.faq_queries or given.dialogues.with_name(f"{given.dialogues.name}.faq_queries")
    records = store.records(since=given.since, source=given.source)
    report = export(records, Known.of(bundle_path(settings)), dialogues=given.dialogues, faq_queries=queries)
    return "\n".join([*report.lines(), f"written: {given.dialogues}, {queries}"])


def _delete(store: FeedbackStore, _settings: Settings, given: argparse.Namespace) -> str:
    return f"deleted: {store.forget(given.conversation)}"


def _purge(store: FeedbackStore, _settings: Settings, _given: argparse.Namespace) -> str:
    return f"deleted: {store.purge()}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m serving.feedback", description="The feedback store that KEFU_FEEDBACK names.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: _Command, words: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=words, description=words)
        added.set_defaults(command=command)
        return added

    add("upgrade", _upgrade, "Make or change its tables as this kefu needs them.")
    exporting = add("export", _export, "Write what can be learnt from: dialogues, and queries with the entry that answers them.")
    exporting.add_argument("dialogues", type=Path, help="JSON Lines file to write, as prepare.dialogues reads it")
    exporting.add_argument("--faq-queries", type=Path, help="file for the queries, as prepare.faq_queries reads it")
    exporting.add_argument("--since", type=_time, help="only what was changed since, such as 2026-11-01 or 2026-11-01T08:00+08:00")
    exporting.add_argument("--source", choices=("agent", "customer"), help="only what one side said")
    deleting = add("delete", _delete, "Delete all feedback of a conversation.")
    deleting.add_argument("--conversation", required=True, metavar="ID")
    add("purge", _purge, "Delete what is older than KEFU_FEEDBACK_DAYS; the service does so too.")
    return parser


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


if __name__ == "__main__":
    sys.exit(main())
