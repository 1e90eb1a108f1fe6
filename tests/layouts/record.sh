#!/bin/sh
# Runs the runners themselves on the fixtures and writes down what they leave behind, as expected.txt beside each.
# tests/it/layouts.rs holds migd to that, without the runners.
#
# usage: record.sh SOCKET_FOLDER PORT SERVER_LOG      (the server listens on 127.0.0.1:PORT too, and trusts user `admin`)
# wants on PATH: psql, sqlx (sqlx-cli 0.8), diesel (diesel_cli 2.3), refinery (refinery_cli 0.8)
set -eu
cd "$(dirname "$0")"
socket=$1 port=$2 log=$3
database=migd_layouts
DATABASE_URL=postgres://admin@127.0.0.1:$port/$database
export DATABASE_URL

query() { psql -qAtX -h "$socket" -p "$port" -U admin "$@"; }

# Why a run failed: the server's message, or that the runner stopped by itself.
why() {
    said=$(sed "1,$1d" "$log" | sed -n 's/.*ERROR:  /fails: /p' | sed 's/ at character [0-9]*$//')
    echo "${said:-fails in the runner}"
}

# The state: the table that the runner keeps, its rows in the order of writing, and what else there is.
state() {
    query -d $database -v ON_ERROR_STOP=1 -v book="$1" -f state.sql
}

for case in */*/; do
    case=${case%/}
    runner=${case%%/*}
    query -d postgres -c "DROP DATABASE IF EXISTS $database" -c "CREATE DATABASE $database TEMPLATE template0"
    up='' down='' book=''
    case $runner in
        sqlx) book=_sqlx_migrations up='sqlx migrate run --source migrations' down='sqlx migrate revert --source migrations' ;;
        diesel) book=__diesel_schema_migrations up='diesel migration run' down='diesel migration revert' ;;
        refinery) book=refinery_schema_history up='refinery migrate -e DATABASE_URL -p migrations' ;;
    esac
    {
        echo '== up'
        lines=$(wc -l < "$log")
        (cd "$case" && $up) >&2 || why $lines
        state $book
        if [ -n "$down" ] && [ -n "$(find "$case" -name '*down.sql')" ]; then
            echo '== revert'
            lines=$(wc -l < "$log")
            (cd "$case" && $down) >&2 || why $lines
            state $book
        fi
    } > "$case/expected.txt"
    rm -f "$case/migrations/.diesel_lock"
done
query -d postgres -c "DROP DATABASE $database"
