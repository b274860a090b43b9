"""The table of feedback."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "kefu_feedback",
        sa.Column("request_id", sa.String(64), primary_key=True),
        sa.Column("source", sa.String(16), primary_key=True),
        sa.Column("conversation_id", sa.String(128), nullable=False),
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
        sa.Column("updated", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_kefu_feedback_conversation_id", "kefu_feedback", ["conversation_id"])
    op.create_index("ix_kefu_feedback_updated", "kefu_feedback", ["updated"])


def downgrade() -> None:
    """Drops the table, and what it holds."""
    op.drop_table("kefu_feedback")
