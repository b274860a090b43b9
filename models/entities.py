"""Finds order and parcel numbers, money, dates, products, defects and personal data in a message, by rules and a lexicon.

Rules because these things have forms; what they miss: products not in the lexicon, amounts in characters beyond simple ones, dates
that need a calendar of festivals, addresses without a street and a number.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from datetime import date, timedelta

from data.masking import find_pii
from data.normalise import for_model
from models.analysis import Entity

_ORDER = re.compile(r"(?<![\dA-Za-z])\d{12,19}(?![\dA-Za-z])")
_TRACKING = re.compile(
    r"(?<![\dA-Za-z])(?:SF|YT|ZTO|STO|JD[A-Z]{0,3}|JT|YD|DPK|EMS|VA|VB|VC|VF|LP)[A-Z0-9]{0,3}\d{8,18}(?:-\d+-\d+-?)?(?![\dA-Za-z])",
    re.IGNORECASE,
)
_AMOUNT = re.compile(
    r"(?<![\d.])\d+(?:\.\d{1,2})?\s*(?:块钱|块|元|圆|rmb|RMB|刀|万|千)(?:左右|以内|上下|多)?|[¥¥$]\s*\d+(?:\.\d{1,2})?"
    r"|[一二两三四五六七八九十]+(?:百|千|万)(?:块|元)?(?:左右|以内|上下)?|(?<![\d.])(?:\d{4,6}(?:左右|以内|以下|上下|以上|多)|[2-9]\d{2}(?:以内|以下))|(?:预算|价位)\D{0,3}\d{2,6}(?:\s*[-~到]\s*\d{2,6})?"
)
_DAY = r"(?:3[01]|[12]\d|0?[1-9])"
# "3-5天", "1.5米" and "38.5码" look like dates.
_UNITS = r"\s*(?:天|个|周|小时|分|月|年|岁|次|件|米|厘|公|斤|克|千|升|寸|码|折|倍|包邮|%|cm|mm|kg|ml|[mgl](?![a-z]))"
_DATE = re.compile(
    rf"(?<![\d.])(?:20\d{{2}}[-/.年])?(?:1[0-2]|0?[1-9])(?:月{_DAY}[日号]?(?!\d)|[-/.]{_DAY}[日号]?(?![\d.]|(?i:{_UNITS})))"
    r"|大前天|前天|昨天|昨晚|今天|今晚|明天|明早|明晚|后天|大后天|上上?(?:个)?(?:周|星期|礼拜)[一二三四五六日天]?|(?:这|本)?(?:周|星期|礼拜)[一二三四五六日天]"
    r"|下(?:个)?(?:周|星期|礼拜)[一二三四五六日天]?|上个?月|下个?月|双十一|双11|双十二|国庆|元旦|春节|过年|中秋"
    rf"|(?<!\d){_DAY}号(?![楼线色码店仓门链])|(?<![\dA-Za-z])618(?!\d)"
)
_DEFECTS = tuple(
    (
        "碎屏 屏碎 碎了 破损 破了 坏了 坏的 裂了 裂缝 裂开 开裂 断了 断裂 漏水 漏液 漏了 掉色 褪色 起球 开线 "
        "脱线 开胶 掉皮 生锈 发霉 变质 异味 划痕 刮痕 磕碰 死机 黑屏 花屏 白屏 蓝屏 闪退 充不进电 充不了电 "
        "不通电 开不了机 不开机 没反应 失灵 卡顿 异响 噪音 短路 发烫 鼓包 过期 变形 缺角 凹了 瘪了 污渍 破洞 "
        "不制冷 不亮"
    ).split()
)
_PRODUCTS = tuple(
    (
        "手机 笔记本 电脑 平板 耳机 充电器 充电宝 数据线 键盘 鼠标 显示器 相机 音箱 手表 手环 路由器 打印机 电视 "
        "冰箱 洗衣机 空调 热水器 油烟机 微波炉 电饭煲 电饭锅 破壁机 空气炸锅 扫地机 吸尘器 吹风机 剃须刀 牙刷 台灯 "
        "灯 沙发 床垫 床 衣柜 桌子 椅子 书架 被子 被套 四件套 枕头 毛巾 窗帘 地毯 锅 杯子 保温杯 刀 衣服 裙子 "
        "连衣裙 裤子 牛仔裤 T恤 衬衫 毛衣 卫衣 外套 大衣 羽绒服 内衣 文胸 袜子 鞋子 鞋 运动鞋 靴子 高跟鞋 包 "
        "背包 书包 行李箱 帽子 围巾 手套 皮带 面霜 面膜 口红 粉底 洗面奶 防晒 香水 洗发水 沐浴露 牙膏 纸巾 "
        "洗衣液 奶粉 尿不湿 纸尿裤 奶瓶 推车 玩具 积木 绘本 书 教材 本子 笔 猫粮 狗粮 猫砂 牛奶 水果 苹果 "
        "车厘子 榴莲 海鲜 螃蟹 牛肉 零食 坚果 茶叶 酒 咖啡 月饼 粽子 大米 油 轮胎 机油 行车记录仪 帐篷 自行车 "
        "瑜伽垫 跑步机 吉他 鲜花 蛋糕"
    ).split()
)

# Words that begin or end with a product and are none.
_NO_PRODUCTS = tuple("包邮 包裹 包装 包括 包含 包退 包换 包赔 打包 红包 说明书 证书 一笔 这笔 那笔 加油".split())


def find_entities(text: str, *, today: date | None = None) -> tuple[Entity, ...]:
    """Returns the entities of a message in order of place, without overlaps; earlier rules win.

    Args:
        text: The message, cleaned; personal data may still be in it. Sensitive values come back masked.
        today: The day that relative dates count from; today by default.
    """
    found: list[Entity] = []
    for entity in _candidates(text, today or date.today()):
        if all(entity.end <= other.start or entity.start >= other.end for other in found):
            found.append(entity)
    return tuple(sorted(found, key=lambda entity: entity.start))


def has_defect(entities: tuple[Entity, ...]) -> bool:
    """Tells whether a defect was named."""
    return any(entity.entity == "defect" for entity in entities)


def resolve_date(words: str, today: date) -> str:
    """Returns the ISO day that a relative date means (昨天, 下周三, 3月5号), or the words themselves where none is clear."""
    near = {
        "大前天": -3,
        "前天": -2,
        "昨天": -1,
        "昨晚": -1,
        "今天": 0,
        "今晚": 0,
        "明天": 1,
        "明早": 1,
        "明晚": 1,
        "后天": 2,
        "大后天": 3,
    }
    if words in near:
        return (today + timedelta(days=near[words])).isoformat()
    week = re.fullmatch(r"(上上|上|下|这|本)?个?(?:周|星期|礼拜)([一二三四五六日天])", words)
    if week:
        monday = today - timedelta(days=today.weekday())
        offset = {"上上": -14, "上": -7, "下": 7}.get(week.group(1) or "", 0)
        weekday = "一二三四五六日".index(week.group(2).replace("天", "日"))
        return (monday + timedelta(days=offset + weekday)).isoformat()
    written = re.fullmatch(r"(?:(20\d{2})[-/.年])?(\d{1,2})[-/.月](\d{1,2})[日号]?", words)
    if written:
        try:
            return date(int(written.group(1) or today.year), int(written.group(2)), int(written.group(3))).isoformat()
        except ValueError:
            return words
    return words


def _candidates(text: str, today: date) -> Iterator[Entity]:
    for span in find_pii(text):
        yield Entity(span.kind, f"[{span.kind}]", span.start, span.end, sensitive=True)
    for kind in ("phone", "id_card", "bank_card", "email", "address"):
        for match in re.finditer(re.escape(f"[{kind}]"), text):  # masked before it came here
            yield Entity(kind, match.group(), match.start(), match.end(), sensitive=True)
    for name, pattern in (("tracking_no", _TRACKING), ("order_id", _ORDER), ("amount", _AMOUNT)):
        yield from (Entity(name, match.group(), match.start(), match.end()) for match in pattern.finditer(text))
    # Words are listed in Simplified characters; places count in the message as it stands.
    simple = for_model(text)
    if len(simple) != len(text):
        simple = text
    for match in _DATE.finditer(simple):
        yield Entity("date", resolve_date(match.group(), today), match.start(), match.end())
    for name, words in (("defect", _DEFECTS), ("product", _PRODUCTS + _NO_PRODUCTS)):
        for match in _lexicon(words).finditer(simple):
            if match.group() not in _NO_PRODUCTS:
                yield Entity(name, text[match.start() : match.end()], match.start(), match.end())


@functools.cache
def _lexicon(words: tuple[str, ...]) -> re.Pattern[str]:
    # Longest first: 笔记本电脑 before 笔记本.
    return re.compile("|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)), re.IGNORECASE)
