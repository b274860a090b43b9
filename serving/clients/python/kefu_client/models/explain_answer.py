from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.candidate_out import CandidateOut
    from ..models.comparison_out import ComparisonOut
    from ..models.intent_out import IntentOut
    from ..models.model_out import ModelOut
    from ..models.neighbour_out import NeighbourOut
    from ..models.priority_out import PriorityOut
    from ..models.step_out import StepOut
    from ..models.word_out import WordOut


T = TypeVar("T", bound="ExplainAnswer")


@_attrs_define
class ExplainAnswer:
    """The answer of POST /explain.

    Attributes:
        request_id (str): Names this call; the header X-Request-ID and the log have it too.
        text (str): The message as it was read: cleaned, personal data masked.
        intent (IntentOut): An intent with its calibrated probability.
        words (list[WordOut]): At most 16, in order; neighbours go together in a long message.
        neighbours (list[NeighbourOut]): The nearest questions of the knowledge base.
        candidates (list[CandidateOut]): The three likeliest entries, best first.
        comparisons (list[ComparisonOut]): The thresholds, each beside what it is compared with.
        priority (PriorityOut): How soon someone should look at the message, 0 to 100, and why.
        decision (str): What /chat would decide now.
        decision_reason (str): Code of the rule that decided.
        path (list[StepOut]): Rules in the order of precedence, up to the one that decided.
        model (ModelOut): What answered.
        degraded (list[str]): Parts that failed and were left out.
        passes (int): Encoder passes that this took.
        latency_ms (float): Time that the answer took, in milliseconds.
        schema_version (str | Unset): Version of this schema, major.minor; a new minor only adds. Default: '1.1'.
    """

    request_id: str
    text: str
    intent: IntentOut
    words: list[WordOut]
    neighbours: list[NeighbourOut]
    candidates: list[CandidateOut]
    comparisons: list[ComparisonOut]
    priority: PriorityOut
    decision: str
    decision_reason: str
    path: list[StepOut]
    model: ModelOut
    degraded: list[str]
    passes: int
    latency_ms: float
    schema_version: str | Unset = "1.1"
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        request_id = self.request_id

        text = self.text

        intent = self.intent.to_dict()

        words = []
        for words_item_data in self.words:
            words_item = words_item_data.to_dict()
            words.append(words_item)

        neighbours = []
        for neighbours_item_data in self.neighbours:
            neighbours_item = neighbours_item_data.to_dict()
            neighbours.append(neighbours_item)

        candidates = []
        for candidates_item_data in self.candidates:
            candidates_item = candidates_item_data.to_dict()
            candidates.append(candidates_item)

        comparisons = []
        for comparisons_item_data in self.comparisons:
            comparisons_item = comparisons_item_data.to_dict()
            comparisons.append(comparisons_item)

        priority = self.priority.to_dict()

        decision = self.decision

        decision_reason = self.decision_reason

        path = []
        for path_item_data in self.path:
            path_item = path_item_data.to_dict()
            path.append(path_item)

        model = self.model.to_dict()

        degraded = self.degraded

        passes = self.passes

        latency_ms = self.latency_ms

        schema_version = self.schema_version

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "request_id": request_id,
                "text": text,
                "intent": intent,
                "words": words,
                "neighbours": neighbours,
                "candidates": candidates,
                "comparisons": comparisons,
                "priority": priority,
                "decision": decision,
                "decision_reason": decision_reason,
                "path": path,
                "model": model,
                "degraded": degraded,
                "passes": passes,
                "latency_ms": latency_ms,
            }
        )
        if schema_version is not UNSET:
            field_dict["schema_version"] = schema_version

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.candidate_out import CandidateOut  # noqa: PLC0415
        from ..models.comparison_out import ComparisonOut  # noqa: PLC0415
        from ..models.intent_out import IntentOut  # noqa: PLC0415
        from ..models.model_out import ModelOut  # noqa: PLC0415
        from ..models.neighbour_out import NeighbourOut  # noqa: PLC0415
        from ..models.priority_out import PriorityOut  # noqa: PLC0415
        from ..models.step_out import StepOut  # noqa: PLC0415
        from ..models.word_out import WordOut  # noqa: PLC0415

        d = dict(src_dict)
        request_id = d.pop("request_id")

        text = d.pop("text")

        intent = IntentOut.from_dict(d.pop("intent"))

        words = []
        _words = d.pop("words")
        for words_item_data in _words:
            words_item = WordOut.from_dict(words_item_data)

            words.append(words_item)

        neighbours = []
        _neighbours = d.pop("neighbours")
        for neighbours_item_data in _neighbours:
            neighbours_item = NeighbourOut.from_dict(neighbours_item_data)

            neighbours.append(neighbours_item)

        candidates = []
        _candidates = d.pop("candidates")
        for candidates_item_data in _candidates:
            candidates_item = CandidateOut.from_dict(candidates_item_data)

            candidates.append(candidates_item)

        comparisons = []
        _comparisons = d.pop("comparisons")
        for comparisons_item_data in _comparisons:
            comparisons_item = ComparisonOut.from_dict(comparisons_item_data)

            comparisons.append(comparisons_item)

        priority = PriorityOut.from_dict(d.pop("priority"))

        decision = d.pop("decision")

        decision_reason = d.pop("decision_reason")

        path = []
        _path = d.pop("path")
        for path_item_data in _path:
            path_item = StepOut.from_dict(path_item_data)

            path.append(path_item)

        model = ModelOut.from_dict(d.pop("model"))

        degraded = cast(list[str], d.pop("degraded"))

        passes = d.pop("passes")

        latency_ms = d.pop("latency_ms")

        schema_version = d.pop("schema_version", UNSET)

        explain_answer = cls(
            request_id=request_id,
            text=text,
            intent=intent,
            words=words,
            neighbours=neighbours,
            candidates=candidates,
            comparisons=comparisons,
            priority=priority,
            decision=decision,
            decision_reason=decision_reason,
            path=path,
            model=model,
            degraded=degraded,
            passes=passes,
            latency_ms=latency_ms,
            schema_version=schema_version,
        )

        explain_answer.additional_properties = d
        return explain_answer

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
