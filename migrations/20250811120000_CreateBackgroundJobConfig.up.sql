-- When each background job runs.
CREATE TABLE background_job_config (
    job_name text CONSTRAINT pk_background_job_config PRIMARY KEY,
    display_name text NOT NULL,
    interval_duration interval NOT NULL,
    is_enabled boolean NOT NULL DEFAULT true,
    settings jsonb NOT NULL DEFAULT '{}',
    last_run_at timestamptz,
    last_error text,
    CONSTRAINT ck_background_job_config_interval_duration CHECK (interval_duration > interval '0')
);
