"""The vendor's signer signs every request that the worker sent once more, and must come to the same."""

import hashlib
import re
import unittest
import urllib.parse

from alibabacloud_tea_openapi.utils import Utils
from darabonba.request import DaraRequest

import operations
from recording import EXTERNAL_ID, SESSION, action, parameters, recording

ALGORITHM = "ACS3-HMAC-SHA256"
# What has no signature, and why.
UNSIGNED = {
    "AssumeRoleWithOIDC": "the token is what proves the caller: no SDK signs it",
    "metadata": "only the machine itself reaches it",
}
# Operations of the worker that nothing here can make it send, each with why.
NOT_SENT = {}
# What every signed request must carry (API document, signature V3), and must have signed.
MUST_SIGN = {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"}


def signed_again(exchange, secrets):
    """Makes the Authorization header anew, by the vendor's own code, from what was on the wire."""
    key, names = re.match(
        r"[\w-]+ Credential=([^,]+),SignedHeaders=([^,]+),", exchange.header("authorization")
    ).groups()
    request = DaraRequest()
    request.method, request.pathname = exchange.method, urllib.parse.urlsplit(exchange.target).path
    request.query = dict(parameters(exchange)["query"])
    request.headers = {name: exchange.header(name) for name in names.split(";")}
    payload = hashlib.sha256(exchange.body).hexdigest()
    return Utils.get_authorization(request, ALGORITHM, payload, key, secrets[key])


class Signatures(unittest.TestCase):
    """Looks at everything that was recorded."""

    @classmethod
    def setUpClass(cls):
        cls.recording = recording()
        cls.signed = [e for e in cls.recording.exchanges if action(e) not in UNSIGNED]

    def test_all_that_was_asked_for_was_done(self):
        self.assertEqual(self.recording.failed, [])

    def test_every_operation_of_the_worker_was_recorded(self):
        sent = {action(exchange) for exchange in self.recording.exchanges}
        self.assertEqual(set(operations.called()) - sent - NOT_SENT.keys(), set())
        self.assertEqual(NOT_SENT.keys() & sent, set(), "it was sent: it needs no exception")

    def test_the_vendors_signer_comes_to_the_same(self):
        for exchange in self.signed:
            with self.subTest(exchange.target):
                self.assertEqual(exchange.header("authorization"), signed_again(exchange, self.recording.secrets))
                self.assertEqual(exchange.header("x-acs-content-sha256"), hashlib.sha256(exchange.body).hexdigest())

    def test_a_changed_byte_changes_the_vendors_signature(self):
        for exchange in self.signed[:20]:
            other = exchange._replace(target=exchange.target + "&x=1" if "?" in exchange.target else "/?x=1")
            self.assertNotEqual(exchange.header("authorization"), signed_again(other, self.recording.secrets))

    def test_what_must_be_signed_is_signed(self):
        for exchange in self.signed:
            names = re.search(r"SignedHeaders=([^,]+)", exchange.header("authorization"))[1].split(";")
            sent = {name.lower() for name, _ in exchange.headers if name.lower().startswith("x-acs-")}
            self.assertEqual((MUST_SIGN | sent) - set(names), set(), exchange.target)

    def test_nothing_else_goes_without_a_signature(self):
        for exchange in self.recording.exchanges:
            self.assertEqual(exchange.header("authorization") is None, action(exchange) in UNSIGNED, exchange.target)

    def test_no_nonce_is_used_twice(self):
        nonces = [exchange.header("x-acs-signature-nonce") for exchange in self.signed]
        self.assertEqual(len(nonces), len(set(nonces)))

    def test_odd_characters_were_among_it(self):
        values = {(name, value) for e in self.signed for place in parameters(e).values() for name, value in place}
        tokens = [value for name, value in values if name == "NextToken"]
        self.assertTrue(any(set("+/=") <= set(token) for token in tokens), "no page token with + / = was sent")
        self.assertIn(("ExternalId", EXTERNAL_ID), values)
        self.assertIn(("RoleSessionName", SESSION), values)
        session_tokens = [exchange.header("x-acs-security-token") or "" for exchange in self.signed]
        self.assertTrue(any(set("+/=") <= set(token) for token in session_tokens), "no such session token was sent")
        self.assertIn("body", {place for e in self.signed for place, pairs in parameters(e).items() if pairs})

    def test_a_request_without_a_body_says_so(self):
        # RFC 9110, 8.6: a POST or PUT without content carries Content-Length: 0, and gateways answer 411 without it.
        for exchange in self.recording.exchanges:
            if exchange.method in ("POST", "PUT"):
                self.assertEqual(exchange.header("content-length"), str(len(exchange.body)), exchange.target)


if __name__ == "__main__":
    unittest.main()
