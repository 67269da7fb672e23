// Asks Crossgrant for many jobs as one batch, and waits for its one answer: node one_answer.js ID jobs.json. May be run again.

import { readFileSync } from "node:fs";
import { connect, type ConsumeMessage } from "amqplib";

const AMQP_URL = process.env.AMQP_URL ?? "amqp://crossgrant-submitter@127.0.0.1/%2f";
const EXCHANGE = process.env.EXCHANGE ?? "crossgrant";
const ANSWERS = process.env.ANSWERS ?? "crossgrant-submitter.answers";
const ENDS = ["crossgrant.batch.ended", "crossgrant.job.rejected"];

type Failed = { id: string; reason: string; message: string };
type Counts = Record<string, Record<string, number>>;
type BatchEvent = { type: string; data: { message?: string; jobs?: Counts; not_completed?: Failed[] } };

/** Publishes all jobs in one message, and returns the event that ends the batch, or says why it was rejected. */
export async function ask(batch: string, jobs: unknown[]): Promise<BatchEvent> {
  const connection = await connect(AMQP_URL);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue(ANSWERS, { durable: true, arguments: { "x-queue-type": "quorum" } });
  const [userId, returned] = [decodeURIComponent(new URL(AMQP_URL).username), [] as string[]];
  channel.on("return", (message) => returned.push(message.properties.correlationId));
  const properties = { contentType: "application/json", persistent: true, replyTo: ANSWERS, correlationId: batch, userId };
  const body = Buffer.from(JSON.stringify({ batch: { id: batch }, jobs }));
  channel.publish(EXCHANGE, "batch", body, { mandatory: true, ...properties });
  await channel.waitForConfirms(); // Throws if the broker did not store it.
  if (returned.length > 0) throw new Error(`no queue took ${returned}`);
  await channel.prefetch(1);
  const end = await new Promise<BatchEvent>((resolve, reject) => {
    let ended = false;
    const take = (message: ConsumeMessage | null) => {
      if (ended) return; // What comes later stays in the queue.
      if (message === null) return reject(new Error("the queue of answers was deleted"));
      const event: BatchEvent = JSON.parse(message.content.toString());
      channel.ack(message);
      ended = message.properties.correlationId === batch && ENDS.includes(event.type);
      if (ended) resolve(event);
    };
    channel.consume(ANSWERS, take).catch(reject);
  });
  await connection.close();
  return end;
}

const jobs: unknown[] = JSON.parse(readFileSync(process.argv[3]!, "utf8"));
const { data } = await ask(process.argv[2]!, jobs);
for (const job of data.not_completed ?? []) console.log(`${job.id} ${job.reason}: ${job.message}`);
console.log(data.jobs === undefined ? data.message : JSON.stringify(data.jobs));
const completed = Object.values(data.jobs?.completed ?? {}).reduce((sum, count) => sum + count, 0);
process.exitCode = completed === jobs.length ? 0 : 1;
