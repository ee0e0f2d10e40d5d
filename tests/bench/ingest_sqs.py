"""`ingest sqs --until-empty` beside a bare receive-and-delete loop on the same queue server."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from ingest.sqs import RECEIVERS
from tests.bench._server import REPO, bodies, median, span
from tests.ingester import landed, toml
from tests.sqs import CREDENTIALS, REGION, SECRET, Queue, ministack, new_queue

TITLE = "SQS: drain"


def run(*, quick: bool) -> str:
    sample, rounds = (1_000, 1) if quick else (10_000, 5)
    bare_rates: list[float] = []
    ingest_rates: list[float] = []
    messages = bodies(sample)
    with ministack() as endpoint:
        for n in range(rounds):
            queue = new_queue(endpoint, f"bench-{n}", visibility_seconds=600)
            fill(queue, messages)
            bare_rates.append(sample / bare(queue))
            fill(queue, messages)
            ingest_rates.append(sample / drain(queue, sample))
    lines = [
        f"A local queue server (ministack, one process on the same two cores), {RECEIVERS} receivers each, batches of ten,",
        f"boto3 on both sides. {sample * rounds:,} messages drained by either, in {rounds} interleaved rounds of {sample:,}: this",
        "server takes longer over a message the more of them wait. Start-up is not counted.",
        "",
        "| | events/s | range | ÷ bare |",
        "|---|---|---|---|",
        f"| bare loop: receive, delete | {median(bare_rates):,.0f} | {span(bare_rates)} | 1.00 |",
        f"| ingest sqs: verify, commit, delete | {median(ingest_rates):,.0f} | {span(ingest_rates)} "
        f"| {median(ingest_rates) / median(bare_rates):.2f} (goal 0.8) |",
    ]
    return "\n".join(lines)


def fill(queue: Queue, messages: list[bytes]) -> None:
    quarter = (len(messages) + 3) // 4
    threads = [threading.Thread(target=queue.send, args=messages[start : start + quarter]) for start in range(0, len(messages), quarter)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def bare(queue: Queue) -> float:
    """Seconds of a loop that only receives and deletes, in a process of its own, without start-up."""
    command = [sys.executable, "-m", "tests.bench.ingest_sqs", queue.endpoint, queue.url]
    done = subprocess.run(command, cwd=REPO, env=os.environ | CREDENTIALS, capture_output=True, text=True, check=True)
    return float(done.stdout)


def drain(queue: Queue, expected: int) -> float:
    """Seconds from the first message taken to the last one deleted; all must have landed."""
    with tempfile.TemporaryDirectory(prefix="callfacts-bench-") as name:
        folder = Path(name)
        config = folder / "callfacts.toml"
        source = f'transport = "sqs"\nsecrets = ["{SECRET}"]\nqueue_url = "{queue.url}"\n'
        source += f'endpoint_url = "{queue.endpoint}"\nregion = "{REGION}"\n'
        config.write_text(toml(sources={"acme": source}, ingest="roll_seconds = 5"))
        command = [sys.executable, "-m", "ingest.cli", "sqs", "--until-empty", "--config", str(config)]
        process = subprocess.Popen(command, cwd=REPO, env=os.environ | CREDENTIALS, stderr=subprocess.DEVNULL)
        began = ended = 0.0
        try:
            while process.poll() is None and not ended:
                visible = remaining(queue)
                if not began and visible < expected:
                    began = time.monotonic()
                    left_at_first = visible
                if began and visible == 0:
                    ended = time.monotonic()
                time.sleep(0.1)  # each look costs the server as well
            assert process.wait(120) == 0
        finally:
            process.kill()
        rows = len(landed(folder))
        assert rows >= expected, f"{rows} of {expected} landed"
        return (ended - began) * expected / left_at_first


def remaining(queue: Queue) -> int:
    return queue.size()


def loop(endpoint: str, url: str) -> None:
    """What the bare loop does: nothing between receiving and deleting."""
    import boto3
    from botocore.config import Config

    client = boto3.client("sqs", endpoint_url=endpoint, region_name=REGION, config=Config(max_pool_connections=RECEIVERS))
    last = [0.0] * RECEIVERS

    def receive_and_delete(n: int) -> None:
        while messages := client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageAttributeNames=["X-SIGNATURE"]
        ).get("Messages"):
            entries = [{"Id": str(i), "ReceiptHandle": message["ReceiptHandle"]} for i, message in enumerate(messages)]
            client.delete_message_batch(QueueUrl=url, Entries=entries)
            last[n] = time.monotonic()

    client.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    began = time.monotonic()
    threads = [threading.Thread(target=receive_and_delete, args=(n,)) for n in range(RECEIVERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(max(last) - began)


if __name__ == "__main__":
    loop(sys.argv[1], sys.argv[2])
