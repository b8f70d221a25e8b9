DROP INDEX api_keys_ending_of_api;
DROP INDEX api_keys_ended_of_api;
