DROP INDEX key_claims_owner;
ALTER TABLE key_claims DROP COLUMN browser;
ALTER TABLE key_claims DROP COLUMN owner_id;
ALTER TABLE key_claims DROP COLUMN owner_kind;
