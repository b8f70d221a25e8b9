DROP TABLE api_loads;
DROP TABLE usage_latencies;
DROP TABLE usage_reports;
ALTER TABLE usage_minutes DROP COLUMN reported;
