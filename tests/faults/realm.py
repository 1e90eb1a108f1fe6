"""A user of migd that nobody else is: folders, programs and environment of its own, and what there is of it."""
import glob, os, re, shutil, signal, subprocess, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.path.abspath(os.environ.get("MIGD_BIN", os.path.join(HERE, "..", "..", "target", "debug")))
# Which engine, and of which image: set by who runs the faults.
options = None


def sh(*command, **more):
    return subprocess.run(command, text=True, capture_output=True, **more)


class Realm:
    """A user of migd that nobody else is."""

    def __init__(self, state=None):
        self.folder = tempfile.mkdtemp(prefix="mf", dir="/tmp")
        self.run_dir, self.state = self.folder + "/run", state or self.folder + "/state"
        self.programs = BIN
        # Further variables of whatever runs here, and what enters the namespace that it runs in.
        self.extra, self.entry, self.root = {}, [], ""
        # What is to be done when it is closed.
        self.closing = []
        os.makedirs(self.folder + "/home/.config/migd")
        self.configure()
        with open(self.folder + "/home/.gitconfig", "w") as file:
            file.write("[user]\nname = T\nemail = t@example.org\n[init]\ndefaultBranch = main\n[gc]\nauto = 0\n")
        self.number = 0
        self.repo = self.new_repo()

    def configure(self, kind=None, budget="60s", more=""):
        """The user's own configuration."""
        engine = f'kind = "{kind or options.engine}"'
        if options.engine == "container":
            engine += f'\nimage = "{options.image}"'
        with open(self.folder + "/home/.config/migd/config.toml", "w") as file:
            file.write(f'[engine]\n{engine}\n[hook]\nbudget = "{budget}"\n{more}')

    def env(self):
        path = os.environ["PATH"]
        return dict(PATH=path, HOME=self.folder + "/home", MIGD_RUNTIME_DIR=self.run_dir, MIGD_STATE_DIR=self.state,
                    GIT_CONFIG_NOSYSTEM="1", LC_ALL="C.UTF-8", **self.extra)

    def apart(self, **mounts):
        """Has all that follows run where each of these folders is a file system of its own, of so many bytes or inodes."""
        mounted = " && ".join(f"mkdir -p {folder} && mount -t tmpfs -o mode=711,{size} none {folder}"
                              for folder, size in mounts.items())
        self.within("mnt", mounted)

    def within(self, kind, prepare):
        """Has all that follows run in a namespace of its own, prepared by a command."""
        option = {"mnt": "mount"}.get(kind, kind)
        holder = subprocess.Popen(["unshare", f"--{option}", "sh", "-c", "echo up; exec sleep 3600"],
                                  stdout=subprocess.PIPE, text=True)
        self.closing.append(lambda: (holder.kill(), holder.wait()))
        assert holder.stdout.readline() == "up\n", "this needs root"
        for numbers in ("uid_map", "gid_map") if kind == "user" else ():
            with open(f"/proc/{holder.pid}/{numbers}", "w") as file: file.write("0 0 65536")
        enter = f"nsenter --{option}=/proc/{holder.pid}/ns/{kind} --"
        prepared = sh(*enter.split(), "sh", "-c", prepare)
        assert prepared.returncode == 0, prepared.stderr
        there = 'cd "$0" && exec "$@"'
        self.entry = ["sh", "-c", f"exec {enter} sh -c '{there}' \"$PWD\" \"$@\"", "enter"]
        self.root = f"/proc/{holder.pid}/root"

    def fill(self, folder):
        """Leaves no room in the folder. What gives it back."""
        path = self.root + folder + "/filler"
        with open(path, "ab", buffering=0) as file:
            try:
                while True: file.write(b"x" * 4096)
            except OSError: pass
        return lambda: os.remove(path)

    def docker(self, *arguments):
        return sh("docker", *arguments, env=dict(os.environ, **self.extra))

    def git(self, repo, *arguments, ok=True):
        ran = sh(*self.entry, "git", *arguments, cwd=repo, env=self.env())
        assert not ok or ran.returncode == 0, f"git {arguments}: {ran.stdout}{ran.stderr}"
        return ran

    def migd(self, *arguments, repo=None):
        return sh(*self.entry, self.programs + "/migd", *arguments, cwd=repo or self.repo, env=self.env(), timeout=120)

    def new_repo(self):
        repo = tempfile.mkdtemp(prefix="r", dir=self.folder)
        self.git(repo, "init", "-q", ".")
        self.install(repo)
        self.write(repo, "1_users", "CREATE TABLE users (id bigint PRIMARY KEY);", "DROP TABLE users;")
        self.git(repo, "commit", "-qnm", "users")
        return repo

    def install(self, repo):
        ran = sh(self.programs + "/migd", "hook", "install", cwd=repo, env=self.env())
        assert ran.returncode == 0, ran.stderr

    def write(self, repo, name, up, down="SELECT 1;"):
        os.makedirs(repo + "/migrations", exist_ok=True)
        for part, text in (("up", up), ("down", down)):
            with open(f"{repo}/migrations/{name}.{part}.sql", "w") as file:
                file.write(text + "\n")
        self.git(repo, "add", "migrations")

    def commit(self, repo=None, **more):
        return sh(*self.entry, "git", "commit", "-qm", "change", cwd=repo or self.repo, env=self.env(), timeout=130, **more)

    def true_verdicts(self, repo=None):
        """Refuses what is wrong, for its own reason, and passes what is right. Seconds until the first of the two."""
        repo = repo or self.repo
        self.git(repo, "reset", "-q", "--hard")
        self.number += 1
        n = self.number
        self.write(repo, f"{900 + n}_wrong", f"ALTER TABLE nowhere{n} ADD COLUMN a integer;")
        started = time.monotonic()
        ran = self.commit(repo)
        took = time.monotonic() - started
        assert ran.returncode == 1 and f'relation "nowhere{n}" does not exist' in ran.stderr, ran.stdout + ran.stderr
        self.git(repo, "reset", "-q", "--hard")
        self.write(repo, f"{900 + n}_right", f"ALTER TABLE users ADD COLUMN c{n} integer;",
                   f"ALTER TABLE users DROP COLUMN c{n};")
        ran = self.commit(repo)
        assert ran.returncode == 0 and "migd: migrations: pass" in ran.stderr, ran.stdout + ran.stderr
        return took

    def slow(self, seconds=1.0, repo=None):
        """A commit that is judged for a while, under way."""
        repo = repo or self.repo
        self.number += 1
        self.write(repo, f"{900 + self.number}_slow",
                   f"SELECT pg_sleep({seconds});\nALTER TABLE users ADD COLUMN s{self.number} integer;",
                   f"ALTER TABLE users DROP COLUMN s{self.number};")
        return subprocess.Popen([*self.entry, "git", "commit", "-qm", "slow"], cwd=repo, env=self.env(), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)

    # What there is.

    def processes(self, name=None):
        mark, found = f"MIGD_RUNTIME_DIR={self.run_dir}".encode(), []
        folder = f"/migd-{self.owner()}"
        for entry in glob.glob("/proc/[0-9]*"):
            try:
                environment = open(entry + "/environ", "rb").read().split(b"\0")
                cwd = os.readlink(entry + "/cwd")
                command = open(entry + "/cmdline", "rb").read().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if mark in environment or folder in cwd:
                if name is None or name in command:
                    found.append(int(entry[6:]))
        return found

    def owner(self):
        found = re.findall(r"engine-([0-9a-f]{8})", " ".join(os.listdir(self.root + self.run_dir))) if os.path.isdir(self.root + self.run_dir) else []
        self.known = found[0] if found else getattr(self, "known", "none")
        return self.known

    def data(self):
        owner = self.owner()
        return [p for root in (f"{self.root}/dev/shm", f"{self.root}/var/lib/migd", self.state + "/clusters")
                for p in glob.glob(f"{root}/migd-{owner}*")]

    def containers(self):
        if options.engine != "container":
            return []
        return self.docker("ps", "-aq", "--filter", f"name=^/migd-{self.owner()}").stdout.split()

    def daemon(self):
        return self.processes("migd daemon")

    def postmaster(self):
        if options.engine == "container":
            pids = [self.docker("inspect", "-f", "{{.State.Pid}}", c).stdout for c in self.containers()]
            # One that does not run has none, said as 0: to a signal that means everybody in this process's group.
            return [int(pid) for pid in pids if pid.strip() not in ("", "0")]
        pids = []
        for folder in self.data():
            try:
                pids.append(int(open(folder + "/data/postmaster.pid").readline()))
            except (OSError, ValueError):
                pass
        return pids

    def backends(self):
        found = []
        for pid in self.postmaster():
            try:
                children = open(f"/proc/{pid}/task/{pid}/children").read().split()
            except OSError:
                continue
            for child in children:
                try:
                    if "postgres: postgres " in open(f"/proc/{child}/cmdline").read():
                        found.append(int(child))
                except OSError:
                    pass
        return found

    def left(self):
        """After `migd stop`: what there should not be."""
        self.owner()
        self.migd("stop")
        until = time.monotonic() + 30
        while time.monotonic() < until and (self.processes() or self.data() or self.containers()):
            time.sleep(0.1)
        left = [f"process {p}" for p in self.processes()] + self.data() + [f"container {c}" for c in self.containers()]
        files = [f for f in os.listdir(self.root + self.run_dir) if not f.endswith(".lock")] if os.path.isdir(self.root + self.run_dir) else []
        return left + files

    def close(self):
        for pid in self.processes():
            kill(pid)
        for c in self.containers():
            self.docker("rm", "-fv", c)
        for folder in self.data():
            shutil.rmtree(folder, ignore_errors=True)
        for close in self.closing: close()
        shutil.rmtree(self.folder, ignore_errors=True)


def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


class Dockerd:
    """A container engine of its own, with the image in it, that may be stopped: never the machine's."""

    def __init__(self, image):
        self.folder = tempfile.mkdtemp(prefix="md", dir="/tmp")
        self.host = f"unix://{self.folder}/docker.sock"
        self.process = None
        with open(self.folder + "/daemon.json", "w") as file:
            file.write("{}")
        self.start()
        built = sh(HERE + "/../image/build.sh", image, env=dict(os.environ, DOCKER_HOST=self.host))
        assert built.returncode == 0, built.stderr

    def start(self):
        at = self.folder
        self.process = subprocess.Popen(
            # Without a network of its own it would take away the machine's bridge.
            ["unshare", "--net", "dockerd", "--config-file", at + "/daemon.json", "--data-root", at + "/data", "--exec-root", at + "/exec",
             "--pidfile", at + "/pid", "-H", self.host, "--bridge=none", "--iptables=false", "--ip-masq=false"],
            stdout=open(at + "/log", "ab"), stderr=subprocess.STDOUT, start_new_session=True)
        until = time.monotonic() + 60
        while sh("docker", "-H", self.host, "version").returncode != 0:
            assert time.monotonic() < until and self.process.poll() is None, open(at + "/log").read()[-2000:]
            time.sleep(0.1)

    def stop(self, number=signal.SIGTERM):
        kill(self.process.pid, number)
        self.process.wait(60)

    def close(self):
        if self.process.poll() is None:
            self.stop()
        for pid in of_folder(self.folder):
            kill(pid)
        for mount in [line.split()[1] for line in open("/proc/mounts") if self.folder in line]:
            sh("umount", "-l", mount)
        shutil.rmtree(self.folder, ignore_errors=True)


def of_folder(folder):
    """The processes that were told of the folder."""
    found = []
    for entry in glob.glob("/proc/[0-9]*"):
        try:
            if folder.encode() in open(entry + "/cmdline", "rb").read():
                found.append(int(entry[6:]))
        except OSError:
            pass
    return found
