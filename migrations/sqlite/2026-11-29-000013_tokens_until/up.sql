-- Until when an access token of a grant may be good, so that the word that it is revoked is kept as long and no
-- longer; and as of which generation that was said. The release before rotates without saying it: then the two
-- generations differ, and nothing is known.
ALTER TABLE grants ADD COLUMN tokens_until integer;
ALTER TABLE grants ADD COLUMN tokens_generation integer;
