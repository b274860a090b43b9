"""The parts of a message that may ask for different things: 能开发票吗 另外保修多久."""

from __future__ import annotations

import re

_BETWEEN = re.compile(r"[\s,，、。;；?？!！~～…]+")
_LINK = re.compile(r"^(?:另外|(?:另外|还有|顺便|再)想?问(?:一?下)?)(?=.{3})")  # 还有货吗 and 再便宜点 keep theirs
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
# A wish or a question has one of these; reading the rest would cost a pass for nothing.
_ASKS = re.compile(r"[吗呢么麼嘛嗎没沒不怎咋啥什哪谁誰几幾多能可想要帮幫求]")
_SHORTEST = 3  # Chinese characters that a want needs
_MOST = 4  # parts; who writes more tells a story, of which no sentence stands for itself
_LONGEST = 80  # characters of a message


def parts_of(text: str) -> tuple[str, ...]:
    """Returns the parts between signs or blanks that ask for something, if two or more of at most four do; else nothing."""
    parts = [_LINK.sub("", part) for part in _BETWEEN.split(text) if len(_CHINESE.findall(part)) >= _SHORTEST]
    asking = tuple(part for part in parts if _ASKS.search(part))
    return asking if len(asking) > 1 and len(parts) <= _MOST and len(text) <= _LONGEST else ()
