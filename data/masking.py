"""Masks personal data before anything is stored, logged or trained on, and leaves order and parcel numbers alone.

Rules, not a model: phone, identity card, bank card, e-mail, and street addresses down to the house number. What the rules miss:
names, addresses without a number, numbers spelt in characters or broken by words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

# Digits in groups, as people type them: "138 0013 8000", "1380-0138-000". Two groups with a dash may be a price range. After two
# letters or more it is a parcel's number (SF138…); one letter is a slip, or an ornament that NFKC made a letter of.
_PHONE = re.compile(
    r"(?:(?<![\dA-Za-z])|(?<=[^\dA-Za-z][A-Za-z])|(?<=\A[A-Za-z])|(?<=[VvWw][Xx])|(?<=[Tt][Ee][Ll]))(?:(?:\+|00)?86[- ]?)?"
    r"(?:1[3-9]\d([- .]?)\d{4}\1\d{4}|1[3-9]\d[- ]\d{8}|1[3-9]\d[- ]\d{3}[- ]\d{5}|1[3-9]\d{5}[- ]\d{4}|1[3-9]\d{3} \d{6})(?!\d)"
)
# Apart, because a bank card ends so too: "6222 0212 1381 2345 678".
_PHONE_443 = re.compile(r"(?<![\dA-Za-z])(?<!\d[- ])(?:(?:\+|00)?86[- ]?)?1[3-9]\d{2}([- ])\d{4}\1\d{3}(?!\d)")
_LANDLINE = re.compile(r"(?<![\dA-Za-z-])0\d{2,3}-\d{7,8}(?!\d)")
_OVERSEAS_PHONE = re.compile(
    r"(?<![\dA-Za-z])(?:\+|00)85[23][- ]?\d{4}[- ]?\d{4}(?!\d)|(?<![\dA-Za-z])(?:\+|00)886[- ]?\d{1,4}(?:[- ]?\d{3,4}){2}(?!\d)"
    r"|(?<![\dA-Za-z])09\d{2}([- ]?)\d{3}\1\d{3}(?!\d)"
)
_ID_CARD = re.compile(r"(?<!\d)[1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}(?:\d(?!\d)|[Xx])")
_BANK_CARD = re.compile(r"(?<![\dA-Za-z])[3-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{3,4}(?:[ -]?\d{1,3})?(?![\dA-Za-z])")
_EMAIL = re.compile(r"(?<![\w.+-])[A-Za-z0-9_][\w.+-]*@[\w-]+(?:\.[\w-]+)+", re.ASCII)
# No address crosses these: "商城里说15号发货" has a date, and an order number may follow a house number.
_NOT_IN_ADDRESS = r"(?![说是到发买要在能送有的了我你吗上过]|订单|单号|运单|快递|电话|手机)"
_ADDRESS = re.compile(
    r"[一-鿿]{1,8}(?:路|街|(?<![知味频渠难报])道|巷|弄|村|小区|花园|新村|(?<![这那哪家店车箱包盒手心柜袋库])里|苑|(?<!政)府|(?<!商)城"
    rf"|大厦|广场|公寓)(?:{_NOT_IN_ADDRESS}[一-鿿]){{0,6}}\d{{1,5}}(?:号院|号楼|号|弄|幢|栋|座|楼|室)"
    rf"(?:(?:{_NOT_IN_ADDRESS}[\d一-鿿A-Za-z-]){{0,10}}?(?:单元|栋|幢|座|楼|室|(?<=[\dA-Za-z])号))*"
    r"(?:\d{1,5}(?:室|房|(?![- ]?\d|[A-Za-z.元块件个年月日天号])))?"
)
_BANK_WORDS = ("卡号", "银行", "储蓄卡", "信用卡", "工行", "建行", "农行", "中行", "招行", "账户", "帐户")
_ORDER_WORDS = ("订单", "单号", "运单", "快递", "物流", "编号")
# Full-width digits and signs are read like half-width ones; the length stays, so places hold.
_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_FOUND = "\0"
_MASKED = re.compile(r"\0+|\[(?:phone|id_card|bank_card|email|address)\]")


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
    rest = text.translate(_HALF_WIDTH)
    before = None
    while rest != before:  # Until nothing more is found: two numbers may touch, and hide each other.
        before = rest
        for kind, pattern, holds in _RULES:
            for start, end in [match.span() for match in pattern.finditer(rest) if holds(rest, match)]:
                spans.append(PiiSpan(kind, start, end, text[start:end]))
                # Blanked, so that the next rules see what they would see in the masked text.
                rest = rest[:start] + _FOUND * (end - start) + rest[end:]
    return sorted(spans, key=lambda span: span.start)


def mask_pii(text: str) -> str:
    """Returns the text with each piece of personal data replaced by `[kind]`, e.g. `[phone]`. Idempotent."""
    pieces, cursor = [], 0
    for span in find_pii(text):
        pieces += [text[cursor : span.start], f"[{span.kind}]"]
        cursor = span.end
    return "".join([*pieces, text[cursor:]])


def _always(_text: str, _match: re.Match[str]) -> bool:
    return True


def _is_id_card(text: str, match: re.Match[str]) -> bool:
    """A shop's order number can look like a date in the middle; the checksum tells them apart."""
    return _id_checksum_holds(match.group()) or "身份证" in text


def _is_bank_card(text: str, match: re.Match[str]) -> bool:
    """Order numbers have 12 to 19 digits too: only a named card, or a Luhn number nobody calls an order, is masked."""
    before = _MASKED.sub("", text[: match.start()])[-12:]
    if any(word in before for word in _ORDER_WORDS):
        return False
    digits = re.sub(r"\D", "", match.group())
    if not 15 <= len(digits) <= 19:
        return False
    named = any(word in text for word in _BANK_WORDS)
    return named or (digits[0] in "46" and len(digits) in {16, 19} and _luhn_holds(digits) and not match.group().isdigit())


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


# Earlier rules win.
_RULES: tuple[tuple[str, re.Pattern[str], Callable[[str, re.Match[str]], bool]], ...] = (
    ("email", _EMAIL, _always), ("id_card", _ID_CARD, _is_id_card), ("phone", _PHONE, _always), ("phone", _PHONE_443, _always),
    ("phone", _LANDLINE, _always), ("phone", _OVERSEAS_PHONE, _always), ("address", _ADDRESS, _always),
    ("bank_card", _BANK_CARD, _is_bank_card),
)  # fmt: skip
