-- Keys of HMAC under which others hashed the API keys that were brought from them; sealed. A few at most.
CREATE TABLE mac_keys (
    id         text COLLATE "C" NOT NULL PRIMARY KEY,
    sealed     bytea NOT NULL,
    created_at timestamptz NOT NULL
);
