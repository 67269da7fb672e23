"""The vendor's SDK reads the lists of the simulated cloud page by page, and comes to what one page shows."""

import unittest

import vendor
from program import Simulator
from world import CCN_REGION, CEN, ENTERPRISE, REGION, RESOURCE_KEY, ROUTERS_KEY, instance, world

# Lists by token: who asks for which, and where the items are.
BY_TOKEN = {
    "DescribeGrantRulesToCen": (ROUTERS_KEY, {"CenId": CEN, "ProductType": "VPC"}, ("GrantRules", "GrantRule")),
    **{
        f"ListTransitRouter{kind}Attachments": (
            ROUTERS_KEY,
            {"TransitRouterId": ENTERPRISE},
            ("TransitRouterAttachments",),
        )
        for kind in ("Vpc", "Vbr", "Vpn", "Ecr")
    },
}
# Lists by number, the same.
BY_NUMBER = {
    "DescribeCens": ("Cbn", ROUTERS_KEY, {}, ("Cens", "Cen")),
    "ListTransitRouters": ("Cbn", ROUTERS_KEY, {"CenId": CEN}, ("TransitRouters",)),
    "DescribeCenAttachedChildInstances": ("Cbn", ROUTERS_KEY, {"CenId": CEN}, ("ChildInstances", "ChildInstance")),
    "DescribeGrantRules": ("Smartag", RESOURCE_KEY, {"RegionId": CCN_REGION}, ("GrantRules", "GrantRule")),
    "DescribeVpnAttachments": ("Vpc", RESOURCE_KEY, {"RegionId": REGION}, ("VpnAttachments",)),
}


def items(body, path):
    """Finds the items of a list in an answer."""
    for name in path:
        body = body[name]
    return body


class Pages(unittest.TestCase):
    """Reads every list of one simulated cloud."""

    @classmethod
    def setUpClass(cls):
        cls.simulator = cls.enterClassContext(Simulator(world()))

    def pages(self, product, action, key, parameters, follow):
        """Calls an operation until `follow` has no parameters for one more page."""
        account, more, bodies = vendor.Account(self.simulator.host, *key), {}, []
        while more is not None:
            body, _ = account.call(product, action, {**parameters, **more})
            bodies.append(body)
            more = follow(body)
            self.assertLess(len(bodies), 100, "there is no last page")
        return bodies

    def test_a_list_by_token_ends_and_is_whole(self):
        for action, (key, parameters, path) in BY_TOKEN.items():
            with self.subTest(action):
                follow = lambda body: {"NextToken": body["NextToken"]} if body.get("NextToken") else None
                (one,) = self.pages("Cbn", action, key, {**parameters, "MaxResults": 100}, follow)
                pages = self.pages("Cbn", action, key, {**parameters, "MaxResults": 1}, follow)
                self.assertGreater(len(pages), 1)
                self.assertEqual([item for page in pages for item in items(page, path)], items(one, path))
                self.assertEqual({page["TotalCount"] for page in pages}, {one["TotalCount"]})
                # The answer's MaxResults is the number of items in it, not the number asked for.
                self.assertEqual([page["MaxResults"] for page in pages], [len(items(page, path)) for page in pages])

    def test_without_a_number_all_rules_come_at_once(self):
        account = vendor.Account(self.simulator.host, *ROUTERS_KEY)
        body, _ = account.call("Cbn", "DescribeGrantRulesToCen", {"CenId": CEN, "ProductType": "VPC"})
        self.assertEqual((body["NextToken"], len(body["GrantRules"]["GrantRule"])), ("", body["TotalCount"]))
        account = vendor.Account(self.simulator.host, *RESOURCE_KEY)
        rules = {"ResourceId": instance("VPC", "listed"), "ProductType": "VPC"}
        body, _ = account.call("Cbn", "DescribeGrantRulesToResource", rules)
        self.assertEqual((body["NextToken"], len(body["GrantRules"])), ("", body["TotalCount"]))

    def test_a_list_by_number_ends_and_is_whole(self):
        for action, (product, key, parameters, path) in BY_NUMBER.items():
            with self.subTest(action):
                read = lambda size: self.pages(
                    product,
                    action,
                    key,
                    {**parameters, "PageSize": size},
                    lambda body: {"PageNumber": body["PageNumber"] + 1} if items(body, path) else None,
                )
                whole, pages = read(50), read(1)
                self.assertEqual(len(whole), 2, "one page and an empty one")
                self.assertGreater(len(pages), 2)
                self.assertEqual([i for page in pages for i in items(page, path)], items(whole[0], path))
                self.assertEqual({page["TotalCount"] for page in pages}, {len(items(whole[0], path))})


if __name__ == "__main__":
    unittest.main()
