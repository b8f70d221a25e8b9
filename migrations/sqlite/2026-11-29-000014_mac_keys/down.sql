DROP TABLE mac_keys;
