-- What resource servers report of the calls they served.
ALTER TABLE usage_minutes ADD COLUMN reported bigint NOT NULL DEFAULT 0;

-- Reports that have come, so that one that is sent again counts nothing twice.
CREATE TABLE usage_reports (
    api_id     text COLLATE "C" NOT NULL,
    id         text COLLATE "C" NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (api_id, id)
);
CREATE INDEX usage_reports_expires_at ON usage_reports (expires_at);

-- How many calls took how long, in buckets of half an octave.
CREATE TABLE usage_latencies (
    key_id text COLLATE "C" NOT NULL,
    minute timestamptz NOT NULL,
    bucket bigint NOT NULL,
    calls  bigint NOT NULL,
    PRIMARY KEY (key_id, minute, bucket)
);
CREATE INDEX usage_latencies_minute ON usage_latencies (minute);

-- How many calls of an API were reported, and how many it had rejected or failed at.
CREATE TABLE api_loads (
    api_id   text COLLATE "C" NOT NULL,
    minute   timestamptz NOT NULL,
    reported bigint NOT NULL,
    rejected bigint NOT NULL,
    PRIMARY KEY (api_id, minute)
);
CREATE INDEX api_loads_minute ON api_loads (minute);
