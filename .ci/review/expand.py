"""Makes of a template what CloudFormation would make of it in an account: parameters, conditions and functions are
worked out, and what AWS makes up has a made-up name. Whatever it does not know is an error that names it."""

import json
import re

import yaml

ACCOUNT = "111122223333"

# What the parameters without a default are, and, where a template is expanded to the full, those with an empty one.
SAMPLES = {
    "AlertEmails": "a@example.org",
    "AlertTopic": "arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:pagers",
    "CentralBus": "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/keyturn-central",
    "CodeBucket": "keyturn-artifacts-111122223333",
    "CodeKey": "keyturn/0.zip",
    "DirectSecrets": "keyturn/application",
    "EnrolPath": "/service/",
    "EnrolTags": '{"rotate":"*"}',
    "ExemptNames": "mail",
    "ExemptPath": "/people/",
    "ExemptTags": '{"keyturn":"never"}',
    "KmsKey": "arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "Organization": "o-abcdefghij",
    "OwnSecrets": "0123456789abcdef",
    "PermissionsBoundary": "arn:${AWS::Partition}:iam::${AWS::AccountId}:policy/boundary",
    "Render": "smtp",
    "ScheduleWindowHours": "3",
    "SecurityGroups": "sg-0123456789abcdef0",
    "Subnets": "subnet-0123456789abcdef0",
}

# What `Ref` and `Fn::GetAtt` give, with the name or the logical id of the resource in place of NAME.
MADE_UP = {
    ("AWS::CloudWatch::Alarm", "Arn"): "arn:PARTITION:cloudwatch:REGION:ACCOUNT:alarm:NAME",
    ("AWS::Events::EventBus", "Arn"): "arn:PARTITION:events:REGION:ACCOUNT:event-bus/NAME",
    ("AWS::Events::EventBus", "Ref"): "NAME",
    ("AWS::Events::Rule", "Arn"): "arn:PARTITION:events:REGION:ACCOUNT:rule/NAME",
    ("AWS::IAM::Role", "Arn"): "arn:PARTITION:iam::ACCOUNT:role/keyturn-NAME-1A2B3C4D5E6F",
    ("AWS::IAM::Role", "Ref"): "keyturn-NAME-1A2B3C4D5E6F",
    ("AWS::Lambda::Function", "Arn"): "arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME",
    ("AWS::Lambda::Function", "Ref"): "NAME",
    ("AWS::Logs::LogGroup", "Arn"): "arn:PARTITION:logs:REGION:ACCOUNT:log-group:NAME:*",
    ("AWS::Logs::LogGroup", "Ref"): "NAME",
    ("AWS::S3::Bucket", "Ref"): "NAME",
    ("AWS::SecretsManager::Secret", "Ref"): "arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME-AbCdEf",
    ("AWS::SNS::Topic", "Ref"): "arn:PARTITION:sns:REGION:ACCOUNT:NAME",
}

# The properties that say how a resource is called.
NAMES = ["AlarmName", "BucketName", "FunctionName", "LogGroupName", "Name", "TopicName"]

NO_VALUE = object()


class Loader(yaml.SafeLoader):
    """Reads the short forms of functions, such as `!Ref`, as the long ones."""


def _function(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".", 1) if name == "Fn::GetAtt" else value}
    construct = loader.construct_sequence if isinstance(node, yaml.SequenceNode) else loader.construct_mapping
    return {name: construct(node, deep=True)}


Loader.add_multi_constructor("!", _function)
# Dates are text in a template.
Loader.yaml_implicit_resolvers = {
    first: [it for it in resolvers if it[0] != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def expand(text, region, full=False):
    """The template with nothing left to work out. With `full`, parameters that are empty by default are given too."""
    return _Expansion(yaml.load(text, Loader), region, full).template()


class _Expansion:
    def __init__(self, template, region, full):
        partition = "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
        self.whole = template
        self.known = {
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": partition,
            "AWS::Region": region,
            "AWS::StackName": "keyturn",
            "AWS::URLSuffix": "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com",
            "AWS::NoValue": NO_VALUE,
        }
        for name, parameter in template.get("Parameters", {}).items():
            default = parameter.get("Default")
            if default is None or (full and default == ""):
                default = self.substitute(SAMPLES[name])
            self.known[name] = default

    def template(self):
        resources = {
            name: self.value({key: it for key, it in resource.items() if key != "Condition"})
            for name, resource in self.whole["Resources"].items()
            if self.condition(resource.get("Condition"))
        }
        return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}

    def condition(self, name):
        return name is None or self.holds(self.whole["Conditions"][name])

    def holds(self, condition):
        ((function, given),) = condition.items()
        if function == "Condition":
            return self.condition(given)
        if function == "Fn::Equals":
            return self.value(given[0]) == self.value(given[1])
        if function in ("Fn::And", "Fn::Or", "Fn::Not"):
            held = [self.holds(it) for it in given]
            return {"Fn::And": all(held), "Fn::Or": any(held), "Fn::Not": not held[0]}[function]
        raise ValueError(f"unknown condition {function}")

    def value(self, value):
        if isinstance(value, list):
            return [it for it in map(self.value, value) if it is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        name = next(iter(value), "")
        if len(value) == 1 and (name == "Ref" or name.startswith("Fn::")):
            return self.function(name, value[name])
        values = {key: self.value(it) for key, it in value.items()}
        return {key: it for key, it in values.items() if it is not NO_VALUE}

    def function(self, name, given):
        if name == "Ref":
            return self.known[given] if given in self.known else self.made_up(given, "Ref")
        if name == "Fn::GetAtt":
            return self.made_up(*(given if isinstance(given, list) else given.split(".", 1)))
        if name == "Fn::If":
            return self.value(given[1] if self.condition(given[0]) else given[2])
        if name == "Fn::Sub":
            return self.substitute(given)
        if name == "Fn::Split":
            return self.value(given[1]).split(given[0])
        if name == "Fn::Join":
            return given[0].join(self.value(given[1]))
        raise ValueError(f"unknown function {name}")

    def substitute(self, text):
        def known(match):
            name = match[1]
            return str(self.function("Ref" if name in self.known or "." not in name else "Fn::GetAtt", name))

        return re.sub(r"\$\{([\w:.]+)\}", known, text)

    def made_up(self, resource, attribute):
        it = self.whole["Resources"][resource]
        properties = it.get("Properties", {})
        name = next((self.value(properties[key]) for key in NAMES if key in properties), resource)
        text = MADE_UP[it["Type"], attribute]
        for part, known in (("PARTITION", "AWS::Partition"), ("REGION", "AWS::Region"), ("ACCOUNT", "AWS::AccountId")):
            text = text.replace(part, self.known[known])
        return text.replace("NAME", name)


def policies(template):
    """Every policy of an expanded template, wherever it stands: the resource it is part of, its kind and its statements."""
    for name, resource in template["Resources"].items():
        yield from ((name, kind, found) for kind, found in _policies(resource.get("Properties", {}), ""))
        if resource["Type"] == "AWS::Lambda::Permission":
            given = resource["Properties"]
            keys = {"SourceAccount": "aws:SourceAccount", "SourceArn": "aws:SourceArn"}
            condition = {"StringLike": {key: given[it] for it, key in keys.items() if it in given}}
            statement = {"Effect": "Allow", "Principal": {"Service": given["Principal"]}, "Action": given["Action"]}
            yield name, "resource", [{**statement, "Resource": given["FunctionName"], "Condition": condition}]


def _policies(value, under):
    if isinstance(value, str) and '"Statement"' in value:
        value = json.loads(value)
    if isinstance(value, list):
        for it in value:
            yield from _policies(it, under)
    if not isinstance(value, dict):
        return
    if "Statement" in value:
        statements = value["Statement"] if isinstance(value["Statement"], list) else [value["Statement"]]
        has_principal = any("Principal" in it for it in statements)
        yield ("trust" if under == "AssumeRolePolicyDocument" else "resource" if has_principal else "identity"), statements
        return
    for key, it in value.items():
        yield from _policies(it, key)
