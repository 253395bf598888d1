import { describe, expect, it } from "@jest/globals";
import { EventStream } from "../../../src/p2p/event-stream.js";
import { settle } from "../../support/fake-clock.js";

async function readAll<T>(stream: EventStream<T>): Promise<{ read: T[]; error?: unknown }> {
  const read: T[] = [];
  try {
    for await (const event of stream) read.push(event);
    return { read };
  } catch (error) {
    return { read, error };
  }
}

describe("a stream of events", () => {
  it("gives what was pushed before and after its reader came, in order, and ends", async () => {
    const stream = new EventStream<number>();
    stream.push(1);
    stream.push(2);
    const all = readAll(stream);
    await settle();
    stream.push(3);
    await settle();
    stream.push(4);
    stream.push(5);
    stream.end();
    expect(await all).toEqual({ read: [1, 2, 3, 4, 5] });
  });

  it("gives what is pushed while its reader works", async () => {
    const stream = new EventStream<number>();
    stream.push(1);
    const read: number[] = [];
    for await (const event of stream) {
      read.push(event);
      if (event < 50) stream.push(event + 1);
      else stream.end();
    }
    expect(read).toHaveLength(50);
  });

  it("throws its error after everything that was pushed before", async () => {
    const stream = new EventStream<number>();
    const error = new Error("the whole crawl failed");
    stream.push(1);
    stream.end(error);
    stream.end();
    expect(await readAll(stream)).toEqual({ read: [1], error });
  });

  it("ends for a reader that waits", async () => {
    const stream = new EventStream<number>();
    const all = readAll(stream);
    await settle();
    stream.end();
    expect(await all).toEqual({ read: [] });
  });
});
