#!/usr/bin/env python3
"""What migd's made-up rows say about the newest migrations of a folder, each committed in turn. See README.md."""

import collections
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import judge

FAMILIES = ("data.", "loss.", "revert.rows-lost")
TABLES = """SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
    ORDER BY 1"""


class Repository:
    """A new repository with a user of migd, and a daemon, of its own."""

    def __init__(self, program, layout, setup, bin_dir, budget):
        self.program, self.budget = program, budget
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="migd-rows-"))
        self.folder = self.scratch / "repository"
        self.set = self.folder / "migrations"
        self.set.mkdir(parents=True)
        lines = ['[engine]\nkind = "local"', "[limits]", 'judgement = "10m"']
        lines += ["[[migrations]]", 'path = "migrations"', f'layout = "{layout}"']
        for number, file in enumerate(setup):
            shutil.copy(file, self.folder / f"setup-{number}.sql")
        lines += [f"setup_sql = {json.dumps([f'setup-{n}.sql' for n in range(len(setup))])}"]
        (self.folder / "migd.toml").write_text("\n".join(lines) + "\n")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "MIGD_"))},
            "MIGD_RUNTIME_DIR": str(self.scratch / "run"),
            "MIGD_STATE_DIR": str(self.scratch / "state"),
        }
        if bin_dir:
            self.environment["MIGD_BIN_DIR"] = bin_dir
        self.git("init", "-q")

    def git(self, *arguments):
        identity = ["-c", "user.name=judge", "-c", "user.email=judge@localhost", "-c", "core.hooksPath=/dev/null"]
        subprocess.run(["git", "-C", self.folder, *identity, *arguments], check=True)

    def stage(self, entries):
        for entry in entries:
            (shutil.copytree if entry.is_dir() else shutil.copy)(entry, self.set / entry.name)
        self.git("add", "-A")

    def check(self):
        command = [self.program, "check", "--format", "json", *(["--budget", self.budget] if self.budget else [])]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise SystemExit(f"migd gave no verdict ({done.returncode}):\n{done.stderr[-4000:]}") from None

    def close(self):
        subprocess.run([self.program, "stop"], env=self.environment, capture_output=True, check=False)
        shutil.rmtree(self.scratch, ignore_errors=True)


def version(entry, layout):
    """The version that an entry of the folder belongs to, as `judge` has it."""
    head = entry.name.removesuffix(".sql").split("_")[0]
    if layout == "diesel":
        return head.replace("-", "")
    return head if layout == "dbmate" or not head.isdigit() else str(int(head))


def build(folder, layout, setup, bin_dir):
    """The steps that apply, what stopped the chain if anything did, and the tables at its end."""
    server = judge.Server(judge.binaries(bin_dir))
    try:
        steps = list(judge.LAYOUTS[layout](folder))
        chain = judge.Judge(server, layout, steps, [judge.read(path) for path in setup])
        chain.start("chain")
        stopped = None
        for at, step in enumerate(steps):
            stopped = chain.apply("chain", at)
            if stopped:
                stopped = f"{step.version} {step.name}: {stopped}"
                steps = steps[:at]
                break
        connection = judge.Connection(server.folder, "chain")
        # A data row is a count of columns, then a length and the bytes of each.
        tables = [body[6:].decode() for body in connection.query(TABLES)]
        connection.close()
        return steps, stopped, tables
    finally:
        server.stop()


def touching(layout, tables):
    """A migration, by file name, that does nothing to every table."""
    up = "".join(f"COMMENT ON TABLE {table} IS NULL;\n" for table in tables)
    number = "99991231235959"
    return {
        "diesel": {f"{number}_all/up.sql": up, f"{number}_all/down.sql": up},
        "sqlx": {f"{number}_all.sql": up},
        "golang-migrate": {f"{number}_all.up.sql": up, f"{number}_all.down.sql": up},
        "goose": {f"{number}_all.sql": f"-- +goose Up\n{up}-- +goose Down\n{up}"},
        "dbmate": {f"{number}_all.sql": f"-- migrate:up\n{up}-- migrate:down\n{up}"},
    }[layout]


def of_rows(verdict):
    return [finding for finding in verdict["findings"] if finding["code"].startswith(FAMILIES)]


def tell(step, findings):
    for finding in findings:
        print(f"\n{step.version} {step.name}: {finding['severity']} {finding['code']} line {finding.get('line')}")
        print(f"  {finding['message']}")
        for line in (finding.get("detail") or "").splitlines()[:3]:
            print(f"  | {line}")
        for line in (finding.get("source") or "").splitlines()[:6]:
            print(f"  > {line}")
        for line in (finding.get("counterexample") or {}).get("setup", []):
            print(f"  {line}")
        print(f"  help: {finding.get('help')}")


def verdict_of(report):
    return report["verdicts"][0] if "verdicts" in report else report


def main():
    parser = judge.arguments()
    parser.description = __doc__.splitlines()[0]
    parser.add_argument("--migd", default=shutil.which("migd") or "target/debug/migd", help="the program")
    parser.add_argument("--last", type=int, default=50, help="how many of the newest migrations are judged")
    parser.add_argument("--budget", help="how long the search may take for each, as in 2s")
    parser.add_argument("--json", type=pathlib.Path, help="a file for the verdicts")
    given = parser.parse_args()
    folder = given.folder.resolve()
    layout = given.layout or judge.recognise(folder)
    steps, stopped, tables = build(folder, layout, given.setup, given.bin_dir)
    owned = collections.defaultdict(list)
    for entry in sorted(folder.iterdir()):
        owned[version(entry, layout)].append(entry)
    repository = Repository(os.path.abspath(given.migd), layout, given.setup, given.bin_dir, given.budget)
    try:
        first = max(len(steps) - given.last, 0)
        repository.stage([entry for step in steps[:first] for entry in owned[step.version]])
        repository.git("commit", "-q", "--allow-empty", "-m", "before")
        verdicts, counts, tried = [], collections.Counter(), []
        for step in steps[first:]:
            repository.stage(owned[step.version])
            verdict = verdict_of(repository.check())
            verdicts.append(verdict)
            findings = of_rows(verdict)
            tell(step, findings)
            counts.update(f"{finding['severity']} {finding['code']}" for finding in findings)
            tried += [m.get("rows_tried") or 0 for m in verdict["migrations"]]
            repository.git("commit", "-q", "-m", step.version)
        for name, text in touching(layout, tables).items():
            path = repository.set / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        repository.git("add", "-A")
        head = verdict_of(repository.check())
        verdicts.append(head)
        refused = [finding for finding in head["findings"] if finding["code"] == "data.unpopulated"]
        judged = [verdict["elapsed_ms"] for verdict in verdicts[:-1]]
        print(f"\n{given.folder}: {layout}, {len(steps)} migrations" + (f", then {stopped}" if stopped else ""))
        if judged:
            print(
                f"the last {len(judged)}: {sum(tried)} sets of rows tried, median {statistics.median(judged):.0f} ms,"
                f" longest {max(judged):.0f} ms"
            )
            print("  " + (", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "nothing is said"))
        print(f"at its end {len(tables) - len(refused)} of {len(tables)} tables take rows")
        for finding in refused:
            print(f"  {finding['table']}: {finding['detail']}")
        others = [f for f in head["findings"] if f["severity"] == "error"]
        if others or not head["migrations"]:
            print(f"  not judged: {[f['message'] for f in others]}")
        if given.json:
            given.json.write_text(json.dumps(verdicts, indent=1))
    finally:
        repository.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
