"""The vendor's SDK is the client of the simulated cloud, for every operation it serves, well and badly used."""

import unittest

from alibabacloud_tea_openapi.exceptions import AlibabaCloudException

import operations
import vendor
from cases import CASES
from program import Simulator
from world import RESOURCE, RESOURCE_KEY, ROUTERS, ROUTERS_KEY, world

# What the body of a refusal may hold, all of it texts but the last; the SDK adds the status.
REFUSAL = {"RequestId", "HostId", "Code", "Message", "Recommend", "statusCode", "AccessDeniedDetail"}


class Operations(unittest.TestCase):
    """Uses every operation of one simulated cloud."""

    @classmethod
    def setUpClass(cls):
        cls.simulator = cls.enterClassContext(Simulator(world()))
        keys = {RESOURCE: RESOURCE_KEY, ROUTERS: ROUTERS_KEY}
        cls.accounts = {uid: vendor.Account(cls.simulator.host, *key) for uid, key in keys.items()}

    def each(self):
        """Goes through the operations with their products and cases; one that is served and has no case fails."""
        served = operations.served()
        for action in sorted(served.keys() | CASES.keys()):
            with self.subTest(action):
                self.assertTrue(action in served, "the simulated cloud does not serve it")
                self.assertTrue(action in CASES, "nothing uses it here: add a case to cases.py")
                yield served[action], action, CASES[action]

    def refused(self, product, action, account, parameters, code):
        """Sees that the SDK raises, with the documented code and the request's id."""
        with self.subTest(action, parameters=parameters):
            with self.assertRaises(AlibabaCloudException, msg=f"it should be refused with {code}") as raised:
                self.accounts[account].call(product, action, parameters)
            error = raised.exception
            self.assertRegex(error.code or "", rf"^({code})$", error.message)
            self.assertRegex(error.request_id or "", r"^[0-9A-F-]{36}$")
            self.assertLessEqual(error.data.keys(), REFUSAL)

    def test_used_badly_each_operation_refuses_with_the_documented_code(self):
        for product, action, case in self.each():
            for parameters, code in case.bad:
                self.refused(product, action, case.account, parameters, code)
            for name in vendor.required(product, action):
                rest = {key: value for key, value in case.good[0].items() if key != name}
                self.refused(product, action, case.account, rest, case.missing)

    def test_used_well_each_operation_answers_as_its_model_says(self):
        for product, action, case in self.each():
            for parameters in case.good:
                with self.subTest(action, parameters=parameters):
                    body, model = self.accounts[case.account].call(product, action, parameters)
                    self.assertEqual(vendor.answer_faults(product, action, body), [])
                    self.assertRegex(model.request_id or "", r"^[0-9A-F-]{36}$")
                    for name in ("TotalCount", "PageSize"):
                        self.assertNotEqual(body.get(name), 0, f"an empty answer shows nothing: {body}")
            if case.again:
                self.refused(product, action, case.account, case.good[0], case.again)


if __name__ == "__main__":
    unittest.main()
