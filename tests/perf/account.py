"""AWS as far as rotations ask for it, over TLS: users with one key each, whose secrets are to be rotated once.

It believes everybody, and answers what AWS would: no permissions, no signatures, no pace. Those are the sandbox's, and what
is measured here are the functions that ask."""

import email.utils
import http.server
import json
import re
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid
from xml.sax.saxutils import escape

REGION = "eu-central-1"
NUMBER = "111122223333"
HOSTS = ["iam.amazonaws.com", f"secretsmanager.{REGION}.amazonaws.com", f"sts.{REGION}.amazonaws.com"]

# A month ago, when everybody was rotated before.
BEFORE = time.time() - 30 * 86400


class User:
    """A user, and the secret with the current key and a pending version without a value."""

    def __init__(self, number):
        self.name, self.id = f"user-{number:04}", f"AIDA{number:016}"
        self.arn = f"arn:aws:secretsmanager:{REGION}:{NUMBER}:secret:keyturn/{self.name}-AbCdEf"
        self.token, self.before = str(uuid.uuid4()), str(uuid.uuid4())
        self.labels = {self.before: ["AWSCURRENT"], self.token: ["AWSPENDING"]}
        self.tags = {"keyturn:stack": "keyturn", "keyturn:user": self.name, "keyturn:user-id": self.id}
        self.keys = {f"AKIA{number:012}OLDE": BEFORE}
        value = {"UserName": self.name, "AccessKeyId": next(iter(self.keys)), "SecretAccessKey": "o" * 40}
        self.values = {self.before: json.dumps(value)}

    def event(self, step):
        """What Secrets Manager sends for a step of the rotation."""
        return {"Step": step, "SecretId": self.arn, "ClientRequestToken": self.token}

    def is_rotated(self):
        """Whether the pending version is current, with a key that the user has besides the one before."""
        key = json.loads(self.values.get(self.token, "{}")).get("AccessKeyId")
        return "AWSCURRENT" in self.labels[self.token] and key in self.keys and len(self.keys) == 2


class Account:
    """An account of users by their numbers. `calls` are the operations, in the order in which they came."""

    def __init__(self, users):
        self.users = [User(number) for number in range(users)]
        self.secrets = {user.arn: user for user in self.users}
        self.names = {user.name: user for user in self.users}
        self.calls = []

    def secrets_manager(self, operation, request):
        """The answer, and the HTTP status."""
        user = self.secrets[request["SecretId"]]
        version = request.get("VersionId")
        if operation == "GetSecretValue" and version not in user.values:
            missing = f"Secrets Manager can't find the specified secret value for VersionId: {version}"
            return {"__type": "ResourceNotFoundException", "Message": missing}, 400
        if operation == "PutSecretValue":
            user.values[request["ClientRequestToken"]] = request["SecretString"]
        if operation == "TagResource":
            user.tags |= {tag["Key"]: tag["Value"] for tag in request["Tags"]}
        if operation == "UpdateSecretVersionStage":
            user.labels[request["RemoveFromVersionId"]] = ["AWSPREVIOUS"]
            user.labels[request["MoveToVersionId"]] = ["AWSCURRENT"]
        answers = {
            "DescribeSecret": {
                "RotationEnabled": True,
                "RotationLambdaARN": function_arn(),
                "RotationRules": {"ScheduleExpression": "rate(30 days)"},
                "LastRotatedDate": BEFORE,
                "CreatedDate": BEFORE,
                "Tags": [{"Key": key, "Value": value} for key, value in user.tags.items()],
                "VersionIdsToStages": user.labels,
            },
            "GetSecretValue": {
                "VersionId": version,
                "SecretString": user.values.get(version),
                "VersionStages": user.labels.get(version),
                "CreatedDate": BEFORE if version == user.before else time.time(),
            },
            "PutSecretValue": {"VersionId": user.token, "VersionStages": ["AWSPENDING"]},
            "TagResource": None,
            "UpdateSecretVersionStage": {},
        }
        answer = answers[operation]
        return None if answer is None else {"ARN": user.arn, "Name": f"keyturn/{user.name}"} | answer, 200

    def iam(self, operation, request):
        user = self.names[request["UserName"]]
        if operation == "GetUser":
            arn = f"arn:aws:iam::{NUMBER}:user/{user.name}"
            about = {"Path": "/", "UserName": user.name, "UserId": user.id, "Arn": arn, "CreateDate": date(BEFORE)}
            return {"User": about}
        if operation == "ListAccessKeys":
            keys = [key_of(user, key) for key in user.keys]
            return {"AccessKeyMetadata": {"member": keys}, "IsTruncated": "false"}
        key = f"AKIA{int(user.id[4:]):012}NEWE"
        user.keys[key] = time.time()
        return {"AccessKey": key_of(user, key) | {"SecretAccessKey": "n" * 40}}

    def sts(self, key):
        user = next(user for user in self.users if key in user.keys)
        return {"Arn": f"arn:aws:iam::{NUMBER}:user/{user.name}", "UserId": user.id, "Account": NUMBER}

    def answer(self, headers, body):
        """Status, kind and text of the answer to a request."""
        target = headers.get("X-Amz-Target")
        if target:
            operation = target.split(".")[1]
            self.calls.append(operation)
            answer, status = self.secrets_manager(operation, json.loads(body))
            return status, "application/x-amz-json-1.1", json.dumps(answer) if answer is not None else ""
        request = dict(urllib.parse.parse_qsl(body))
        operation = request["Action"]
        self.calls.append(operation)
        if operation == "GetCallerIdentity":
            key = re.search("Credential=([^/]+)/", headers["Authorization"])[1]
            answer, namespace = self.sts(key), "https://sts.amazonaws.com/doc/2011-06-15/"
        else:
            answer, namespace = self.iam(operation, request), "https://iam.amazonaws.com/doc/2010-05-08/"
        result = f"<{operation}Result>{xml(answer)}</{operation}Result>"
        about = f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>"
        text = f'<{operation}Response xmlns="{namespace}">{result}{about}</{operation}Response>'
        return 200, "text/xml", text


class Server(http.server.ThreadingHTTPServer):
    """The account behind the names of AWS's endpoints, at their port."""

    def __init__(self, account, certificate):
        super().__init__(("127.0.0.1", 443), Handler)
        self.account = account
        self.handshakes = 0
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def finish_request(self, request, client_address):
        # In the thread of the connection: whoever takes his time must not keep the others waiting.
        self.handshakes += 1
        super().finish_request(self.tls.wrap_socket(request, server_side=True), client_address)

    def handle_error(self, request, client_address):
        # A function that is ended hangs up. Anything else is ours.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        status, kind, text = self.server.account.answer(self.headers, body)
        head = {
            "x-amzn-RequestId": str(uuid.uuid4()),
            "Content-Type": kind,
            "Content-Length": str(len(text)),
            "Date": email.utils.formatdate(usegmt=True),
        }
        lines = [f"HTTP/1.1 {status} {self.responses[status][0]}", *(f"{name}: {it}" for name, it in head.items())]
        self.wfile.write(("\r\n".join(lines) + "\r\n\r\n" + text).encode())

    def log_message(self, *_):
        pass


def certify(directory):
    """Makes a CA and a certificate for the names of the endpoints; gives the CA's, and both halves of the other."""
    ca, key, certificate = (directory / name for name in ("ca.pem", "ca.key", "endpoints.pem"))
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    authority = ["-subj", "/CN=perf", "-keyout", key, "-out", ca]
    names = "subjectAltName=" + ",".join(f"DNS:{host}" for host in HOSTS)
    limits = ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", names]
    signed = ["-CA", ca, "-CAkey", key, "-subj", "/CN=aws", "-keyout", certificate, "-out", f"{certificate}.part"]
    for arguments in (authority, [*signed, *limits]):
        subprocess.run([*new, *arguments], check=True, stderr=subprocess.DEVNULL)
    with certificate.open("a") as both:
        both.write((directory / "endpoints.pem.part").read_text())
    return ca, certificate


def function_arn():
    return f"arn:aws:lambda:{REGION}:{NUMBER}:function:keyturn"


def key_of(user, key):
    return {"UserName": user.name, "AccessKeyId": key, "Status": "Active", "CreateDate": date(user.keys[key])}


def date(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def xml(value):
    if isinstance(value, dict):
        pairs = ((name, it) for name, its in value.items() for it in (its if isinstance(its, list) else [its]))
        return "".join(f"<{name}>{xml(it)}</{name}>" for name, it in pairs)
    return escape(value)
