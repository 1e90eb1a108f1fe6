-- The six default jobs. One that somebody has set up by hand is left as it is.
INSERT INTO background_job_config (job_name, display_name, interval_duration, is_enabled)
VALUES
    ('ChatHealthCheck', 'Chat health check', '30 minutes', true),
    ('ScheduledBackup', 'Scheduled backup', '1 day', false),
    ('DatabaseMaintenance', 'Database maintenance', '7 days', false),
    ('UserPhotoRefresh', 'User photo refresh', '1 day', true),
    ('BlocklistSync', 'Blocklist sync', '7 days', true),
    ('MessageCleanup', 'Message cleanup', '1 day', true)
ON CONFLICT (job_name) DO NOTHING;
