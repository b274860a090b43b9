"""A tiny but real bundle in a few seconds, without trained weights: same graph, same files, same loader as a trained one.

Its scores mean nothing. Use it where the machinery is under test, not the model.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from data.types import FaqEntry
from models.bundle import save_bundle
from models.calibration import Calibration
from models.domain import load_domain
from models.encoder import OnnxEncoder
from models.inputs import InputFormat, message_text
from models.interaction import Embedded, TokenStore
from models.lexical import Lexicon
from models.packed_e5 import _tokenizer
from models.retrieval import FaqIndex, Texts, answer_text

DOMAIN = Path(__file__).resolve().parents[1] / "configs" / "domain"
HIDDEN = 32
FORMAT = InputFormat(prefix="", context_turns=2)

ENTRIES = (
    FaqEntry(
        "ship_time", "下单后多久发货", ("什么时候发货", "几天能发出"), "付款后 48 小时内发货。", "logistics.ship_time",
        related=("tracking",),
    ),
    FaqEntry("tracking", "怎么查物流", ("快递到哪了",), "在“我的订单”里点“查看物流”。", "logistics.tracking"),
    FaqEntry(
        "return", "怎么申请退货", ("我要退货", "不想要了怎么退"), "签收 7 天内可以申请退货。", "aftersale.return",
        steps=("打开“我的订单”", "点“申请售后”", "选“退货退款”并提交"), related=("return_fee", "refund"),
    ),
    FaqEntry("return_fee", "退货运费谁出", ("退货邮费怎么算",), "质量问题由我们承担运费。", "aftersale.return_shipping"),
    FaqEntry("refund", "退款多久到账", ("钱什么时候退回来",), "收到退货后 1 到 3 天原路退回。", "aftersale.refund_status"),
    FaqEntry("invoice", "怎么开发票", ("可以开电子发票吗",), "订单完成后在订单详情里申请。", "invoice.request"),
)  # fmt: skip
UNANSWERED = ("你们老板是谁", "店里招人吗")


def tiny_bundle(
    target: Path, *, calibration: Calibration | None = None, entries: Sequence[FaqEntry] = ENTRIES, domain: Path = DOMAIN,
    facts: dict[str, Any] | None = None, seed: int = 0, unanswered: Sequence[str] = UNANSWERED,
) -> Path:  # fmt: skip
    """Writes a tiny bundle and returns its directory.

    Args:
        target: Where it goes.
        calibration: Thresholds and the rest; the default Calibration if not given.
        entries: The knowledge base.
        domain: The domain pack.
        facts: Further fields of the manifest; a made-up training run if not given.
        seed: Another seed gives another model.
        unanswered: Questions that no entry answers.
    """
    labels = load_domain(domain).labels
    with tempfile.TemporaryDirectory() as folder:
        model, tokenizer, ngrams = (Path(folder) / name for name in ("model.onnx", "tokenizer.json", "lexicon.json"))
        vocabulary = tiny_tokenizer(domain, entries)
        vocabulary.save(str(tokenizer))
        questions = [question for entry in entries for question in entry.questions]
        lexicon = Lexicon.fit([(message_text(question, FORMAT), "") for question in questions], min_count=1)
        lexicon.save(ngrams)
        _export(model, vocabulary.get_vocab_size(), len(lexicon.idf), len(labels.intents), len(labels.emotions), seed)
        texts = _texts(
            OnnxEncoder(model, tokenizer, ngrams, FORMAT), questions, [answer_text(entry) for entry in entries], unanswered
        )
        save_bundle(
            target, model=model, tokenizer=tokenizer, lexicon=ngrams, domain=domain,
            faq=FaqIndex.fit(entries, texts, labels.intents), calibration=calibration or Calibration(), input_format=FORMAT,
            facts=facts if facts is not None else {"run_ids": {"train": "tiny-run"}}, model_card="# tiny: for tests only\n",
        )  # fmt: skip
    return target


def _texts(encoder: OnnxEncoder, questions: Sequence[str], answers: Sequence[str], unanswered: Sequence[str]) -> Texts:
    """As `pipelines.index` makes them, without what training needs."""
    asked, told, others = (encoder.encode(texts) for texts in (questions, answers, unanswered))
    embedded = [Embedded(found.vector.astype(np.float16), TokenStore.of(found.tokens)) for found in (asked, others)]
    return Texts(embedded[0], TokenStore.of(told.tokens), embedded[1])


def tiny_tokenizer(domain: Path = DOMAIN, entries: Sequence[FaqEntry] = ENTRIES) -> Tokenizer:
    """Returns a tokenizer of single characters, put together as that of the bundled encoder."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(domain.glob("*.yaml"))]
    texts += [question + entry.answer for entry in entries for question in entry.questions]
    characters = sorted({char for char in "".join(texts) if not char.isspace()} | set("客服:▁…"))
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *characters]
    return _tokenizer([(piece, 0.0 if number < 4 else -5.0) for number, piece in enumerate(pieces)])


def _export(path: Path, vocabulary: int, ngrams: int, intents: int, emotions: int, seed: int) -> None:
    import torch  # late: whoever uses a bundle needs none of this
    from transformers import BertConfig, BertModel

    from models.export import export_onnx
    from models.network import CustomerServiceModel

    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=vocabulary, hidden_size=HIDDEN, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=512, pad_token_id=1,
    )  # fmt: skip
    trunk = BertModel(config, add_pooling_layer=False)
    model = CustomerServiceModel(trunk, intents=intents, emotions=emotions, segments=2, dropout=0.0)
    with torch.no_grad():
        # So that texts differ by their characters, and rankings by their texts.
        trunk.embeddings.position_embeddings.weight.mul_(0.1)
        model.intent.weight.mul_(8)
        model.emotion.weight.mul_(8)
        weights = torch.randn(ngrams, intents + emotions)
        weights[0] = 0  # the intercept, which would give every text the same first intent
        model.lexical.set(weights, (0.5, 0.5, 0.5))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's, about branches that are never taken here
        export_onnx(model, path)
    torch.random.set_rng_state(state)
