-- Whose key a link makes, where that is known before, so that they find their links; and the browser
-- that claimed it, so that a page loaded again is no second claim.
ALTER TABLE key_claims ADD COLUMN owner_kind text;
ALTER TABLE key_claims ADD COLUMN owner_id text;
ALTER TABLE key_claims ADD COLUMN browser text;
CREATE INDEX key_claims_owner ON key_claims (owner_kind, owner_id, id);
