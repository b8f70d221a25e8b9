ALTER TABLE clients DROP COLUMN tokens_since;
