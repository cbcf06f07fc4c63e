"""What the measurements share: installing and building the programs, running them in a sandbox, and printing tables."""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TARGET = ROOT / "target"
REGION = "eu-central-1"


def installed(name):
    """The venv with a tool and everything below it in exactly the versions of its list."""
    wanted = pathlib.Path(__file__).parent / f"{name}.txt"
    digest = hashlib.sha256(wanted.read_bytes()).hexdigest()[:12]
    home = TARGET / "perf" / f"{name}-{digest}"
    if not (home / "complete").exists():
        say(f"installing {name}")
        venv.create(home, with_pip=True, clear=True)
        pip = [home / "bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--no-deps", "--requirement", wanted], check=True)
        (home / "complete").touch()
    return home / "bin"


def built(options):
    """Paths of keyturn and of the function."""
    if not options.keyturn:
        subprocess.run(["cargo", "build", "--locked", "--release", "--bin", "keyturn"], cwd=ROOT, check=True)
    keyturn = options.keyturn or TARGET / "release/keyturn"
    return keyturn.resolve(), built_function(options)


def built_function(options):
    """Path of the function."""
    if not options.function:
        package = ["--profile", "function", "--package", "rotator", "--bin", "bootstrap"]
        subprocess.run(["cargo", "build", "--locked", *package], cwd=ROOT, check=True)
    return (options.function or TARGET / "function/bootstrap").resolve()


def peak(process):
    """The most memory that a process has had so far, in MiB."""
    lines = pathlib.Path(f"/proc/{process}/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0)


class Watch(threading.Thread):
    """Looks at the memory of a process as long as it lives. What the kernel tells at its end is at least the memory of this
    script, which it was forked from."""

    def __init__(self, process):
        super().__init__(daemon=True)
        self.process, self.peak = process, 0

    def run(self):
        while True:
            try:
                self.peak = max(self.peak, peak(self.process))
            except OSError:
                return
            time.sleep(0.05)


class Sandbox:
    """A sandbox with its users, and the directory in which keyturn is run on it."""

    def __init__(self, options, directory, arguments):
        self.keyturn, self.function = built(options)
        self.directory = directory
        command = [self.keyturn, "sandbox", "--delays", str(options.delays), *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        lines = [self.line().removeprefix("export ") for _ in range(4)]
        surroundings = {"PATH": os.environ["PATH"], "HOME": str(directory)}
        self.environment = dict(line.split("=", 1) for line in lines) | surroundings

    def line(self):
        return self.process.stdout.readline().strip()

    def report(self):
        self.process.stdin.write("report\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def run(self, case, arguments):
        """Runs keyturn and gives what it took, its answer, and what the sandbox reports."""
        self.report()
        outputs = [open(self.directory / f"{case.replace(' ', '-')}.{name}", "w+") for name in ("stdout", "stderr")]
        command = [self.keyturn, "--yes", "--output", "json", *arguments]
        began, load = time.perf_counter(), os.getloadavg()[0]
        process = subprocess.Popen(
            command, cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL, stdout=outputs[0], stderr=outputs[1]
        )
        watch = Watch(process.pid)
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        say(f"{case:12} {wall:8.1f} s, exit code {process.returncode}")
        expect(process.returncode == 0, f"{case} failed: look at {outputs[1].name}")
        outputs[0].seek(0)
        answer = json.loads(outputs[0].read())
        result = {"case": case, "wall_s": wall, "load": load, "cpu_s": usage.ru_utime + usage.ru_stime}
        result |= {"peak_rss_mib": watch.peak, "sandbox_peak_rss_mib": peak(self.process.pid)}
        return result, answer, self.report()

    def stop(self):
        self.process.stdin.close()
        self.process.wait(120)


def markdown(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = []
        for cell, width, mark in zip(row, widths, rows[1]):
            filled = "-" if cell.startswith("---") else " "
            cells.append(cell.rjust(width, filled) if mark == "---:" else cell.ljust(width, filled))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def say(text):
    print(text, file=sys.stderr, flush=True)


def expect(holds, otherwise):
    if not holds:
        sys.exit(f"error: {otherwise}")
