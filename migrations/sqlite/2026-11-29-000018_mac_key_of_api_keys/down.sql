ALTER TABLE api_keys DROP COLUMN mac_key;
