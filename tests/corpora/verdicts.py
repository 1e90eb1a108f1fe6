#!/usr/bin/env python3
"""How long the verdict on one new migration takes, on real chains, with a daemon that is warm. See README.md.

For each of the last migrations of a folder: HEAD has all before it, it alone is staged, and it is judged several times as
new, each time with another comment at its end, so that no verdict is one that was kept.
"""

import argparse
import json
import math
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import judge


def units(folder, layout):
    """The migrations' files in the runner's order: one list for each migration, up first."""
    names = [p for p in folder.iterdir() if not p.name.startswith(".")]
    if layout == "diesel":
        folders = [p for p in names if (p / "up.sql").is_file()]
        found = {p.name.split("_")[0].replace("-", ""): [p / "up.sql", *sorted(p.glob("[!u]*"))] for p in folders}
        return [found[version] for version in sorted(found)]
    found = {}
    for path in names:
        digits = path.name.split("_")[0].split(".")[0]
        if path.suffix == ".sql" and digits.isdigit():
            found.setdefault(int(digits), []).append(path)
    order = lambda path: (".down." in path.name, path.name)
    return [sorted(found[version], key=order) for version in sorted(found)]


class Repository:
    """A new repository with a daemon of its own."""

    def __init__(self, program, layout, setup, bin_dir, rows):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="migd-verdicts-"))
        self.program = program
        self.top = self.scratch / "repository"
        self.top.mkdir()
        for number, file in enumerate(setup):
            shutil.copy(file, self.top / f"setup-{number}.sql")
        names = json.dumps([f"setup-{number}.sql" for number in range(len(setup))])
        # The daemon would have judged what is saved before it is asked.
        settings = ["[watch]", "enabled = false", "[engine]", 'kind = "local"']
        settings += ["[rows]", f"enabled = {str(rows).lower()}", "[[migrations]]"]
        settings += ['path = "migrations"', f'layout = "{layout}"', f"setup_sql = {names}"]
        (self.top / "migd.toml").write_text("\n".join(settings) + "\n")
        hidden = ("GIT_", "MIGD_")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        self.environment |= {"MIGD_RUNTIME_DIR": str(self.scratch / "run"), "MIGD_STATE_DIR": str(self.scratch / "state")}
        if bin_dir:
            self.environment["MIGD_BIN_DIR"] = bin_dir
        self.git("init", "-q")

    def git(self, *arguments):
        who = ["-c", "user.name=judge", "-c", "user.email=judge@localhost", "-c", "core.hooksPath=/dev/null"]
        subprocess.run(["git", "-C", self.top, *who, *arguments], check=True)

    def migd(self, *arguments):
        command = [self.program, *arguments]
        return subprocess.run(command, cwd=self.top, env=self.environment, capture_output=True, text=True, check=False)

    def add(self, folder, files):
        for file in files:
            to = self.top / "migrations" / file.relative_to(folder)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, to)

    def close(self):
        self.migd("stop")
        shutil.rmtree(self.scratch, ignore_errors=True)


def elapsed(repository):
    """The milliseconds of the verdict on what is staged, by the daemon's own clock; whether it was judged anew."""
    done = repository.migd("check", "--format", "json")
    try:
        verdict = json.loads(done.stdout)
    except ValueError:
        raise SystemExit(f"migd gave no verdict ({done.returncode}):\n{done.stderr[-2000:]}") from None
    return verdict["elapsed_ms"], verdict["outcome"] != "error" and not verdict["cached"] and bool(verdict["migrations"])


def measure(arguments, folder):
    """The durations on one chain, and how many migrations it has."""
    layout = arguments.layout or judge.recognise(folder)
    found = units(folder, layout)
    last = found[-arguments.last :]
    times, left_out = [], 0
    repository = Repository(arguments.program, layout, arguments.setup, arguments.bin_dir, not arguments.no_rows)
    try:
        for unit in found[: len(found) - len(last)]:
            repository.add(folder, unit)
        # Folders have more in them than migrations, which runners pass over.
        for number, unit in enumerate(last):
            repository.git("add", "-A")
            repository.git("commit", "-q", "--allow-empty", "-m", f"{number}")
            repository.migd("init")
            repository.add(folder, unit)
            up = repository.top / "migrations" / unit[0].relative_to(folder)
            text = up.read_text(encoding="utf-8")
            taken = []
            for turn in range(arguments.rounds + 1):
                up.write_text(f"{text}\n-- round {turn}\n", encoding="utf-8")
                repository.git("add", "migrations")
                milliseconds, judged = elapsed(repository)
                if turn > 0 and judged:
                    taken.append(milliseconds)
                # The daemon makes its next clone.
                time.sleep(arguments.pause)
            left_out += not taken
            times += taken
            up.write_text(text, encoding="utf-8")
    finally:
        repository.close()
    return layout, len(found), times, left_out


def percentile(times, share):
    """The smallest of `times` that `share` of them do not exceed."""
    return sorted(times)[max(0, math.ceil(share * len(times)) - 1)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=pathlib.Path, help="folders of migrations; NAME=FOLDER names one")
    parser.add_argument("--migd", default=shutil.which("migd") or "target/release/migd", help="the program")
    parser.add_argument("--layout", choices=sorted(judge.LAYOUTS))
    parser.add_argument("--setup", action="append", default=[], type=pathlib.Path, help="SQL before the first migration")
    parser.add_argument("--bin-dir", default="", help="the folder of PostgreSQL's programs")
    parser.add_argument("--last", type=int, default=20, help="how many migrations of each chain")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is judged")
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between verdicts")
    parser.add_argument("--no-rows", action="store_true", help="without the search for rows")
    arguments = parser.parse_args()
    arguments.program = os.path.abspath(arguments.migd)
    print("| chain | layout | migrations | verdicts | median ms | p99 ms | largest ms |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |", flush=True)
    for stated in arguments.folders:
        name, _, path = str(stated).rpartition("=")
        folder = pathlib.Path(path).resolve()
        layout, count, times, left_out = measure(arguments, folder)
        if left_out:
            print(f"{path}: {left_out} migrations could not be judged", file=sys.stderr)
        if times:
            figures = [statistics.median(times), percentile(times, 0.99), max(times)]
            cells = " | ".join(f"{figure:.1f}" for figure in figures)
            print(f"| {name or path} | {layout} | {count} | {len(times)} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
