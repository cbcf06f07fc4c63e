#!/usr/bin/env python3
"""A small function for the contracts: does what its event asks for, or rotates a secret in the four steps."""

import datetime
import hashlib
import hmac
import http.client
import json
import os
import signal
import sys
import time
import urllib.parse
import urllib.request

API = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/"


def main():
    if os.environ.get("START") == "exit":
        print("this start fails", flush=True)
        sys.exit(3)
    if os.environ.get("START") == "report":
        post("init/error", {"errorType": "Start.Failed", "errorMessage": "no"})
        sys.exit(1)
    while True:
        with urllib.request.urlopen(API + "invocation/next") as answer:
            request_id = answer.headers["Lambda-Runtime-Aws-Request-Id"]
            event = json.load(answer)
        try:
            post(f"invocation/{request_id}/response", act(event))
        except Refused as refused:
            post(f"invocation/{request_id}/error", {"errorType": "Refused", "errorMessage": str(refused)})


def act(event):
    if "Step" in event:
        print("step", event["Step"], flush=True)
        return rotate(event)
    match event.get("do"):
        case "crash":
            os._exit(7)
        case "leave":
            os._exit(0)
        case "fail":
            raise Refused("as asked")
        case "fail once":
            if not os.path.exists(event["marker"]):
                open(event["marker"], "w").close()
                raise Refused("the first time")
        case "hang":
            signal.pause()
        case "environment":
            return dict(os.environ)
        case "describe":
            return secretsmanager("DescribeSecret", SecretId=event["secret"])
        case "meet":
            # Both of two invocations arrive only if they run at the same time.
            open(event["mine"], "w").close()
            while not os.path.exists(event["other"]):
                time.sleep(0.01)
            return os.getpid()
        case _:
            print("hello from", os.getpid(), flush=True)
            print("event", json.dumps(event), flush=True)
            return {"event": event, "process": os.getpid()}


def rotate(event):
    secret, token = event["SecretId"], event["ClientRequestToken"]
    if event["Step"] == "createSecret":
        secretsmanager("PutSecretValue", SecretId=secret, ClientRequestToken=token, SecretString="made by " + token,
                       VersionStages=["AWSPENDING"], RotationToken=event["RotationToken"])
    if event["Step"] == "testSecret":
        print("tests", secretsmanager("GetSecretValue", SecretId=secret, VersionId=token)["SecretString"], flush=True)
    if event["Step"] == "finishSecret":
        stages = secretsmanager("DescribeSecret", SecretId=secret)["VersionIdsToStages"]
        current = next(version for version, labels in stages.items() if "AWSCURRENT" in labels)
        if current != token:
            secretsmanager("UpdateSecretVersionStage", SecretId=secret, VersionStage="AWSCURRENT",
                           RemoveFromVersionId=current, MoveToVersionId=token)


class Refused(Exception):
    pass


def post(path, body):
    request = urllib.request.Request(API + path, data=json.dumps(body).encode(), method="POST")
    urllib.request.urlopen(request).close()


def secretsmanager(operation, **parameters):
    """Calls Secrets Manager, signed with the credentials of the function."""
    endpoint, region = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"]), os.environ["AWS_REGION"]
    body = json.dumps(parameters)
    moment = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "host": endpoint.netloc,
        "x-amz-date": moment,
        "x-amz-security-token": os.environ["AWS_SESSION_TOKEN"],
        "x-amz-target": "secretsmanager." + operation,
    }
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body.encode()).hexdigest()}"
    scope = f"{moment[:8]}/{region}/secretsmanager/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in scope.split("/") + [to_sign]:
        key = hmac.digest(key, part.encode(), "sha256")
    credential = f"{os.environ['AWS_ACCESS_KEY_ID']}/{scope}"
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={key.hex()}"
    connection = http.client.HTTPConnection(endpoint.netloc)
    connection.request("POST", "/", body, headers)
    answer = connection.getresponse()
    result = json.load(answer)
    if answer.status != 200:
        raise Refused(result["__type"])
    return result


main()
