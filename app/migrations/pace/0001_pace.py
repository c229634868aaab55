"""The turns of calls to the platforms, and the logins that failed there or may."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pace",
        sa.Column("installation_id", sa.String(length=32), nullable=False),
        sa.Column("slot", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("free_at", sa.Float(precision=53), nullable=False),
        sa.Column("held_until", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("installation_id", "slot", name=op.f("pk_pace")),
    )
    op.create_table(
        "login",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("connector", sa.String(length=32), nullable=False),
        sa.Column("installation_id", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("held_until", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login")),
    )
    op.create_index("ix_login_connector_at", "login", ["connector", "at"])


def downgrade() -> None:
    op.drop_table("login")
    op.drop_table("pace")
