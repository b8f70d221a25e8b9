-- The keys that everything secret hangs from, by kind and version: of a key-encryption key only the proof by
-- which it is known again; of the others the key itself, sealed under a key-encryption key, unless it is kept elsewhere.
CREATE TABLE key_versions (
    kind       text COLLATE "C" NOT NULL CHECK (kind IN ('kek', 'root', 'data', 'pepper')),
    version    integer NOT NULL CHECK (version > 0),
    sealed_by  integer,
    sealed     bytea NOT NULL,
    proof      bytea NOT NULL,
    uses       bigint NOT NULL,
    created_at timestamptz NOT NULL,
    begins_at  timestamptz NOT NULL,
    retired_at timestamptz,
    PRIMARY KEY (kind, version)
);
