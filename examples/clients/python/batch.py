"""Asks Crossgrant for all jobs of a file over HTTP, and waits for their one answer: python batch.py ID FILE. May be run again."""

import json
import os
import sys
import time
import urllib.error
import urllib.request

URL = os.environ.get("CROSSGRANT", "http://127.0.0.1:9180") + "/v1"


def ask(path, body=None, **headers):
    """What the worker answers. Asking again is safe, so it is asked until it can answer."""
    with open(os.environ["TOKEN_FILE"], encoding="utf-8") as file:
        headers = {"Authorization": f"Bearer {file.read().strip()}"} | {k.replace("_", "-"): v for k, v in headers.items()}
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(URL + path, body, headers), timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code != 429:
                sys.exit(error.read().decode())  # What was sent is wrong, and stays wrong.
        except OSError as error:
            print(error, "at", URL, file=sys.stderr)
        time.sleep(2)


def main():
    """Submits the batch, and follows its events to the last one; exits with 0 if all jobs completed."""
    with open(sys.argv[2], "rb") as file:
        batch = ask("/jobs", file.read(), Idempotency_Key=sys.argv[1])
    told = {"after": 0, "ended": False}
    while not told["ended"]:
        told = ask(f"{batch['at'].removeprefix('/v1')}/events?after={told['after']}")
        time.sleep(0 if told["events"] else 1)
    data = told["events"][-1]["data"]
    failed = [f"{job['id']} {job['reason']}: {job['message']}" for job in data["not_completed"]]
    print(*failed, json.dumps(data["jobs"]), sep="\n")
    sys.exit(0 if sum(data["jobs"].get("completed", {}).values()) == batch["jobs"] else 1)


if __name__ == "__main__":
    main()
