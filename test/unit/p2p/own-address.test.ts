import { describe, expect, it } from "@jest/globals";
import { createAddressPolicy } from "../../../src/p2p/address-policy.js";
import { type FetchAddress, isOwnNode, OwnAddressSource } from "../../../src/p2p/own-address.js";
import { PeerError } from "../../../src/peer-api/errors.js";
import { FakeClock } from "../../support/fake-clock.js";
import { aRow } from "../../support/peers.js";

const minuteMs = 60_000;

/** A source over a service that a test scripts, with the count of its requests. */
function aSource(setting: string, fetch: FetchAddress = async () => "45.0.0.1") {
  const clock = new FakeClock();
  const asked: string[] = [];
  const source = new OwnAddressSource(
    setting,
    (url, options) => {
      asked.push(url);
      return fetch(url, options);
    },
    clock,
    createAddressPolicy([]),
  );
  return { source, asked, clock };
}

describe("the own public address", () => {
  it("is asked of the service, and kept for ten minutes", async () => {
    const { source, asked, clock } = aSource("http://ip.example/json/");
    expect(source.known).toBeUndefined();
    expect(await source.find()).toEqual({ publicIpAddress: "45.0.0.1", warning: "" });
    await clock.advance(10 * minuteMs - 1);
    expect(await source.find()).toEqual({ publicIpAddress: "45.0.0.1", warning: "" });
    expect(asked).toEqual(["http://ip.example/json/"]);
    await clock.advance(1);
    expect(source.known).toBeUndefined();
    await source.find();
    expect(asked).toHaveLength(2);
  });

  it("is asked once for all who ask at one time", async () => {
    let answer: (address: string) => void = () => undefined;
    const { source, asked } = aSource(
      "http://ip.example",
      () => new Promise((resolve) => (answer = resolve)),
    );
    const all = Promise.all([source.find(), source.find(), source.find()]);
    answer("45.0.0.2");
    expect((await all).map((found) => found?.publicIpAddress)).toEqual(["45.0.0.2", "45.0.0.2", "45.0.0.2"]);
    expect(asked).toHaveLength(1);
  });

  it("is asked for no longer once the last who waits has left, and anew for who comes then", async () => {
    const signals: AbortSignal[] = [];
    const { source } = aSource("http://ip.example", (_, { signal }) => {
      signals.push(signal);
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("left"))));
    });
    const [first, second] = [new AbortController(), new AbortController()];
    const both = [source.find(first.signal), source.find(second.signal)];
    first.abort();
    expect(await both[0]).toBeUndefined();
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    second.abort();
    expect(await both[1]).toBeUndefined();
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    void source.find(new AbortController().signal);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  });

  it.each(["10.1.2.3", "127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "fe80::1"])(
    "is not %s, whatever the service says",
    async (address) => {
      const { source } = aSource("http://ip.example", async () => address);
      expect(await source.find()).toEqual({
        publicIpAddress: "",
        warning: "own public address unknown: the answer is no public address",
      });
      expect(source.known).toBeUndefined();
    },
  );

  it("is nobody's business when switched off", async () => {
    const { source, asked } = aSource("off");
    expect(source.known?.publicIpAddress).toBe("");
    expect(await source.find()).toEqual(source.known);
    expect(source.known?.warning).toContain("switched off");
    expect(asked).toEqual([]);
  });

  it.each([
    ["45.0.0.9", "45.0.0.9"],
    ["2A00::0:1", "2a00::1"],
    ["::ffff:45.0.0.9", "45.0.0.9"],
  ])("is what was set: %s", async (setting, address) => {
    const { source, asked } = aSource(setting);
    expect(source.known?.publicIpAddress).toBe(address);
    expect((await source.find())?.publicIpAddress).toBe(address);
    expect(asked).toEqual([]);
  });

  it("is unknown with a warning when nobody answers, and asked for again the next time", async () => {
    let fails = true;
    const { source, asked } = aSource("http://ip.example", async () => {
      if (fails) throw new PeerError("TIMEOUT", "no complete answer in time");
      return "45.0.0.1";
    });
    expect(await source.find()).toEqual({
      publicIpAddress: "",
      warning: "own public address unknown: no complete answer in time",
    });
    fails = false;
    expect((await source.find())?.publicIpAddress).toBe("45.0.0.1");
    expect(asked).toHaveLength(2);
  });

  it("is unknown with a warning of ours when something else is thrown", async () => {
    const { source } = aSource("http://ip.example", () => {
      throw new Error("secret");
    });
    expect((await source.find())?.warning).toBe("own public address unknown: the look-up failed");
  });
});

describe("the own node", () => {
  const own = { publicIpAddress: "45.0.0.1", serverPort: 8088, machineName: "me" };
  const at = (host: string, port: number) => ({ host, port });

  it("is told by address and port together", () => {
    expect(isOwnNode(at("45.0.0.1", 8088), undefined, own)).toBe(true);
    expect(isOwnNode(at("45.0.0.1", 8089), undefined, own)).toBe(false);
    expect(isOwnNode(at("45.0.0.2", 8088), undefined, own)).toBe(false);
  });

  it("is told by name behind a proxy's address", () => {
    expect(isOwnNode(at("45.0.0.2", 40_000), aRow({ machineName: "me" }), own)).toBe(true);
    expect(isOwnNode(at("45.0.0.2", 40_000), aRow({ machineName: "Me" }), own)).toBe(false);
  });

  it("is not everybody without a name, or without a known address", () => {
    const nobody = { publicIpAddress: "", serverPort: 8088, machineName: "" };
    expect(isOwnNode(at("45.0.0.1", 8088), aRow(), nobody)).toBe(false);
  });
});
