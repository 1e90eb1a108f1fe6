#!/bin/sh
# Builds a PostgreSQL image for the container tests from this machine's own PostgreSQL and its shared libraries: within
# seconds, without a registry. It has the official image's environment interface (see entrypoint.sh).
#
#   tests/image/build.sh [TAG]        default: migd-test-postgres:<major>
#
# CONTAINER_CLI chooses the program (docker), PG_BIN the folder of the server programs. Prints the tag.
set -eu

cli=${CONTAINER_CLI:-docker}
here=$(cd "$(dirname "$0")" && pwd)

bin=${PG_BIN:-}
if [ -z "$bin" ]; then
    for folder in $(printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin | sort -V -r); do
        if [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ]; then
            bin=$folder
            break
        fi
    done
fi
if [ -z "$bin" ] && command -v initdb >/dev/null && command -v postgres >/dev/null; then
    bin=$(dirname "$(readlink -f "$(command -v postgres)")")
fi
if [ -z "$bin" ]; then
    echo "build.sh: no PostgreSQL server programs here (apt-get install postgresql)" >&2
    exit 1
fi

version=$("$bin/postgres" --version | sed 's/^[^0-9]*//; s/ .*//')
major=${version%%[!0-9]*}
tag=${1:-migd-test-postgres:$major}
share=$("$bin/pg_config" --sharedir 2>/dev/null || echo "/usr/share/postgresql/$major")
lib=$("$bin/pg_config" --pkglibdir 2>/dev/null || echo "$(dirname "$bin")/lib")

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
trap 'exit 1' HUP INT TERM

# Copies a file to the same place under the root, and what a link of that name leads to.
put() {
    [ -e "$root$1" ] && return 0
    mkdir -p "$root$(dirname "$1")"
    cp -L "$1" "$root$1"
}

# Copies a program or library with every library that it loads.
with_libraries() {
    put "$1"
    ldd "$1" 2>/dev/null | sed -n 's/^.*=> \(\/[^ ]*\).*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p' >"$root/.ldd"
    while read -r library; do
        put "$library"
    done <"$root/.ldd"
}

for program in initdb postgres pg_ctl psql; do
    with_libraries "$bin/$program"
done
for program in sh cat chmod id mkdir rm sleep; do
    with_libraries "$(command -v "$program")"
done
for library in "$lib"/*.so; do
    case $library in
    # Just-in-time compilation is off, and its library is larger than all the rest.
    */llvmjit*) ;;
    *) with_libraries "$library" ;;
    esac
done
rm "$root/.ldd"
# initdb asks for a shell by this name.
[ -e "$root/bin/sh" ] || { mkdir -p "$root/bin" && cp -L /bin/sh "$root/bin/sh"; }

mkdir -p "$root$share" "$root/usr/share"
cp -RL "$share/." "$root$share/"
if [ -d /usr/share/zoneinfo ]; then
    cp -R /usr/share/zoneinfo "$root/usr/share/"
fi
for locale in /usr/lib/locale/C.utf8 /usr/lib/locale/C.UTF-8; do
    if [ -d "$locale" ]; then
        mkdir -p "$root/usr/lib/locale"
        cp -RL "$locale" "$root/usr/lib/locale/"
    fi
done

mkdir -p "$root/etc" "$root/tmp" "$root/var/run/postgresql" "$root/var/lib/postgresql/data"
printf '%s\n' 'root:x:0:0::/:/bin/sh' 'postgres:x:999:999::/var/lib/postgresql:/bin/sh' >"$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'postgres:x:999:' >"$root/etc/group"
# Lets the entry point name an arbitrary user, for which the official image has nss_wrapper.
# The root may be read-only: the file is where a container has a folder in memory, and made by the entry point.
mv "$root/etc/passwd" "$root/etc/passwd.image"
ln -s /tmp/passwd "$root/etc/passwd"
chmod 1777 "$root/tmp" "$root/var/run/postgresql" "$root/var/lib/postgresql/data"
cp "$here/entrypoint.sh" "$root/entrypoint.sh"
chmod 755 "$root/entrypoint.sh"

tar -C "$root" --owner=0 --group=0 -cf - . | "$cli" import \
    --change 'ENTRYPOINT ["/entrypoint.sh"]' \
    --change 'CMD ["postgres"]' \
    --change 'USER 999:999' \
    --change 'VOLUME /var/lib/postgresql/data' \
    --change 'EXPOSE 5432' \
    --change "ENV PATH=$bin:/usr/local/bin:/usr/bin:/bin PGDATA=/var/lib/postgresql/data PG_MAJOR=$major PG_VERSION=$version" \
    - "$tag" >/dev/null
echo "$tag"
