"""What a script finds as `aws`: it has `aws_cli.py` run the real AWS CLI with its own arguments, environment and streams."""

import json
import os
import socket
import sys

with socket.socket(socket.AF_UNIX) as server:
    server.connect(os.environ["AWS_CLI_SOCKET"])
    request = {"arguments": sys.argv[1:], "environment": dict(os.environ), "folder": os.getcwd()}
    text = json.dumps(request).encode()
    sent = socket.send_fds(server, [text], [0, 1, 2])
    server.sendall(text[sent:])
    server.shutdown(socket.SHUT_WR)
    sys.exit(int(server.recv(16)))
