-- Since when a client is enabled again, or shortly after it was last disabled: what it had got for itself before is no good
-- any more. The release before neither writes nor asks it.
ALTER TABLE clients ADD COLUMN tokens_since timestamptz;
