"""Runs the AWS CLI as copies of one process that has it loaded: a script of a set-up runs it thirty times, and loading
takes three quarters of each run.

    python3 aws_cli.py SOCKET    prints `ready` once it listens, and ends with its standard input

`launch_aws_cli.py` asks at SOCKET. A request is JSON, {"arguments": [...], "environment": {}, "folder": PATH}, with the
three standard streams; the answer is the exit code.
"""

import json
import os
import select
import signal
import socket
import sys

import awscli.clidriver

STREAMS = 3


def read_request(connection):
    first, streams, _, _ = socket.recv_fds(connection, 65536, STREAMS)
    parts = [first]
    while parts[-1]:
        parts.append(connection.recv(65536))
    return json.loads(b"".join(parts)), streams


def run_cli(connection):
    """Becomes the AWS CLI of one request, in this process, which is a copy."""
    request, streams = read_request(connection)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(request["folder"])
    # Where the CLI's own descriptions are: it says so to its libraries when it is loaded.
    kept = {"AWS_DATA_PATH": os.environ["AWS_DATA_PATH"]}
    os.environ.clear()
    os.environ.update(kept | request["environment"])
    sys.argv = ["aws", *request["arguments"]]
    try:
        code = awscli.clidriver.main()
    except SystemExit as end:
        code = end.code
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(str(code or 0).encode())


def start_copy(listener):
    connection, _ = listener.accept()
    with connection:
        if os.fork() == 0:
            listener.close()
            try:
                run_cli(connection)
            finally:
                os._exit(0)


def main():
    # What every run loads: the drivers of the commands, and the description of IAM.
    driver = awscli.clidriver.create_clidriver()
    driver.create_help_command()
    driver.session.get_service_model("iam")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1])
        listener.listen()
        print("ready", flush=True)
        while True:
            readable, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in readable:
                os.unlink(sys.argv[1])
                return
            start_copy(listener)


if __name__ == "__main__":
    main()
