"""Whether the review would find what it is to find, and nothing in what is right."""

import unittest

import authorization
import expand
import review
import tools

USER = "arn:aws:iam::111122223333:user/x"
SECRET = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:keyturn/ci-??????"
TOPIC = "arn:aws:sns:eu-central-1:111122223333:t"

# An action, a resource, a condition key, and the rules that are broken.
STATEMENTS = [
    ("iam:CreateAccessKey", USER, None, set()),
    ("iam:CreateAcessKey", USER, None, {"UNKNOWN_ACTION", "USELESS_RESOURCE"}),
    ("iam:CreateAccessKey", "*", None, {"WIDE_RESOURCE"}),
    ("iam:CreateAccessKey", USER.replace("user", "role"), None, {"WRONG_RESOURCE", "USELESS_RESOURCE"}),
    ("iam:ListUsers", "*", None, set()),
    ("iam:ListUsers", USER, None, {"NEEDS_ANY_RESOURCE", "USELESS_RESOURCE"}),
    ("sns:Unsubscribe", f"{TOPIC}:1234", None, {"NEEDS_ANY_RESOURCE", "USELESS_RESOURCE"}),
    ("sns:Publish", TOPIC, None, set()),
    ("sns:Publish", f"{TOPIC}:1234", None, {"WRONG_RESOURCE", "USELESS_RESOURCE"}),
    ("s3:ListBucket", "arn:aws:s3:::b", None, set()),
    ("s3:ListBucket", "arn:aws:s3:::b/x", None, {"WRONG_RESOURCE", "USELESS_RESOURCE"}),
    ("s3:GetObject", "arn:aws:s3:::b", None, {"WRONG_RESOURCE", "USELESS_RESOURCE"}),
    ("secretsmanager:GetSecretValue", SECRET, "secretsmanager:ResourceTag/keyturn:stack", set()),
    ("iam:PassRole", USER.replace("user", "role"), "iam:PassedToService", set()),
    ("iam:PassRole", USER.replace("user", "role"), "iam:PasedToService", {"UNKNOWN_KEY"}),
    ("logs:PutLogEvents", "arn:aws:logs:eu-central-1:111122223333:log-group:/x:*", None, set()),
]

TEMPLATE = """
Parameters:
  KmsKey: { Type: String, Default: "" }
Conditions:
  HasKmsKey: !Not [!Equals [!Ref KmsKey, ""]]
Resources:
  Secret:
    Type: AWS::SecretsManager::Secret
    Properties: { KmsKeyId: !If [HasKmsKey, !Ref KmsKey, !Ref AWS::NoValue] }
  Other:
    Type: AWS::SecretsManager::Secret
    Condition: HasKmsKey
    Properties: { Description: !Sub "${AWS::StackName} ${Secret}" }
"""


class Tests(unittest.TestCase):
    def test_a_statement_is_held_against_the_reference(self):
        for action, resource, key, broken in STATEMENTS:
            condition = {"Condition": {"StringEquals": {key: "x"}}} if key else {}
            statement = {"Effect": "Allow", "Action": action, "Resource": resource, **condition}
            rules = {rule for rule, _ in authorization.review([statement])}
            self.assertEqual(rules, broken, f"{action} on {resource} if {key}")

    def test_a_template_is_worked_out(self):
        few = expand.expand(TEMPLATE, "eu-central-1")["Resources"]
        self.assertEqual(few, {"Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": {}}})
        everything = expand.expand(TEMPLATE, "cn-north-1", full=True)["Resources"]
        self.assertTrue(everything["Secret"]["Properties"]["KmsKeyId"].startswith("arn:aws-cn:kms:cn-north-1:"))
        secret = "arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:Secret-AbCdEf"
        self.assertEqual(everything["Other"]["Properties"]["Description"], f"keyturn {secret}")
        with self.assertRaises(ValueError):
            expand.expand(TEMPLATE.replace("!Sub", "!ImportValue"), "eu-central-1", full=True)

    def test_an_exception_is_for_what_it_names_and_is_needed(self):
        where = {tools.Finding("t", "R", "s/x", "one"): {"a"}, tools.Finding("t", "R", "s/y", "two"): {"a"}}
        exception = {"rules": ["t R"], "resources": ["s/x", "s/z"], "what": ["one"], "reason": "because"}
        self.assertEqual(len(list(review.unexpected(where, [exception]))), 1)
        self.assertEqual(len(list(review.unneeded(where, [exception]))), 1)
        self.assertFalse(list(review.unexpected(where, [{**exception, "resources": ["s/*"], "what": ["*"]}])))
        self.assertFalse(list(review.unneeded(where, [{**exception, "resources": ["s/x"]}])))
