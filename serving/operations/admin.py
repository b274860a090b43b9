"""/admin: the knowledge base and the bundle, changed while the service answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from data.changes import MAX_ANSWER, MAX_ENTRIES, MAX_ENTRY_QUESTIONS, MAX_LIST, MAX_TEXT, Change
from data.errors import BundleError
from data.knowledge import faq_row
from serving.audit import audit
from serving.checks import bundle_path
from serving.errors import FieldError
from serving.knowledge import Swap, change_bundle, change_knowledge, created, follow, list_bundles, revert
from serving.logs import log_call
from serving.operation import Call, Operation, json_response
from serving.schema import Count, Id
from serving.scope import Scope

_R = TypeVar("_R")
_under_way: set[asyncio.Task[Any]] = set()  # the event loop alone would let a task be collected


_Text = Annotated[str, Field(max_length=MAX_TEXT)]
_Texts = Annotated[list[_Text], Field(max_length=MAX_LIST)]
_Date = Annotated[str, Field(max_length=32)]


class EntryIn(BaseModel):
    """An entry, as in a knowledge base file."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[Id, Field(description="Names the entry; related entries, feedback and answers use it.")]
    question: Annotated[_Text, Field(description="As a customer would ask.")]
    similar_questions: Annotated[
        list[_Text], Field(max_length=MAX_ENTRY_QUESTIONS, description="Other wordings; all are searched.")
    ] = Field(default_factory=list)
    answer: Annotated[str, Field(max_length=MAX_ANSWER, description="What the bot replies.")]
    intent: Annotated[_Text, Field(description="Code of an intent of the bundle.")]
    steps: Annotated[_Texts, Field(description="What to do, one thing after another.")] = Field(default_factory=list)
    facets: Annotated[dict[str, _Text], Field(description="Anything else to tell entries apart by.")] = Field(default_factory=dict)
    product: Annotated[_Text | None, Field(description="The product that it is about.")] = None
    scene: Annotated[_Text | None, Field(description="The situation that it is about.")] = None
    related: Annotated[_Texts, Field(description="Ids of entries that customers often need next.")] = Field(default_factory=list)
    required_slots: Annotated[_Texts, Field(description="What must be known before it is answered.")] = Field(default_factory=list)
    channels: Annotated[_Texts, Field(description="Where it may be sent; everywhere if empty.")] = Field(default_factory=list)
    valid_from: Annotated[_Date | None, Field(description="The first day of it, such as 2026-11-01.")] = None
    valid_to: Annotated[_Date | None, Field(description="The last day of it.")] = None
    status: Annotated[Literal["published", "draft", "retired"], Field(description="Only published entries are answered with.")] = (
        "published"
    )


class _Options(BaseModel):
    # A field misspelt here would change a shop's answers otherwise than was meant.
    model_config = ConfigDict(extra="forbid")

    dry_run: Annotated[bool, Field(description="Check, and say what would change.")] = False
    base_version: Annotated[Id | None, Field(description="The bundle that the change was made for; 409 if another is current.")] = (
        None
    )
    contacts: Annotated[
        bool, Field(description="Telephone numbers, e-mail and street addresses in the entries are the shop's own.")
    ] = False


class ReplaceRequest(_Options):
    """Body of PUT /admin/faq. Each entry is checked by itself, so that all that are bad can be named."""

    entries: Annotated[list[Any], Field(max_length=MAX_ENTRIES)]
    bundle: Annotated[Id | None, Field(description="The same as base_version, under the name that GET gives it.")] = None


class UpsertRequest(_Options):
    """Body of POST /admin/faq."""

    entries: Annotated[list[Any], Field(max_length=MAX_ENTRIES)] = Field(default_factory=list)
    delete: Annotated[list[Id], Field(max_length=MAX_ENTRIES, description="Ids of entries to remove.")] = Field(
        default_factory=list
    )


class ReplaceDocument(ReplaceRequest):
    """Body of PUT /admin/faq: what the knowledge base shall hold, and nothing else."""

    entries: Annotated[list[EntryIn], Field(max_length=MAX_ENTRIES, description="All that there shall be.")]


class UpsertDocument(UpsertRequest):
    """Body of POST /admin/faq: entries to add, or to put in the place of those with their ids."""

    entries: Annotated[list[EntryIn], Field(max_length=MAX_ENTRIES, description="To add or to replace.")] = Field(
        default_factory=list
    )


class BundleRequest(BaseModel):
    """Body of POST /admin/bundles/current."""

    model_config = ConfigDict(extra="forbid")

    bundle: Annotated[Id, Field(description="Version of the bundle to serve.")]


class FaqChangeAnswer(BaseModel):
    """What a change of the knowledge base came to. `live`: this worker answers with `bundle`; the others will in a moment."""

    bundle: Annotated[str, Field(description="Version of the bundle with the change.")]
    previous: Annotated[str, Field(description="Version of the one before.")]
    entries: Annotated[Count, Field(description="Published entries now.")]
    added: Annotated[list[str], Field(description="Ids of new entries.")]
    changed: Annotated[list[str], Field(description="Ids of entries that differ from before.")]
    removed: Annotated[list[str], Field(description="Ids of entries that are gone.")]
    live: Annotated[bool, Field(description="Whether this worker answers with it already.")]
    dry_run: Annotated[bool, Field(description="Whether nothing was changed.")]


class FaqAnswer(BaseModel):
    """The published entries of the bundle that this worker answers with."""

    bundle: Annotated[str, Field(description="Version of the bundle.")]
    entries: Annotated[
        list[dict[str, Any]], Field(description="As in a knowledge base file; fields that are not set are left out.")
    ]


class BundleOut(BaseModel):
    """A bundle in the folder; `problem` says what is wrong with one that cannot be served."""

    bundle: Annotated[str, Field(description="Its version.")]
    created: Annotated[str, Field(description="When it was made (ISO 8601).")]
    entries: Annotated[Count | None, Field(description="Entries of its knowledge base; null if they cannot be counted.")]
    parent: Annotated[str | None, Field(description="What its knowledge base was changed from; null for one that was trained.")]
    current: Annotated[bool, Field(description="Whether it is the one that `current` names.")]
    problem: Annotated[str | None, Field(description="Why it cannot be served; null if it can.")] = None


class BundlesAnswer(BaseModel):
    """The bundles in the folder, newest first."""

    bundles: Annotated[list[BundleOut], Field(description="Newest first.")]


class SwapAnswer(BaseModel):
    """The bundle that is served now, and the one before."""

    bundle: Annotated[str, Field(description="Version of the bundle that is served now.")]
    previous: Annotated[str, Field(description="Version of the one before.")]
    live: Annotated[bool, Field(description="Whether this worker answers with it already.")] = True


async def replace_faq(call: Call) -> Response:
    """Replaces all entries."""
    body: ReplaceRequest = call.body
    return await _change(call, "faq.replace", Change(body.entries, replace=True), body.base_version or body.bundle)


async def upsert_faq(call: Call) -> Response:
    """Adds, replaces and removes single entries."""
    body: UpsertRequest = call.body
    return await _change(call, "faq.upsert", Change(body.entries, delete=body.delete), body.base_version)


async def show_faq(call: Call) -> Response:
    """Returns all entries, as JSON or as the JSON Lines that `prepare.faq` reads."""
    shown = call.query.get("format", "json")
    if shown not in ("json", "jsonl"):
        raise FieldError(f"format is {shown[:20]!r}, expected json or jsonl; correct or leave it out")
    services = call.services
    # What another worker changed a moment ago is shown too: who reads and then replaces would meet a conflict otherwise.
    with suppress(BundleError):
        await asyncio.to_thread(follow, services.settings, services.engine)
    bundle = services.engine.brain.bundle
    rows = [faq_row(entry) for entry in bundle.faq.entries]
    log_call("show_faq", call.request_id, call.started, entries=len(rows))
    if shown == "jsonl":
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return Response(lines.encode(), media_type="application/jsonl")
    return json_response(json.dumps({"bundle": bundle.manifest.bundle_version, "entries": rows}, ensure_ascii=False))


async def show_bundles(call: Call) -> Response:
    """Returns the bundles in the folder."""
    answer = await asyncio.to_thread(_bundles, call)
    log_call("show_bundles", call.request_id, call.started, bundles=len(answer.bundles))
    return json_response(answer.model_dump_json())


async def set_bundle(call: Call) -> Response:
    """Serves another bundle of the folder."""
    version = call.body.bundle
    return await _swap(call, "bundle.set", partial(change_bundle, call.services.settings, call.services.engine, version))


async def revert_bundle(call: Call) -> Response:
    """Serves the bundle before this one."""
    return await _swap(call, "bundle.revert", partial(revert, call.services.settings, call.services.engine))


async def _change(call: Call, act: str, change: Change, base_version: str | None) -> Response:
    body: _Options = call.body
    services, change = call.services, replace(change, contacts=body.contacts)
    work = partial(change_knowledge, services.settings, services.engine, change, base_version=base_version, dry_run=body.dry_run)

    async def run() -> Swap:
        swap = await asyncio.to_thread(work)
        if not body.dry_run:
            services.metrics.reload("ok")
            await audit(call, act, **_facts(swap))
        return swap

    swap = await _to_the_end(run())
    changed = swap.changed
    if changed is None:
        raise TypeError("a change of the knowledge base told nothing of what it changed; report this")
    log_call(act, call.request_id, call.started, dry_run=body.dry_run, **_facts(swap))
    answer = FaqChangeAnswer(
        bundle=swap.bundle, previous=swap.previous, entries=len(changed.entries), added=list(changed.added),
        changed=list(changed.changed), removed=list(changed.removed), live=not body.dry_run, dry_run=body.dry_run,
    )  # fmt: skip
    return json_response(answer.model_dump_json())


async def _swap(call: Call, act: str, work: Callable[[], Swap]) -> Response:
    async def run() -> Swap:
        swap = await asyncio.to_thread(work)
        call.services.metrics.reload("ok")
        await audit(call, act, **_facts(swap))
        return swap

    swap = await _to_the_end(run())
    log_call(act, call.request_id, call.started, **_facts(swap))
    return json_response(SwapAnswer(bundle=swap.bundle, previous=swap.previous).model_dump_json())


async def _to_the_end(work: Coroutine[Any, Any, _R]) -> _R:
    """Awaits work that goes on, and is written down, even if its client stops waiting."""
    task = asyncio.create_task(work)
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    return await asyncio.shield(task)


def _facts(swap: Swap) -> dict[str, Any]:
    facts: dict[str, Any] = {"bundle": swap.bundle, "previous": swap.previous}
    if swap.changed is not None:
        facts |= {name: len(getattr(swap.changed, name)) for name in ("entries", "added", "changed", "removed")}
    return facts


def _bundles(call: Call) -> BundlesAnswer:
    settings = call.services.settings
    found = list_bundles(settings)
    current = bundle_path(settings)
    shown = []
    for path, manifest in found.items():
        problem = str(manifest).replace(f"{path.parent}/", "") if isinstance(manifest, BundleError) else None
        shown.append(
            BundleOut(
                bundle=getattr(manifest, "bundle_version", path.name), created=created(path, manifest), entries=_count(path),
                parent=getattr(manifest, "parent", None) or None, current=path == current, problem=problem,
            )
        )  # fmt: skip
    return BundlesAnswer(bundles=shown)


def _count(bundle: Path) -> int | None:
    try:
        return (bundle / "faq" / "entries.jsonl").read_bytes().count(b"\n")
    except OSError:
        return None


_ENTRY = {
    "id": "gift_wrap", "question": "可以礼品包装吗", "similar_questions": ["能包成礼物吗"], "answer": "下单时勾选“礼品包装”即可。",
    "intent": "presale.gift",
}  # fmt: skip

OPERATIONS = (
    Operation(
        "upsert_faq", "POST", "/admin/faq", Scope.ADMIN, "Adds and replaces the entries given, and removes those in `delete`",
        upsert_faq, request=UpsertRequest, documented=UpsertDocument, answer=FaqChangeAnswer,
        example={"entries": [_ENTRY], "delete": [], "dry_run": True},
    ),
    Operation(
        "replace_faq", "PUT", "/admin/faq", Scope.ADMIN, "Replaces the whole knowledge base by the entries given",
        replace_faq, request=ReplaceRequest, documented=ReplaceDocument, answer=FaqChangeAnswer,
        example={"entries": [_ENTRY], "dry_run": True},
    ),
    Operation(
        "show_faq", "GET", "/admin/faq", Scope.ADMIN, "All entries; `?format=jsonl` gives the file that training reads",
        show_faq, answer=FaqAnswer,
    ),
    Operation(
        "show_bundles", "GET", "/admin/bundles", Scope.ADMIN, "The bundles that can be served, newest first",
        show_bundles, answer=BundlesAnswer,
    ),
    Operation(
        "set_bundle", "POST", "/admin/bundles/current", Scope.ADMIN, "Serves another bundle of the folder, once it is checked",
        set_bundle, request=BundleRequest, answer=SwapAnswer, example={"bundle": "a931d513cfd0"},
    ),
    Operation(
        "revert_bundle", "POST", "/admin/bundles/revert", Scope.ADMIN, "Serves the bundle before this one. Each call goes one further back, a retry too: /admin/bundles/current is safe to repeat",
        revert_bundle, answer=SwapAnswer, answer_example={"bundle": "a931d513cfd0", "previous": "5a2b0d8e91c4", "live": True},
    ),
)  # fmt: skip
