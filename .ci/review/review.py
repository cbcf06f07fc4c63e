"""Has templates and policies reviewed by tools that others wrote, and holds what they find against the exceptions: a
finding without one is an error, and so is an exception that nothing needs any more."""

import collections
import fnmatch
import json
import pathlib
import shutil
import sys
import tomllib

import expand
import tools

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EXCEPTIONS = ROOT / ".ci/exceptions.toml"
TARGET = ROOT / "target"


def main(checkov, guard):
    templates = dict(expanded())
    directory = TARGET / "expanded"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for name, template in templates.items():
        (directory / name).write_text(json.dumps(template, indent=1))

    found = [*tools.checkov(directory, checkov), *tools.guard(directory, guard)]
    for name, template in templates.items():
        found += ((name, finding) for finding in tools.policies(template))
    for file in sorted((TARGET / "rendered-permissions").glob("*.json")):
        statements = json.loads(file.read_text())["Statement"]
        found += ((f"doctor.{file.name}", finding) for finding in tools.policy("permissions", "identity", statements))

    # The same resource of the same stack is the same in all renderings.
    where = collections.defaultdict(set)
    for name, finding in found:
        where[finding._replace(resource=f"{name.split('.')[0]}/{finding.resource}")].add(name)
    exceptions = tomllib.loads(EXCEPTIONS.read_text())["exception"]
    wrong = [*unexpected(where, exceptions), *unneeded(where, exceptions)]
    for line in wrong:
        print(f"error: {line}")
    print(f"{len(templates)} templates, {len(where)} findings, {len(exceptions)} exceptions, {len(wrong)} errors")
    return bool(wrong)


def expanded():
    """Every template that there is, as rendered, and as written with few and with all parameters. The name begins with that
    of its stack."""
    for file in sorted(TARGET.glob("rendered-*/*.yaml")):
        # What three users have is what two hundred have.
        if file.stem.endswith("-200"):
            continue
        kind = file.parent.name.removeprefix("rendered-")
        stack = {"central": "central", "roles": "rollout-role"}.get(kind, "keyturn")
        home = next((it for it in ("cn-north-1", "us-gov-west-1") if file.name.startswith(it)), "eu-central-1")
        yield f"{stack}.{kind}-{file.stem}.json", expand.expand(file.read_text(), home)
    for file in sorted((ROOT / "templates").glob("*.yaml")):
        for name, full in (("few", False), ("all", True)):
            yield f"{file.stem}.written-{name}.json", expand.expand(file.read_text(), "eu-central-1", full)


def matches(exception, finding):
    """Whether an exception is for a finding, and by which of its parts."""
    parts = {
        "rules": f"{finding.tool} {finding.rule}",
        "resources": finding.resource,
        "what": finding.what,
    }
    by = {
        (part, pattern)
        for part, text in parts.items()
        for pattern in exception.get(part, ["*"])
        if fnmatch.fnmatchcase(text, pattern)
    }
    return by if {part for part, _ in by} == set(parts) else set()


def unexpected(where, exceptions):
    """The findings that no exception is for."""
    for finding, names in sorted(where.items()):
        if not any(matches(it, finding) for it in exceptions):
            example = f"{len(names)} templates, such as {sorted(names)[0]}"
            yield f"{finding.tool} {finding.rule}: {finding.resource}: {finding.what} ({example})"


def unneeded(where, exceptions):
    """The exceptions, and the parts of them, that no finding needs."""
    for exception in exceptions:
        if not exception["reason"].strip():
            yield f"no reason is given for {exception}"
        used = set().union(*(matches(exception, it) for it in where))
        for part in ("rules", "resources", "what"):
            for pattern in exception.get(part, []):
                if (part, pattern) not in used:
                    yield f"nothing needs `{pattern}` in the exception for {', '.join(exception['rules'])}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], pathlib.Path(sys.argv[2])))
