"""The tables of the feedback database, as the newest migration leaves them."""

from __future__ import annotations

import sqlalchemy as sa

REVISION = "0001"  # the newest file in migrations/versions
# Not `alembic_version`: MLflow uses that, and may live in the same database.
VERSION_TABLE = "kefu_feedback_version"

metadata = sa.MetaData()

feedback = sa.Table(
    "kefu_feedback",
    metadata,
    sa.Column("request_id", sa.String(64), primary_key=True),
    sa.Column("source", sa.String(16), primary_key=True),
    sa.Column("conversation_id", sa.String(128), nullable=False, index=True),
    sa.Column("turn", sa.Integer, nullable=False),
    sa.Column("bundle", sa.String(128), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("history", sa.JSON, nullable=False),
    sa.Column("predicted_intents", sa.JSON, nullable=False),
    sa.Column("predicted_emotion", sa.String(128), nullable=False),
    sa.Column("predicted_faq_id", sa.Text),
    sa.Column("decision", sa.String(32), nullable=False),
    sa.Column("decision_reason", sa.String(64), nullable=False),
    sa.Column("helpful", sa.Boolean),
    sa.Column("resolved", sa.Boolean),
    sa.Column("intents", sa.JSON, nullable=False),
    sa.Column("emotion", sa.String(128)),
    sa.Column("faq_id", sa.Text),
    sa.Column("answer", sa.Text),
    sa.Column("comment", sa.Text),
    sa.Column("created", sa.DateTime(timezone=True), nullable=False),
    sa.Column("updated", sa.DateTime(timezone=True), nullable=False, index=True),
)
