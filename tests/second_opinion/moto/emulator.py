"""moto as the second opinion is asked of it: keys and signatures are checked, and what `mends.py` says is mended.

Serves on loopback until it is ended. Once it answers it prints its endpoint, its account, and the access key of an
administrator, as lines for a shell.
"""

import io
import os
import pathlib
import socket
import sys

import yaml
from mends import CAME, MENDS, PARTITION, REGION
from moto import settings
from moto.iam.models import iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

ACCOUNT = "123456789012"
DEVIATIONS = pathlib.Path(__file__).resolve().parent.parent / "deviations.yaml"


class Quiet(WSGIRequestHandler):
    def log(self, *_):
        pass


def main():
    mend()
    iam = iam_backends[ACCOUNT][PARTITION]
    iam.create_user(REGION, "administrator", "/", None)
    key = iam.create_access_key("administrator")
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    application = DomainDispatcherApplication(create_backend_app)

    def answer(environ, start_response):
        CAME.body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        return application({**environ, "wsgi.input": io.BytesIO(CAME.body)}, start_response)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = os.environ["MOTO_PORT"] = str(listener.getsockname()[1])
        server = make_server("127.0.0.1", int(port), answer, threaded=True, request_handler=Quiet, fd=listener.fileno())
        print(f"AWS_ACCESS_KEY_ID={key.access_key_id}\nAWS_SECRET_ACCESS_KEY={key.secret_access_key}\nAWS_REGION={REGION}")
        print(f"KEYTURN_TEST_ACCOUNT={ACCOUNT}\nKEYTURN_TEST_ENDPOINT=http://127.0.0.1:{port}", flush=True)
        server.serve_forever()


def mend():
    """Mends what moto still does otherwise; what it does as AWS by now must not stand in the list."""
    listed = {deviation["name"] for deviation in yaml.safe_load(DEVIATIONS.read_text())["moto"] if deviation.get("mended")}
    if listed != MENDS.keys():
        sys.exit(f"deviations.yaml and mends.py differ in {sorted(listed ^ MENDS.keys())}")
    gone = [name for name, (deviates, _) in MENDS.items() if not deviates()]
    if gone:
        sys.exit(f"moto does not deviate any more in {gone}: take them out of deviations.yaml and mends.py")
    for _, mends in MENDS.values():
        mends()


if __name__ == "__main__":
    main()
