#!/usr/bin/env python3
"""Compares migd's revert verdicts with the independent judge's, migration by migration. See README.md."""

import collections
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import judge


def migd(program, folder, layout, setup, bin_dir):
    """What `migd check --all` says about the folder, alone in a new repository, and how long it took."""
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="migd-corpora-"))
    try:
        repository = scratch / "repository"
        shutil.copytree(folder, repository / "migrations")
        lines = ['[engine]\nkind = "local"', "[limits]", 'judgement = "60m"']
        lines += ["[[migrations]]", 'path = "migrations"', f'layout = "{layout}"' if layout else ""]
        for number, file in enumerate(setup):
            shutil.copy(file, repository / f"setup-{number}.sql")
        lines += [f"setup_sql = {json.dumps([f'setup-{n}.sql' for n in range(len(setup))])}"]
        (repository / "migd.toml").write_text("\n".join(lines) + "\n")
        git = ["git", "-C", repository, "-c", "user.name=judge", "-c", "user.email=judge@localhost"]
        subprocess.run([*git, "init", "-q"], check=True)
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "-c", "core.hooksPath=/dev/null", "commit", "-qm", "all"], check=True)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "MIGD_"))},
            "MIGD_RUNTIME_DIR": str(scratch / "run"),
            "MIGD_STATE_DIR": str(scratch / "state"),
        }
        if bin_dir:
            environment["MIGD_BIN_DIR"] = bin_dir
        command = [program, "check", "--all", "--format", "json", "--no-daemon"]
        started = time.monotonic()
        done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - started
        try:
            return json.loads(done.stdout), seconds
        except ValueError:
            raise SystemExit(f"migd gave no verdict ({done.returncode}):\n{done.stderr[-4000:]}") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def reverts(verdict):
    """migd's word for each migration, by version, with its reasons; and those that it calls cosmetic."""
    said = collections.defaultdict(list)
    for finding in verdict["findings"]:
        if finding.get("path"):
            said[unit(finding["path"])].append(finding)
    words = {}
    for migration in verdict["migrations"]:
        findings = said[unit(migration["path"])]
        codes = {finding["code"] for finding in findings}
        word = migration["reversible"]
        # Neither keeps up from running.
        if any(code.startswith("apply.") for code in codes - {"apply.empty", "apply.session-leak"}):
            word = "up fails"
        elif word == "yes" and any(f["code"] == "revert.reapply" and f["severity"] != "note" for f in findings):
            word = "again"
        words[migration["version"]] = (word, "revert.cosmetic" in codes, findings)
    return words


def unit(path):
    """What an up and a down have in common: the folder, or the file's name up to its direction."""
    path = path.removeprefix("migrations/")
    return path.split("/")[0] if "/" in path else path.removesuffix(".sql").removesuffix(".up").removesuffix(".down")


def judged(migration):
    """The judge's word: as migd's."""
    if migration["revert"] == "yes" and migration["again"] != "same":
        return "again"
    return migration["revert"]


def reasons(findings):
    lines = []
    for finding in findings:
        place = f":{finding['line']}" if finding.get("line") else ""
        lines.append(f"{finding['code']} {finding['path']}{place}: {finding['message']}")
        lines += ["  " + line for line in (finding.get("detail") or "").splitlines()[:8]]
    return lines


def compare(verdict, result):
    """Agreements, disagreements in words, and what migd grades as cosmetic although dumps differ."""
    words = reverts(verdict)
    agree, disagreements, cosmetic = 0, [], []
    loose = [f for f in verdict["findings"] if f["severity"] == "error" and not f["code"].startswith("revert.")]
    for migration in result["migrations"]:
        word, shape, findings = words.get(migration["version"], ("not judged", False, []))
        expected = judged(migration)
        if word == expected:
            agree += 1
        # The dumps differ, and migd says so, but as what no statement notices.
        elif shape and (word == "yes" or word == "again" and migration["again"] != "same") and expected == "mismatch":
            agree += 1
            cosmetic.append((migration, findings))
        else:
            disagreements.append((migration, expected, word, findings))
    known = {migration["version"] for migration in result["migrations"]}
    for version, (word, _, findings) in words.items():
        if version not in known:
            disagreements.append(({"version": version, "name": "", "why": []}, "not judged", word, findings))
    return agree, disagreements, cosmetic, loose


def kept(arguments, folder):
    """The judge's result, kept where asked, by everything that it depends on."""
    fresh = lambda: judge.judge(folder, arguments.layout, arguments.setup, arguments.bin_dir, judge.tell)
    if not arguments.keep:
        return fresh()
    key = hashlib.sha256(pathlib.Path(judge.__file__).read_bytes() + repr(arguments.layout).encode())
    for path in [*sorted(p for p in folder.rglob("*") if p.is_file()), *arguments.setup]:
        key.update(str(path).encode() + b"\0" + path.read_bytes())
    file = arguments.keep / f"{key.hexdigest()[:24]}.json"
    if not file.is_file():
        arguments.keep.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(fresh()))
    return json.loads(file.read_text())


def main():
    parser = judge.arguments()
    parser.description = __doc__.splitlines()[0]
    parser.add_argument("--migd", default=shutil.which("migd") or "target/debug/migd", help="the program")
    parser.add_argument("--keep", type=pathlib.Path, help="a folder that keeps the judge's results for the next time")
    parser.add_argument("--json", type=pathlib.Path, help="a file for migd's report")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    program = os.path.abspath(arguments.migd)
    report, seconds = migd(program, folder, arguments.layout, arguments.setup, arguments.bin_dir)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1))
    verdict = report["verdicts"][0] if "verdicts" in report else report
    result = kept(arguments, folder)
    agree, disagreements, cosmetic, loose = compare(verdict, result)
    total = len(result["migrations"])
    say = lambda *lines: [print(line) for line in lines]
    say(f"{arguments.folder}: {result['layout']}, {total} migrations, migd {seconds:.1f} s")
    say(f"agreement {agree}/{total} = {100 * agree / max(total, 1):.2f} %")
    counts = collections.Counter(judged(m) for m in result["migrations"])
    say("the judge says: " + ", ".join(f"{count} {word}" for word, count in counts.most_common()))
    for migration, findings in cosmetic:
        say(f"\ncosmetic: {migration['version']} {migration['name']}")
        say(*("  judge: " + line for line in (migration["why"] or migration.get("again_why", []))[:8]))
        say(*("  migd:  " + line for line in reasons([f for f in findings if f["code"] == "revert.cosmetic"])))
    for migration, expected, word, findings in disagreements:
        say(f"\nDISAGREE: {migration['version']} {migration['name']}: the judge says {expected}, migd says {word}")
        say(*("  judge: " + line for line in (migration["why"] or migration.get("again_why", []))[:12]))
        say(*("  migd:  " + line for line in reasons(findings)))
    if any(word == "not judged" for _, _, word, _ in disagreements):
        say("\nmigd stopped early:", *("  " + line for line in reasons(loose)))
    return 1 if disagreements else 0


if __name__ == "__main__":
    sys.exit(main())
