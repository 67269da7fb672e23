// What people do with the page: by keyboard, without a script, two at a time; and what comes of each button in the simulated cloud.
import { expect, test } from "@playwright/test";
import { effects, job, visit } from "./visit.mjs";

test("the keyboard alone reaches the content and a view", async ({ browser }) => {
  const page = await visit(browser, "finance");
  await page.goto("/");
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to the content" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.locator("main")).toBeFocused();
  await page.getByRole("link", { name: "Jobs", exact: true }).focus();
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  expect(outline).not.toBe("none");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/jobs$/);
  await page.context().close();
});

test("without a script every view is there, and a form works", async ({ browser }) => {
  const page = await visit(browser, "change-board", { javaScriptEnabled: false });
  for (const name of ["Jobs", "Approvals", "Batches", "Dead", "Plan", "Codes", "Now"]) {
    await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name, exact: true }).click();
    await expect(page.locator("main h1")).toBeVisible();
  }
  await page.goto("/jobs");
  await page.getByLabel("parked").check();
  await page.getByRole("button", { name: "Filter" }).click();
  await expect(page).toHaveURL(/state=parked/);
  await expect(page.locator("tbody tr").first()).toContainText("parked");
  await job(page, "GONE-7");
  const form = page.locator("form[action$='/cancel']");
  await form.getByLabel("Why").fill("not needed any more");
  await form.getByRole("button").click();
  await expect(page.getByRole("status")).toBeVisible();
  await expect(page.locator("main")).toContainText("by Ann (token change-board): not needed any more");
  await page.context().close();
});

test("a reader is shown everything and has no button", async ({ browser }) => {
  const page = await visit(browser, "finance");
  await job(page, "NET-4312");
  await expect(page.locator("form.command")).toHaveCount(0);
  await expect(page.locator(".differs").first()).toBeVisible();
  await page.context().close();
});

test("of two who approve the same jobs one is told that the other was first, and the cloud shows the change", async ({ browser }) => {
  const [one, two] = [await visit(browser, "change-board"), await visit(browser, "change-board")];
  const group = (page) => page.locator("section.group", { hasText: "payer-change" }).locator("form.command");
  for (const page of [one, two]) {
    await page.goto("/approvals");
    await group(page).getByLabel("Why").fill("agreed with finance");
  }
  const before = (await effects(one)).length;
  await group(one).getByRole("button").click();
  await expect(one.locator("h1")).toContainText(/done for \d+ jobs/);
  await group(two).getByRole("button").click();
  await expect(two.locator("h1")).toContainText("Not done");
  await expect.poll(async () => (await effects(one)).length, { timeout: 20_000 }).toBeGreaterThan(before);
  await one.context().close();
  await two.context().close();
});

test("an open view changes by itself, and keeps what is being typed", async ({ browser }) => {
  const [seen, done] = [await visit(browser, "night-shift"), await visit(browser, "night-shift")];
  await job(seen, "NET-4312");
  await job(done, "NET-4312");
  const before = await effects(done);
  const form = done.locator("form[action$='/resume']");
  await form.getByLabel("Why").fill("the policy is mended");
  await form.getByRole("button").click();
  await expect(done.getByRole("status")).toBeVisible();
  await expect(seen.locator("[data-part=timeline]")).toContainText("the policy is mended", { timeout: 10_000 });
  await expect.poll(async () => (await effects(done)).length, { timeout: 20_000 }).toBeGreaterThan(before.length);
  await expect(seen.locator("[data-part=why] h1")).not.toContainText("half done", { timeout: 20_000 });
  expect(seen.faults).toEqual([]);
  await seen.context().close();
  await done.context().close();
});

test("an account is paused and goes on", async ({ browser }) => {
  const page = await visit(browser, "night-shift");
  const row = page.locator("[data-part=accounts] tbody tr").first();
  await row.getByText("Pause", { exact: true }).first().click();
  await row.getByLabel("Why").fill("an audit");
  await row.getByRole("button", { name: "Pause" }).click();
  await expect(page.locator("[data-part=accounts]")).toContainText("an audit");
  await row.getByText("End the pause").first().click();
  await row.getByLabel("Why").fill("over");
  await row.getByRole("button", { name: "End the pause" }).click();
  await expect(page.locator("[data-part=accounts]")).not.toContainText("an audit");
  await page.context().close();
});

test("a rejected job is mended as far as a plan, and deleted", async ({ browser }) => {
  const page = await visit(browser, "night-shift");
  await page.goto("/dead");
  await page.getByRole("link", { name: "NET-4313" }).first().click();
  await expect(page.locator(".marked .fault").first()).toBeVisible();
  const good = {
    id: "NET-4313", kind: "grant", order_type: "PayByCenOwner",
    instance: { type: "VPC", id: "vpc-bp1h8vbrbcgohcju50004", region: "cn-hangzhou", owner: "1688000000000001" },
    cen: { id: "cen-44m0p68spvlrqq0001", owner: "1250123456123456" },
  };
  await page.getByLabel("The job, to be corrected").fill(JSON.stringify(good));
  await page.getByRole("button", { name: "Check and plan" }).click();
  await expect(page.locator("main")).toContainText("planned");
  await page.goto("/dead");
  await page.getByRole("link", { name: "NET-4313" }).first().click();
  await page.getByLabel("Why").fill("mended");
  await page.getByRole("button", { name: "Delete" }).click();
  await expect(page.getByRole("status")).toContainText("Deleted");
  await page.context().close();
});
