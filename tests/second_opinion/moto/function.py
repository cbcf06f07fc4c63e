"""A Lambda function as a process of its own behind the Runtime API, for one event."""

import http.server
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zipfile

from moto.sts.models import sts_backends

# Seconds that a function may take beyond its timeout, to start.
PATIENCE = 10

TIMED_OUT = json.dumps({"errorType": "Sandbox.Timedout", "errorMessage": "the function has not answered"}).encode()


def call(function, event):
    """Has a function answer an event, with a session of its role. Gives whether it has failed, and the answer."""
    api = RuntimeApi(function, event)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as directory:
        zipfile.ZipFile(io.BytesIO(function.code_bytes)).extractall(directory)
        bootstrap = pathlib.Path(directory, "bootstrap")
        bootstrap.chmod(0o755)
        environment = {**function.environment_vars, **session(function), "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}"}
        process = subprocess.Popen([bootstrap], env=environment, cwd=directory, stdout=sys.stderr)
        api.is_over.wait(int(function.timeout) + PATIENCE)
        process.kill()
        process.wait()
        api.is_ended.set()
    api.shutdown()
    api.server_close()
    return api.answer


def session(function):
    """What Lambda puts into the environment."""
    _, _, _, region, account, _ = function.function_arn.split(":", 5)
    session = sts_backends[account]["aws"].assume_role(region, function.function_name, function.role, None, 3600, None)
    return {
        "AWS_ACCESS_KEY_ID": session.access_key_id,
        "AWS_SECRET_ACCESS_KEY": session.secret_access_key,
        "AWS_SESSION_TOKEN": session.session_token,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{os.environ['MOTO_PORT']}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
        "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_REGION": region,
    }


class RuntimeApi(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, function, event):
        super().__init__(("127.0.0.1", 0), RuntimeApiHandler)
        self.function, self.event, self.answer = function, event, (True, TIMED_OUT)
        self.is_taken, self.is_over, self.is_ended = (threading.Event() for _ in range(3))

    def handle_error(self, *_):
        """The process was ended while it waited for its next event."""


class RuntimeApiHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.server.is_taken.is_set():
            self.server.is_ended.wait()
            self.close_connection = True
            return
        self.server.is_taken.set()
        function = self.server.function
        headers = {
            "Lambda-Runtime-Aws-Request-Id": str(uuid.uuid4()),
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + int(function.timeout)) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": function.function_arn,
        }
        self.reply(200, self.server.event, headers)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.answer = (self.path.endswith("/error"), body)
        self.reply(202, b"{}", {})
        self.server.is_over.set()

    def reply(self, status, body, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
