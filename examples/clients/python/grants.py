"""Asks Crossgrant for grants, and waits for the answers: python grants.py jobs.json"""

import collections
import json
import os
import sys

import pika

URL = os.environ.get("AMQP_URL", "amqp://crossgrant-submitter@127.0.0.1/%2f")
EXCHANGE = os.environ.get("EXCHANGE", "crossgrant")
ANSWERS = os.environ.get("ANSWERS", "crossgrant-submitter.answers")
ENDS = ["completed", "planned", "failed", "superseded", "cancelled", "rejected"]


def ask(jobs, handle):
    """Publishes jobs, and calls `handle` once for each of their events. Returns when each job has ended."""
    parameters = pika.URLParameters(URL)
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(ANSWERS, durable=True, arguments={"x-queue-type": "quorum"})
        for job in jobs:
            # Raises if the broker did not store it, or no queue took it.
            channel.basic_publish(EXCHANGE, f"job.{job['kind']}", json.dumps(job), mandatory=True,
                                  properties=pika.BasicProperties(
                                      content_type="application/json", delivery_mode=2, reply_to=ANSWERS,
                                      correlation_id=job["id"], user_id=parameters.credentials.username))
        waiting, seen = {job["id"] for job in jobs}, set()
        channel.basic_qos(prefetch_count=100)
        deliveries = channel.consume(ANSWERS)
        while waiting:
            delivery, properties, body = next(deliveries)
            event = json.loads(body)
            if event["id"] not in seen:
                handle(properties.correlation_id, event)
                seen.add(event["id"])
            channel.basic_ack(delivery.delivery_tag)
            if event["type"].removeprefix("crossgrant.job.") in ENDS:
                waiting.discard(properties.correlation_id)


def main():
    """Asks for the jobs of a file; exits with 0 if all completed."""
    with open(sys.argv[1], encoding="utf-8") as file:
        jobs = json.load(file)
    wanted, ends = {job["id"] for job in jobs}, collections.Counter()

    def handle(job, event):
        print(job, event["type"], event["data"].get("message", ""), flush=True)
        end = event["type"].removeprefix("crossgrant.job.")
        if job in wanted and end in ENDS:
            ends[end] += 1

    ask(jobs, handle)
    print(f"{len(jobs)} jobs:", ", ".join(f"{count} {end}" for end, count in sorted(ends.items())))
    sys.exit(0 if ends["completed"] == len(jobs) else 1)


if __name__ == "__main__":
    main()
