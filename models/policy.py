"""What to do about a message: `decide` is a pure function with the precedence of the domain description.

a person is asked for > configured policy > anger above the handoff threshold > an open clarification > repeated miss >
out of scope > missing slots > answer > suggest > fallback.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import numpy as np

from data.normalise import for_model
from data.types import FaqEntry, Speaker, Utterance
from models.analysis import (
    Analysis,
    Answer,
    Conversation,
    Customer,
    Decision,
    EmotionAlert,
    Handoff,
    OpenSlots,
    Order,
    PastMessage,
)  # fmt: skip
from models.calibration import Thresholds
from models.domain import DomainPack, Slot
from models.entities import find_entities
from models.matching import SearchHit
from models.priority import score_priority
from models.retrieval import FaqIndex

OUT_OF_HOURS = "outside_opening_hours"  # reason of a decision that takes a message instead of handing over
_NEIGHBOUR = 0.1  # share of the best hit's confidence below which a further suggestion is noise
_SECOND_ANSWER = 0.5  # the second want of a message is answered too if its entry is likelier right than wrong
_SURE_OF_MOOD = 0.5  # below it, and without an alert, comforting somebody would be a guess
_EARLIER_WANTS = 3  # that a summary names
_REPLIED = ("slot_filled", "slots_complete")  # reasons of decisions about what fills a slot
_ASK_AGAIN = 2  # the repetition at which an open question is put once more
_LONGEST_REPLY = 8  # characters beside an order number and the like; a longer message may be about something else
_WORDS_OF_A_NUMBER = 5  # characters: 订单号是:
_NUMBERS = ("order_id", "tracking_no")
_EARLIER_NUMBERS = 3  # of those given before, so many stand in a summary
_MEMORY = 30  # messages and turns that a conversation remembers
_HELD = ("order.", "logistics.", "payment.", "aftersale.", "service.")  # where being unheard thrice is an alarm in itself


_UNKNOWN_CUSTOMER, _UNKNOWN_ORDER = Customer(), Order()


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else a decision may depend on.

    Attributes:
        customer: What the shop knows of the customer.
        order: What it knows of the order.
        waiting_seconds: How long the customer has waited, or None.
        now: The moment, for opening hours; None means open.
        today: The day, for entries that are valid for a time; None takes them all.
        channel: Where the customer writes, for entries of some channels; None takes them all.
    """

    customer: Customer = _UNKNOWN_CUSTOMER
    order: Order = _UNKNOWN_ORDER
    waiting_seconds: float | None = None
    now: datetime | None = None
    today: date | None = None
    channel: str | None = None


@dataclass(frozen=True)
class Knowledge:
    """What a decision is made with: the pack, the entries and the thresholds of one bundle."""

    pack: DomainPack
    faq: FaqIndex
    thresholds: Thresholds


def decide(analysis: Analysis, conversation: Conversation, circumstances: Circumstances, knowledge: Knowledge) -> Decision:
    """Returns what to do about a message. Pure: the same arguments always give the same decision."""
    case = Case(analysis, conversation, circumstances, knowledge)
    for rule in RULES.values():
        decision = rule(case)
        if decision is not None:
            return decision
    raise AssertionError("the last rule always decides")


def advance(conversation: Conversation, analysis: Analysis, decision: Decision) -> Conversation:
    """Returns the state after a message and the decision about it."""
    turns = (*conversation.turns, Utterance(Speaker.USER, analysis.text))
    if decision.reply:
        turns = (*turns, Utterance(Speaker.AGENT, decision.reply))
    # What replied to a question is like nothing that comes later: the count of repetitions begins anew.
    vector = np.zeros_like(analysis.vector) if decision.reason in _REPLIED else analysis.vector
    past = PastMessage(analysis.intent.name, analysis.emotion.label, tuple(map(float, vector)), decision.answer is not None)
    handed_off = decision.handoff is not None and decision.reason != OUT_OF_HOURS
    heard = 0 if handed_off else conversation.heard
    if heard is not None and not handed_off:
        heard += len(turns) - len(conversation.turns)
    sent = [answer.faq_id for answer in (decision.answer, decision.second_answer) if answer is not None]
    return Conversation(
        conversation_id=conversation.conversation_id,
        turns=turns[-_MEMORY:],
        past=(*conversation.past, past)[-_MEMORY:],
        misses=_misses(conversation, analysis, decision),
        open_slots=decision.open_slots,
        handed_off=conversation.handed_off or handed_off,
        tried=tuple(dict.fromkeys([*conversation.tried, *sent])),
        heard=heard,
        added=conversation.added,
    )


def _misses(conversation: Conversation, analysis: Analysis, decision: Decision) -> int:
    """Misses in a row; an emoji or a picture in between neither adds one nor ends the row."""
    if decision.miss:
        return conversation.misses + 1
    return 0 if analysis.kind == "text" else conversation.misses


def is_out_of_scope(analysis: Analysis, thresholds: Thresholds) -> bool:
    """Tells whether a message is rejected: its probability is over the threshold, and the ranking is not certain of an intent."""
    # So sure a ranking outweighs the rejector, which turns away one real question in twenty.
    return analysis.out_of_scope >= thresholds.out_of_scope and analysis.intent.confidence < thresholds.certain_intent


class Case:
    """One message under decision. Every method reads; none changes anything."""

    def __init__(self, analysis: Analysis, conversation: Conversation, circumstances: Circumstances, knowledge: Knowledge) -> None:
        self.analysis = analysis
        self.words = for_model(analysis.text).lower()  # as the pack writes its words: simplified
        self.conversation = conversation
        self.circumstances = circumstances
        self.pack = knowledge.pack
        self.faq = knowledge.faq
        self.thresholds = knowledge.thresholds
        self.hits = tuple(hit for hit in analysis.hits if is_usable(self.faq.by_id[hit.faq_id], circumstances))
        # A reply to the bot's own question has the want of the message before it, so it is no repetition.
        self.repetition = 1 if self.continued_slots is not None else _repetition(analysis, conversation, knowledge.thresholds)
        self.alert = self._emotion_alert()
        self.priority = score_priority(
            analysis, conversation, circumstances.customer, circumstances.order, self.pack,
            repetition=self.repetition, waiting_seconds=circumstances.waiting_seconds,
        )  # fmt: skip

    # The rules, in the order of RULES: each decides, or leaves the message to the next. ----------------------------------

    def after_handoff(self) -> Decision | None:
        """A person has the conversation; when nobody is there to read it, the customer is told."""
        if not (self.conversation.handed_off and self.pack.policy.silent_after_handoff):
            return None
        hours = self.pack.policy.opening_hours
        if _is_open(hours, self.circumstances.now):
            return self._make("silent", "handed_off", "")
        reply = self.pack.replies["handoff_closed"].format(**hours)
        return self._make("handoff", OUT_OF_HOURS, reply, handoff=Handoff("policy", self._summary(None)))

    def wordless(self) -> Decision | None:
        """A picture, a card, a link or an emoji asks for words."""
        if self.analysis.kind == "text":
            return None
        reply = self.pack.replies[{"card": "link"}.get(self.analysis.kind, self.analysis.kind)]
        return self._make("clarify", f"wordless_{self.analysis.kind}", reply, open_slots=self.conversation.open_slots)

    def user_request(self) -> Decision | None:
        """The customer asks for a person. 你们招人吗 is about people too, but no customer asks for one."""
        human, first = self.pack.policy.human_intent, self.analysis.intent
        # A first place nobody is sure of is a message that was not understood, and no request.
        if first.name == human:
            wanted = first.confidence >= self.thresholds.intent
        else:
            wanted = human in self.analysis.intents and self.human_share() >= self.pack.policy.human_share
        return self._hand_off("user_request") if wanted and not self.is_rejected() else None

    def human_share(self) -> float:
        """Returns the probability in the ranking that a person is asked for, in [0, 1]."""
        human = self.pack.policy.human_intent
        return next((intent.confidence for intent in self.analysis.ranking if intent.name == human), 0.0)

    def policy(self) -> Decision | None:
        """The shop wants a person for one of the intents."""
        configured = any(intent in self.pack.policy.handoff_intents for intent in self.analysis.intents)
        return self._hand_off("policy") if configured else None

    def emotion(self) -> Decision | None:
        """The customer is angrier than a bot should answer."""
        return self._hand_off("emotion") if self.anger >= self.thresholds.anger_handoff else None

    def clarification_dropped(self) -> Decision | None:
        """The customer gives up what the open question was for."""
        if self._asked() is None or self.give_up_word() is None or self.is_direct(self.best_hit()):
            return None
        return self._make("answer", "clarification_dropped", self._with_empathy(self.pack.replies["given_up"]))

    def nod(self) -> Decision | None:
        """嗯 or 好的 came instead of what was asked: it is asked again once, not for ever."""
        opened, past = self._asked(), self.conversation.past
        nods = self.analysis.intent.name == "chitchat.ack" and self.is_sure_of_intent()
        if opened is None or not opened.missing or not nods or (past and past[-1].intent == "chitchat.ack"):
            return None
        return None if self._filled(opened.wanted, asked=opened.missing[0]) else self._clarify(opened, "missing_slots")

    def slot_filled(self) -> Decision | None:
        """The reply to an open question: the next one is asked, or a person gets them all."""
        slots = self.continued_slots
        if slots is None:
            return None
        return self._clarify(slots, "slot_filled") if slots.missing else self._slots_done(slots)

    def number_alone(self) -> Decision | None:
        """An order or parcel number that nothing asked for: a person gets it with the want before it, or the want is asked for."""
        needed = self.needed_slots()
        if not self.is_number() or self.is_direct(self.best_hit()) or (needed is not None and needed.missing):
            return None
        past = self.conversation.past
        if not past or past[-1].intent.startswith("chitchat."):
            return self._make("clarify", "number_alone", self._with_empathy(self.pack.replies["number"]))
        number = next(entity for entity in self.analysis.entities if entity.entity in _NUMBERS)
        return self._slots_done(OpenSlots(past[-1].intent, (number.entity,), {number.entity: number.value}))

    def repeated_miss(self) -> Decision | None:
        """The bot would fail once too often in a row."""
        often = self.conversation.misses + 1 >= self.pack.policy.repeated_misses
        return self._hand_off("repeated_miss") if often and self.would_miss() else None

    def out_of_scope(self) -> Decision | None:
        """The shop has no business with the message."""
        if not self.is_rejected():
            return None
        return self._make("fallback", "out_of_scope", self.pack.replies["out_of_scope"], miss=True)

    def missing_slots(self) -> Decision | None:
        """The intent needs to know more: one thing is asked for, or a person gets what was said at once."""
        needed = self.needed_slots()
        if needed is None:
            return None
        return self._clarify(needed, "missing_slots") if needed.missing else self._slots_done(needed)

    def small_talk(self) -> Decision | None:
        """A greeting and the like, unless the knowledge base has a sure answer of its own to it."""
        best, talk = self.best_hit(), self._chitchat()
        own = self.is_direct(best) and best is not None and self.faq.by_id[best.faq_id].intent == self.analysis.intent.name
        return None if own else talk

    def faq_above_direct(self) -> Decision | None:
        """The entry is sure enough to be sent, of the whole message or of its parts."""
        return self._answer(*self.answers) if self.answers else None

    def faq_above_suggest(self) -> Decision | None:
        """Entries are likely enough to be offered."""
        offered = self._offered()
        if not offered:
            return None
        reply = self._with_empathy(self._named_wants() + self.pack.replies["suggest"])
        return self._make("suggest", "faq_above_suggest", reply, suggestions=offered)

    def praise(self) -> Decision | None:
        """A happy customer who asks for nothing is thanked: nobody is at a loss for an answer then."""
        return self._make("answer", "praise", self.pack.replies["praise"]) if self.praises() else None

    def nothing_fits(self) -> Decision:
        """What is left: the bot says that it cannot help, and what it took the message for if it is sure of that."""
        reply, first = self.pack.replies["fallback"], self.analysis.intent.name
        if self.is_sure_of_intent() and not first.startswith("chitchat."):
            reply = self.pack.replies["fallback_about"].format(want=self.pack.intent(first).title)
        return self._make("fallback", "nothing_fits", self._with_empathy(reply), miss=True)

    # What the rules ask --------------------------------------------------------------------------------------------------

    @property
    def anger(self) -> float:
        """Probability of anger, in [0, 1]."""
        return self.analysis.emotion.scores.get("angry", 0.0)

    def is_rejected(self) -> bool:
        """Tells whether the message is out of scope and no entry surely answers it all the same."""
        return is_out_of_scope(self.analysis, self.thresholds) and not self.is_sure(self.best_hit()) and not self.answers

    def give_up_word(self) -> str | None:
        """The words by which the customer gives up, or None."""
        return next((word for word in self.pack.policy.give_up if word in self.words), None)

    def _named_wants(self) -> str:
        """Several wants in one message are named, so that the customer sees that none was lost."""
        if len(self.analysis.intents) < 2:
            return ""
        titles = (self.pack.intent(code).title for code in self.analysis.intents)
        return self.pack.replies["several"].format(wants="、".join(titles))

    @functools.cached_property
    def answers(self) -> tuple[SearchHit, ...]:
        """The entries that are sent, two at most: that of the whole message, and one of another want, or those of two of its parts."""
        best = self.best_hit()
        wants = [
            hit for hit in self.analysis.wants if self.is_direct(hit) and is_usable(self.faq.by_id[hit.faq_id], self.circumstances)
        ]
        if best is not None and self.is_direct(best):
            intent = self.faq.by_id[best.faq_id].intent
            others = [hit for hit in wants if self.faq.by_id[hit.faq_id].intent != intent]
            return (best, *(others or self._second_wants(best, intent))[:1])
        return tuple(wants[:2]) if len(wants) > 1 else ()

    def _second_wants(self, best: SearchHit, intent: str) -> list[SearchHit]:
        """The second want of a message, answered as well if an entry surely does."""
        others = [code for code in self.analysis.intents if code != intent]
        return [
            hit for hit in self.hits[1:]
            if hit.faq_id != best.faq_id and hit.calibrated and self.faq.by_id[hit.faq_id].intent in others
            and hit.confidence >= max(_SECOND_ANSWER, self.thresholds.faq_suggest)
        ]  # fmt: skip

    def is_direct(self, hit: SearchHit | None) -> bool:
        """Tells whether an entry is sent. One found by a question added after calibration never is: how sure it is, was never measured."""
        return hit is not None and hit.calibrated and self.is_sure(hit)

    def is_sure(self, hit: SearchHit | None) -> bool:
        """Tells whether an entry is sure enough to be sent."""
        return hit is not None and hit.confidence >= self.thresholds.faq_direct

    def best_hit(self) -> SearchHit | None:
        """The likeliest entry that may be sent today and in this channel."""
        return self.hits[0] if self.hits else None

    def _offered(self) -> tuple[SearchHit, ...]:
        good = [hit for hit in self.hits if hit.confidence >= self.thresholds.faq_suggest]
        if not good:
            return ()
        # Once the best is worth offering, its neighbours may be shown too, if there is anything in them.
        near = [hit for hit in self.hits if hit.confidence >= _NEIGHBOUR * good[0].confidence]
        return tuple(near[: self.pack.policy.suggestions])

    def is_number(self) -> bool:
        """Tells whether the message is a number of an order or a parcel, with hardly a word beside it."""
        numbers = [entity for entity in self.analysis.entities if entity.entity in _NUMBERS]
        rest = len(self.analysis.text) - sum(entity.end - entity.start for entity in numbers)
        return bool(numbers) and rest <= _WORDS_OF_A_NUMBER

    def would_miss(self) -> bool:
        """Tells whether the bot has nothing that helps."""
        return self.is_rejected() or (not self.something_fits and self.needed_slots() is None)

    @functools.cached_property
    def something_fits(self) -> bool:
        """Whether there is an answer, a suggestion, small talk or thanks to send."""
        return bool(self.answers) or bool(self._offered()) or self._chitchat() is not None or self.praises()

    def praises(self) -> bool:
        """Tells whether a happy customer says so and asks for nothing."""
        emotion = self.analysis.emotion
        return emotion.label == "satisfied" and emotion.confidence >= _SURE_OF_MOOD and not self._asks()

    def _asks(self) -> bool:
        return any(mark in self.analysis.text for mark in "?？吗呢怎么")

    def _chitchat(self) -> Decision | None:
        domain, _, name = self.analysis.intent.name.partition(".")
        if not self.is_sure_of_small_talk():
            return None
        only = all(intent.startswith("chitchat.") for intent in self.analysis.intents)
        if domain != "chitchat" or not only or name not in self.pack.replies:
            return None
        return self._make("answer", f"chitchat_{name}", self.pack.replies[name], open_slots=None)

    def is_sure_of_small_talk(self) -> bool:
        """Whether ok thx is thanks or a nod matters little: the kinds of small talk need no lead over each other."""
        talk = [score.confidence for score in self.analysis.ranking if score.name.startswith("chitchat.")]
        wants = [score.confidence for score in self.analysis.ranking if not score.name.startswith("chitchat.")]
        return sum(talk) >= self.thresholds.intent and sum(talk) - max(wants, default=0.0) >= self.thresholds.intent_margin

    # Slots ------------------------------------------------------------------------------------------------------------

    @functools.cached_property
    def continued_slots(self) -> OpenSlots | None:
        """The open clarification with this reply in it; None if there is none or the customer changed the subject."""
        opened = self.conversation.open_slots
        if opened is None or not opened.missing or self._changes_the_subject(opened):
            return None
        # What was said before may be said anew: 预算改成7000.
        filled = self._filled(opened.wanted, asked=opened.missing[0] if self._asked() else None)
        if filled:
            return OpenSlots(opened.intent, opened.wanted, opened.filled | filled)
        return None

    def _asked(self) -> OpenSlots | None:
        """The open clarification if it was asked about: an answer only invites the customer to send what it needs."""
        past = self.conversation.past
        return None if past and past[-1].answered else self.conversation.open_slots

    def _invited(self, entry: FaqEntry) -> OpenSlots | None:
        """What an answer needs from the customer: an order number that comes next goes to a person, and meets no shrug."""
        names = tuple(name for name in entry.required_slots if name in self.pack.slots and self.pack.slots[name].entity)
        filled = self._filled(names, asked=None)
        return OpenSlots(entry.intent, names, filled) if len(filled) < len(names) else None

    def _changes_the_subject(self, opened: OpenSlots) -> bool:
        """A whole sentence that is certainly about something else is no reply, though a number or word in it would fill a slot."""
        first, named = self.analysis.intent, sum(entity.end - entity.start for entity in self.analysis.entities)
        if self.pack.slots[opened.missing[0]].free or first.name.startswith("chitchat."):
            return False
        elsewhere = first.confidence >= self.thresholds.certain_intent and opened.intent not in (first.name, *self.analysis.intents)
        return elsewhere and len(self.analysis.text) - named > _LONGEST_REPLY

    def is_sure_of_intent(self) -> bool:
        """Asking for slots, or small talk, on a guess would be worse than offering questions."""
        first, second = (*self.analysis.ranking, self.analysis.ranking[0])[:2]
        lead = first.confidence - second.confidence if len(self.analysis.ranking) > 1 else 1.0
        return first.confidence >= self.thresholds.intent and lead >= self.thresholds.intent_margin

    def needed_slots(self) -> OpenSlots | None:
        """The slots that the intent needs, with those that the message fills; None if it needs none, or was asked already."""
        if not self.is_sure_of_intent():
            return None
        for rule in self.pack.slot_rules:
            if rule.intent != self.analysis.intent.name or (rule.only_without_answer and self.answers):
                continue
            if rule.only_if_nothing_fits and (self.something_fits or self._has_asked(rule.slots)):
                continue
            if rule.words and not any(word in self.words for word in rule.words):
                continue
            opened = self._asked()
            if opened is not None and opened.intent == rule.intent and self.repetition != _ASK_AGAIN:
                continue  # asked already, and the reply filled nothing: do not nag, but a want that is said again is asked about again
            return OpenSlots(rule.intent, rule.slots, self._filled(rule.slots, asked=None))
        return None

    def _has_asked(self, names: tuple[str, ...]) -> bool:
        """Tells whether the bot put one of these questions before: who did not answer it has no number at hand, and needs a person."""
        said = [turn.text for turn in self.conversation.turns if turn.speaker is Speaker.AGENT]
        return any(self.pack.slots[name].question in text for name in names for text in said)

    def _filled(self, names: tuple[str, ...], *, asked: str | None) -> dict[str, str]:
        found = {}
        for name in names:
            value = self._slot_value(self.pack.slots[name], asked=name == asked)
            if value is not None:
                found[name] = value
        return found

    def _slot_value(self, slot: Slot, *, asked: bool) -> str | None:
        text = self.analysis.text
        if slot.entity is not None:
            for entity in reversed(self.analysis.entities):  # 两三千吧 2500差不多: what is said last holds
                if entity.entity == slot.entity:
                    return entity.value
        if not asked and slot.entity is not None:
            return None
        accepted = (*slot.words, *slot.indifferent) if asked else slot.words
        named = [word for word in accepted if word in self.words]
        if named:
            return named[0] if not asked else text[:30]
        if asked and slot.pattern is not None and slot.pattern.search(text):
            return text[:30]
        # An address has no closed form: a longer reply that asks nothing is taken as it is.
        if asked and slot.free and len(text) >= 6 and not self._asks():
            return text[:60]
        return None

    def _clarify(self, slots: OpenSlots, reason: str) -> Decision:
        question = self.pack.slots[slots.missing[0]].question
        return self._make("clarify", reason, self._with_empathy(question), missing_slots=slots.missing, open_slots=slots)

    def _slots_done(self, slots: OpenSlots) -> Decision:
        key = "recommendation_done" if slots.intent == "presale.recommendation" else "slots_done"
        reply = self.pack.replies[key].format(slots="、".join(slots.filled[name] for name in slots.wanted))
        return self._hand_off("policy", reason="slots_complete", reply=reply, slots=slots)

    # Replies ----------------------------------------------------------------------------------------------------------

    def _answer(self, hit: SearchHit, second: SearchHit | None = None) -> Decision:
        entry = self.faq.by_id[hit.faq_id]
        known = [self.faq.by_id[name] for name in entry.related if name in self.faq.by_id]
        usable = [other for other in known if is_usable(other, self.circumstances)]
        related = tuple((other.faq_id, other.question) for other in usable[: self.pack.policy.related])
        reply = self._with_empathy(entry.answer)
        if second is not None:
            other = self.faq.by_id[second.faq_id]
            reply += "\n" + self.pack.replies["also"].format(question=other.question) + other.answer
        return self._make(
            "answer", "faq_above_direct", reply, answer=self._answer_of(hit), second_answer=None if second is None else self._answer_of(second),
            related=related, open_slots=self._invited(entry),
        )  # fmt: skip

    def _answer_of(self, hit: SearchHit) -> Answer:
        entry = self.faq.by_id[hit.faq_id]
        return Answer(entry.answer, entry.steps, entry.faq_id, hit.matched_question, hit.confidence, hit.score)

    def _with_empathy(self, reply: str) -> str:
        return f"{self.alert.script}{reply}" if self.alert.script else reply

    def _hand_off(self, kind: str, *, reason: str = "", reply: str = "", slots: OpenSlots | None = None) -> Decision:
        hours = self.pack.policy.opening_hours
        best = self.best_hit()
        if not _is_open(hours, self.circumstances.now):
            closed = self._with_empathy(self.pack.replies["handoff_closed"].format(**hours))
            handoff = Handoff(kind, self._summary(slots))
            return self._make("handoff", OUT_OF_HOURS, closed, handoff=handoff, miss=False)
        answer = None
        text = reply or self._with_empathy(self.pack.replies["handoff"])
        if kind == "emotion" and self.is_direct(best) and best is not None:
            answer = self._answer_of(best)
            text = f"{text}\n{answer.text}"
        return self._make("handoff", reason or kind, text, handoff=Handoff(kind, self._summary(slots)), answer=answer)

    def _summary(self, slots: OpenSlots | None) -> str:
        """What an agent reads in five seconds: want, mood, facts, what was tried, last words."""
        moods = [past.emotion for past in self.conversation.past[-3:]] + [self.analysis.emotion.label]
        lines = [
            "诉求:" + self._wants(slots),
            "情绪:" + "→".join(self.pack.emotion(mood).title for mood in moods) + f" 优先级:{self.priority.score}",
        ]
        facts = [f"{entity.entity}={entity.value}" for entity in self.analysis.entities]
        facts += [f"{name}={value}" for name, value in (slots.filled.items() if slots else ())]
        facts += self._earlier_numbers()
        if facts:
            lines.append("信息:" + "、".join(dict.fromkeys(facts)))
        if self.conversation.tried:
            lines.append(
                "已答:" + "、".join(self.faq.by_id[name].question for name in self.conversation.tried if name in self.faq.by_id)
            )
        lines.append(f"原话:{self.analysis.text[:80]}")
        return "\n".join(lines)

    def _earlier_numbers(self) -> list[str]:
        """The latest order and parcel numbers that the customer gave before: who asks for a person seldom types them again."""
        said = [turn.text for turn in reversed(self.conversation.turns) if turn.speaker is Speaker.USER]
        numbers = (entity for text in said for entity in find_entities(text) if entity.entity in _NUMBERS)
        return list(dict.fromkeys(f"{number.entity}={number.value}" for number in numbers))[:_EARLIER_NUMBERS]

    def _wants(self, slots: OpenSlots | None) -> str:
        """What is wanted now, the open want first, and what was wanted before it: who asks for a person seldom says again why."""
        # The first intent of a bare order number or address says nothing beside the want that asked for it.
        now = dict.fromkeys(self.analysis.intents if slots is None else [slots.intent, *self.analysis.intents[1:]])
        before = dict.fromkeys(past.intent for past in reversed(self.conversation.past) if past.intent not in now)
        earlier = [self.pack.intent(code).title for code in before if not code.startswith("chitchat.")][:_EARLIER_WANTS]
        wants = "、".join(self.pack.intent(code).title for code in now)
        return f"{wants}(此前:{'、'.join(earlier)})" if earlier else wants

    def _emotion_alert(self) -> EmotionAlert:
        emotion, thresholds = self.analysis.emotion, self.thresholds
        label, reason = emotion.label, None
        if emotion.scores.get("angry", 0.0) >= thresholds.anger_alert:
            reason, label = "angry", "angry" if label not in ("anxious", "disappointed") else label
        elif self.repetition >= 3 and self.analysis.intent.name.startswith(_HELD):
            reason, label = "repeated_question", label if label in ("anxious", "disappointed") else "anxious"
        elif emotion.scores.get("anxious", 0.0) >= thresholds.anxiety_alert:
            reason, label = "anxious", "anxious"
        sure = reason is not None or emotion.confidence >= _SURE_OF_MOOD
        script = self.pack.soothing_script(label, self.analysis.intent.name) if self.analysis.kind == "text" and sure else None
        return EmotionAlert(reason is not None, reason, script.script_id if script else None, script.text if script else None)

    def _make(self, decision: str, reason: str, reply: str, *, answer: Answer | None = None, second_answer: Answer | None = None, suggestions: tuple[SearchHit, ...] = (),
              related: tuple[tuple[str, str], ...] = (), missing_slots: tuple[str, ...] = (), handoff: Handoff | None = None,
              open_slots: OpenSlots | None = None, miss: bool = False) -> Decision:  # fmt: skip
        return Decision(
            decision, reason, reply, self.alert, self.priority, self.repetition, answer, second_answer, suggestions, related, missing_slots,
            handoff, open_slots, miss,
        )  # fmt: skip


def _repetition(analysis: Analysis, conversation: Conversation, thresholds: Thresholds) -> int:
    """How many of the last messages in a row, this one included, say the same: same intent, and near in words or vector."""
    count = 1
    for past in reversed(conversation.past):
        same = past.intent == analysis.intent.name and not past.intent.startswith("chitchat.")
        if not same or float(np.dot(np.array(past.vector, np.float32), analysis.vector)) < thresholds.repeat:
            break
        count += 1
    return count


def is_usable(entry: FaqEntry, circumstances: Circumstances) -> bool:
    """Tells whether an entry may be sent today and in this channel."""
    if circumstances.channel and entry.channels and circumstances.channel not in entry.channels:
        return False
    day = circumstances.today.isoformat() if circumstances.today else None
    return day is None or (entry.valid_from or day) <= day <= (entry.valid_to or day)


def _is_open(hours: dict[str, str], now: datetime | None) -> bool:
    if now is None:
        return True
    local = now.astimezone(ZoneInfo(hours["timezone"])).time()
    start, end = time.fromisoformat(hours["from"]), time.fromisoformat(hours["to"])
    return start <= local < end if start < end else local >= start or local < end  # from 20:00 to 02:00 holds midnight


RULES: Mapping[str, Callable[[Case], Decision | None]] = {
    "handed_off": Case.after_handoff, "wordless": Case.wordless, "user_request": Case.user_request, "policy": Case.policy,
    "emotion": Case.emotion, "clarification_dropped": Case.clarification_dropped, "nod": Case.nod, "slot_filled": Case.slot_filled,
    "number_alone": Case.number_alone, "repeated_miss": Case.repeated_miss, "out_of_scope": Case.out_of_scope, "missing_slots": Case.missing_slots,
    "chitchat": Case.small_talk, "faq_above_direct": Case.faq_above_direct, "faq_above_suggest": Case.faq_above_suggest,
    "praise": Case.praise, "nothing_fits": Case.nothing_fits,
}  # fmt: skip
"""In the order of precedence: the first that decides has decided."""
