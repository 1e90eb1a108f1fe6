DROP TABLE background_job_config;
