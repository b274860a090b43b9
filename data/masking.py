"""Masks personal data before anything is stored, logged or trained on, and leaves order and parcel numbers alone.

Rules, not a model: phone, identity card, bank card, e-mail, and street addresses down to the house number. What the rules miss:
names, addresses without a number, numbers spelt in characters or broken by words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Digits in groups, as people type them: "138 0013 8000", "138-0013-8000".
_PHONE = re.compile(r"(?<![\dA-Za-z])(?:\+?86[- ]?)?1[3-9]\d([- ]?)\d{4}\1\d{4}(?!\d)")
_LANDLINE = re.compile(r"(?<![\dA-Za-z-])0\d{2,3}-\d{7,8}(?!\d)")
_OVERSEAS_PHONE = re.compile(r"(?<![\dA-Za-z])\+(?:852|853|886)[- ]?\d{3,4}[- ]?\d{3,5}(?!\d)|(?<!\d)09\d{2}-?\d{3}-?\d{3}(?!\d)")
_ID_CARD = re.compile(r"(?<!\d)[1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?![\dA-Za-z])")
_BANK_CARD = re.compile(r"(?<![\dA-Za-z])[3-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{3,4}(?:[ -]?\d{1,3})?(?![\dA-Za-z])")
_EMAIL = re.compile(r"(?<![\w.+-])[A-Za-z0-9][\w.+-]*@[\w-]+(?:\.[\w-]+)+", re.ASCII)
_ADDRESS = re.compile(
    r"[一-鿿]{1,8}(?:路|街|道|巷|弄|村|小区|花园|新村|里|苑|府|城|大厦|广场|公寓)"
    r"[一-鿿]{0,6}\d{1,5}(?:号院|号楼|号|弄|幢|栋|座|楼|室)(?:[\d一-鿿A-Za-z-]{0,10}?(?:单元|栋|幢|座|楼|室|号))*(?:\d{1,5}(?:室|房)?)?"
)
_BANK_WORDS = ("卡号", "银行", "储蓄卡", "信用卡", "工行", "建行", "农行", "中行", "招行", "账户", "帐户")
_ORDER_WORDS = ("订单", "单号", "运单", "快递", "物流", "编号")


@dataclass(frozen=True, slots=True)
class PiiSpan:
    """A stretch of personal data: `text[start:end]` of the given kind."""

    kind: str
    start: int
    end: int
    value: str


def find_pii(text: str) -> list[PiiSpan]:
    """Returns the personal data in a text, left to right, without overlaps."""
    spans: list[PiiSpan] = []
    for kind, match in _candidates(text):
        if all(match.end() <= span.start or match.start() >= span.end for span in spans):
            spans.append(PiiSpan(kind, match.start(), match.end(), match.group()))
    return sorted(spans, key=lambda span: span.start)


def mask_pii(text: str) -> str:
    """Returns the text with each piece of personal data replaced by `[kind]`, e.g. `[phone]`. Idempotent."""
    pieces, cursor = [], 0
    for span in find_pii(text):
        pieces += [text[cursor : span.start], f"[{span.kind}]"]
        cursor = span.end
    return "".join([*pieces, text[cursor:]])


def _candidates(text: str) -> Iterator[tuple[str, re.Match[str]]]:
    for match in _ID_CARD.finditer(text):
        # A shop's order number can look like a date in the middle; the checksum tells them apart.
        if _id_checksum_holds(match.group()) or "身份证" in text:
            yield "id_card", match
    for pattern in (_PHONE, _LANDLINE, _OVERSEAS_PHONE):
        yield from (("phone", match) for match in pattern.finditer(text))
    for match in _BANK_CARD.finditer(text):
        if _is_bank_card(text, match):
            yield "bank_card", match
    yield from (("email", match) for match in _EMAIL.finditer(text))
    yield from (("address", match) for match in _ADDRESS.finditer(text))


def _is_bank_card(text: str, match: re.Match[str]) -> bool:
    """Order numbers have 12 to 19 digits too: only a named card, or a Luhn number nobody calls an order, is masked."""
    before = text[max(0, match.start() - 12) : match.start()]
    if any(word in before for word in _ORDER_WORDS):
        return False
    digits = re.sub(r"\D", "", match.group())
    if not 15 <= len(digits) <= 19:
        return False
    named = any(word in text for word in _BANK_WORDS)
    return named or (digits[0] in "46" and len(digits) in {16, 19} and _luhn_holds(digits) and " " in match.group())


def _luhn_holds(digits: str) -> bool:
    """Source: ISO/IEC 7812-1, annex B."""
    total = 0
    for position, char in enumerate(reversed(digits)):
        value = int(char) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _id_checksum_holds(number: str) -> bool:
    """Source: GB 11643-1999, ISO 7064 mod 11-2."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(char) * weight for char, weight in zip(number[:17], weights, strict=True))
    return "10X98765432"[total % 11] == number[17].upper()
