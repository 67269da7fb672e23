// Each view in each state: its name, the worker that shows it, its address, and the link that leads on from there to it.
export const VIEWS = {
  now: ["still", "/"],
  "now-empty": ["empty", "/"],
  jobs: ["still", "/jobs"],
  "jobs-filtered": ["still", "/jobs?state=parked&kind=payer-change&label=ticket%3DCHG-103"],
  "jobs-empty": ["empty", "/jobs?state=parked"],
  "job-queued": ["still", "/jobs?state=queued", "NET-4316"],
  "job-held": ["still", "/jobs?held=true", "NET-4315"],
  "job-running": ["still", "/jobs?state=running", "NET-4317"],
  "job-going-back": ["still", "/jobs?state=running", "NET-4314"],
  "job-waiting": ["still", "/jobs?state=waiting", "MOVE-0"],
  "job-overdue": ["still", "/jobs?state=waiting", "NET-4306"],
  "job-approval": ["still", "/jobs?for=needs-approval", "MOVE-4"],
  "job-gave-up": ["still", "/jobs?for=gave-up", "NET-4301"],
  "job-half-done": ["still", "/jobs?half-done=true", "NET-4312"],
  "job-completed": ["still", "/jobs?state=completed", "NET-4310"],
  "job-failed": ["still", "/jobs?state=failed", "NET-4308"],
  "job-planned": ["still", "/jobs?state=planned", "NET-4307"],
  "job-superseded": ["still", "/jobs?state=superseded", "NET-4304"],
  "job-cancelled": ["still", "/jobs?state=cancelled", "GONE-4"],
  instance: ["still", "/instances/vpc-bp1h8vbrbcgohcju50001"],
  approvals: ["still", "/approvals"],
  "approvals-plan": ["still", "/approvals", "Show the plan of MOVE-4"],
  "approvals-empty": ["empty", "/approvals"],
  bulk: ["still", "/bulk/approve?for=needs-approval"],
  batches: ["still", "/batches"],
  batch: ["still", "/batches", "MOVE-OCTOBER"],
  "batch-ended": ["still", "/batches", "MOVE-SEPTEMBER"],
  "batches-empty": ["empty", "/batches"],
  dead: ["still", "/dead"],
  "dead-rejected": ["still", "/dead", "NET-4313"],
  "dead-undeliverable": ["still", "/dead", /^\d+$/],
  "dead-empty": ["empty", "/dead"],
  plan: ["still", "/plan"],
  codes: ["still", "/codes"],
  code: ["still", "/codes/half-done"],
  "not-found": ["still", "/jobs/none"],
};

// Goes to a view.
export async function go(page, [, path, link]) {
  await page.goto(path);
  if (link) await page.locator("main").getByRole("link", { name: link }).first().click();
  await page.locator("main h1").waitFor();
}
