"""The demonstration: two weeks of simulated calls, and the vendor guide's three events, the whole way a real event goes.

    simulate ─signed POST─▶ ingest webhook ─▶ journal ─▶ landing parts ─▶ transforms build ─▶ warehouse.duckdb

Everything runs as an admin would run it, by the console commands, in processes of their own. Ends by itself; twice works twice.
"""

import contextlib
import hashlib
import hmac
import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb

REPO = Path(__file__).parent.parent
VENDOR_GUIDE = Path(__file__).parent / "golden" / "vendor_guide.ndjson"
SECRET = "CALLFACTS_DEMO_SECRET"
CALLS = 6_000
DAYS = 14
SEED = 20_260


def main() -> int:
    """Run the demonstration over `CALLFACTS_DATA`, or `data/` in the checkout; the process's exit code comes back."""
    root = Path(os.environ.get("CALLFACTS_DATA") or REPO / "data").absolute()
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "callfacts.toml"
        port = free_port()
        config.write_text(
            f'[storage]\nroot = {str(root)!r}\n\n[[sources]]\nname = "demo"\ntransport = "webhook"\nsecrets = ["env:{SECRET}"]\n'
        )
        environ = {k: v for k, v in os.environ.items() if k != "CALLFACTS_DATA"}
        environ |= {"CALLFACTS_CONFIG": str(config), SECRET: secrets.token_hex(16)}
        with ingester(port, environ):
            url = f"http://127.0.0.1:{port}/webhook/demo"
            say(f"simulating {CALLS:,} calls of {DAYS} days, signed and posted to {url}")
            # Up to the last full hour: run again within it, the same events come again, and change nothing.
            end = time.strftime("%Y-%m-%dT%H:00:00Z", time.gmtime())
            run("ingest", "simulate", "--end", end, "--calls", str(CALLS), "--days", str(DAYS), "--seed", str(SEED),
                "--duplicates", "0.02", "--disorder", "0.05", "--to", url, "--secret", f"env:{SECRET}", env=environ)  # fmt: skip
            say("posting the three events of the vendor's guide")
            for body in VENDOR_GUIDE.read_bytes().splitlines():
                post(port, body, environ[SECRET].encode())
        say("building the facts")
        run("transforms", "build", env=environ)
    print_facts(root / "warehouse.duckdb")
    data = "" if root == REPO / "data" else f"CALLFACTS_DATA={root} "
    print(f"\nOpen the reports:\n\n    . .venv/bin/activate; {data}streamlit run app\n")
    return 0


@contextlib.contextmanager
def ingester(port: int, environ: dict[str, str]) -> Iterator[None]:
    """A running `ingest webhook`; at the end SIGTERM, after which everything has landed."""
    say("starting the ingester")
    log = Path(environ["CALLFACTS_CONFIG"]).with_name("ingester.log")
    with log.open("wb") as told:
        process = subprocess.Popen([command("ingest"), "webhook", "--port", str(port)], env=environ, stderr=told)
    try:
        wait_until_ready(port, process)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
        if code != 0:
            print(log.read_text(), file=sys.stderr)
    if code != 0:
        raise SystemExit(f"demo: the ingester ended with exit code {code}")


def wait_until_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise SystemExit(f"demo: the ingester ended with exit code {process.returncode}")
        with contextlib.suppress(OSError), contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as client:
            client.request("GET", "/readyz")
            if client.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise SystemExit("demo: the ingester did not get ready within 30 s")


def post(port: int, body: bytes, secret: bytes) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as client:
        client.request("POST", "/webhook/demo", body, {"x-signature": hmac.digest(secret, body, hashlib.sha256).hex()})
        if (status := client.getresponse().status) != 200:
            raise SystemExit(f"demo: the ingester answered {status}")


def print_facts(warehouse: Path) -> None:
    """Rows by table, outcomes, three calls."""
    with duckdb.connect(str(warehouse), read_only=True) as con:
        con.sql("set TimeZone = 'UTC'")
        tables = [name for (name,) in con.sql("select table_name from duckdb_tables() where schema_name = 'main' order by 1").fetchall()]
        print("\nrows by table")
        for table in tables:
            (rows,) = con.sql(f'select count(*) from "{table}"').fetchall()[0]
            print(f"  {table:<24}{rows:>10,}")
        print("\noutcomes")
        con.sql(
            """select outcome, count(*) calls, round(avg(wait_ms) / 1000, 1) avg_wait_s, round(avg(talk_ms) / 1000, 1) avg_talk_s
               from calls group by outcome order by calls desc"""
        ).show(max_width=200)
        print("three calls")
        con.sql(
            """select strftime(started_at, '%Y-%m-%d %H:%M') started, direction, caller_name caller, callee_name callee, queue_name queue,
                      outcome, ring_ms, talk_ms, hold_ms, leg_count legs
               from calls where call_id = 'it_w100001_1693389850.110'
               union all (select strftime(started_at, '%Y-%m-%d %H:%M'), direction, caller_name, callee_name, queue_name, outcome, ring_ms,
                                 talk_ms, hold_ms, leg_count
                          from calls where outcome in ('answered', 'abandoned') and queue_name is not null
                          qualify row_number() over (partition by outcome order by started_at desc) = 1)"""
        ).show(max_width=200)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def run(name: str, *arguments: str, env: dict[str, str]) -> None:
    if (code := subprocess.run([command(name), *arguments], env=env, check=False).returncode) != 0:
        raise SystemExit(f"demo: {name} {arguments[0]} ended with exit code {code}")


def say(text: str) -> None:
    print(f"· {text}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
