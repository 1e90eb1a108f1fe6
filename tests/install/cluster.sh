# cluster.sh: a private PostgreSQL for a test script: socket only, in memory where there is some, gone at exit.
# Sourced. `cluster_start` sets PGHOST, PGUSER and PGDATABASE and puts the server's binaries on PATH.
# shellcheck shell=bash

# Prints the folder of the newest PostgreSQL binaries.
pg_bindir() {
    local dir newest=
    if dir=$(command -v initdb); then
        dir=$(dirname "$(readlink -f "$dir")")
        if [[ -x $dir/postgres ]]; then
            printf '%s\n' "$dir"
            return
        fi
    fi
    for dir in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/libexec/postgresql*/ /opt/homebrew/opt/postgresql@*/bin \
        /usr/local/opt/postgresql@*/bin /Applications/Postgres.app/Contents/Versions/*/bin; do
        [[ -x $dir/initdb && -x $dir/postgres ]] && newest+="$dir"$'\n'
    done
    [[ -n $newest ]] && printf '%s' "$newest" | sort -V | tail -n 1
}

cluster_dir=
cluster_as=()

cluster_start() {
    local bin base=${TMPDIR:-/tmp}
    bin=$(pg_bindir) || { echo 'no PostgreSQL binaries found' >&2; return 1; }
    PATH=$bin:$PATH
    [[ -d /dev/shm && -w /dev/shm ]] && base=/dev/shm
    cluster_dir=$(mktemp -d "$base/migd-test.XXXXXX")
    trap cluster_stop EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    # initdb refuses root: the server gets a user of its own.
    if [[ $(id -u) == 0 ]]; then
        local user=postgres
        id "$user" >/dev/null 2>&1 || user=nobody
        chown "$user" "$cluster_dir"
        cluster_as=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --clear-groups)
    fi
    (
        cd / # the current folder may be closed to the server's user
        "${cluster_as[@]}" "$bin/initdb" -D "$cluster_dir/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null
        "${cluster_as[@]}" "$bin/pg_ctl" -s -w -D "$cluster_dir/data" -l "$cluster_dir/log" \
            -o "-k $cluster_dir -c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off" start
    ) || { cat "$cluster_dir/log" >&2; return 1; }
    export PGHOST=$cluster_dir PGUSER=postgres PGDATABASE=postgres
    unset PGPORT PGSERVICE PGHOSTADDR PGOPTIONS PGPASSWORD
}

cluster_stop() {
    [[ -n $cluster_dir ]] || return 0
    (cd / && "${cluster_as[@]}" "$(pg_bindir)/pg_ctl" -s -D "$cluster_dir/data" -m immediate stop) || true
    rm -rf "$cluster_dir"
    cluster_dir=
}
