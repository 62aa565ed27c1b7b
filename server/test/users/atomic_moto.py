"""Run moto as a server at 127.0.0.1, on the port given; it makes one answer at a time.

DynamoDB checks and makes a conditional write as one step. `moto_server` answers in threads, and two
of them can both find the condition met before either writes.
"""

import sys
from threading import Lock

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

moto = DomainDispatcherApplication(create_backend_app)
lock = Lock()


def answer(environ, start_response):
    """Answer as moto does, after the request before."""
    with lock:
        return moto(environ, start_response)


run_simple('127.0.0.1', int(sys.argv[1]), answer, threaded=True)
