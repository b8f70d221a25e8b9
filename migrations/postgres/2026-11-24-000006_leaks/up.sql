-- What is unusual about the use of API keys now: one row for each key and detector, while it lasts.
CREATE TABLE key_alerts (
    key_id    text COLLATE "C" NOT NULL,
    detector  text COLLATE "C" NOT NULL,
    opened_at timestamptz NOT NULL,
    seen_at   timestamptz NOT NULL,
    evidence  jsonb NOT NULL,
    PRIMARY KEY (key_id, detector)
);
