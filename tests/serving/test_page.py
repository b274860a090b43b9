"""The chat page in a real browser against a real server: answers, panels, keyboard, problems, phones, and that nothing leaks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from models.calibration import Calibration, Thresholds
from models.policy import RULES
from tests.serving.conftest import Server, npm_package, recalibrate

DESK, PHONE = {"width": 1280, "height": 860}, {"width": 360, "height": 740}
WAIT = 15_000  # milliseconds
Visit = Callable[..., Any]


@pytest.fixture
def visit(browser: Any, server: Server) -> Iterator[Visit]:
    """Opens the page; at the end no script failed, nothing was complained of, and no request had gone elsewhere."""
    contexts, complaints, elsewhere = [], [], []

    def complain(text: str, expected: tuple[str, ...]) -> None:
        if not any(part in text for part in expected):
            complaints.append(text)

    def open_page(size: dict[str, int] = DESK, *, expected: tuple[str, ...] = (), **options: Any) -> Any:
        contexts.append(browser.new_context(viewport=size, **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(WAIT)
        page.on("console", lambda message: complain(message.text, expected) if message.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(server.url) else elsewhere.append(request.url))
        page.goto(server.url)
        page.locator("#examples .ask").first.wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert (complaints, elsewhere) == ([], [])


@pytest.fixture
def upset(server: Server) -> Iterator[None]:
    """For this time every message makes the server hand over."""
    pointer, target = server.bundles / "current", server.bundles / "upset"
    if not target.exists():
        recalibrate(server.bundles / "tiny", target, Calibration(thresholds=Thresholds(anger_alert=0.0, anger_handoff=0.0)))
    _switch(server, pointer, "upset", reason="emotion")
    yield
    _switch(server, pointer, "tiny", reason="faq_above_direct")


def _switch(server: Server, pointer: Path, name: str, *, reason: str) -> None:
    pointer.write_text(f"{name}\n", encoding="utf-8")
    for _ in range(100):
        answer = server.client.post("/chat", json={"conversation_id": f"switch-{time.time()}", "text": "怎么查物流"}).json()
        if answer["decision_reason"] == reason:
            return
        time.sleep(0.1)
    raise AssertionError(f"the server did not take the bundle {name}")


def say(page: Any, text: str) -> None:
    page.fill("#text", text)
    page.press("#text", "Enter")


def ask(page: Any, text: str) -> Any:
    """Says something and returns the turn that answers."""
    turns = page.locator(".turn.bot")
    count = turns.count()
    say(page, text)
    turns.nth(count).wait_for()
    return turns.nth(count)


def test_its_files_are_never_of_two_versions(server: Server) -> None:
    first = server.client.get("/page/chat.js")
    assert first.headers["Cache-Control"] == "no-cache" and "javascript" in first.headers["Content-Type"]
    assert server.client.get("/page/chat.js", headers={"If-None-Match": first.headers["ETag"]}).status_code == 304


def test_a_question_is_answered_and_the_panels_fill(visit: Visit) -> None:
    page = visit()
    page.select_option("#tier", "gold")
    answer = ask(page, "怎么查物流")
    assert "点“查看物流”" in answer.inner_text()
    assert "直接回答" in page.inner_text("#decision") and "faq_above_direct" in page.inner_text("#decision")
    assert page.locator("#intent .ranking li").count() == 5
    assert page.locator("#emotion .scores li").count() == 6 and page.locator("#emotion .dot").count() == 1
    assert "金卡会员" in page.inner_text("#priority") and page.locator("#priority .gauge").count() == 1
    assert "怎么查物流" in page.inner_text("#knowledge") and "tracking" in page.inner_text("#knowledge")
    ask(page, "怎么开发票")
    assert page.locator("#emotion .dot").count() == 2


def test_steps_and_related_questions_are_buttons(visit: Visit) -> None:
    page = visit()
    answer = ask(page, "怎么申请退货")
    assert answer.locator(".steps li").count() == 3
    answer.locator(".ask", has_text="退货运费谁出").click()
    page.locator(".turn.bot", has_text="质量问题由我们承担运费").wait_for()
    assert page.locator(".turn.customer").last.inner_text().endswith("退货运费谁出")


@pytest.mark.parametrize(
    "text", ['<img src=x onerror="window.pwned=1">', "<script>window.pwned=1</script>", "${alert(1)}<b>粗</b>"]
)
def test_markup_is_shown_as_text_and_nothing_runs(visit: Visit, text: str) -> None:
    page = visit()
    ask(page, text)
    assert text in page.locator(".turn.customer .bubble").last.inner_text()
    assert page.inner_text("#panel-message") == text
    page.locator(".why").last.click()
    page.locator("#explanation .words, #explanation .rules").first.wait_for()
    assert page.evaluate("window.pwned") is None
    assert page.locator(".log img, .log script, .log b, #panel img, #panel script, #panel b").count() == 0


def test_too_long_a_message_is_refused_kindly_and_not_lost(visit: Visit) -> None:
    page, text = visit(), "长" * 5000
    say(page, text)
    assert "2000" in page.inner_text("#refusal")
    assert page.input_value("#text") == text and page.locator(".turn").count() == 0
    assert "超出 3000" in page.inner_text("#counter")
    page.fill("#text", "怎么查物流")
    assert page.inner_text("#refusal") == ""
    page.click("#send")
    page.locator(".turn.bot").wait_for()


def test_an_explanation_on_demand(visit: Visit) -> None:
    page = visit()
    first = ask(page, "怎么查物流")
    ask(page, "我要退货,运费谁出")
    first.locator(".why").click()
    page.locator("#explanation .step.fired").wait_for()
    assert page.inner_text("#panel-message") == "怎么查物流"
    assert "".join(page.locator(".tinted-text").all_inner_texts()) == "怎么查物流"
    assert "faq_above_direct" in page.inner_text(".step.fired")
    page.locator(".rules summary").click()
    assert page.locator(".rules .path li").first.is_visible() and page.locator(".rules .path li").count() == list(RULES).index(
        "faq_above_direct"
    )
    assert page.locator("#explanation .entries li").count() == 3
    assert page.locator("#explanation .notice").count() == 0, "judged anew it must come out the same"
    page.keyboard.press("Escape")
    assert page.locator("#explanation").is_hidden()


def test_an_explanation_that_fails_can_be_asked_for_again(visit: Visit) -> None:
    page, sent = visit(expected=("Failed to load",)), []

    def busy(route: Any) -> None:
        sent.append(route.request.post_data_json)
        route.fulfill(status=503, json={"error": {"type": "overloaded"}}) if len(sent) == 1 else route.continue_()

    page.route("**/explain", busy)
    page.select_option("#tier", "gold")
    ask(page, "怎么开发票")
    ask(page, "怎么查物流").locator(".why").click()
    page.locator("#explanation", has_text="服务正忙").wait_for()
    page.locator("#explanation-body button").click()
    page.locator(".step.fired").wait_for()
    assert sent[0] == sent[1] and sent[0]["customer"] == {"tier": "gold"}
    assert [turn["speaker"] for turn in sent[0]["history"]] == ["user", "agent"]


@pytest.mark.usefixtures("upset")
def test_a_handoff_card_shows_and_the_bot_gets_the_conversation_back(visit: Visit) -> None:
    page = visit()
    card = ask(page, "你们就是骗子").locator(".handoff")
    assert "顾客情绪激动" in card.inner_text() and "原话:你们就是骗子" in card.inner_text()
    assert "人工客服处理中" in ask(page, "人呢").inner_text()
    page.locator(".why").last.click()
    page.locator(".step.fired", has_text="handed_off").wait_for()
    page.keyboard.press("Escape")
    card.get_by_text("交还机器人").click()
    card.get_by_text("已交还机器人").wait_for()
    assert ask(page, "人呢").locator(".handoff").count() == 1, "it answers again"
    page.locator(".why").last.click()
    page.locator(".step.fired", has_text="emotion").wait_for()


def test_thumbs_reach_feedback_and_fail_quietly(visit: Visit) -> None:
    page, sent, status = visit(expected=("404", "503")), [], [200, 503]

    def feedback(route: Any) -> None:
        sent.append(route.request.post_data_json)
        route.fulfill(status=status[len(sent) - 1], json={})

    page.route("**/feedback", feedback)
    answer = ask(page, "怎么查物流")
    answer.get_by_label("有帮助", exact=True).click()
    answer.get_by_text("已记录").wait_for()
    assert answer.get_by_label("有帮助", exact=True).get_attribute("aria-pressed") == "true"
    assert sent[0]["helpful"] is True and sent[0]["source"] == "customer" and len(sent[0]["request_id"]) == 32
    answer.get_by_label("没有帮助").click()
    answer.get_by_text("没有记录成功").wait_for()
    assert sent[1]["helpful"] is False
    assert answer.get_by_label("没有帮助").get_attribute("aria-pressed") == "false"


def test_thumbs_are_kept(visit: Visit, server: Server) -> None:
    page = visit()
    answer = ask(page, "怎么查物流")
    with page.expect_request("**/feedback") as sent:
        answer.get_by_label("没有帮助").click()
    answer.get_by_text("已记录").wait_for()
    again = server.client.post("/feedback", json=sent.value.post_data_json)
    assert again.status_code == 200 and again.json()["replaced"], "it was there already"


def test_by_keyboard_alone(visit: Visit) -> None:
    page = visit()

    def tab_to(selector: str, key: str = "Tab") -> None:
        for _ in range(40):
            page.keyboard.press(key)
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", f"{selector} has no visible focus"
                return
        raise AssertionError(f"{selector} cannot be reached")

    tab_to("#text")
    page.keyboard.type("怎么查")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("物流")
    assert page.input_value("#text") == "怎么查\n物流"
    page.keyboard.press("Enter")
    page.locator(".turn.bot").wait_for()
    assert page.input_value("#text") == ""
    tab_to(".why", "Shift+Tab")
    page.keyboard.press("Enter")
    page.locator("#explanation .step.fired").wait_for()
    assert page.evaluate("document.activeElement.id") == "explanation"
    tab_to("#explanation summary")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.matches('.why')"), "the focus goes back to where it was"
    tab_to("#new-conversation", "Shift+Tab")
    page.keyboard.press("Enter")
    assert page.locator(".turn").count() == 0 and page.evaluate("document.activeElement.id") == "text"


def test_another_language_is_remembered(visit: Visit) -> None:
    page = visit()
    ask(page, "怎么查物流")
    page.get_by_label("English").click()
    assert page.get_attribute("html", "lang") == "en"
    assert page.inner_text("#send") == "Send" and "An entry is sure enough" in page.inner_text("#decision")
    assert page.locator(".why").inner_text() == "Why this reply?"
    page.reload()
    page.locator("#examples .ask").first.wait_for()
    assert page.get_attribute("html", "lang") == "en" and "Type what" in page.get_attribute("#text", "placeholder")
    page.get_by_text("中文").click()
    assert page.get_attribute("html", "lang") == "zh-CN"


def test_a_phone_shows_one_view_at_a_time_and_never_scrolls_sideways(visit: Visit) -> None:
    page = visit(PHONE)

    def fits() -> bool:
        return bool(page.evaluate("document.documentElement.scrollWidth <= 360"))

    assert fits() and page.locator("#panel").is_hidden()
    ask(page, "怎么申请退货" + "长" * 300)
    ask(page, "https://example.com/" + "a" * 300)
    assert fits() and page.locator("#log").evaluate("log => log.scrollWidth <= log.clientWidth")
    page.locator(".why").last.click()
    page.locator("#explanation .step.fired").wait_for()
    assert fits() and page.locator("#log").is_hidden()
    assert page.locator("#panel").evaluate("panel => panel.scrollWidth <= panel.clientWidth")
    page.locator(".view[data-view=chat]").click()
    assert page.locator("#log").is_visible()


@pytest.mark.parametrize(
    ("failure", "words"),
    [("503", "服务正忙"), ("abort", "连接不上"), ("html", "无法读取"), ("429", "太快")],
)
def test_a_problem_is_said_in_words_and_a_retry_counts_once(visit: Visit, failure: str, words: str) -> None:
    page, sent = visit(expected=("Failed to load", "net::")), []

    def chat(route: Any) -> None:
        sent.append(route.request.post_data_json)
        if len(sent) > 1:
            route.continue_()
        elif failure == "abort":
            route.abort()
        elif failure == "html":
            route.fulfill(status=200, body="<h1>proxy</h1>")
        else:
            kind = {"503": "overloaded", "429": "too_many_requests"}[failure]
            route.fulfill(status=int(failure), json={"error": {"type": kind, "message": "…"}})

    page.route("**/chat", chat)
    say(page, "怎么查物流")
    page.locator(".notice", has_text=words).wait_for()
    page.click(".retry")
    page.locator(".turn.bot", has_text="查看物流").wait_for()
    assert page.locator(".notice").count() == 0 and page.locator(".turn.customer").count() == 1
    assert sent[0] == sent[1] and sent[0]["message_id"]


def test_without_a_network_it_says_so(visit: Visit) -> None:
    page = visit(expected=("net::",))
    page.context.set_offline(True)
    say(page, "怎么查物流")
    page.locator(".notice", has_text="没有联网").wait_for()
    page.context.set_offline(False)
    page.click(".retry")
    page.locator(".turn.bot").wait_for()


def test_a_key_is_asked_for_and_kept_in_the_tab_alone(visit: Visit) -> None:
    page, seen = visit(expected=("401",)), []

    def guard(route: Any) -> None:
        seen.append(route.request.headers.get("authorization"))
        if seen[-1] == "Bearer s3cret-key":
            route.continue_()
        else:
            route.fulfill(status=401, json={"error": {"type": "unauthorized", "message": "a key is needed"}})

    page.route("**/chat", guard)
    say(page, "怎么查物流")
    page.locator("#key-form").wait_for()
    assert page.evaluate("document.activeElement.id") == "key" and page.get_attribute("#key", "type") == "password"
    page.keyboard.type("s3cret-key")
    page.keyboard.press("Enter")
    page.locator(".turn.bot", has_text="查看物流").wait_for()
    assert seen == [None, "Bearer s3cret-key"] and page.locator("#key-form").is_hidden()
    assert "s3cret-key" in page.evaluate("JSON.stringify(sessionStorage)")
    assert "s3cret-key" not in page.evaluate("JSON.stringify(localStorage) + document.cookie")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(visit: Visit, tmp_path: Path, scheme: str) -> None:
    axe = (npm_package("axe-core@4.11.0", tmp_path) / "axe.min.js").read_text(encoding="utf-8")
    page = visit(color_scheme=scheme)
    ask(page, "怎么申请退货")
    page.locator(".why").last.click()
    page.locator("#explanation .step.fired").wait_for()
    page.evaluate(axe)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    problems = {rule["id"]: [node["html"][:120] for node in rule["nodes"][:3]] for rule in found["violations"]}
    assert not problems, json.dumps(problems, ensure_ascii=False, indent=1)
