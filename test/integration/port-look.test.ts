import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import type { CallOptions, PeerAddress, PortSign } from "../../src/peer-api/contract.js";
import { PeerError } from "../../src/peer-api/errors.js";
import { routeLimits } from "../../src/peer-api/limits.js";
import { lookAtPort } from "../../src/peer-api/port-look.js";
import { closedAddress } from "../support/raw-node.js";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A port that does what a test scripts, and counts. */
class Port {
  connectionCount = 0;
  received = "";
  readonly #open = new Set<Socket>();

  private constructor(
    readonly server: Server,
    readonly address: PeerAddress,
  ) {}

  static async open(script: (socket: Socket) => void): Promise<Port> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      port.connectionCount += 1;
      port.#open.add(socket);
      socket.on("error", () => undefined);
      socket.on("data", (chunk) => (port.received += chunk.toString("latin1")));
      socket.on("end", () => socket.end());
      socket.on("close", () => port.#open.delete(socket));
      script(socket);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const port = new Port(server, { host: "127.0.0.1", port: (server.address() as AddressInfo).port });
    cleanups.push(() => {
      for (const socket of port.#open) socket.destroy();
      server.close();
    });
    return port;
  }

  /** Waits until nobody is connected any more. */
  async whenLeft(): Promise<void> {
    for (const socket of this.#open) await new Promise((resolve) => socket.once("close", resolve));
  }
}

const says = (text: string) => (socket: Socket) => void socket.write(text, "latin1");
const saysAndCuts = (text: string) => (socket: Socket) => void socket.end(text, "latin1");
const silent = (): void => undefined;

const banner = "SSH-2.0-OpenSSH_9.9p1 Ubuntu-3ubuntu3\r\n";

async function failureOf(
  port: { readonly address: PeerAddress },
  sign: PortSign,
  options: CallOptions = { timeoutMs: 20_000 },
): Promise<string> {
  try {
    await lookAtPort(port.address, sign, options);
  } catch (error) {
    if (error instanceof PeerError) return error.failure;
    throw error;
  }
  return "none";
}

/** Short only where its end is waited for. */
const limitFor = (failure: string): CallOptions => (failure === "TIMEOUT" ? { timeoutMs: 300 } : {});

const signs: readonly PortSign[] = ["SSH_BANNER", "TCP", "HTTP"];

describe("a look for an SSH server", () => {
  it.each([
    ["a banner", banner],
    ["a banner that ends with a bare newline", "SSH-2.0-dropbear\n"],
    ["a server that also knows version 1", "SSH-1.99-Cisco-1.25\r\n"],
    ["lines before the banner", `${"welcome\r\n".repeat(20)}${banner}`],
    ["a banner as long as it may be", `SSH-2.0-${"x".repeat(255 - 8 - 2)}\r\n`],
    ["a banner with what follows it in the same packet", `${banner}\x00\x00\x04\x14\x06\xff`],
  ])("sees %s", async (_, text) => {
    const port = await Port.open(says(text));
    expect(await failureOf(port, "SSH_BANNER")).toBe("none");
    expect(port.received).toBe("");
  });

  it("sees a banner that comes byte by byte", async () => {
    const port = await Port.open((socket) => {
      const bytes = Array.from(banner);
      const timer = setInterval(() => {
        const next = bytes.shift();
        if (next !== undefined && !socket.destroyed) socket.write(next);
      }, 5);
      socket.once("close", () => clearInterval(timer));
    });
    expect(await failureOf(port, "SSH_BANNER", {})).toBe("none");
  });

  it.each([
    ["a port that never says anything", silent, "TIMEOUT"],
    ["a banner without its end", says("SSH-2.0-OpenSSH"), "TIMEOUT"],
    ["a banner cut short", saysAndCuts("SSH-2.0-OpenSSH"), "BAD_BODY"],
    ["a port that hangs up at once", saysAndCuts(""), "CONNECTION_RESET"],
    ["a port that resets", (socket: Socket) => void socket.resetAndDestroy(), "CONNECTION_RESET"],
    ["an HTTP server", saysAndCuts("HTTP/1.1 400 Bad Request\r\n\r\n"), "BAD_BODY"],
    ["a version that no client speaks", says("SSH-1.5-old\r\n"), "BAD_BODY"],
    ["a banner with control characters", says("SSH-2.0-a\x1b[2Jb\r\n"), "BAD_BODY"],
    ["a line that never ends", says("x".repeat(300)), "TOO_LARGE"],
    ["a banner longer than a line", says(`SSH-2.0-${"x".repeat(255)}\r\n`), "TOO_LARGE"],
    ["lines without end", says("welcome\r\n".repeat(2_000)), "TOO_LARGE"],
  ])("does not take %s for one", async (_, script, failure) => {
    const port = await Port.open(script);
    expect(await failureOf(port, "SSH_BANNER", limitFor(failure))).toBe(failure);
    await port.whenLeft();
  });

  it("cuts a flood long before it is over, and a drip when its time is over", async () => {
    let sentCount = 0;
    const flood = await Port.open((socket) => {
      const piece = "a\n".repeat(32 * 1024);
      const more = (): void => {
        while (!socket.destroyed && sentCount < 1_000 && socket.write(piece)) sentCount += 1;
      };
      socket.on("drain", more);
      more();
    });
    expect(await failureOf(flood, "SSH_BANNER")).toBe("TOO_LARGE");
    expect(sentCount).toBeLessThan(1_000);

    const drip = await Port.open((socket) => {
      const timer = setInterval(() => socket.write("a\n"), 20);
      socket.once("close", () => clearInterval(timer));
    });
    // Else it would last until as much has come as is taken at most: 80 s.
    expect(await failureOf(drip, "SSH_BANNER", { timeoutMs: 200 })).toBe("TIMEOUT");
  });
});

describe("a look for a TCP port", () => {
  it("sees one that only takes connections, and says nothing to it", async () => {
    const port = await Port.open(silent);
    expect(await failureOf(port, "TCP")).toBe("none");
    await port.whenLeft();
    expect(port.received).toBe("");
  });
});

describe("a look for an HTTP server", () => {
  it.each([200, 204, 301, 404, 499])("takes status %d, without reading the body", async (status) => {
    const port = await Port.open(
      says(`HTTP/1.1 ${status} Status\r\nContent-Length: 999999\r\nLocation: /x\r\n\r\n`),
    );
    expect(await failureOf(port, "HTTP")).toBe("none");
    await port.whenLeft();
    expect(port.connectionCount).toBe(1);
    expect(port.received).toContain("GET / HTTP/1.1\r\n");
    expect(port.received.toLowerCase()).toContain(`host: 127.0.0.1:${port.address.port}\r\n`);
  });

  it.each([
    ["a server at fault", says("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), "HTTP_STATUS"],
    ["a server without words", silent, "TIMEOUT"],
    ["an SSH server", says(banner), "BAD_BODY"],
    ["an answer cut short", saysAndCuts("HTTP/1.1 200 OK\r\nConte"), "CONNECTION_RESET"],
    ["a port that hangs up at once", saysAndCuts(""), "CONNECTION_RESET"],
    ["headers without end", says(`HTTP/1.1 200 OK\r\nX: ${"x".repeat(20_000)}`), "TOO_LARGE"],
    [
      "another protocol",
      says("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
      "CONNECTION_RESET",
    ],
    ["promises without end", says("HTTP/1.1 100 Continue\r\n\r\n".repeat(50)), "TIMEOUT"],
  ])("does not take %s for one", async (_, script, failure) => {
    const port = await Port.open(script);
    expect(await failureOf(port, "HTTP", limitFor(failure))).toBe(failure);
    await port.whenLeft();
  });
});

describe.each(signs)("any look (%s)", (sign) => {
  it("says when nothing listens", async () => {
    await expect(lookAtPort(closedAddress, sign)).rejects.toMatchObject({
      failure: "CONNECTION_REFUSED",
      wasSent: false,
    });
  });

  it("says whether a byte has left", async () => {
    const port = await Port.open(saysAndCuts(""));
    if (sign === "TCP") return;
    await expect(lookAtPort(port.address, sign)).rejects.toMatchObject({ wasSent: sign === "HTTP" });
  });

  it("does not connect to an address that is forbidden", async () => {
    const port = await Port.open(says(banner));
    expect(await failureOf(port, sign, { isAllowed: () => false })).toBe("ADDRESS_BLOCKED");
    expect(port.connectionCount).toBe(0);
  });

  it("sends nothing where a name leads to a forbidden address", async () => {
    const port = await Port.open(says(banner));
    const named = { address: { host: "localhost", port: port.address.port } };
    const judged: string[] = [];
    const isAllowed = (address: string): boolean => judged.push(address) < 0;
    expect(await failureOf(named, sign, { isAllowed })).toBe("ADDRESS_BLOCKED");
    await port.whenLeft();
    expect(judged).toEqual(["127.0.0.1"]);
    expect(port.received).toBe("");
  });

  it("ends when its caller leaves, before and meanwhile", async () => {
    const port = await Port.open(silent);
    expect(await failureOf(port, sign, { signal: AbortSignal.abort() })).toBe("CANCELED");
    expect(port.connectionCount).toBe(0);
    if (sign === "TCP") return;
    const leaving = new AbortController();
    port.server.once("connection", () => setTimeout(() => leaving.abort(new Error("gone")), 20));
    expect(await failureOf(port, sign, { signal: leaving.signal })).toBe("CANCELED");
    await port.whenLeft();
  });

  it("leaves no socket and no timer behind", async () => {
    const port = await Port.open(silent);
    const before = process
      .getActiveResourcesInfo()
      .filter((kind) => /^(TCPSocketWrap|Timeout)$/.test(kind)).length;
    const taken = once(port.server, "connection");
    await failureOf(port, sign, { timeoutMs: 300 });
    // The port may hear of it after the look is over.
    await taken;
    await port.whenLeft();
    await new Promise((resolve) => setImmediate(resolve));
    const after = process
      .getActiveResourcesInfo()
      .filter((kind) => /^(TCPSocketWrap|Timeout)$/.test(kind)).length;
    expect(after).toBeLessThanOrEqual(before);
  });
});

it("has the default time limit of its row", () => {
  expect(routeLimits.portLook).toEqual({ timeoutMs: 3_000, maxBodyBytes: 8_192 });
});
