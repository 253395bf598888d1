/** A watcher that believes nothing: each change must lead on from what it was told before. */
import { expect } from "@jest/globals";
import { toJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ContainerSchema } from "../../src/gen/p2prc/client/v1/container_pb.js";
import { GroupSchema } from "../../src/gen/p2prc/client/v1/group_pb.js";
import {
  type Change,
  Change_Type,
  type WatchRequest_Kind,
  type WatchResponse,
  WatchResponse_Type,
} from "../../src/gen/p2prc/client/v1/watch_pb.js";
import type { Api } from "./container-bench.js";

export interface TapFilter {
  readonly kinds?: WatchRequest_Kind[];
  readonly containerFilter?: string;
  readonly groupFilter?: string;
}

export class WatchTap {
  readonly filter: TapFilter;
  /** What exists, as far as this watcher was told: JSON by name. */
  readonly seen = new Map<string, string>();
  /** Revisions of the commits that it was told, each once. */
  readonly commits: string[] = [];
  readonly #api: Api;
  #leaving: AbortController | undefined;
  #over: Promise<void> = Promise.resolve();
  #revision = "";
  #failure: Error | undefined;

  constructor(api: Api, filter: TapFilter = {}) {
    this.#api = api;
    this.filter = filter;
  }

  get isConnected(): boolean {
    return this.#leaving !== undefined;
  }

  /** Begins with what exists, or goes on where it was. */
  connect(): void {
    if (this.#leaving !== undefined) return;
    const leaving = new AbortController();
    this.#leaving = leaving;
    const begin = this.#revision === "" ? { sendInitialState: true } : { startRevision: this.#revision };
    if (this.#revision === "") this.seen.clear();
    this.#over = this.#read(this.#api.watch({ ...this.filter, ...begin }, { signal: leaving.signal }));
  }

  /** Leaves, wherever it is: in the middle of the initial state too. */
  async disconnect(): Promise<void> {
    this.#leaving?.abort();
    await this.#over;
    this.#leaving = undefined;
    this.requireSound();
  }

  /** @throws what it was told that cannot be */
  requireSound(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #read(messages: AsyncIterable<WatchResponse>): Promise<void> {
    try {
      for await (const message of messages) this.take(message);
    } catch (error) {
      if (ConnectError.from(error).code !== Code.Canceled) this.#failure = error as Error;
    }
  }

  /** Hears one message. */
  take({ type, revision, changes }: WatchResponse): void {
    for (const change of changes) this.#apply(change);
    // Of a commit told in several messages only the last one can be continued.
    if (type === WatchResponse_Type.CHANGES && revision !== "") {
      expect(this.commits).not.toContain(revision);
      this.commits.push(revision);
    }
    // A part of the initial state cannot be continued.
    if (revision !== "") this.#revision = revision;
  }

  #apply({ type, item, previous }: Change): void {
    const name = item.value?.name ?? "";
    const before = this.seen.get(name);
    expect({ name, before: previous.value === undefined ? undefined : textOf(previous) }).toEqual({
      name,
      before: type === Change_Type.ADDED ? undefined : before,
    });
    expect(before === undefined).toBe(type === Change_Type.ADDED);
    if (type === Change_Type.REMOVED) this.seen.delete(name);
    else this.seen.set(name, textOf(item));
  }
}

/** As a text that can be compared. */
export function textOf({ value }: Change["item"] | Change["previous"]): string {
  if (value === undefined) return "";
  return value.$typeName === "p2prc.client.v1.Container"
    ? JSON.stringify(toJson(ContainerSchema, value))
    : JSON.stringify(toJson(GroupSchema, value));
}
