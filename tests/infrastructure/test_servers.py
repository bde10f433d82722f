"""The servers start, answer, and die with the run."""

from __future__ import annotations

import os
import signal
import smtplib
import subprocess
import sys
from pathlib import Path

import boto3

from devtools.processes import Process, free_port, listens
from devtools.servers import Mailbox
from tests.helpers import wait_until


def test_sqs_servers_take_messages(sqs_endpoint: str) -> None:
    client = boto3.client(
        "sqs",
        endpoint_url=sqs_endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    url = client.create_queue(QueueName=f"infrastructure-{free_port()}")["QueueUrl"]
    client.send_message(QueueUrl=url, MessageBody="hello")
    (message,) = client.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    assert message["Body"] == "hello"


def test_mailbox_keeps_mail(smtp: Mailbox) -> None:
    with smtplib.SMTP("127.0.0.1", smtp.port) as client:
        client.sendmail("a@example.com", ["b@example.com"], "Subject: Hello\n\nWorld\n")
    (message,) = wait_until(smtp.messages)
    assert message["Subject"] == "Hello"
    assert message.get_content().strip() == "World"
    smtp.clear()
    assert smtp.messages() == []


def test_a_server_dies_with_a_killed_run(tmp_path: Path) -> None:
    port = free_port()
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from devtools.processes import Process\n"
        f"Process([sys.executable, '-m', 'http.server', '{port}', "
        "'--bind', '127.0.0.1'], Path('server.log'))\n"
        "time.sleep(60)\n"
    )
    root = str(Path(__file__).parents[2])
    run = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
    )
    try:
        wait_until(lambda: listens(port), what="the server listens")
        run.send_signal(signal.SIGKILL)
        run.wait()
        wait_until(lambda: not listens(port), what="the server is gone")
    finally:
        run.kill()


def test_output_of_a_process_is_kept(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('it works')"]
    with Process(command, tmp_path / "log") as process:
        assert process.wait(20) == 0
    assert process.output == "it works\n"
