// What people do with the page: by keyboard, without a script, two at a time; and what comes of each button in the simulated cloud.
import { expect, test } from "@playwright/test";
import { effects, job, press, visit } from "./visit.mjs";

const NETWORK = (n) => `vpc-bp1k2m5q8w3e6r9t${String(n).padStart(4, "0")}`;
// Waits until the simulated cloud shows this.
const shows = (page, text) => expect.poll(async () => (await effects(page)).join("\n"), { timeout: 30_000 }).toContain(text);
const command = (page, word) => page.locator(`form[action$='/${word}']`);

test("the keyboard alone reaches the content, a view and a button", async ({ browser }) => {
  const page = await visit(browser, "going", "night-shift");
  await page.goto("/");
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to the content" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.locator("main")).toBeFocused();
  const tabTo = async (target) => {
    for (let n = 0; n < 80; n++) {
      await page.keyboard.press("Tab");
      if (await target.evaluate((node) => node === document.activeElement)) return;
    }
    throw new Error("no number of tabs leads there");
  };
  await page.goto("/");
  await tabTo(page.getByRole("link", { name: "Jobs", exact: true }));
  expect(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle)).not.toBe("none");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/jobs$/);
  await job(page, "GONE-6", "?for=needs-approval");
  await tabTo(command(page, "cancel").getByLabel("Why"));
  await page.keyboard.type("by keyboard");
  await tabTo(command(page, "cancel").getByRole("button"));
  await page.keyboard.press("Enter");
  await expect(page.getByRole("status")).toBeVisible();
  await expect(page.locator("main")).toContainText("by Ann (token night-shift): by keyboard");
  await page.context().close();
});

test("without a script every view is there, and a form works", async ({ browser }) => {
  const page = await visit(browser, "going", "night-shift", { javaScriptEnabled: false });
  for (const name of ["Jobs", "Approvals", "Batches", "Dead", "Plan", "Codes", "Now"]) {
    await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name, exact: true }).click();
    await expect(page.locator("main h1")).toBeVisible();
  }
  await page.goto("/jobs");
  await page.getByLabel("parked").check();
  await page.getByRole("button", { name: "Filter" }).click();
  await expect(page).toHaveURL(/state=parked/);
  await expect(page.locator("tbody tr").first()).toContainText("parked");
  await job(page, "GONE-7", "?for=needs-approval");
  await press(command(page, "cancel"), "not needed any more");
  await expect(page.getByRole("status")).toBeVisible();
  await expect(page.locator("main")).toContainText("by Ann (token night-shift): not needed any more");
  await page.context().close();
});

test("a reader is shown everything and has no button", async ({ browser }) => {
  const page = await visit(browser, "going", "finance");
  await job(page, "NET-4312", "?half-done=true");
  await expect(page.locator(".differs").first()).toBeVisible();
  for (const path of [page.url(), "/", "/approvals", "/dead", "/jobs", "/bulk/approve?for=needs-approval"]) {
    await page.goto(path);
    if (!path.startsWith("/bulk")) await expect(page.locator("form.command")).toHaveCount(0);
  }
  await press(page.locator("form.command"), "I may not");
  await expect(page.locator("h1")).toHaveText("Not done");
  await page.context().close();
});

test("a job is approved, and the cloud shows the change", async ({ browser }) => {
  const page = await visit(browser, "going", "change-board");
  await job(page, "MOVE-2", "?for=needs-approval");
  await press(command(page, "approve"), "agreed with finance");
  await expect(page.getByRole("status")).toContainText("approved");
  await shows(page, `ModifyGrantInstanceToTransitRouter ${NETWORK(2)} PayByResourceOwner`);
  await page.context().close();
});

test("of two who approve the same jobs one is told that the other was first, and the cloud shows the change", async ({ browser }) => {
  const [one, two] = [await visit(browser, "going", "change-board"), await visit(browser, "going", "change-board")];
  const group = (page) => page.locator("section.group", { hasText: "payer changes" }).locator("form.command");
  for (const page of [one, two]) {
    await page.goto("/approvals");
    await group(page).getByLabel("Why").fill("agreed with finance");
  }
  await group(one).getByRole("button").click();
  await expect(one.locator("h1")).toContainText("done for 2 jobs");
  await group(two).getByRole("button").click();
  await expect(two.locator("h1")).toContainText("Not done");
  for (const n of [3, 4]) await shows(one, `ModifyGrantInstanceToTransitRouter ${NETWORK(n)} PayByResourceOwner`);
  await one.context().close();
  await two.context().close();
});

test("an open view changes by itself, and keeps what is being typed", async ({ browser }) => {
  const windows = [];
  for (let n = 0; n < 3; n++) {
    windows.push(await visit(browser, "going", "night-shift"));
    await job(windows[n], "NET-4312", "?half-done=true");
  }
  const [watches, types, acts] = windows;
  await command(types, "resume").getByLabel("Why").fill("I am still typing");
  await press(command(acts, "resume"), "the policy is mended");
  await expect(acts.getByRole("status")).toBeVisible();
  await expect(watches.locator("[data-part=timeline]")).toContainText("the policy is mended");
  await expect(types.locator("[data-part=timeline]")).toContainText("the policy is mended");
  await expect(command(types, "resume").getByLabel("Why")).toHaveValue("I am still typing");
  await shows(acts, "ModifyGrantInstanceToTransitRouter vpc-bp1h8vbrbcgohcju50001 PayByCenOwner");
  await expect(watches.locator("[data-part=why] h1")).toContainText("failed", { timeout: 30_000 });
  for (const page of windows) {
    expect(page.faults).toEqual([]);
    await page.context().close();
  }
});

test("a half-done job is released, and the one behind it begins", async ({ browser }) => {
  const page = await visit(browser, "going", "night-shift");
  await job(page, "NET-4318", "?half-done=true");
  await press(command(page, "release"), "mended by hand");
  await expect(page.getByRole("status")).toContainText("go on");
  await job(page, "NET-4319", "?label=ticket%3DCHG-110");
  await expect(page.locator("[data-part=why] h1")).toContainText(/completed|failed/, { timeout: 30_000 });
  await page.context().close();
});

test("all jobs of a filter are resumed or cancelled, and the cloud shows it", async ({ browser }) => {
  const page = await visit(browser, "going", "night-shift");
  for (const [filter, button, word] of [["for=gave-up", "Resume", "resume"], ["label=ticket%3DCHG-106", "Cancel", "cancel"]]) {
    await page.goto(`/jobs?${filter}`);
    await page.getByRole("link", { name: `${button}…` }).click();
    await press(page.locator("form.command"), "as agreed", `${button} 1`);
    await expect(page.locator("h1"), word).toHaveText(`${button}: done for 1 job`);
  }
  await shows(page, `RevokeInstanceFromTransitRouter ${NETWORK(18)}`);
  await job(page, "NET-4315", "?label=ticket%3DCHG-106");
  await expect(page.locator("[data-part=why] h1")).toContainText("cancelled");
  await page.context().close();
});

test("an account is paused and goes on", async ({ browser }) => {
  const page = await visit(browser, "going", "night-shift");
  const row = page.locator("[data-part=accounts] tbody tr", { hasText: "1688000000000001" });
  for (const [button, why] of [["Pause", "an audit"], ["End the pause", "it is over"]]) {
    await row.locator("summary").click();
    await press(row.locator("form"), why, button);
    await expect(page.getByRole("status")).toBeVisible();
    await expect(row).toContainText(button === "Pause" ? "an audit" : "ok");
  }
  await expect(row).not.toContainText("an audit");
  await page.context().close();
});

test("a rejected job is mended as far as a plan, and deleted", async ({ browser }) => {
  const page = await visit(browser, "going", "night-shift");
  await page.goto("/dead");
  await page.getByRole("link", { name: "NET-4313" }).first().click();
  const here = page.url();
  await expect(page.locator(".marked .fault").first()).toBeVisible();
  const good = {
    id: "NET-4313", kind: "grant", order_type: "PayByCenOwner",
    instance: { type: "VPC", id: "vpc-bp1h8vbrbcgohcju50004", region: "cn-hangzhou", owner: "1688000000000001" },
    cen: { id: "cen-44m0p68spvlrqq0001", owner: "1250123456123456" },
  };
  await page.getByLabel("The job, to be corrected").fill(JSON.stringify(good));
  await page.getByRole("button", { name: "Check and plan" }).click();
  await expect(page.locator("main .state").first()).toHaveText("planned");
  await page.goto(here);
  await press(command(page, "drop"), "mended", "Delete");
  await expect(page.getByRole("status")).toContainText("Deleted");
  await expect(page.locator("main")).toContainText("0 rejected");
  await page.context().close();
});

test("a message that no queue took is sent again", async ({ browser }) => {
  const page = await visit(browser, "going", "night-shift");
  await page.goto("/dead");
  await page.getByRole("link", { name: /^\d+$/ }).first().click();
  await press(command(page, "replay"), "the queue is there", "Send again");
  await expect(page.getByRole("status")).toContainText("sent again");
  await expect(page.locator("main")).toContainText("0 undeliverable");
  await page.context().close();
});
