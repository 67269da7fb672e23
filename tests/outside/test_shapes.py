"""Every request of the worker and every answer it got, held against the SDK's models: names, places, types, fields."""

import json
import unittest

import operations
import vendor
from recording import action, parameters, recording

# How the value of a parameter of a type looks on the wire.
WRITTEN = {int: r"-?\d{1,19}", bool: r"true|false", str: r".*", float: r"-?\d+(\.\d+)?"}
# Parameters for the gateway itself, which a request that is not signed has no headers for.
GATEWAY = {"AssumeRoleWithOIDC": {"Action", "Version", "Format", "Timestamp", "SignatureNonce"}}
# Operations whose parameters the worker puts elsewhere than the Python SDK does, each with why.
ELSEWHERE = {
    "AssumeRoleWithOIDC": "in the body, as the vendor's Go and Node libraries do, so that no log of URLs has the token",
}


def product_of(exchange):
    """Tells whose operation is asked for."""
    version = exchange.header("x-acs-version") or dict(parameters(exchange)["query"])["Version"]
    return {version: product for product, version in operations.VERSIONS.items()}[version]


class Shapes(unittest.TestCase):
    """Looks at everything that was recorded on the way to the products."""

    @classmethod
    def setUpClass(cls):
        cls.exchanges = [exchange for exchange in recording().exchanges if action(exchange) != "metadata"]

    def each_parameter(self):
        """Goes through the parameters that were sent, with operation and place, but for those of the gateway."""
        seen = set()
        for exchange in self.exchanges:
            for place, pairs in parameters(exchange).items():
                for name, value in pairs:
                    sent = (product_of(exchange), action(exchange), place, name, value)
                    if name not in GATEWAY.get(sent[1], ()) and sent not in seen:
                        seen.add(sent)
                        yield sent

    def test_each_operation_is_asked_for_as_the_sdk_asks(self):
        for exchange in self.exchanges:
            declared = vendor.declared(product_of(exchange), action(exchange))
            self.assertEqual(
                (exchange.method, exchange.target.partition("?")[0]), (declared.method, "/"), action(exchange)
            )
            names = [name for pairs in parameters(exchange).values() for name, _ in pairs]
            self.assertEqual(len(names), len(set(names)), f"{action(exchange)} has a parameter twice: {names}")

    def test_each_parameter_is_one_of_the_sdks_and_where_the_sdk_puts_it(self):
        for product, name_of, place, name, _ in self.each_parameter():
            with self.subTest(name_of, parameter=name):
                places = vendor.declared(product, name_of).places
                self.assertNotIn(name, vendor.HIDDEN)
                self.assertIn(vendor.plain(name), places)
                self.assertTrue(
                    name_of in ELSEWHERE or places[vendor.plain(name)] == place, f"the worker puts it in the {place}"
                )

    def test_each_value_is_written_as_its_type(self):
        for product, name_of, _, name, value in self.each_parameter():
            with self.subTest(name_of, parameter=name):
                kind = vendor.kind_of(product, name_of, name)
                self.assertRegex(value, rf"^({WRITTEN[kind]})$")
                self.assertNotEqual(value, "", "an empty parameter is left out")

    def test_what_the_sdk_requires_is_sent(self):
        for exchange in self.exchanges:
            names = {name.partition(".")[0] for pairs in parameters(exchange).values() for name, _ in pairs}
            missing = set(vendor.required(product_of(exchange), action(exchange))) - names
            self.assertEqual(missing, set(), action(exchange))

    def test_each_answer_is_as_the_sdks_model_says(self):
        answered = set()
        for exchange in self.exchanges:
            if exchange.status == 200:
                answered.add(action(exchange))
                body = json.loads(exchange.answer)
                faults = vendor.answer_faults(product_of(exchange), action(exchange), body)
                self.assertEqual(faults, [], action(exchange))
        self.assertEqual(set(operations.called()) - answered, set(), "never answered")


if __name__ == "__main__":
    unittest.main()
