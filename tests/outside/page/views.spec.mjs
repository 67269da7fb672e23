// Each view, light and dark, on a phone and on a desk: nothing that axe or the console complains of, nothing wider than the screen.
import { expect, test } from "@playwright/test";
import { mkdirSync } from "node:fs";
import { DESK, PHONE, faultsOf, visit } from "./visit.mjs";

const SHOTS = new URL("../../../target/outside-page-shots/", import.meta.url).pathname;
mkdirSync(SHOTS, { recursive: true });

// Each view by its name, and how to come to it.
const VIEWS = {
  now: "/", jobs: "/jobs", approvals: "/approvals", batches: "/batches", dead: "/dead", plan: "/plan", codes: "/codes",
  code: "/codes/attached", bulk: "/bulk/approve?for=needs-approval",
  "job-half-done": ["/jobs?half-done=true", "NET-4312"], "job-waiting": ["/jobs?state=waiting", "MOVE-0"],
  "job-completed": ["/jobs?state=completed", "NET-4310"], "job-approval": ["/jobs?for=needs-approval", "MOVE-4"],
  instance: "/instances/vpc-bp1h8vbrbcgohcju50001", rejected: ["/dead", "NET-4313"], batch: ["/batches", "MOVE-OCTOBER"],
};

for (const scheme of ["light", "dark"]) {
  for (const [size, viewport] of Object.entries({ desk: DESK, phone: PHONE })) {
    test(`every view, ${scheme}, ${size}`, async ({ browser }) => {
      const page = await visit(browser, "change-board", { viewport, colorScheme: scheme, hasTouch: size === "phone" });
      for (const [name, way] of Object.entries(VIEWS)) {
        const [path, link] = [way].flat();
        await page.goto(path);
        if (link) await page.getByRole("link", { name: new RegExp(link) }).first().click();
        await expect(page.locator("main h1")).toBeVisible();
        expect(await faultsOf(page), name).toEqual([]);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(over, `${name} is wider than the screen`).toBeLessThanOrEqual(0);
        await page.screenshot({ path: `${SHOTS}${name}-${size}-${scheme}.png`, fullPage: name !== "codes" });
      }
      expect(page.faults).toEqual([]);
      await page.context().close();
    });
  }
}

test("the way in, and out", async ({ browser }) => {
  const context = await browser.newContext({ viewport: PHONE });
  const page = await context.newPage();
  await page.goto("/jobs?state=parked");
  expect(await faultsOf(page)).toEqual([]);
  await page.screenshot({ path: `${SHOTS}login-phone-light.png` });
  await page.getByLabel("Token").fill("wrong");
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("alert")).toContainText("no such token");
  await page.getByLabel("Token").fill("browser-finance");
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page).toHaveURL(/state=parked/);
  await page.getByRole("button", { name: "Log out" }).click();
  await page.goto("/");
  await expect(page.getByLabel("Token")).toBeVisible();
  await context.close();
});
