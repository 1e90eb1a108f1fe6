#!/bin/sh
# install.sh: builds migd and installs `migd` and `migd-hook` side by side; `--try` also shows what they do.
# POSIX sh. Running it again is harmless: what is there and right is left as it is.
set -eu

usage() {
    cat <<'TEXT'
Usage: ./install.sh [--try] [--prefix DIR] [--yes] [--no-build] [--from DIR]
       ./install.sh --uninstall [--prefix DIR]
       ./install.sh --needs [--yes]

Builds migd and installs `migd` and `migd-hook` into DIR/bin (default: ~/.local/bin).

  --try         then take the tour: in a scratch repository, a broken migration is refused and a good one passes
  --prefix DIR  install below DIR
  --yes         bring what is missing on this machine without asking (as root: always)
  --no-build    install what is in target/release already
  --from DIR    install the binaries of DIR; implies --no-build
  --needs       only bring, or name, what building and running migd needs on this machine
  --uninstall   stop the daemon and remove what was installed, and what it keeps
TEXT
}

say() { printf '%s\n' "$*"; }
warn() { printf 'install.sh: %s\n' "$*" >&2; }
die() {
    warn "$*"
    exit 1
}

# --- Arguments -------------------------------------------------------------------------------------------------------

root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
prefix=
from=
build=yes
yes=
action=install

while [ $# -gt 0 ]; do
    case $1 in
    --prefix | --from)
        if [ $# -lt 2 ] || [ -z "$2" ]; then
            warn "$1 needs a folder"
            exit 2
        fi
        case $1 in
        --prefix) prefix=$2 ;;
        --from) from=$2 build=no ;;
        esac
        shift
        ;;
    --prefix=?*) prefix=${1#*=} ;;
    --from=?*) from=${1#*=} build=no ;;
    --try) action=try ;;
    --uninstall) action=uninstall ;;
    --needs) action=needs ;;
    --yes | -y) yes=yes ;;
    --no-build) build=no ;;
    --help | -h)
        usage
        exit 0
        ;;
    *)
        warn "unknown argument: $1"
        usage >&2
        exit 2
        ;;
    esac
    shift
done

[ -n "$prefix" ] || prefix=${HOME:?is not set: say --prefix DIR}/.local
case $prefix in
/*) ;;
*) prefix=$(pwd)/$prefix ;;
esac
bin=$prefix/bin

# An unpacked release has the binaries beside this file and no sources.
if [ -z "$from" ] && [ ! -f "$root/Cargo.toml" ]; then
    build=no
    from=$root
    [ -x "$from/migd" ] || from=$root/bin
fi
[ -n "$from" ] || from=$root/target/release

# --- What the machine lacks ------------------------------------------------------------------------------------------

uid=$(id -u)
image=postgres:17-alpine # the default of engine.image

manager=none
for candidate in apt-get dnf apk brew; do
    if command -v "$candidate" >/dev/null 2>&1; then
        manager=$candidate
        break
    fi
done

# Homebrew refuses root; the others need it.
sudo=
[ "$uid" -eq 0 ] || sudo='sudo '
as_root() {
    if [ "$uid" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# The command that brings a thing to this machine; nothing where none is known.
remedy() {
    case $1:$manager in
    cargo:brew) say 'brew install rust' ;;
    cargo:*) say "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal" ;;
    newer-cargo:brew) say 'brew upgrade rust' ;;
    newer-cargo:*)
        if command -v rustup >/dev/null 2>&1; then
            say 'rustup update stable && rustup default stable'
        else
            remedy cargo
        fi
        ;;
    cc:apt-get) say "${sudo}apt-get install -y --no-install-recommends gcc libc6-dev" ;;
    cc:dnf) say "${sudo}dnf install -y gcc" ;;
    cc:apk) say "${sudo}apk add gcc musl-dev" ;;
    cc:brew) say 'xcode-select --install' ;;
    postgres:apt-get) say "${sudo}apt-get install -y --no-install-recommends postgresql" ;;
    postgres:dnf) say "${sudo}dnf install -y postgresql-server postgresql-contrib" ;;
    postgres:apk) say "${sudo}apk add postgresql postgresql-contrib" ;;
    postgres:brew) say 'brew install postgresql@17' ;;
    git:apt-get | curl:apt-get) say "${sudo}apt-get install -y --no-install-recommends $1 ca-certificates" ;;
    git:dnf | curl:dnf) say "${sudo}dnf install -y $1" ;;
    git:apk | curl:apk) say "${sudo}apk add $1" ;;
    git:brew | curl:brew) say "brew install $1" ;;
    esac
}

# Whether things may be installed without asking.
may_bring() {
    case $manager in
    brew) [ -n "$yes" ] && [ "$uid" -ne 0 ] ;;
    *) [ "$uid" -eq 0 ] || [ -n "$yes" ] ;;
    esac
}

# Debian's package makes a cluster and starts it; only the binaries are wanted. The setting goes where packages look for
# it and goes away again, whatever becomes of the installation; one that is there already is not touched.
bring_postgres_apt() {
    setting=/etc/postgresql-common/createcluster.d/migd-install.conf
    # shellcheck disable=SC2016 # the inner shell expands it
    as_root sh -c '
        trap "rm -f \"$1\"" EXIT
        trap "exit 130" INT
        trap "exit 143" TERM
        mkdir -p "${1%/*}" && echo "create_main_cluster = false" >"$1" &&
            DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql
    ' sh "$setting"
}

lists_are_new=
bring() {
    command=$(remedy "$1")
    say "+ $command"
    if [ "$manager" = apt-get ] && [ -z "$lists_are_new" ]; then
        lists_are_new=yes
        as_root apt-get update -qq || warn 'apt-get update failed: using the package lists that are there'
    fi
    case $1:$manager in
    postgres:apt-get) bring_postgres_apt ;;
    *) DEBIAN_FRONTEND=noninteractive sh -c "$command" ;;
    esac
}

missing=
# need THING WORDS CHECK: unless CHECK finds it, brings the thing, or notes that it is missing and how to bring it.
need() {
    "$3" && return 0
    how=$(remedy "$1")
    if [ -n "$how" ] && may_bring; then
        say "$2 is missing."
        if bring "$1" && "$3"; then return 0; fi
        warn "it is still missing after: $how"
    fi
    missing="$missing
  $2: ${how:-no command is known for this machine}"
}

# Names everything that is missing, at once.
nothing_missing() {
    [ -z "$missing" ] && return 0
    warn "missing on this machine:$missing"
    may_bring || [ "$manager" = none ] || warn 'with --yes, these commands are run for you'
    exit 1
}

cc_is_here() { command -v cc >/dev/null 2>&1; }
git_is_here() { command -v git >/dev/null 2>&1; }
curl_is_here() { command -v curl >/dev/null 2>&1; }
cargo_is_here() { command -v cargo >/dev/null 2>&1 && cargo_is_new; }

# Whether cargo is as new as Cargo.toml wants it.
cargo_is_new() {
    # rustup finds the toolchain by the current folder.
    has=$(cd "$root" && cargo --version 2>/dev/null | sed -n 's/^cargo 1\.\([0-9]*\).*/\1/p')
    [ -n "$has" ] && [ "$has" -ge "$rust" ]
}

# The same, where rustup may have put it a moment ago, before or without the profile being read again.
rust_is_here() {
    cargo_is_here && return 0
    rustup_bin=${CARGO_HOME:-${HOME:-/nowhere}/.cargo}/bin
    [ -x "$rustup_bin/cargo" ] || return 1
    PATH=$rustup_bin:$PATH
    cargo_is_here
}

need_toolchain() {
    rust=$(sed -n 's/^rust-version = "1\.\([0-9]*\).*/\1/p' "$root/Cargo.toml")
    need cc 'a C compiler (cc)' cc_is_here
    rust_is_here && return 0
    if [ "$manager" != brew ] && ! command -v rustup >/dev/null 2>&1; then
        need curl 'curl, for rustup' curl_is_here
    fi
    if command -v cargo >/dev/null 2>&1; then
        need newer-cargo "Rust 1.$rust or newer (there is $(cargo --version 2>/dev/null))" rust_is_here
    else
        need cargo "Rust 1.$rust or newer (cargo)" rust_is_here
    fi
}

postgres_is_here() {
    for folder in "${MIGD_BIN_DIR:-/nowhere}" "$(dirname "$(command -v initdb || say /nowhere/initdb)")" \
        /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/libexec/postgresql* /usr/local/pgsql/bin \
        /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin \
        /Applications/Postgres.app/Contents/Versions/*/bin; do
        [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] && return 0
    done
    return 1
}

# The container program whose engine answers.
container_program() {
    for program in docker podman; do
        command -v "$program" >/dev/null 2>&1 && "$program" info >/dev/null 2>&1 && say "$program" && return 0
    done
    return 1
}

# PostgreSQL's binaries, or a container engine that has the image or can get it.
need_engine() {
    case ${MIGD_ENGINE:-auto} in
    url) return 0 ;;
    local)
        need postgres "PostgreSQL's binaries" postgres_is_here
        return 0
        ;;
    esac
    postgres_is_here && return 0
    if ! program=$(container_program); then
        need postgres "PostgreSQL (a container engine that answers, or PostgreSQL's binaries)" postgres_is_here
        return 0
    fi
    wanted=${MIGD_IMAGE:-$image}
    "$program" image inspect "$wanted" >/dev/null 2>&1 && return 0
    may_bring || return 0 # migd gets it at its first start, and shows it
    say "+ $program pull $wanted"
    "$program" pull "$wanted" && return 0
    need postgres "PostgreSQL ($program answers, but $wanted cannot be had: PostgreSQL's binaries)" postgres_is_here
}

# --- Installing ------------------------------------------------------------------------------------------------------

# What this script made below the prefix, one a line, so that all of it can be removed again.
manifest=$prefix/share/migd/installed

made() {
    grep -qxF "$1" "$manifest" 2>/dev/null || say "$1" >>"$manifest"
}

# Makes the folders that are not there, and prints them, outermost first.
make_folder() {
    [ -d "$1" ] && return 0
    make_folder "$(dirname "$1")" || return 1
    mkdir "$1" && say "dir $1"
}

# Puts a file in its place in one step: a commit that runs the hook meanwhile sees the old one or the new one.
place() {
    cmp -s "$1" "$2" && [ -x "$2" ] && return 1
    staged=$2.new.$$
    if cp "$1" "$staged" && chmod 755 "$staged" && mv -f "$staged" "$2"; then
        return 0
    fi
    rm -f "$staged"
    die "cannot write $2"
}

install_binaries() {
    for name in migd migd-hook; do
        [ -x "$from/$name" ] || die "no $name in $from"
    done
    folders=$(make_folder "${manifest%/*}" && make_folder "$bin") || die "cannot make folders below $prefix"
    changed=
    for name in migd-hook migd; do
        if place "$from/$name" "$bin/$name"; then changed="$name $changed"; fi
    done
    [ -z "$folders" ] || say "$folders" | while read -r line; do made "$line"; done
    made "file $bin/migd"
    made "file $bin/migd-hook"
    if [ -n "$changed" ]; then
        say "Installed migd and migd-hook in $bin."
    else
        say "migd and migd-hook in $bin are up to date."
    fi
    case :$PATH: in
    *:"$bin":*) ;;
    *)
        say "$bin is not on PATH. To put it there, add this line to your shell's profile:"
        # shellcheck disable=SC2016 # the profile expands it
        printf '  export PATH="%s:$PATH"\n' "$bin"
        ;;
    esac
}

needs() {
    [ "$build" = no ] || need_toolchain
    need git git git_is_here
    need_engine
    nothing_missing
}

install() {
    needs
    if [ "$build" = yes ]; then
        say 'Building (the first time takes some minutes).'
        (cd "$root" && cargo build --release --locked --bin migd --target-dir "$root/target") || die 'the build failed'
        build_hook || die 'the build of migd-hook failed'
    fi
    install_binaries
}

# Builds migd-hook by itself, linked to no library where Rust can: a commit then waits half a millisecond less for it.
build_hook() {
    set -- build --profile hook --locked --no-default-features --bin migd-hook --target-dir "$root/target"
    static=$(uname -m)-unknown-linux-musl
    hook=$root/target/$static/hook/migd-hook
    # Without it the linker fills the program up to whole pages, 4 kB more.
    packed="target.$static.rustflags=['-Clink-arg=-Wl,-z,noseparate-code']"
    if ! { [ "$(uname -s)" = Linux ] && rust_builds_for "$static" && (cd "$root" && cargo "$@" --target "$static" --config "$packed") &&
        "$hook" --version >/dev/null 2>&1; }; then
        (cd "$root" && cargo "$@") || return
        hook=$root/target/hook/migd-hook
    fi
    cp -f "$hook" "$from/migd-hook"
}

# Whether Rust has what programs for the target $1 need; rustup can fetch it.
rust_builds_for() {
    [ ! -d "$(cd "$root" && rustc --print sysroot)/lib/rustlib/$1" ] || return 0
    command -v rustup >/dev/null 2>&1 || return
    say "Adding Rust's target $1, for a hook that needs no library."
    (cd "$root" && rustup target add "$1") >/dev/null 2>&1
}

# --- Uninstalling ----------------------------------------------------------------------------------------------------

# Where the daemon keeps its sockets, and its logs and clusters.
runtime_folder() {
    if [ -n "${MIGD_RUNTIME_DIR:-}" ]; then
        say "$MIGD_RUNTIME_DIR"
    elif [ -n "${XDG_RUNTIME_DIR:-}" ]; then
        say "$XDG_RUNTIME_DIR/migd"
    elif [ -O "/run/user/$uid" ]; then
        say "/run/user/$uid/migd"
    else
        say "/tmp/migd-$uid"
    fi
}
state_folder() {
    if [ -n "${MIGD_STATE_DIR:-}" ]; then
        say "$MIGD_STATE_DIR"
    elif [ "$(uname -s)" = Darwin ]; then
        say "$HOME/Library/Application Support/migd"
    else
        say "${XDG_STATE_HOME:-$HOME/.local/state}/migd"
    fi
}

uninstall() {
    if [ ! -f "$manifest" ]; then
        say "Nothing to remove: this script has not installed migd in $prefix."
        return 0
    fi
    if [ -x "$bin/migd" ]; then
        "$bin/migd" stop >/dev/null 2>&1 || warn 'the daemon could not be stopped'
    fi
    sed -n 's/^file //p' "$manifest" | while read -r path; do
        if [ -e "$path" ]; then
            rm -f "$path" && say "Removed $path."
        fi
    done
    for path in "$(runtime_folder)" "$(state_folder)"; do
        [ -d "$path" ] || continue
        # A folder that was chosen by hand may hold other things.
        case $path in
        */migd | */migd-"$uid") rm -rf "$path" && say "Removed $path." ;;
        *) say "Left $path, which is not a folder of migd's own name." ;;
        esac
    done
    # Only folders that this script made, and only when nobody has put anything there.
    folders=$(sed -n 's/^dir //p' "$manifest" | sort -r)
    rm -f "$manifest"
    say "$folders" | while read -r path; do
        [ -z "$path" ] || rmdir "$path" 2>/dev/null || :
    done
    config=${XDG_CONFIG_HOME:-$HOME/.config}/migd
    [ ! -d "$config" ] || say "Left $config: it is your configuration."
    say "Hooks in repositories stay. To remove one, run 'migd hook uninstall' there before uninstalling."
}

# --- The tour --------------------------------------------------------------------------------------------------------

arc=20251012140000_AddActorExclusiveArcToAuditLog
broken=$root/examples/incidents/1-system-actor/original

# Milliseconds since some point in time. Not every `date` knows nanoseconds: then Perl does, and without it whole seconds
# have to do.
now_ms() {
    now=$(date +%s%N)
    case $now in
    *[!0-9]* | ??????????)
        now=$(perl -MTime::HiRes=time -e 'printf "%d", 1e9 * time' 2>/dev/null) || now=$(date +%s)000000000
        ;;
    esac
    say "${now%??????}"
}

scratch=
end_tour() {
    status=$?
    trap - EXIT
    if [ -n "$scratch" ]; then
        "$bin/migd" stop >/dev/null 2>&1 || :
        cd /
        rm -rf "$scratch"
    fi
    exit "$status"
}

tour_failed() {
    say
    warn "the tour failed: $*"
    if [ -s "$MIGD_STATE_DIR/daemon.log" ]; then
        warn "the daemon's log ends with:"
        tail -n 20 "$MIGD_STATE_DIR/daemon.log" >&2
    fi
    exit 1
}

show() {
    say
    say "\$ $*"
}

# Commits what is staged; sets `took` and `committed`.
commit() {
    show "git commit -m '$1'"
    began=$(now_ms)
    committed=yes
    git commit -q -m "$1" || committed=no
    took=$(($(now_ms) - began))
}

try() {
    if [ ! -d "$broken" ] || [ ! -f "$root/migrations/$arc.up.sql" ]; then
        die "no migrations/ and examples/ beside $0"
    fi
    # A socket's path must be short.
    scratch=$(mktemp -d /tmp/migd-tour.XXXXXX) || die 'cannot make a folder in /tmp'
    trap end_tour EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM

    # A daemon of its own, and nothing of the user's git configuration: signing, hooks, templates.
    MIGD_RUNTIME_DIR=$scratch/run
    MIGD_STATE_DIR=$scratch/state
    GIT_CONFIG_GLOBAL=$scratch/gitconfig
    GIT_CONFIG_NOSYSTEM=1
    export MIGD_RUNTIME_DIR MIGD_STATE_DIR GIT_CONFIG_GLOBAL GIT_CONFIG_NOSYSTEM
    unset MIGD MIGD_HOOK_BUDGET MIGD_HOOK_UNAVAILABLE
    unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_PREFIX GIT_OBJECT_DIRECTORY GIT_COMMON_DIR GIT_NAMESPACE \
        GIT_TEMPLATE_DIR GIT_CONFIG GIT_CONFIG_COUNT GIT_CONFIG_PARAMETERS GIT_CEILING_DIRECTORIES
    PATH=$bin:$PATH
    export PATH

    git config --file "$GIT_CONFIG_GLOBAL" user.name 'A developer'
    git config --file "$GIT_CONFIG_GLOBAL" user.email developer@example.com
    git config --file "$GIT_CONFIG_GLOBAL" init.defaultBranch main
    # Where git is older than GIT_CONFIG_GLOBAL (2.32).
    GIT_AUTHOR_NAME='A developer' GIT_AUTHOR_EMAIL=developer@example.com
    GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
    export GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL

    say
    say "The tour: a scratch repository with a chat-moderation system's migrations, up to the day of its first incident."
    mkdir -p "$scratch/repo/migrations"
    cd "$scratch/repo"
    git init -q .
    git config commit.gpgsign false
    # Names sort as versions do.
    for file in "$root"/migrations/*.sql; do
        case $file in */"$arc".*) break ;; esac
        cp "$file" migrations/
    done

    show migd init
    migd init || tour_failed "'migd init' did not work"
    git add -A
    commit "The chain so far"
    [ "$committed" = yes ] || tour_failed 'the migrations before the incident were refused'
    before=$(git rev-parse HEAD)

    say
    say "Now the migration of the incident as it was: every actor becomes a key to users, and one of them is no user."
    cp "$broken/$arc.up.sql" "$broken/$arc.down.sql" migrations/
    show "git add migrations/$arc.*"
    git add migrations
    commit 'Give the audit log an exclusive arc'
    refused_ms=$took
    [ "$committed" = no ] || tour_failed 'the broken migration was committed'
    [ "$(git rev-parse HEAD)" = "$before" ] || tour_failed 'the commit was refused and is there'
    # Refused because it is bad, not because nobody could judge it.
    status=0
    migd check --staged --format json >"$scratch/verdict.json" 2>"$scratch/verdict.err" || status=$?
    if [ "$status" -ne 1 ]; then
        cat "$scratch/verdict.err" >&2
        tour_failed "the commit was refused without a verdict ('migd check' ends with $status, not 1)"
    fi
    say
    say "Refused, as it should be."

    say
    say "And the repaired one, from the bundled migrations."
    cp "$root/migrations/$arc.up.sql" "$root/migrations/$arc.down.sql" migrations/
    show "git add migrations/$arc.*"
    git add migrations
    commit 'Give the audit log an exclusive arc'
    passed_ms=$took
    [ "$committed" = yes ] || tour_failed 'the repaired migration was refused'
    [ "$(git rev-parse HEAD~1)" = "$before" ] || tour_failed 'the commit went through and is not there'
    git diff --quiet HEAD -- migrations || tour_failed 'something else was committed'
    say
    say "Committed: $(git log -1 --format='%h %s')"

    say
    say "git commit, the broken migration:   refused after $refused_ms ms"
    say "git commit, the repaired migration: passed after $passed_ms ms"
    say
    say "In a repository of your own: migd init"
}

case $action in
install) install ;;
needs) needs ;;
uninstall) uninstall ;;
try)
    install
    try
    ;;
esac
