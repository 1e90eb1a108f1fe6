#!/bin/sh
# The entry point of the test image, with the official image's environment interface: POSTGRES_USER, POSTGRES_PASSWORD,
# POSTGRES_DB, POSTGRES_HOST_AUTH_METHOD, POSTGRES_INITDB_ARGS, PGDATA, and `postgres -c …` as arguments. Like there, a
# server for set-up alone runs first, without TCP, on the same socket folder.
set -eu

[ "${1:-}" = postgres ] || exec "$@"

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

[ -e /tmp/passwd ] || cat /etc/passwd.image >/tmp/passwd
if ! id -un >/dev/null 2>&1; then
    echo "postgres-$(id -u):x:$(id -u):$(id -g)::/var/lib/postgresql:/bin/sh" >>/etc/passwd
fi
mkdir -p "$PGDATA"
chmod 700 "$PGDATA" || :

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
        echo "Error: Database is uninitialized and superuser password is not specified." >&2
        exit 1
    fi
    umask 077
    printf '%s\n' "${POSTGRES_PASSWORD:-}" >/tmp/password
    # shellcheck disable=SC2086 # several arguments in one variable, as the official image has it
    if [ -n "${POSTGRES_PASSWORD:-}" ]; then
        initdb -D "$PGDATA" --username="$user" --pwfile=/tmp/password ${POSTGRES_INITDB_ARGS:-}
    else
        initdb -D "$PGDATA" --username="$user" ${POSTGRES_INITDB_ARGS:-}
    fi
    rm /tmp/password
    echo "host all all all ${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"

    "$@" -D "$PGDATA" -c listen_addresses='' &
    until psql -U "$user" -d postgres -c 'SELECT 1' >/dev/null 2>&1; do
        kill -0 $! || exit 1
        sleep 0.05
    done
    if [ "$database" != postgres ]; then
        psql -q -v ON_ERROR_STOP=1 -U "$user" -d postgres -v name="$database" <<'SQL'
CREATE DATABASE :"name";
SQL
    fi
    kill -INT $!
    wait $! || :
fi

exec "$@"
