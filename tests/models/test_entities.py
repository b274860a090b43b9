"""What is found in a message by rules, and what must not be mistaken for it."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.analysis import Entity
from models.entities import find_entities, has_defect, resolve_date
from tests.models.helpers import light

TODAY = date(2026, 11, 18)  # a Wednesday
WORDS = [
    "我的", "手机", "碎屏", "笔记本电脑", "订单", "202611180012345", "SF1234567890123", "13800138000", "110101199003078515", "300块", "预算3000到5000",
    "昨天", "下周三", "3月5号", "11.11", "幸福路12号3单元", "a@b.com", "双十一", ",", " ", "和", "38.5", "3-5天",
]  # fmt: skip


def found(text: str) -> list[tuple[str, str]]:
    return [(entity.entity, entity.value) for entity in find_entities(text, today=TODAY)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我要退货上周买的碎屏手机", [("date", "上周"), ("defect", "碎屏"), ("product", "手机")]),
        ("订单202611180012345还没发", [("order_id", "202611180012345")]),
        ("单号SF1234567890123", [("tracking_no", "SF1234567890123")]),
        ("yt8812345678901到哪了", [("tracking_no", "yt8812345678901")]),
        ("JDVA00123456789-1-1-", [("tracking_no", "JDVA00123456789-1-1-")]),
        ("退我299.9元", [("amount", "299.9元")]),
        ("预算3000到5000的笔记本电脑推荐", [("amount", "预算3000到5000"), ("product", "笔记本"), ("product", "电脑")]),
        ("¥59差价", [("amount", "¥59")]),
        ("三千块左右", [("amount", "三千块左右")]),
        ("昨天买的鞋子开胶了", [("date", "2026-11-17"), ("product", "鞋子"), ("defect", "开胶")]),
        ("3月5号能到吗", [("date", "2026-03-05")]),
        ("双十一买的羽绒服", [("date", "双十一"), ("product", "羽绒服")]),
        ("什么时候发货", []),
        ("", []),
    ],
)  # fmt: skip
def test_what_is_found(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "kind", "mask"),
    [
        ("打13800138000给我", "phone", "[phone]"), ("身份证110101199003078515", "id_card", "[id_card]"),
        ("幸福路12号3单元", "address", "[address]"), ("发a@b.com", "email", "[email]"),
        ("打[phone]给我", "phone", "[phone]"), ("身份证[id_card]", "id_card", "[id_card]"),
    ],
)  # fmt: skip
def test_personal_data_is_sensitive_and_masked(text: str, kind: str, mask: str) -> None:
    (entity,) = find_entities(text, today=TODAY)
    assert (entity.entity, entity.value, entity.sensitive) == (kind, mask, True)
    assert text[: entity.start] + text[entity.end :] in {"打给我", "身份证", "", "发"}


def test_an_order_number_is_no_personal_datum() -> None:
    (entity,) = find_entities("202611180012345678")
    assert (entity.entity, entity.sensitive) == ("order_id", False)


def test_the_longest_word_wins() -> None:
    assert found("保温杯漏水") == [("product", "保温杯"), ("defect", "漏水")]
    assert found("大后天到") == [("date", "2026-11-21")]
    assert found("大前天买的") == [("date", "2026-11-15")]


@pytest.mark.parametrize(
    "text",
    [
        "38.5码还有吗", "不是说3-5天到吗", "1-2个工作日", "3-15天", "1.5米的", "2.5kg", "打9.5折", "我穿38号", "型号M6180", "5号色", "128号色",
        "差1.2公斤", "9.9包邮", "1.8M长", "618123",
    ],
)  # fmt: skip
def test_a_number_with_a_unit_is_no_date(text: str) -> None:
    assert [kind for kind, _ in found(text) if kind == "date"] == []


@pytest.mark.parametrize("text", ["包邮吗", "包裹到哪了", "包装破损", "打包带走", "红包怎么用", "没有说明书", "扣了一笔钱"])
def test_a_part_of_another_word_is_no_product(text: str) -> None:
    assert [value for kind, value in found(text) if kind == "product"] == []


def test_traditional_words_are_found_where_they_stand() -> None:
    assert found("我要退貨,手機壞了,昨天買的") == [("product", "手機"), ("defect", "壞了"), ("date", "2026-11-17")]
    assert found("T恤起球,t恤也是") == [("product", "T恤"), ("defect", "起球"), ("product", "t恤")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("11.11买的", "2026-11-11"), ("6-18那天", "2026-06-18"), ("15号到", "15号"), ("618买的", "618"), ("2026-12-3发", "2026-12-03"),
        ("12/3到", "2026-12-03"), ("3月5日分两次发", "2026-03-05"), ("2025年3月5号到", "2025-03-05"),
    ],
)  # fmt: skip
def test_written_dates(text: str, value: str) -> None:
    assert found(text) == [("date", value)]


@pytest.mark.parametrize(
    ("words", "day"),
    [
        ("今天", "2026-11-18"), ("昨晚", "2026-11-17"), ("前天", "2026-11-16"), ("大前天", "2026-11-15"), ("明早", "2026-11-19"),
        ("后天", "2026-11-20"), ("周三", "2026-11-18"), ("周一", "2026-11-16"), ("这周日", "2026-11-22"), ("星期天", "2026-11-22"),
        ("下周一", "2026-11-23"), ("下个礼拜二", "2026-11-24"), ("上周五", "2026-11-13"), ("上上周五", "2026-11-06"),
        ("3月5号", "2026-03-05"), ("2025年3月5日", "2025-03-05"), ("2025-3-5", "2025-03-05"),
        ("2月30号", "2月30号"), ("国庆", "国庆"), ("上周", "上周"), ("15号", "15号"),
    ],
)  # fmt: skip
def test_relative_dates_are_resolved(words: str, day: str) -> None:
    assert resolve_date(words, TODAY) == day


def test_weeks_begin_on_monday_even_on_sunday() -> None:
    sunday = date(2026, 11, 22)
    assert resolve_date("周一", sunday) == "2026-11-16"
    assert resolve_date("下周一", sunday) == "2026-11-23"
    assert resolve_date("上周日", sunday) == "2026-11-15"


@light
@given(st.lists(st.sampled_from(WORDS), max_size=8).map("".join))
def test_spans_are_in_order_apart_and_true(text: str) -> None:
    entities = find_entities(text, today=TODAY)
    ends = [0, *(entity.end for entity in entities)]
    for end, entity in zip(ends, entities, strict=False):
        assert end <= entity.start < entity.end <= len(text)
        if entity.sensitive:
            assert entity.value == f"[{entity.entity}]"
        elif entity.entity != "date":
            assert text[entity.start : entity.end] == entity.value
    assert find_entities(text, today=TODAY) == entities


def test_defects() -> None:
    assert has_defect(find_entities("屏幕裂了"))
    assert not has_defect(find_entities("屏幕很好"))
    assert not has_defect((Entity("product", "手机", 0, 2),))
