"""Asks the reviewers that others wrote about expanded templates and their policies, and gives what they find as findings."""

import json
import pathlib
import platform
import re
import subprocess
import tarfile
import typing

import parliament

import authorization
import expand


class Finding(typing.NamedTuple):
    """What a tool says by which rule, of which resource, and of which part of it."""

    tool: str
    rule: str
    resource: str
    what: str


def checkov(directory, program):
    """The findings of checkov, by the name of the template."""
    # Nothing is asked of its vendor's servers. It takes the path of a file for one of the variables in it, and forty
    # characters of a path for a secret, so it starts where the files are.
    command = [pathlib.Path(program).resolve(), "--directory", ".", "--framework", "cloudformation", "--skip-download"]
    wanted = ["--compact", "--quiet", "--output", "json"]
    done = subprocess.run([*command, *wanted], cwd=directory, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(f"error: checkov ends with {done.returncode}: {done.stderr}")
    report = json.loads(done.stdout)
    summary = report["summary"]
    if summary["parsing_errors"] or not summary["passed"]:
        raise SystemExit(f"error: checkov has not read the templates: {summary}")
    for found in report["results"]["failed_checks"]:
        resource = found["resource"].split(".")[-1]
        yield found["file_path"].strip("/"), Finding("checkov", found["check_id"], resource, found["check_name"])


def guard(directory, package):
    """The findings of cfn-guard by the rules that AWS has published for Control Tower; both are in that package."""
    if not (package / "bin").exists():
        with tarfile.open(next(package.glob("**/*.jsii.tgz"))) as archive:
            members = [it for it in archive if it.name.startswith(("package/bin/ubuntu/", "package/rules/"))]
            for it in members:
                it.name = it.name.removeprefix("package/")
            archive.extractall(package, members, filter="data")
    program = package / "bin/ubuntu" / platform.machine() / "cfn-guard"
    rules = package / "rules/control-tower/cfn-guard"
    command = [program, "validate", "--rules", rules, "--data", directory, "--structured", "--output-format", "json"]
    done = subprocess.run([*command, "--show-summary", "none"], capture_output=True, text=True)
    # 19 is what it says of findings.
    if done.returncode not in (0, 19):
        raise SystemExit(f"error: cfn-guard ends with {done.returncode}: {done.stderr}")
    report = json.loads(done.stdout)
    if not any(it["compliant"] for it in report):
        raise SystemExit("error: no rule of cfn-guard holds anywhere")
    for template in report:
        for rule in template["not_compliant"]:
            resources, messages = set(), set()
            _look_through(rule, resources, messages)
            for resource in resources:
                name = template["name"].rsplit("/", 1)[-1]
                yield name, Finding("cfn-guard", rule["Rule"]["name"], resource, "; ".join(sorted(messages)))


def _look_through(value, resources, messages):
    """Collects of a rule's report which resources it is about, and what it says."""
    if isinstance(value, list):
        for it in value:
            _look_through(it, resources, messages)
    if isinstance(value, dict):
        path, message = value.get("path"), value.get("custom_message")
        if isinstance(path, str) and path.startswith("/Resources/"):
            resources.add(path.split("/")[2])
        if message and "[CT." in message:
            messages.add(message.split("[FIX]")[0].strip())
        for it in value.values():
            _look_through(it, resources, messages)


def policies(template):
    """What parliament and the service authorization reference say of every policy of a template."""
    for resource, kind, statements in expand.policies(template):
        yield from policy(resource, kind, statements)


def policy(resource, kind, statements):
    """The same of a single one."""
    for rule, what in authorization.review(statements):
        yield Finding("policy_sentry", rule, resource, what)
    # It knows no policies without resources, which are those that say who may assume a role.
    if kind == "trust":
        return
    plain = [{key: it for key, it in statement.items() if key != "Context"} for statement in statements]
    document = {"Version": "2012-10-17", "Statement": [it for it in plain if "Resource" in it]}
    found = parliament.analyze_policy_string(json.dumps(document), include_community_auditors=True)
    for it in found.findings:
        location = it.location or {}
        if "type" in location:
            details = [location["type"]]
        elif "actions" in location:
            details = location["actions"]
        else:
            details = it.detail if isinstance(it.detail, list) else [it.detail]
        for detail in details:
            what = detail["action"] if isinstance(detail, dict) else str(detail)
            # As the other one says it.
            what = re.sub(r"Unknown condition (\S+) for action (\S+)", r"\2 \1", what)
            yield Finding("parliament", it.issue, resource, what)
