"""The library of standard-webhooks verifies what the worker sends to a webhook, as a test has received it (`make outside`)."""

import json
import unittest

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from standardwebhooks import Webhook, WebhookVerificationError

from program import ROOT

# Written by one_process::webhook_calls::recorded_for_others.
RECORDED = json.loads((ROOT / "target/tmp/webhook.json").read_text())


class Webhooks(unittest.TestCase):
    """Verifies the recorded request."""

    def test_each_secret_verifies_it(self):
        self.assertEqual(len(RECORDED["secrets"]), 2)
        for secret in RECORDED["secrets"]:
            verified = Webhook(secret).verify(RECORDED["body"], RECORDED["headers"])
            self.assertEqual(verified["id"], RECORDED["headers"]["webhook-id"])

    def test_nothing_that_was_changed_is_verified(self):
        headers, body = RECORDED["headers"], RECORDED["body"]
        strange = "whsec_" + "A" * 32
        for secret, changed, text in [
            (strange, {}, body),
            (RECORDED["secrets"][0], {"webhook-id": "another"}, body),
            (RECORDED["secrets"][0], {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}, body),
            (RECORDED["secrets"][0], {}, body + " "),
        ]:
            with self.assertRaises(WebhookVerificationError):
                Webhook(secret).verify(text, {**headers, **changed})

    def test_it_is_a_cloudevent_in_structured_mode(self):
        self.assertEqual(RECORDED["headers"]["content-type"], "application/cloudevents+json")
        event = JSONFormat().read(CloudEvent, RECORDED["body"])
        self.assertEqual(event.get_id(), RECORDED["headers"]["webhook-id"])


if __name__ == "__main__":
    unittest.main()
