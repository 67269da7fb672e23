// A visit to the page: a browser of some size and colour, with a session, that hears everything its console says.
import { expect } from "@playwright/test";
import AxeBuilder from "@axe-core/playwright";

export const PHONE = { width: 390, height: 844 };
export const DESK = { width: 1280, height: 860 };

// The workers that are served, in the order of their ports: one whose clock stands, one that goes on, one that strangers have
// written to, and one without a job.
export const WORLDS = ["still", "going", "strange", "empty"];
export const FIRST_PORT = Number(process.env.CROSSGRANT_PAGE ?? 19187);
export const address = (world) => `http://127.0.0.1:${FIRST_PORT + WORLDS.indexOf(world)}`;

// Opens a window of a browser. `faults` collects what its console complains of, what a script throws, and each dialog.
export async function open(browser, world, options = {}) {
  const context = await browser.newContext({ viewport: DESK, baseURL: address(world), ...options });
  const page = await context.newPage();
  page.faults = [];
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) page.faults.push(message.text()); });
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("dialog", (dialog) => { page.faults.push(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
  return page;
}

// The same, with a session of this token.
export async function visit(browser, world, token, options = {}) {
  const page = await open(browser, world, options);
  await page.goto("/login");
  await page.getByLabel("Token").fill(`browser-${token}`);
  await page.getByLabel("Your name").fill("Ann");
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("navigation", { name: "Views" })).toBeVisible();
  return page;
}

const STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

// What axe finds wrong with what is shown, by all of its rules or by some. There is no frame, so it need not look into any.
export async function faultsOf(page, rules) {
  const runOnly = rules ? { type: "rule", values: rules } : { type: "tag", values: STANDARDS };
  const axe = new AxeBuilder({ page }).options({ runOnly, resultTypes: ["violations"] });
  const found = await axe.setLegacyMode(true).analyze();
  return found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => `${node.html.slice(0, 160)} ${node.failureSummary}`).join(" | ")}`);
}

// By how many points the document is wider than the window.
export const tooWide = (page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

// Goes to the view of the job with this id, among those of a filter.
export async function job(page, id, filter = "") {
  await page.goto(`/jobs${filter}`);
  await page.getByRole("link", { name: id, exact: true }).first().click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText(id);
}

// What was done to the simulated cloud.
export const effects = async (page) => (await page.request.get("/_effects")).json();

// Gives a reason in a form, and presses its button.
export async function press(form, why, button) {
  await form.getByLabel("Why").fill(why);
  await form.getByRole("button", button ? { name: button } : {}).click();
}
