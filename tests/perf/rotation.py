"""The rotation function as one writes it in Python: boto3 for everything, clients at the start, the shape of AWS's own
templates. It asks and changes what keyturn's function asks and changes, in the same order, so that both make the same
calls."""

import datetime
import json
import logging
import time

import boto3
from botocore.exceptions import ClientError

logger = logging.getLogger()
logger.setLevel(logging.INFO)

secrets = boto3.client("secretsmanager")
iam = boto3.client("iam")

# How long a new key is waited for.
PATIENCE = 75


def handler(event, _context):
    arn, token, step = event["SecretId"], event["ClientRequestToken"], event["Step"]
    secret = secrets.describe_secret(SecretId=arn)
    if not secret.get("RotationEnabled"):
        raise ValueError(f"rotation is not enabled for {arn}")
    labels = secret["VersionIdsToStages"]
    if token not in labels:
        raise ValueError(f"{token} is no version of {arn}")
    if "AWSCURRENT" in labels[token]:
        logger.info("%s: %s is complete", step, arn)
        return
    if "AWSPENDING" not in labels[token]:
        raise ValueError(f"{token} is not AWSPENDING in {arn}")
    rotation = Rotation(secret, token, event.get("RotationToken"))
    steps = {
        "createSecret": rotation.create,
        "setSecret": rotation.set,
        "testSecret": rotation.test,
        "finishSecret": rotation.finish,
    }
    if step not in steps:
        raise ValueError(f"{step} is no step of a rotation")
    steps[step]()
    logger.info("%s: done for %s", step, arn)


class Rotation:
    """What is known of the secret and its user when a step begins."""

    def __init__(self, secret, token, rotation_token):
        self.arn, self.token, self.rotation_token = secret["ARN"], token, rotation_token
        self.tags = {tag["Key"]: tag["Value"] for tag in secret.get("Tags", [])}
        labels = secret["VersionIdsToStages"]
        self.current_token = next(version for version, stages in labels.items() if "AWSCURRENT" in stages)
        self.current = self.value(self.current_token)
        self.pending = self.value(token)
        user = iam.get_user(UserName=self.tags["keyturn:user"])["User"]
        if user["UserId"] != self.tags["keyturn:user-id"] or user["UserName"] != self.current["UserName"]:
            raise ValueError(f"{self.arn} belongs to another user")
        self.user = user["UserName"]
        self.keys = {}
        for page in iam.get_paginator("list_access_keys").paginate(UserName=self.user):
            self.keys |= {key["AccessKeyId"]: key for key in page["AccessKeyMetadata"]}

    def value(self, version):
        try:
            return json.loads(secrets.get_secret_value(SecretId=self.arn, VersionId=version)["SecretString"])
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return None
            raise

    def create(self):
        if self.pending:
            return
        if len(self.keys) > 1:
            raise ValueError(f"{self.user} has two keys")
        self.tag("keyturn:attempt", f"token={self.token} at={now()}")
        key = iam.create_access_key(UserName=self.user)["AccessKey"]
        value = self.current | {name: key[name] for name in ("AccessKeyId", "SecretAccessKey")}
        passed_on = {"RotationToken": self.rotation_token} if self.rotation_token else {}
        secrets.put_secret_value(
            SecretId=self.arn,
            ClientRequestToken=self.token,
            SecretString=json.dumps(value),
            VersionStages=["AWSPENDING"],
            **passed_on,
        )

    def set(self):
        key = self.pending["AccessKeyId"]
        if self.keys[key]["Status"] != "Active":
            raise ValueError(f"{key} is not Active")

    def test(self):
        account = self.arn.split(":")[4]
        sts = boto3.client(
            "sts",
            aws_access_key_id=self.pending["AccessKeyId"],
            aws_secret_access_key=self.pending["SecretAccessKey"],
        )
        end, pause = time.monotonic() + PATIENCE, 0.25
        while True:
            try:
                caller = sts.get_caller_identity()
                break
            except ClientError as error:
                is_new = error.response["Error"]["Code"] in ("InvalidClientTokenId", "SignatureDoesNotMatch")
                if not is_new or time.monotonic() + pause > end:
                    raise
                time.sleep(pause)
                pause = min(pause * 2, 4)
        if (caller["Account"], caller["UserId"]) != (account, self.tags["keyturn:user-id"]):
            raise ValueError("the key belongs to another identity")

    def finish(self):
        self.test()
        if "AccessKeyId" in self.current:
            self.tag(f"keyturn:key/{self.current['AccessKeyId']}", f"superseded={now()}")
        secrets.update_secret_version_stage(
            SecretId=self.arn,
            VersionStage="AWSCURRENT",
            MoveToVersionId=self.token,
            RemoveFromVersionId=self.current_token,
        )

    def tag(self, key, value):
        secrets.tag_resource(SecretId=self.arn, Tags=[{"Key": key, "Value": value}])


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
