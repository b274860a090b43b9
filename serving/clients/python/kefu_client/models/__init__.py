"""Contains all the data models used in inputs/outputs"""

from .agent_turn_in import AgentTurnIn
from .agent_turn_in_speaker import AgentTurnInSpeaker
from .answer_out import AnswerOut
from .bundle_out import BundleOut
from .bundle_request import BundleRequest
from .bundles_answer import BundlesAnswer
from .button_out import ButtonOut
from .candidate_out import CandidateOut
from .channel_health import ChannelHealth
from .chat_answer import ChatAnswer
from .chat_answer_decision import ChatAnswerDecision
from .chat_answer_thresholds import ChatAnswerThresholds
from .chat_request import ChatRequest
from .comparison_out import ComparisonOut
from .conversation_answer import ConversationAnswer
from .customer_in import CustomerIn
from .customer_in_tier_type_0 import CustomerInTierType0
from .decision_out import DecisionOut
from .decision_out_decision import DecisionOutDecision
from .delete_answer import DeleteAnswer
from .emotion_out import EmotionOut
from .emotion_out_scores import EmotionOutScores
from .entity_out import EntityOut
from .entry_in import EntryIn
from .entry_in_facets import EntryInFacets
from .entry_in_status import EntryInStatus
from .error_body import ErrorBody
from .error_fields import ErrorFields
from .explain_answer import ExplainAnswer
from .explain_request import ExplainRequest
from .factor_out import FactorOut
from .faq_answer import FaqAnswer
from .faq_answer_entries_item import FaqAnswerEntriesItem
from .faq_change_answer import FaqChangeAnswer
from .feature_out import FeatureOut
from .feedback_answer import FeedbackAnswer
from .feedback_answer_source import FeedbackAnswerSource
from .feedback_request import FeedbackRequest
from .feedback_request_source import FeedbackRequestSource
from .handoff_out import HandoffOut
from .handoff_out_reason import HandoffOutReason
from .intent_out import IntentOut
from .message_in import MessageIn
from .model_out import ModelOut
from .neighbour_out import NeighbourOut
from .open_slots_out import OpenSlotsOut
from .open_slots_out_filled import OpenSlotsOutFilled
from .order_in import OrderIn
from .out_of_scope_out import OutOfScopeOut
from .parse_answer import ParseAnswer
from .parse_answer_thresholds import ParseAnswerThresholds
from .parse_request import ParseRequest
from .priority_out import PriorityOut
from .related_out import RelatedOut
from .release_answer import ReleaseAnswer
from .release_request import ReleaseRequest
from .replace_document import ReplaceDocument
from .score_answer import ScoreAnswer
from .score_request import ScoreRequest
from .scores import Scores
from .scores_thresholds import ScoresThresholds
from .status_answer import StatusAnswer
from .step_out import StepOut
from .step_out_because import StepOutBecause
from .suggestion_out import SuggestionOut
from .swap_answer import SwapAnswer
from .turn_in import TurnIn
from .turn_in_speaker import TurnInSpeaker
from .turn_out import TurnOut
from .turn_out_speaker import TurnOutSpeaker
from .turns_answer import TurnsAnswer
from .turns_request import TurnsRequest
from .upsert_document import UpsertDocument
from .version_answer import VersionAnswer
from .webhook_message import WebhookMessage
from .webhook_request import WebhookRequest
from .word_out import WordOut

__all__ = (
    "AgentTurnIn",
    "AgentTurnInSpeaker",
    "AnswerOut",
    "BundleOut",
    "BundleRequest",
    "BundlesAnswer",
    "ButtonOut",
    "CandidateOut",
    "ChannelHealth",
    "ChatAnswer",
    "ChatAnswerDecision",
    "ChatAnswerThresholds",
    "ChatRequest",
    "ComparisonOut",
    "ConversationAnswer",
    "CustomerIn",
    "CustomerInTierType0",
    "DecisionOut",
    "DecisionOutDecision",
    "DeleteAnswer",
    "EmotionOut",
    "EmotionOutScores",
    "EntityOut",
    "EntryIn",
    "EntryInFacets",
    "EntryInStatus",
    "ErrorBody",
    "ErrorFields",
    "ExplainAnswer",
    "ExplainRequest",
    "FactorOut",
    "FaqAnswer",
    "FaqAnswerEntriesItem",
    "FaqChangeAnswer",
    "FeatureOut",
    "FeedbackAnswer",
    "FeedbackAnswerSource",
    "FeedbackRequest",
    "FeedbackRequestSource",
    "HandoffOut",
    "HandoffOutReason",
    "IntentOut",
    "MessageIn",
    "ModelOut",
    "NeighbourOut",
    "OpenSlotsOut",
    "OpenSlotsOutFilled",
    "OrderIn",
    "OutOfScopeOut",
    "ParseAnswer",
    "ParseAnswerThresholds",
    "ParseRequest",
    "PriorityOut",
    "RelatedOut",
    "ReleaseAnswer",
    "ReleaseRequest",
    "ReplaceDocument",
    "ScoreAnswer",
    "ScoreRequest",
    "Scores",
    "ScoresThresholds",
    "StatusAnswer",
    "StepOut",
    "StepOutBecause",
    "SuggestionOut",
    "SwapAnswer",
    "TurnIn",
    "TurnInSpeaker",
    "TurnOut",
    "TurnOutSpeaker",
    "TurnsAnswer",
    "TurnsRequest",
    "UpsertDocument",
    "VersionAnswer",
    "WebhookMessage",
    "WebhookRequest",
    "WordOut",
)
