//! Warming a clone's session up before anybody waits for it.

use crate::engine::session::Session;

/// What the first migration of a session waits for: the server's process reads the catalogs that statements of its kinds
/// need. All of it is taken back, and nothing of it is done where event triggers would see it.
pub(super) async fn up(runner: &Session, silent: bool) -> Result<(), tokio_postgres::Error> {
    let client = runner.client();
    client.batch_execute("BEGIN; ROLLBACK").await?;
    if silent {
        let statements = "BEGIN;
            CREATE TEMP TABLE migd_warm (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL DEFAULT '');
            CREATE INDEX migd_warm_name ON migd_warm (name);
            ALTER TABLE migd_warm ADD COLUMN parent bigint REFERENCES migd_warm (id), ADD CHECK (name <> 'x');
            INSERT INTO migd_warm (name) VALUES ('');
            DROP TABLE migd_warm";
        // Whatever refuses one of them, a migration will meet by itself.
        let _ = client.batch_execute(statements).await;
        client.batch_execute("ROLLBACK").await?;
    }
    Ok(())
}
