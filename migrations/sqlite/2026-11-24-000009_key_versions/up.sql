-- The keys that everything secret hangs from, by kind and version: of a key-encryption key only the proof by
-- which it is known again; of the others the key itself, sealed under a key-encryption key, unless it is kept elsewhere.
CREATE TABLE key_versions (
    kind       text NOT NULL CHECK (kind IN ('kek', 'root', 'data', 'pepper')),
    version    integer NOT NULL CHECK (version > 0),
    sealed_by  integer,
    sealed     blob NOT NULL,
    proof      blob NOT NULL,
    uses       integer NOT NULL,
    created_at integer NOT NULL,
    begins_at  integer NOT NULL,
    retired_at integer,
    PRIMARY KEY (kind, version)
) STRICT;
