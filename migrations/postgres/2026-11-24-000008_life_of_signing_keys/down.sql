DROP TABLE jwks_fetches;
DROP TABLE signing_key_uses;
ALTER TABLE signing_keys DROP COLUMN revoked_at;
ALTER TABLE signing_keys DROP COLUMN origin;
ALTER TABLE signing_keys DROP COLUMN why;
ALTER TABLE signing_keys DROP COLUMN changed_at;
ALTER TABLE signing_keys DROP COLUMN known_at;
