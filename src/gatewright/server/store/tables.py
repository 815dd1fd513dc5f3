"""The tables. The migrations make them; a test compares the two."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# ``position`` keeps the order of creation: ids are random, and two rows can share a moment.
resource_servers = Table(
    "resource_servers",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("id", String(24), nullable=False, unique=True),
    # NULL for the system API, whose identifier is derived from the issuer.
    Column("identifier", String(600), nullable=True, unique=True),
    Column("is_system", Boolean(name="is_system"), nullable=False),
    Column("document", Text, nullable=False),
    Column("sealed_signing_secret", LargeBinary, nullable=True),
    # What a search of the list looks in, in one case; NULL in no row, as in `clients`.
    Column("sought", Text, nullable=True),
    sqlite_autoincrement=True,
)

clients = Table(
    "clients",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("client_id", String(64), nullable=False, unique=True),
    Column("app_type", String(64), nullable=True),
    Column("is_first_party", Boolean(name="is_first_party"), nullable=False),
    Column("document", Text, nullable=False),
    Column("sealed_secrets", LargeBinary, nullable=False),
    Column("sought", Text, nullable=True),
    # Those it may use, each between blanks.
    Column("grant_types", Text, nullable=True),
    sqlite_autoincrement=True,
)

client_grants = Table(
    "client_grants",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column(
        "client_id",
        String(64),
        ForeignKey("clients.client_id", ondelete="CASCADE"),
        nullable=True,
        index=True,
    ),
    Column(
        "resource_server_id",
        String(24),
        ForeignKey("resource_servers.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("subject_type", String(16), nullable=False),
    Column("allow_any_organization", Boolean(name="allow_any_organization"), nullable=False),
    Column("document", Text, nullable=False),
    UniqueConstraint("client_id", "resource_server_id", "subject_type"),
    sqlite_autoincrement=True,
)

# Keys and certificates that clients authenticate with (private_key_jwt, mTLS); nothing in it is secret.
client_credentials = Table(
    "client_credentials",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column(
        "client_id",
        String(64),
        ForeignKey("clients.client_id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("document", Text, nullable=False),
    sqlite_autoincrement=True,
)

# Client assertions that were used (RFC 7523, section 3): the insert that fails is the replay.
spent_assertions = Table(
    "spent_assertions",
    metadata,
    Column("client_id", String(64), primary_key=True),
    Column("jti_digest", String(64), primary_key=True),
    Column("expires_at", Float, nullable=False, index=True),
)

# When each of a client's secrets was last used; written off the request path.
secret_uses = Table(
    "secret_uses",
    metadata,
    Column("client_id", String(64), primary_key=True),
    Column("secret_id", String(64), primary_key=True),
    Column("last_used_at", Float, nullable=False),
)

# How many tokens were asked for, and how many while the one before was good: `day` in days since 1970.
token_requests = Table(
    "token_requests",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("client_id", String(64), primary_key=True),
    Column("audience", String(600), primary_key=True),
    Column("asked", Integer, nullable=False),
    Column("needless", Integer, nullable=False),
)

# The same by the hour, for plots: `hour` in hours since 1970.
token_hours = Table(
    "token_hours",
    metadata,
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("client_id", String(64), primary_key=True),
    Column("audience", String(600), primary_key=True),
    Column("issued", Integer, nullable=False),
    Index("ix_token_hours_client_id_hour", "client_id", "hour"),
    Index("ix_token_hours_audience_hour", "audience", "hour"),
    sqlite_with_rowid=False,
)

# Tokens of clients and for APIs, and refusals by reason: `side` is `client_id`, `audience` or `reason`.
token_days = Table(
    "token_days",
    metadata,
    Column("side", String(16), primary_key=True),
    # Before the day: who had the most is then added up in the order of the rows.
    Column("name", String(600), primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False, index=True),
    Column("times", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# What all clients had together in an hour, and when each last had one: what is asked of each, told of all.
token_totals = Table(
    "token_totals",
    metadata,
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("issued", Integer, nullable=False),
    Column("first_at", Float, nullable=False),
    Column("last_at", Float, nullable=False),
)

token_holders = Table(
    "token_holders",
    metadata,
    Column("client_id", String(64), primary_key=True),
    Column("last_at", Float, nullable=False, index=True),
)

# How many token requests were refused, by reason; "" for a client or an API that does not exist.
token_refusals = Table(
    "token_refusals",
    metadata,
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("reason", String(40), primary_key=True),
    Column("client_id", String(64), primary_key=True),
    Column("audience", String(600), primary_key=True),
    Column("times", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# What was leased of a token quota in a window, by all processes together.
quota_windows = Table(
    "quota_windows",
    metadata,
    Column("bucket", String(128), primary_key=True),
    Column("starts_at", Integer, primary_key=True),
    Column("leased", Integer, nullable=False),
)

roles = Table(
    "roles",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("document", Text, nullable=False),
    sqlite_autoincrement=True,
)

users = Table(
    "users",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("user_id", String(255), nullable=False, unique=True),
    Column("email", String(320), nullable=True, index=True),
    Column("document", Text, nullable=False),
    sqlite_autoincrement=True,
)

# A sink holds the secrets of whom events go to.
log_streams = Table(
    "log_streams",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("document", Text, nullable=False),
    Column("sealed_sink", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

# Tokens refused before they end, until none of them can be alive.
revocations = Table(
    "revocations",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    # Milliseconds since 1970 or one more than the newest: nobody is told an older state after a newer one.
    Column("revision", BigInteger, nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("client_id", String(64), nullable=True, index=True),
    Column("audience", String(600), nullable=True),
    Column("jti", String(255), nullable=True, index=True),
    Column("kid", String(255), nullable=True),
    Column("revoked_before", Float, nullable=True),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
    Column("undone_at", Float, nullable=True),
    sqlite_autoincrement=True,
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("kid", String(255), nullable=False, unique=True),
    Column("alg", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("certificate", Text, nullable=False),
    Column("sealed_private_jwk", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("longest_lifetime", Integer, nullable=False),
    Column("current_since", Float, nullable=True),
    Column("current_until", Float, nullable=True),
    Column("retires_at", Float, nullable=True),
    Column("revoked_at", Float, nullable=True),
    sqlite_autoincrement=True,
)
# One key signs and one is next, whatever two processes do at once.
Index(
    "uq_signing_keys_signing",
    signing_keys.c.alg,
    signing_keys.c.state,
    unique=True,
    sqlite_where=signing_keys.c.state.in_(("current", "next")),
    postgresql_where=signing_keys.c.state.in_(("current", "next")),
)

log_events = Table(
    "log_events",
    metadata,
    Column("log_id", String(64), primary_key=True),
    Column("date", Float, nullable=False),
    Column("type", String(64), nullable=False),
    Column("client_id", String(64), nullable=True),
    Column("document", Text, nullable=False),
    Column("audience", String(600), nullable=True),
    # In the order of the log: the newest of a kind are found without looking at all of it.
    *(Index(f"ix_log_events_{name}_log_id", name, "log_id") for name in ("type", "client_id", "audience")),
)

# What is kept of the tenant as a whole, by name.
options = Table(
    "options",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("document", Text, nullable=False),
)

# The change feed: which record changed at which revision. One row counts the revisions, so that
# they commit in order on every database.
revisions = Table(
    "revisions",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="single"), primary_key=True),
    Column("value", Integer, nullable=False),
)

changes = Table(
    "changes",
    metadata,
    Column("revision", Integer, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("key", String(64), nullable=False),
)

# What guards reported: refusals of a kind added up by the minute, the last use of each scope of a client, and
# the APIs whose guards report at all. "" stands for what the guard did not know.
refusals = Table(
    "refusals",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("minute", Integer, nullable=False),
    Column("audience", String(600), nullable=False),
    Column("method", String(16), nullable=False),
    Column("route", String(300), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("client_id", String(64), nullable=False, index=True),
    Column("missing", String(1000), nullable=False),
    Column("enforced", Boolean, nullable=False),
    Column("times", Integer, nullable=False),
    Column("request_id", String(16), nullable=False, index=True),
    UniqueConstraint(
        *("minute", "audience", "method", "route", "reason", "client_id", "missing", "enforced"),
        name="uq_refusals_kind",
    ),
    sqlite_autoincrement=True,
)

scope_uses = Table(
    "scope_uses",
    metadata,
    Column("audience", String(600), primary_key=True),
    Column("client_id", String(64), primary_key=True),
    Column("scope", String(280), primary_key=True),
    Column("first_used_at", Float, nullable=False),
    Column("last_used_at", Float, nullable=False),
)

reporting_apis = Table(
    "reporting_apis",
    metadata,
    Column("audience", String(600), primary_key=True),
    Column("since", Float, nullable=False),
    Column("last_at", Float, nullable=False),
    Column("dropped", Integer, nullable=False),
)

administrators = Table(
    "administrators",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("name", String(128), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("password_hash", String(255), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("locked_until", Float, nullable=True),
    sqlite_autoincrement=True,
)

# Who is logged in to the dashboard. The cookie itself is not kept, only its SHA-256.
sessions = Table(
    "sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column(
        "administrator_id",
        ForeignKey("administrators.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("csrf", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False, index=True),
    Column("confirmed_at", Float, nullable=True),
    Column("notice", Text, nullable=False),
)
