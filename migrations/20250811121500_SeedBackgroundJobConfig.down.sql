-- Only what is still as it was inserted: a job that somebody has changed since is theirs.
DELETE FROM background_job_config
WHERE (job_name, display_name, interval_duration, is_enabled) IN (
    ('ChatHealthCheck', 'Chat health check', interval '30 minutes', true),
    ('ScheduledBackup', 'Scheduled backup', interval '1 day', false),
    ('DatabaseMaintenance', 'Database maintenance', interval '7 days', false),
    ('UserPhotoRefresh', 'User photo refresh', interval '1 day', true),
    ('BlocklistSync', 'Blocklist sync', interval '7 days', true),
    ('MessageCleanup', 'Message cleanup', interval '1 day', true)
)
AND settings = '{}'
AND last_run_at IS NULL;
