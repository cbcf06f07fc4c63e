"""What is mended in moto so that it can answer at all. Each has its line in `deviations.yaml`, and a probe that tells whether
moto still needs it; the probes run before anything is mended."""

import json
import threading
import time
import types
import uuid

from function import call
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.awslambda.utils import get_backend
from moto.core.common_models import CloudFormationModel
from moto.core.exceptions import AccessDeniedError
from moto.iam import access_control
from moto.iam.models import ManagedPolicy, iam_backends
from moto.iam.responses import IamResponse
from moto.s3.models import FakeBucket
from moto.s3.responses import S3Response
from moto.secretsmanager.exceptions import InvalidRequestException
from moto.secretsmanager.models import FakeSecret, SecretsManagerBackend
from moto.utilities.docker_utilities import DockerModel

import resources

PARTITION, REGION, PROBED = "aws", "eu-central-1", "000000000000"

# By the name of the deviation: whether moto deviates, and what mends that.
MENDS = {}

# The body of the request that this thread answers, as it came.
CAME = threading.local()


def mends(name, deviates):
    def register(mend):
        MENDS[name] = (deviates, mend)
        return mend

    return register


# Lambda


@mends("functions-in-docker", lambda: issubclass(LambdaFunction, DockerModel))
def run_functions_as_processes():
    def invoke(self, function_name, qualifier, body, headers, response_headers):
        function, event = self.get_function(function_name, qualifier), body or b"{}"
        event = event if isinstance(event, bytes) else event.encode()
        if headers.get("X-Amz-Invocation-Type") == "Event":
            threading.Thread(target=call, args=(function, event), daemon=True).start()
            return b""
        has_failed, answer = call(function, event)
        if has_failed:
            response_headers["x-amz-function-error"] = "Unhandled"
        return answer

    LambdaBackend.invoke = invoke


# CloudFormation


def lacks(*models):
    known = {model.cloudformation_type() for model in CloudFormationModel.__subclasses__() if model.__module__ != resources.MODULE}
    return lambda: not any(model.cloudformation_type() in known for model in models)


@mends("types-of-resources", lacks(*resources.ADDED))
def add_types_of_resources():
    """They are there since `resources` was read: moto finds them by itself."""


@mends("managed-policies-of-a-stack", lambda: hasattr(ManagedPolicy.delete_from_cloudformation_json, "__isabstractmethod__"))
def delete_managed_policies():
    def delete(self, account, _region):
        iam = iam_backends[account][PARTITION]
        for role in list(iam.roles.values()):
            if self.arn in role.managed_policies:
                iam.detach_role_policy(self.arn, role.name)
        iam.delete_policy(self.arn)

    ManagedPolicy.delete = delete


# Secrets Manager


def probed_secret():
    """A secret with a version beside the first one."""
    secrets, versions = SecretsManagerBackend(REGION, PROBED), [str(uuid.uuid4()) for _ in range(2)]
    secrets.create_secret("probe", "first", None, None, [], None, versions[0], [], False)
    secrets.put_secret_value("probe", "second", None, versions[1], ["AWSPENDING"])
    return secrets, versions


def forgets_the_function():
    secrets, _ = probed_secret()
    secrets.secrets["probe"].rotation_lambda_arn = "arn"
    secrets.rotate_secret("probe")
    return not secrets.secrets["probe"].rotation_lambda_arn


@mends("rotations", forgets_the_function)
def rotate_as_documented():
    def rotate_secret(self, secret_id, client_request_token=None, rotation_lambda_arn=None, rotation_rules=None, rotate_immediately=True):
        secret = self.describe_secret(secret_id)
        if secret.is_deleted():
            raise InvalidRequestException("You can't perform this operation on the secret because it was marked for deletion.")
        secret.rotation_lambda_arn = rotation_lambda_arn or secret.rotation_lambda_arn
        secret.rotation_rules = rotation_rules or getattr(secret, "rotation_rules", {})
        if not secret.rotation_lambda_arn:
            raise InvalidRequestException("No Lambda rotation function ARN is associated with this secret.")
        function = get_backend(self.account_id, self.region_name).get_function(secret.rotation_lambda_arn)
        pending = [version for version in secret.versions.values() if "AWSPENDING" in version["version_stages"]]
        if any("AWSCURRENT" not in version["version_stages"] for version in pending):
            raise InvalidRequestException("A previous rotation isn't complete. That rotation will be reattempted.")
        secret.rotation_requested = secret.rotation_enabled = True
        secret.remove_version_stages_from_old_versions(["AWSPENDING"])
        token = client_request_token or str(uuid.uuid4())
        pending = {"createdate": int(time.time()), "version_id": token, "version_stages": ["AWSPENDING"]}
        secret.versions[token] = pending
        if rotate_immediately:
            threading.Thread(target=rotate, args=(secret, function, token), daemon=True).start()
        else:
            pending["secret_string"] = self.get_secret_value(secret_id, None, "AWSCURRENT")["SecretString"]
            step("testSecret", secret, function, token)
            del secret.versions[token]
        return secret.to_short_dict(version_id=token)

    def rotate(secret, function, token):
        steps = ["createSecret", "setSecret", "testSecret", "finishSecret"]
        if all(step(each, secret, function, token) for each in steps):
            secret.last_rotation_date = int(time.time())

    def step(name, secret, function, token):
        event = {"Step": name, "SecretId": secret.arn, "ClientRequestToken": token, "RotationToken": str(uuid.uuid4())}
        has_failed, _ = call(function, json.dumps(event).encode())
        return not has_failed

    def to_dict(self):
        shown = described(self)
        return {**shown, "RotationRules": self.rotation_rules} if "RotationRules" in shown else shown

    described = FakeSecret.to_dict
    SecretsManagerBackend.rotate_secret, FakeSecret.to_dict = rotate_secret, to_dict


def reads_a_former_version():
    secrets, (first, second) = probed_secret()
    secrets.update_secret_version_stage("probe", "AWSCURRENT", first, second)
    return secrets.get_secret_value("probe", None, None)["SecretString"] == "first"


@mends("the-default-version", reads_a_former_version)
def read_what_is_current():
    original = SecretsManagerBackend.get_secret_value

    def get_secret_value(self, secret_id, version_id, version_stage):
        return original(self, secret_id, version_id, version_stage or (None if version_id else "AWSCURRENT"))

    SecretsManagerBackend.get_secret_value = get_secret_value


# S3


def forgets_a_checksum():
    request = types.SimpleNamespace(headers={"x-amz-checksum-sha256": "0"}, raw_body=b"")
    return S3Response._get_checksum(request, {})[1] is None


@mends("a-checksum-alone", forgets_a_checksum)
def keep_a_checksum():
    original = S3Response._get_checksum

    def _get_checksum(self, response_headers):
        value = self.headers.get("x-amz-checksum-sha256")
        return ("SHA256", value) if value else original(self, response_headers)

    S3Response._get_checksum = _get_checksum


def denies_without_condition():
    condition = {"Bool": {"aws:SecureTransport": "false"}}
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*", "Condition": condition}
    decided = access_control.IAMPolicy(json.dumps({"Statement": [statement]})).is_action_permitted("s3:GetObject", "arn")
    return decided == access_control.PermissionResult.DENIED


@mends("bucket-policies", denies_without_condition)
def decide_no_bucket_policy():
    FakeBucket.get_permission = lambda self, action, resource: access_control.PermissionResult.NEUTRAL


# IAM


def takes_inactive_keys():
    iam = iam_backends[PROBED][PARTITION]
    iam.create_user(REGION, "probe", "/", None)
    key = iam.create_access_key("probe")
    iam.update_access_key("probe", key.access_key_id, "Inactive")
    try:
        access_control.IAMUserAccessKey(PROBED, PARTITION, key.access_key_id, {})
    except access_control.CreateAccessKeyFailure:
        return False
    return True


@mends("inactive-keys", takes_inactive_keys)
def refuse_inactive_keys():
    original = access_control.IAMUserAccessKey.__init__

    def __init__(self, account_id, partition, access_key_id, headers):
        original(self, account_id, partition, access_key_id, headers)
        keys = (key for user in self.backend.list_users("/", None, None) for key in user.access_keys)
        if any(key.access_key_id == access_key_id and key.status != "Active" for key in keys):
            raise access_control.CreateAccessKeyFailure(reason="InvalidId")

    access_control.IAMUserAccessKey.__init__ = __init__


def hashes_another_body():
    request = object.__new__(access_control.IAMRequest)
    request._method, request._path, request._body, request._data = "GET", "/", b"", {"Host": ["here"]}
    request._headers = {"Authorization": "SignedHeaders=x-amz-date,", "X-Amz-Date": "20260101T000000Z"}
    return request._create_aws_request().data != b""


@mends("what-is-signed", hashes_another_body)
def hash_what_came():
    original = access_control.IAMRequestBase._create_aws_request

    def _create_aws_request(self):
        request = original(self)
        request.data = CAME.body
        return request

    access_control.IAMRequestBase._create_aws_request = _create_aws_request


@mends("policies-by-resource", lambda: "TODO add support for the Resource" in access_control.__doc__)
def decide_no_policy():
    access_control.IAMRequestBase.check_action_permitted = lambda self, resource: None


@mends("simulations", lambda: not hasattr(IamResponse, "simulate_principal_policy"))
def refuse_to_simulate():
    def simulate_principal_policy(self):
        raise AccessDeniedError(user_arn="administrator", action="iam:SimulatePrincipalPolicy")

    IamResponse.simulate_principal_policy = simulate_principal_policy
