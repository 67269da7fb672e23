// Asks Crossgrant for grants, and waits for the answers: node grants.js jobs.json

import { readFileSync } from "node:fs";
import { connect, type ConsumeMessage } from "amqplib";

const AMQP_URL = process.env.AMQP_URL ?? "amqp://crossgrant-submitter@127.0.0.1/%2f";
const EXCHANGE = process.env.EXCHANGE ?? "crossgrant";
const ANSWERS = process.env.ANSWERS ?? "crossgrant-submitter.answers";
const ENDS = ["completed", "planned", "failed", "superseded", "cancelled", "rejected"];

type Job = { id: string; kind: string };
type JobEvent = { id: string; type: string; data: { message?: string } };

const endOf = (event: JobEvent) => event.type.replace("crossgrant.job.", "");

/** Publishes jobs, and calls `handle` once for each of their events. Returns when each job has ended. */
export async function ask(jobs: Job[], handle: (job: string, event: JobEvent) => unknown): Promise<void> {
  const connection = await connect(AMQP_URL);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue(ANSWERS, { durable: true, arguments: { "x-queue-type": "quorum" } });
  const [userId, returned] = [decodeURIComponent(new URL(AMQP_URL).username), [] as string[]];
  channel.on("return", (message) => returned.push(message.properties.correlationId));
  for (const job of jobs) {
    const properties = { contentType: "application/json", persistent: true, replyTo: ANSWERS, correlationId: job.id, userId };
    channel.publish(EXCHANGE, `job.${job.kind}`, Buffer.from(JSON.stringify(job)), { mandatory: true, ...properties });
  }
  await channel.waitForConfirms(); // Throws if the broker did not store one.
  if (returned.length > 0) throw new Error(`no queue took ${returned}`);
  const [waiting, seen] = [new Set(jobs.map((job) => job.id)), new Set<string>()];
  await channel.prefetch(100);
  await new Promise<void>((resolve) => {
    const take = async (message: ConsumeMessage | null) => {
      if (waiting.size === 0) return; // What comes later stays in the queue.
      if (message === null) throw new Error("the queue of answers was deleted");
      const event: JobEvent = JSON.parse(message.content.toString());
      if (!seen.has(event.id)) await handle(message.properties.correlationId, event);
      seen.add(event.id);
      channel.ack(message);
      if (ENDS.includes(endOf(event))) waiting.delete(message.properties.correlationId);
      if (waiting.size === 0) resolve();
    };
    let turn = Promise.resolve();
    channel.consume(ANSWERS, (message) => void (turn = turn.then(() => take(message))));
  });
  await connection.close();
}

const jobs: Job[] = JSON.parse(readFileSync(process.argv[2]!, "utf8"));
const [wanted, counts] = [new Set(jobs.map((job) => job.id)), new Map<string, number>()];
if (jobs.length > 0) {
  await ask(jobs, (job, event) => {
    console.log(job, event.type, event.data.message ?? "");
    const end = endOf(event);
    if (wanted.has(job) && ENDS.includes(end)) counts.set(end, (counts.get(end) ?? 0) + 1);
  });
}
console.log(`${jobs.length} jobs: ${[...counts].sort().map(([end, count]) => `${count} ${end}`).join(", ")}`);
process.exitCode = counts.get("completed") === jobs.length ? 0 : 1;
