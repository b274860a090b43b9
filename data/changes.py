"""A change of a knowledge base, checked as a whole: nothing of it is applied if one entry is bad."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from data.errors import DataError
from data.knowledge import faq_entry
from data.masking import find_pii
from data.normalise import clean, for_model
from data.types import FaqEntry, LabelSet

MAX_ENTRIES = 10_000
MAX_QUESTIONS = 50_000
MAX_ENTRY_QUESTIONS = 200
MAX_LIST = 50  # steps, related entries and the like
MAX_TEXT = 500  # characters of a question, a step, an id
MAX_ANSWER = 4_000
_SHOPS_OWN = frozenset({"phone", "email", "address"})  # a shop may print its own; an identity card never


@dataclass(frozen=True, slots=True)
class Change:
    """What is asked for.

    Attributes:
        rows: The entries, as in a knowledge base file.
        delete: Ids to be removed.
        replace: Whether the entries given are all that shall be left.
        contacts: Whether telephone numbers, e-mail and street addresses in them are meant to be shown, being the shop's own.
    """

    rows: Sequence[Any]
    delete: Sequence[str] = ()
    replace: bool = False
    contacts: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """The knowledge base after a change.

    Attributes:
        entries: All published entries; those that stay keep their places.
        added: Ids that are new.
        changed: Ids whose entry differs.
        removed: Ids that are gone, an entry that is no longer published among them.
    """

    entries: tuple[FaqEntry, ...]
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


class ChangeError(DataError):
    """A change of the knowledge base is refused; the message names each bad entry with its place and id."""

    def __init__(self, problems: Sequence[str], *, shown: int = 100) -> None:
        more = [f"and {len(problems) - shown} more"] if len(problems) > shown else []
        super().__init__("nothing was changed. " + "; ".join([*problems[:shown], *more]))


def apply_change(current: Sequence[FaqEntry], change: Change, labels: LabelSet) -> Changed:
    """Returns the knowledge base after a change.

    Raises:
        ChangeError: Any part of the change is bad.
    """
    return _Work(current, change, labels).done()


@dataclass
class _Work:
    current: Sequence[FaqEntry]
    change: Change
    labels: LabelSet
    problems: list[str] = field(default_factory=list)

    def done(self) -> Changed:
        before = {entry.faq_id: entry for entry in self.current}
        given = self._read(before)
        self._check_deletions(before, given)
        kept = {} if self.change.replace else {name: entry for name, entry in before.items() if name not in self.change.delete}
        merged = kept | {entry.faq_id: entry for _, entry in given}
        places = {entry.faq_id: where for where, entry in given}
        published = {name: entry for name, entry in merged.items() if entry.status == "published"}
        self._check_size(published)
        self._check_related(before, merged, places)
        self._check_questions(before, published, places)
        if self.problems:
            raise ChangeError(self.problems)
        order = [name for name in before if name in published] + [name for name in published if name not in before]
        return Changed(
            tuple(published[name] for name in order),
            added=tuple(name for name in order if name not in before),
            changed=tuple(name for name in order if name in before and before[name] != published[name]),
            removed=tuple(name for name in before if name not in published),
        )

    def _read(self, before: dict[str, FaqEntry]) -> list[tuple[str, FaqEntry]]:
        given: list[tuple[str, FaqEntry]] = []
        seen: dict[str, str] = {}
        for number, raw in enumerate(self.change.rows):
            where = _place(number, raw)
            try:
                entry = _entry(raw, where, self.labels)
                if entry.faq_id in seen:
                    raise DataError(f"{where}: the id is that of {seen[entry.faq_id]} too; give each entry its own id")
                seen[entry.faq_id] = where
                if before.get(entry.faq_id) != entry:
                    _refuse_personal(entry, where, contacts=self.change.contacts)
            except DataError as error:
                self.problems.append(str(error))
                continue
            given.append((where, entry))
        return given

    def _check_deletions(self, before: dict[str, FaqEntry], given: list[tuple[str, FaqEntry]]) -> None:
        ids = {entry.faq_id for _, entry in given}
        for number, name in enumerate(self.change.delete):
            if name not in before:
                self.problems.append(f"delete[{number}]: no entry has the id {name!r}; correct or leave it out")
            elif name in ids:
                self.problems.append(f"delete[{number}]: {name!r} is among the entries too; do one or the other")

    def _check_size(self, published: dict[str, FaqEntry]) -> None:
        questions = sum(len(entry.questions) for entry in published.values())
        if not published and not self.problems:
            self.problems.append("no published entry would be left, expected one or more; send entries")
        if len(published) > MAX_ENTRIES or questions > MAX_QUESTIONS:
            self.problems.append(
                f"the knowledge base would have {len(published)} entries with {questions} questions, expected at most {MAX_ENTRIES} "
                f"and {MAX_QUESTIONS}; send fewer"
            )

    def _check_related(self, before: dict[str, FaqEntry], merged: dict[str, FaqEntry], places: dict[str, str]) -> None:
        """Related entries must exist; those that were missing before are nobody's fault now."""
        # An entry that is refused itself is named once, not by all that relate to it.
        named = {*merged, *(str(raw.get("id") or raw.get("faq_id")).strip() for raw in self.change.rows if isinstance(raw, dict))}
        for name, entry in merged.items():
            old = before.get(name)
            missing = [
                other
                for other in entry.related
                if other not in named and (other in before or old is None or other not in old.related)
            ]
            if missing:
                where = places.get(name, f"entry {name!r}, which is not in the request")
                self.problems.append(f"{where}: related entries {missing} do not exist after the change; remove or add them")

    def _check_questions(self, before: dict[str, FaqEntry], published: dict[str, FaqEntry], places: dict[str, str]) -> None:
        """No question may be asked twice; pairs that stood there before may stay."""
        holder: dict[str, tuple[str, str]] = {}
        for name, entry in published.items():
            for question in entry.questions:
                key = for_model(question).lower()
                other = holder.setdefault(key, (name, question))
                if other == (name, question) and entry.questions.count(question) == 1:
                    continue
                if all(known in before and asked in before[known].questions for known, asked in (other, (name, question))):
                    continue
                where = places.get(name) or places.get(other[0], name)
                self.problems.append(
                    f"{where}: {question!r} is asked in {other[0]!r} and {name!r} alike; keep it in one place, once"
                )


def _place(number: int, raw: object) -> str:
    name = (raw.get("id") or raw.get("faq_id")) if isinstance(raw, dict) else None
    return f"entries[{number}] (id {name!r:.80})" if name is not None else f"entries[{number}]"


def _entry(raw: object, where: str, labels: LabelSet) -> FaqEntry:
    if not isinstance(raw, dict) or "__error__" in raw:
        raise DataError(f"{where}: expected an object with id, question, answer and intent; correct it")
    entry = faq_entry(raw, where, labels)
    for name, text, limit in _texts(entry):
        if len(text) > limit:
            raise DataError(f"{where}: {name} has {len(text)} characters, expected at most {limit}; shorten it")
        if any("\ud800" <= char <= "\udfff" for char in text):
            raise DataError(f"{where}: {name} holds half of a surrogate pair; send emoji as UTF-8")
    for question in entry.questions:
        if not clean(question) or not for_model(question):
            raise DataError(f"{where}: a question holds nothing that can be read; correct it")
    if len(entry.questions) > MAX_ENTRY_QUESTIONS:
        raise DataError(f"{where}: {len(entry.questions)} questions, expected at most {MAX_ENTRY_QUESTIONS}; split the entry")
    for name in ("steps", "related", "required_slots", "channels", "facets"):
        if len(getattr(entry, name)) > MAX_LIST:
            raise DataError(f"{where}: {name} has {len(getattr(entry, name))} parts, expected at most {MAX_LIST}; shorten it")
    return entry


def _texts(entry: FaqEntry) -> Iterator[tuple[str, str, int]]:
    yield "answer", entry.answer, MAX_ANSWER
    yield from (("id", entry.faq_id, 128), ("question", entry.question, MAX_TEXT))
    for name in ("similar_questions", "steps", "related", "required_slots", "channels"):
        yield from ((name, text, MAX_TEXT) for text in getattr(entry, name))
    yield from (("facets", text, MAX_TEXT) for pair in entry.facets.items() for text in pair)


def _refuse_personal(entry: FaqEntry, where: str, *, contacts: bool) -> None:
    """Whoever copies an answer out of a chat copies a customer's number with it."""
    allowed = _SHOPS_OWN if contacts else frozenset()
    for name, text, _ in _texts(entry):
        kinds = sorted({span.kind for span in find_pii(text)} - allowed)
        if kinds:
            hint = "" if set(kinds) - _SHOPS_OWN else ", or send contacts: true if it is the shop's own"
            raise DataError(f"{where}: {name} holds personal data ({', '.join(kinds)}); take it out{hint}")
