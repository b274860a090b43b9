"""Says which changes from one OpenAPI document to another can break a program that was written against the first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

# Limits of what may be sent: above which a new value narrows, and below which.
_LOW = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_HIGH = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_FORM = ("pattern", "format", "multipleOf", "uniqueItems")
_NONE: Json = {}


def breaking_changes(old: Json, new: Json) -> list[str]:
    """Returns one line a change that is not additive; an empty list means that old callers go on working."""
    return list(_Comparison(old, new).paths())


class _Comparison:
    def __init__(self, old: Json, new: Json) -> None:
        self._old, self._new = old, new
        self._seen: set[tuple[str, str, bool]] = set()

    def paths(self) -> Iterator[str]:
        for path, methods in self._old["paths"].items():
            for method, operation in methods.items():
                found = self._new["paths"].get(path, {}).get(method)
                where = f"{method.upper()} {path}"
                if found is None:
                    yield f"{where}: removed"
                else:
                    yield from self._operation(operation, found, where)

    def _operation(self, old: Json, new: Json, where: str) -> Iterator[str]:
        yield from self._parameters(old.get("parameters", []), new.get("parameters", []), where)
        asked, asks = old.get("requestBody"), new.get("requestBody")
        if asks is not None and asks.get("required") and not (asked or {}).get("required"):
            yield f"{where}: a body is now required"
        yield from self._content(asked, asks, f"{where} request", asked=True)
        for status, answer in old.get("responses", {}).items():
            found = new.get("responses", {}).get(status)
            if found is None:
                yield f"{where}: status {status} removed"
            else:
                yield from self._content(answer, found, f"{where} {status}", asked=False)

    def _parameters(self, old: list[Json], new: list[Json], where: str) -> Iterator[str]:
        before = {(parameter["in"], parameter["name"]): parameter for parameter in old}
        after = {(parameter["in"], parameter["name"]): parameter for parameter in new}
        for key in before.keys() - after.keys():
            yield f"{where}: parameter {key[1]} removed"
        for key, parameter in after.items():
            if parameter.get("required") and not before.get(key, _NONE).get("required"):
                yield f"{where}: parameter {key[1]} is now required"
            if key in before:
                yield from self._schema(before[key]["schema"], parameter["schema"], f"{where} {key[1]}", asked=True)

    def _content(self, old: Json | None, new: Json | None, where: str, *, asked: bool) -> Iterator[str]:
        for kind, content in (old or _NONE).get("content", {}).items():
            found = (new or _NONE).get("content", {}).get(kind)
            if found is None:
                yield f"{where}: {kind} removed"
            else:
                yield from self._schema(content["schema"], found["schema"], where, asked=asked)

    def _schema(self, old: Json, new: Json, where: str, *, asked: bool) -> Iterator[str]:
        names = (old.get("$ref"), new.get("$ref"))
        if all(names):
            key = (str(names[0]), str(names[1]), asked)
            if key in self._seen:
                return
            self._seen.add(key)
            where = f"{where} ({str(names[1]).rpartition('/')[2]})"
        before, after = self._variants(self._old, old), self._variants(self._new, new)
        if "any" in before or "any" in after:  # an empty schema takes everything
            if ("any" in before) != ("any" in after) and not (asked and "any" in after):
                yield f"{where}: type changed"
            return
        for kind, schema in before.items():
            found = after.get(kind) or (after.get("number") if asked and kind == "integer" else None)
            if found is None:
                yield f"{where}: type {kind} removed"
            else:
                yield from self._same_kind(schema, found, where, asked=asked)
        if not asked:
            yield from (f"{where}: type {kind} added to an answer" for kind in after.keys() - before.keys())

    def _variants(self, document: Json, schema: Json) -> dict[str, Json]:
        """The alternatives of a schema by their type; several objects are told apart by their models' names."""
        flat = list(_flat(document, schema))
        objects = sum(part.get("type") == "object" for _, part in flat)
        return {
            f"object {name}" if part.get("type") == "object" and objects > 1 else kind: part
            for name, part in flat
            for kind in _kinds(part)
        }

    def _same_kind(self, old: Json, new: Json, where: str, *, asked: bool) -> Iterator[str]:
        yield from _enums(old, new, where, asked=asked)
        if asked:
            yield from _ranges(old, new, where)
        yield from self._fields(old, new, where, asked=asked)
        for part in ("items", "additionalProperties"):
            before, after = old.get(part, True), new.get(part, True)
            if isinstance(before, dict) and isinstance(after, dict):
                yield from self._schema(before, after, f"{where}[]", asked=asked)
            elif before is not after and (not asked or after is not True):
                yield f"{where}: {part} changed"

    def _fields(self, old: Json, new: Json, where: str, *, asked: bool) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        required = (set(old.get("required", [])), set(new.get("required", [])))
        yield from (f"{where}.{name}: removed" for name in sorted(before.keys() - after.keys()))
        if asked:
            yield from (f"{where}.{name}: is now required" for name in sorted(required[1] - required[0]))
        else:
            yield from (f"{where}.{name}: may now be absent" for name in sorted((required[0] - required[1]) & after.keys()))
        for name in sorted(before.keys() & after.keys()):
            yield from self._schema(before[name], after[name], f"{where}.{name}", asked=asked)


def _flat(document: Json, schema: Json, name: str = "") -> Iterator[tuple[str, Json]]:
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        yield from _flat(document, document["components"]["schemas"][name], name)
    elif alternatives := schema.get("anyOf") or schema.get("oneOf"):
        for part in alternatives:
            yield from _flat(document, part)
    else:
        yield name, schema


def _kinds(schema: Json) -> list[str]:
    kinds = schema.get("type", "any")
    if kinds == "any" and ("const" in schema or "enum" in schema):
        return ["string"]
    return list(kinds) if isinstance(kinds, list) else [kinds]


def _values(schema: Json) -> set[Any] | None:
    return {schema["const"]} if "const" in schema else set(schema["enum"]) if "enum" in schema else None


def _enums(old: Json, new: Json, where: str, *, asked: bool) -> Iterator[str]:
    before, after = _values(old), _values(new)
    if before is not None and after is not None:
        yield from (f"{where}: value {value} removed" for value in sorted(before - after, key=str))
    elif before is not None and not asked:
        yield f"{where}: any value may come now"
    elif after is not None and before is None and asked:
        yield f"{where}: only some values are taken now"


def _ranges(old: Json, new: Json, where: str) -> Iterator[str]:
    for limit in _LOW:
        if limit in new and (limit not in old or new[limit] > old[limit]):
            yield f"{where}: {limit} narrowed to {new[limit]}"
    for limit in _HIGH:
        if limit in new and (limit not in old or new[limit] < old[limit]):
            yield f"{where}: {limit} narrowed to {new[limit]}"
    for limit in _FORM:
        if limit in new and new[limit] != old.get(limit):
            yield f"{where}: {limit} changed to {new[limit]}"
