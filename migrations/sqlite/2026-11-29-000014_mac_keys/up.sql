-- Keys of HMAC under which others hashed the API keys that were brought from them; sealed. A few at most.
CREATE TABLE mac_keys (
    id         text NOT NULL PRIMARY KEY,
    sealed     blob NOT NULL,
    created_at integer NOT NULL
) STRICT;
