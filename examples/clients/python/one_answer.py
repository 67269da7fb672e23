"""Asks Crossgrant for many jobs as one batch, and waits for its one answer: python one_answer.py ID jobs.json. May be run again."""

import json
import os
import sys

import pika

URL = os.environ.get("AMQP_URL", "amqp://crossgrant-submitter@127.0.0.1/%2f")
EXCHANGE = os.environ.get("EXCHANGE", "crossgrant")
ANSWERS = os.environ.get("ANSWERS", "crossgrant-submitter.answers")
ENDS = ["crossgrant.batch.ended", "crossgrant.job.rejected"]


def ask(batch, jobs):
    """Publishes all jobs in one message, and returns the event that ends the batch, or says why it was rejected."""
    parameters = pika.URLParameters(URL)
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(ANSWERS, durable=True, arguments={"x-queue-type": "quorum"})
        # Raises if the broker did not store it, or no queue took it.
        channel.basic_publish(EXCHANGE, "batch", json.dumps({"batch": {"id": batch}, "jobs": jobs}), mandatory=True,
                              properties=pika.BasicProperties(
                                  content_type="application/json", delivery_mode=2, reply_to=ANSWERS,
                                  correlation_id=batch, user_id=parameters.credentials.username))
        for delivery, properties, body in channel.consume(ANSWERS):
            channel.basic_ack(delivery.delivery_tag)
            event = json.loads(body)
            if properties.correlation_id == batch and event["type"] in ENDS:
                return event


def main():
    """Asks for the jobs of a file; exits with 0 if all completed."""
    with open(sys.argv[2], encoding="utf-8") as file:
        jobs = json.load(file)
    data = ask(sys.argv[1], jobs)["data"]
    for job in data.get("not_completed", []):
        print(f"{job['id']} {job['reason']}: {job['message']}")
    print(json.dumps(data["jobs"]) if "jobs" in data else data["message"])
    sys.exit(0 if sum(data.get("jobs", {}).get("completed", {}).values()) == len(jobs) else 1)


if __name__ == "__main__":
    main()
