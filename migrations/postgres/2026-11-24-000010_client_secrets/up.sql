-- Of a client's secret: whether a file declares it, and which reminder of its end was given, in
-- hours before it.
ALTER TABLE client_secrets ADD COLUMN declared boolean;
ALTER TABLE client_secrets ADD COLUMN reminded smallint;
CREATE INDEX client_secrets_expires_at ON client_secrets (expires_at);

-- When each secret was good last, and from where: a table of its own, so that noting it locks no secret.
CREATE TABLE client_secret_uses (
    hash    bytea PRIMARY KEY REFERENCES client_secrets (hash) ON UPDATE CASCADE ON DELETE CASCADE,
    at      timestamptz NOT NULL,
    address text
);
