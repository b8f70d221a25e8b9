-- The tables of the Postgres migration of the same name. Times are microseconds since the Unix epoch, JSON is
-- text that has been checked, and STRICT makes SQLite keep to the types.

CREATE TABLE clients (
    id          text NOT NULL PRIMARY KEY,
    metadata    text NOT NULL CHECK (json_valid(metadata)),
    source      text NOT NULL CHECK (source IN ('declared', 'command')),
    disabled_at integer,
    created_at  integer NOT NULL,
    updated_at  integer NOT NULL
) STRICT;

CREATE TABLE client_secrets (
    hash       blob NOT NULL PRIMARY KEY,
    client_id  text NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    pepper     integer NOT NULL,
    created_at integer NOT NULL,
    expires_at integer
) STRICT;
CREATE INDEX client_secrets_client_id ON client_secrets (client_id);

CREATE TABLE users (
    id                  text NOT NULL PRIMARY KEY,
    username            text NOT NULL,
    username_key        text NOT NULL UNIQUE,
    profile             text NOT NULL CHECK (json_valid(profile)),
    password_hash       text,
    password_changed_at integer,
    disabled_at         integer,
    created_at          integer NOT NULL,
    updated_at          integer NOT NULL
) STRICT;

CREATE TABLE sessions (
    id           text NOT NULL PRIMARY KEY,
    hash         blob NOT NULL UNIQUE,
    user_id      text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    auth_time    integer NOT NULL,
    amr          text NOT NULL CHECK (json_valid(amr)),
    seen_at      integer NOT NULL,
    expires_at   integer NOT NULL,
    ended_at     integer,
    agent        text,
    address      text
) STRICT;
CREATE INDEX sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

CREATE TABLE consents (
    id           text NOT NULL PRIMARY KEY,
    user_id      text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id    text NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    scope        text NOT NULL,
    resources    text NOT NULL CHECK (json_valid(resources)),
    given_at     integer NOT NULL,
    withdrawn_at integer,
    UNIQUE (user_id, client_id)
) STRICT;
CREATE INDEX consents_client_id ON consents (client_id);

CREATE TABLE codes (
    hash       blob NOT NULL PRIMARY KEY,
    client_id  text NOT NULL,
    user_id    text NOT NULL,
    session_id text NOT NULL,
    payload    text NOT NULL CHECK (json_valid(payload)),
    expires_at integer NOT NULL,
    used_at    integer,
    grant_id   text
) STRICT;
CREATE INDEX codes_expires_at ON codes (expires_at);

CREATE TABLE grants (
    id              text NOT NULL PRIMARY KEY,
    client_id       text NOT NULL,
    user_id         text NOT NULL,
    session_id      text NOT NULL,
    offline         integer NOT NULL CHECK (offline IN (0, 1)),
    payload         text NOT NULL CHECK (json_valid(payload)),
    created_at      integer NOT NULL,
    expires_at      integer NOT NULL,
    idle_expires_at integer NOT NULL,
    generation      integer NOT NULL,
    current_hash    blob,
    previous_hash   blob,
    salt            blob,
    rotated_at      integer,
    revoked_at      integer,
    revoked_why     text,
    CHECK ((revoked_at IS NULL) = (revoked_why IS NULL)),
    CHECK ((generation = 0) = (current_hash IS NULL))
) STRICT;
CREATE INDEX grants_user_id ON grants (user_id);
CREATE INDEX grants_client_id ON grants (client_id);
CREATE INDEX grants_session_id ON grants (session_id);
CREATE INDEX grants_expires_at ON grants (expires_at);

CREATE TABLE signing_keys (
    kid        text NOT NULL PRIMARY KEY,
    alg        text NOT NULL,
    epoch      integer NOT NULL,
    state      text NOT NULL,
    state_at   integer,
    sealed     blob NOT NULL,
    public     text NOT NULL CHECK (json_valid(public)),
    created_at integer NOT NULL,
    UNIQUE (alg, epoch)
) STRICT;

CREATE TABLE replay (
    scope      text NOT NULL,
    hash       blob NOT NULL,
    expires_at integer NOT NULL,
    PRIMARY KEY (scope, hash)
) STRICT;
CREATE INDEX replay_expires_at ON replay (expires_at);

CREATE TABLE change_feed (
    epoch      integer PRIMARY KEY AUTOINCREMENT,
    kind       text NOT NULL CHECK (kind IN ('client', 'grant', 'token', 'user', 'signing_keys')),
    subject    text NOT NULL,
    at         integer NOT NULL,
    expires_at integer NOT NULL
) STRICT;
CREATE INDEX change_feed_expires_at ON change_feed (expires_at);

CREATE TABLE outbox (
    id           text NOT NULL PRIMARY KEY,
    kind         text NOT NULL,
    payload      text NOT NULL CHECK (json_valid(payload)),
    created_at   integer NOT NULL,
    due_at       integer NOT NULL,
    attempts     integer NOT NULL,
    locked_until integer,
    done_at      integer,
    dead_at      integer,
    last_error   text
) STRICT;
CREATE INDEX outbox_due_at ON outbox (due_at) WHERE done_at IS NULL AND dead_at IS NULL;

CREATE TABLE audit_events (
    id         text NOT NULL PRIMARY KEY,
    at         integer NOT NULL,
    node       text NOT NULL,
    kind       text NOT NULL,
    client_id  text,
    user_id    text,
    grant_id   text,
    address    text,
    request_id text,
    data       text NOT NULL CHECK (json_valid(data))
) STRICT;
CREATE INDEX audit_events_client_id ON audit_events (client_id, id) WHERE client_id IS NOT NULL;
CREATE INDEX audit_events_user_id ON audit_events (user_id, id) WHERE user_id IS NOT NULL;

CREATE TABLE meta (
    name  text NOT NULL PRIMARY KEY,
    value blob NOT NULL
) STRICT;
