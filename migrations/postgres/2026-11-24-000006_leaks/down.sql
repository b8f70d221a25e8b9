DROP TABLE key_alerts;
