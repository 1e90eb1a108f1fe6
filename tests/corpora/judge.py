#!/usr/bin/env python3
"""An independent judge of reverts: what `pg_dump -s` says before up, after down and after the second up.

It shares nothing with migd: its own reading of the folder, its own server, its own wire client, and dumps instead of
catalogs. `judge.py FOLDER` prints one JSON object; see README.md. Needs PostgreSQL's binaries and Python 3 only.
"""

import argparse
import collections
import getpass
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

# ---------------------------------------------------------------------------------------------- the folder

Step = collections.namedtuple("Step", "version name up down")
# How a runner sends one direction: the texts of its simple queries, and whether all are in one transaction of its own.
Sent = collections.namedtuple("Sent", "texts wrapped")


def diesel(folder):
    for path in sorted(folder.iterdir(), key=lambda p: p.name.split("_")[0].replace("-", "")):
        if not (path / "up.sql").is_file():
            continue
        version, _, name = path.name.partition("_")
        meta = path / "metadata.toml"
        wrapped = not meta.is_file() or bool(re.search(r"run_in_transaction\s*=\s*true", meta.read_text()))
        down = path / "down.sql"
        yield Step(
            version.replace("-", ""),
            name,
            Sent([read(path / "up.sql")], wrapped),
            Sent([read(down)], wrapped) if down.is_file() else None,
        )


def pairs(folder, sent):
    """`N_name.up.sql` with `N_name.down.sql`, or `N_name.sql`, by number."""
    found = {}
    for path in folder.iterdir():
        match = re.fullmatch(r"(\d+)_(.*?)(\.up|\.down)?\.sql", path.name)
        if match:
            number, name, direction = match.groups()
            found.setdefault(int(number), {})[direction or ".up"] = (name, read(path))
    for number, files in sorted(found.items()):
        if ".up" in files:
            name, text = files[".up"]
            down = files.get(".down")
            yield Step(str(number), name, sent(text), sent(down[1]) if down else None)


def sqlx(folder):
    return pairs(folder, lambda text: Sent([text], not text.startswith("-- no-transaction")))


def golang_migrate(folder):
    return pairs(folder, lambda text: Sent([text], False))


def marked(text, tool):
    """The statements of both directions, cut where lines end in a semicolon or between `StatementBegin` and `StatementEnd`."""
    sections, pieces, part, block = {}, None, [], False
    for line in text.splitlines(keepends=True):
        mark = re.match(rf"-- \+{tool} (\w+)", line)
        if mark and mark[1].lower() in ("up", "down"):
            pieces, part = sections.setdefault(mark[1].lower(), []), []
        elif mark and mark[1] == "StatementBegin":
            block = True
        elif mark and mark[1] == "StatementEnd":
            pieces.append("".join(part))
            part, block = [], False
        elif pieces is not None and (part or (line.strip() and not line.lstrip().startswith("--"))):
            part.append(line)
            if not block and re.search(r";\s*(--.*)?$", line):
                pieces.append("".join(part))
                part = []
    return sections


def sql_migrate(folder):
    """By the number that a name begins with, then by name; the name is the version."""
    digits = lambda path: re.match(r"\d+", path.name)
    for path in sorted(folder.glob("*.sql"), key=lambda p: (int(digits(p)[0]) if digits(p) else 0, p.name)):
        text = read(path)
        sections = marked(text, "migrate")
        sent = lambda word: Sent(
            sections[word], not re.search(rf"^-- \+migrate {word} notransaction", text, re.M | re.I)
        )
        yield Step(path.name, "", sent("up"), sent("down") if sections.get("down") is not None else None)


def goose(folder):
    for path in sorted(folder.glob("*.sql"), key=lambda p: int(re.match(r"\d+", p.name)[0])):
        text = read(path)
        wrapped = not re.search(r"^-- \+goose NO TRANSACTION", text, re.M | re.I)
        sections = marked(text, "goose")
        version, _, name = path.stem.partition("_")
        down = sections.get("down")
        yield Step(
            str(int(version)), name, Sent(sections.get("up", []), wrapped), Sent(down, wrapped) if down is not None else None
        )


def dbmate(folder):
    for path in sorted(folder.glob("*.sql")):
        sections = re.split(r"^--\s*migrate:(up|down)(.*)$", read(path), flags=re.M)
        ways = {
            word: Sent([text], "transaction:false" not in options)
            for word, options, text in zip(sections[1::3], sections[2::3], sections[3::3])
        }
        version, _, name = path.stem.partition("_")
        if "up" in ways:
            yield Step(version, name, ways["up"], ways.get("down"))


LAYOUTS = {
    "diesel": diesel,
    "sqlx": sqlx,
    "golang-migrate": golang_migrate,
    "goose": goose,
    "dbmate": dbmate,
    "sql-migrate": sql_migrate,
}

SETUP = {
    "diesel": "CREATE TABLE __diesel_schema_migrations (version varchar(50) PRIMARY KEY NOT NULL,"
    " run_on timestamp NOT NULL DEFAULT current_timestamp)",
    "sqlx": "CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL, installed_on"
    " timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL, execution_time bigint"
    " NOT NULL)",
    "golang-migrate": "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)",
    "goose": "CREATE TABLE goose_db_version (id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, version_id bigint"
    " NOT NULL, is_applied boolean NOT NULL, tstamp timestamp NOT NULL DEFAULT now())",
    "dbmate": "CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY)",
    "sql-migrate": "CREATE TABLE gorp_migrations (id text NOT NULL PRIMARY KEY, applied_at timestamptz)",
}


def records(layout, step, previous, up):
    """What the runner writes down about itself after a step."""
    v = step.version
    if layout == "golang-migrate":
        now = v if up else previous
        row = f"; INSERT INTO public.schema_migrations VALUES ({now}, false)" if now else ""
        return "TRUNCATE public.schema_migrations" + row
    table, column, values = {
        "diesel": ("__diesel_schema_migrations", "version", f"(version) VALUES ('{v}')"),
        "sqlx": (
            "_sqlx_migrations",
            "version",
            f"(version, description, success, checksum, execution_time) VALUES ({v}, '', true, '', 0)",
        ),
        "goose": ("goose_db_version", "version_id", f"(version_id, is_applied) VALUES ({v}, true)"),
        "dbmate": ("public.schema_migrations", "version", f"(version) VALUES ('{v}')"),
        "sql-migrate": ("gorp_migrations", "id", f"(id, applied_at) VALUES ('{v}', now())"),
    }[layout]
    return f"INSERT INTO {table} {values}" if up else f"DELETE FROM {table} WHERE {column} = '{v}'"


def read(path):
    return path.read_text(encoding="utf-8")


# ---------------------------------------------------------------------------------------------- the server


class Refused(Exception):
    """What the server said."""


class Connection:
    """PostgreSQL's simple query protocol over a local socket: what a runner sends arrives as it would."""

    def __init__(self, folder, database):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(f"{folder}/.s.PGSQL.5432")
        start = b"\0\3\0\0" + b"".join(
            part.encode() + b"\0" for part in ("user", "postgres", "database", database, "client_encoding", "UTF8")
        )
        self.socket.sendall(struct.pack("!I", len(start) + 5) + start + b"\0")
        self.stream = self.socket.makefile("rb")
        self.answer()

    def query(self, text):
        body = text.encode() + b"\0"
        self.socket.sendall(b"Q" + struct.pack("!I", len(body) + 4) + body)
        return self.answer()

    def answer(self):
        refused, rows = None, []
        while True:
            kind, length = struct.unpack("!cI", self.stream.read(5))
            body = self.stream.read(length - 4)
            if kind == b"E":
                fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
                refused = refused or Refused(f"{fields[b'M']} ({fields[b'C']})")
                if fields.get(b"S") == "FATAL":
                    raise refused
            elif kind == b"D":
                rows.append(body)
            elif kind == b"G":
                self.socket.sendall(b"f" + struct.pack("!I", 4 + 8) + b"no data\0")
            elif kind == b"Z":
                if refused:
                    raise refused
                return rows

    def close(self):
        self.stream.close()
        self.socket.close()


class Server:
    """A private cluster in memory where there is some; it goes with the process."""

    def __init__(self, binaries):
        self.binaries = binaries
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="judge-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
        self.user = getpass.getuser()
        if os.geteuid() == 0:
            self.user = "postgres" if any(u.pw_name == "postgres" for u in pwd.getpwall()) else "nobody"
            shutil.chown(self.folder, self.user)
        data = self.folder / "data"
        self.run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C.UTF-8")
        settings = "listen_addresses= fsync=off synchronous_commit=off full_page_writes=off autovacuum=off".split()
        settings += ["timezone=UTC", f"unix_socket_directories={self.folder}", "statement_timeout=120s"]
        self.process = subprocess.Popen(
            [self.binaries / "postgres", "-D", data, *(word for s in settings for word in ("-c", s))],
            user=self.user if os.geteuid() == 0 else None,
            extra_groups=[] if os.geteuid() == 0 else None,
            cwd="/",
            stderr=subprocess.DEVNULL,
        )
        for _ in range(200):
            try:
                self.admin = Connection(self.folder, "postgres")
                return
            except (OSError, Refused, struct.error):
                time.sleep(0.05)
        raise SystemExit("the server did not start")

    def run(self, program, *arguments):
        root = os.geteuid() == 0
        return subprocess.run(
            [self.binaries / program, *arguments],
            user=self.user if root else None,
            extra_groups=[] if root else None,
            cwd="/",
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def create(self, name, template="template0"):
        self.drop(name)
        self.admin.query(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")

    def drop(self, name):
        self.admin.query(f"DROP DATABASE IF EXISTS {name} (FORCE)")

    def dump(self, database):
        """The schema's lines, sorted, without comments; a comma at a line's end says nothing but what comes next."""
        text = self.run("pg_dump", "-s", "-h", self.folder, "-U", "postgres", database)
        lines = (line.rstrip(",").rstrip() for line in text.splitlines())
        return sorted(line for line in lines if line and not line.startswith(("--", "\\restrict", "\\unrestrict")))

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


# ---------------------------------------------------------------------------------------------- the judgement


class Judge:
    def __init__(self, server, layout, steps, setup):
        self.server, self.layout, self.steps, self.setup = server, layout, steps, setup
        self.varying = {}

    def start(self, database):
        self.server.create(database)
        connection = Connection(self.server.folder, database)
        for text in [*self.setup, SETUP[self.layout]]:
            connection.query(text)
        connection.close()

    def apply(self, database, at, up=True):
        """One direction as the runner would; what the server refused, if anything."""
        step = self.steps[at]
        sent = step.up if up else step.down
        previous = self.steps[at - 1].version if at else None
        connection = Connection(self.server.folder, database)
        try:
            if sent.wrapped:
                connection.query("BEGIN")
            for text in sent.texts:
                connection.query(text)
            connection.query(records(self.layout, step, previous, up))
            if sent.wrapped:
                connection.query("COMMIT")
        except Refused as refused:
            return str(refused)
        finally:
            connection.close()
        return None

    def differs(self, before, after, at):
        """Lines that are only before (-) or only after (+), but for those that two plain builds do not share either."""
        lines = only(before, after)
        digits = lambda sign: sorted(re.sub(r"[0-9]+", "0", line[1:]) for line in lines if line[0] == sign)
        if lines and digits("-") == digits("+"):
            varying = self.between_builds(at)
            lines = [line for line in lines if re.sub(r"[0-9]+", "0", line[1:]) not in varying]
        return lines

    def between_builds(self, count):
        """The lines in which two builds of the first `count` steps differ, without their digits."""
        if count not in self.varying:
            dumps = []
            for database in ("build_one", "build_two"):
                self.start(database)
                for at in range(count):
                    self.apply(database, at)
                dumps.append(self.server.dump(database))
                self.server.drop(database)
            self.varying[count] = {re.sub(r"[0-9]+", "0", line[1:]) for line in only(*dumps)}
        return self.varying[count]

    def all(self, progress):
        verdicts = []
        self.start("chain")
        before = self.server.dump("chain")
        for at, step in enumerate(self.steps):
            progress(at, step)
            verdict = {"version": step.version, "name": step.name, "revert": "missing", "why": []}
            verdicts.append(verdict)
            self.server.create("tried", "chain")
            refused = self.apply("chain", at)
            if refused:
                verdict.update(revert="up fails", why=[refused])
                break
            after = self.server.dump("chain")
            if step.down is not None:
                verdict.update(self.reverts(at, before, after))
            before = after
        self.server.drop("tried")
        self.server.drop("chain")
        return verdicts

    def reverts(self, at, before, after):
        self.apply("tried", at)
        refused = self.apply("tried", at, up=False)
        if refused:
            return {"revert": "fails", "why": [refused]}
        back = self.differs(before, self.server.dump("tried"), at)
        refused = self.apply("tried", at)
        again = [] if refused else self.differs(after, self.server.dump("tried"), at + 1)
        verdict = {"revert": "mismatch" if back else "yes", "why": back}
        verdict["again"] = "fails" if refused else "other" if again else "same"
        verdict["again_why"] = [refused] if refused else again
        return verdict


def only(before, after):
    a, b = collections.Counter(before), collections.Counter(after)
    return ["-" + line for line in (a - b).elements()] + ["+" + line for line in (b - a).elements()]


def recognise(folder):
    names = [path.name for path in folder.iterdir()]
    if any((folder / name / "up.sql").is_file() for name in names):
        return "diesel"
    texts = "".join(read(path) for path in folder.glob("*.sql"))
    if "+migrate" in texts:
        return "sql-migrate"
    if "+goose" in texts:
        return "goose"
    if "migrate:up" in texts:
        return "dbmate"
    return "sqlx" if all(re.match(r"\d{14}_", name) for name in names) else "golang-migrate"


def binaries(given):
    if given:
        return pathlib.Path(given)
    found = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=False).stdout.strip()
    debian = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    for folder in [*map(pathlib.Path, filter(None, [found])), *reversed(debian)]:
        if (folder / "initdb").is_file():
            return folder
    raise SystemExit("no initdb found: name its folder with --bin-dir")


def judge(folder, layout=None, setup=(), bin_dir=None, progress=lambda at, step: None):
    layout = layout or recognise(folder)
    if layout not in LAYOUTS:
        raise SystemExit(f"the judge knows {', '.join(LAYOUTS)}, not {layout}")
    server = Server(binaries(bin_dir))
    try:
        steps = list(LAYOUTS[layout](folder))
        return {"layout": layout, "migrations": Judge(server, layout, steps, [read(s) for s in setup]).all(progress)}
    finally:
        server.stop()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--layout", help=f"one of {', '.join(LAYOUTS)}; without it, recognised")
    parser.add_argument("--setup", type=pathlib.Path, action="append", default=[], help="SQL that is there before")
    parser.add_argument("--bin-dir", help="the folder with initdb, postgres and pg_dump")
    return parser


def tell(at, step):
    if sys.stderr.isatty():
        print(f"\rjudge: {at + 1} {step.version}\x1b[K", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    given = arguments().parse_args()
    result = judge(given.folder, given.layout, given.setup, given.bin_dir, tell)
    json.dump(result, sys.stdout, indent=1)
    print()
