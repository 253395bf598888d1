/** `rediss://`: what is trusted, which name is asked for, and what is said when the two ends do not speak the same. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { silentLogger } from "../../src/observability/logger.js";
import { openRedisStore } from "../../src/store/redis/redis-store.js";
import { RedisServer } from "../support/redis-server.js";
import { type Certificate, Certificates, TlsFront } from "../support/tls-front.js";

let server: RedisServer;
let certificates: Certificates;
let good: Certificate;
beforeAll(async () => {
  server = await RedisServer.start();
  certificates = await Certificates.make();
  good = certificates.for("DNS:localhost,IP:127.0.0.1");
});
afterAll(async () => {
  await certificates[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** The error of an opening that waits for a minute where waiting may help. */
const failureOf = async (url: string, connectTimeoutMs = 60_000): Promise<string> => {
  try {
    await (await openRedisStore({ url, namespace: "tls", logger: silentLogger, connectTimeoutMs })).close();
    return "it opened";
  } catch (error) {
    return (error as Error).message;
  }
};

/** The same in a process that trusts a certificate: what is trusted is settled when a process starts. */
async function openTrusting({ path }: Certificate, url: string): Promise<string> {
  const module = new URL("../../dist/store/redis/redis-store.js", import.meta.url);
  const program = `
    import { openRedisStore } from ${JSON.stringify(module.href)};
    const say = () => undefined;
    const logger = { debug: say, info: say, warn: say, error: say };
    try {
      const store = await openRedisStore({ url: ${JSON.stringify(url)}, namespace: "tls", logger, connectTimeoutMs: 60_000 });
      await store.commit({ operationId: "one", expect: [], put: [{ key: "k", value: {} }], delete: [] });
      await store.close();
      console.log("it opened");
    } catch (error) {
      console.log(error.message);
    }
    process.exit();`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: path },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
  await once(child, "close");
  return text.trim();
}

describe("a certificate", () => {
  it("that is trusted, of the host that was named, lets the state be opened on a Redis with TLS of its own", async () => {
    const files = { "tls-cert-file": good.path, "tls-ca-cert-file": good.path };
    const keyFile = good.path.replace("cert-", "key-");
    const settings = { ...files, "tls-key-file": keyFile, "tls-auth-clients": "no" };
    await using secured = await RedisServer.startTls({ settings });
    expect(await openTrusting(good, `rediss://localhost:${secured.tlsPort}`)).toBe("it opened");
    expect(await secured.ask("EXISTS", "{p2prc:tls}:records")).toBe(1);
    // The two doors, mistaken for each other.
    const hint = /redis with TLS looks so behind redis:\/\/|Redis without TLS looks so behind rediss:\/\//i;
    expect(await failureOf(`redis://localhost:${secured.tlsPort}`, 1_000)).toMatch(hint);
    expect(await failureOf(`rediss://localhost:${secured.port}`, 1_000)).toMatch(hint);
  });

  it("that nobody trusts is refused at once, in words that name the setting", async () => {
    await using front = await TlsFront.start(server.port, good);
    expect(await failureOf(`rediss://localhost:${front.port}`)).toBe(
      "the certificate of Redis is not trusted: give the gateway its CA in NODE_EXTRA_CA_CERTS (DEPTH_ZERO_SELF_SIGNED_CERT)",
    );
  });

  it("that is trusted, but of another host, is refused at once", async () => {
    const other = certificates.for("DNS:other.example");
    await using front = await TlsFront.start(server.port, other);
    expect(await openTrusting(other, `rediss://localhost:${front.port}`)).toBe(
      "the certificate of Redis is for another host than --redis names (ERR_TLS_CERT_ALTNAME_INVALID)",
    );
  });

  it("that has expired is refused at once", async () => {
    const old = certificates.for("DNS:localhost", -1);
    await using front = await TlsFront.start(server.port, old);
    expect(await openTrusting(old, `rediss://localhost:${front.port}`)).toBe(
      "the certificate of Redis has expired (CERT_HAS_EXPIRED)",
    );
  });

  it("is chosen by the name that --redis has, where a server has several", async () => {
    const other = certificates.for("DNS:other.example");
    await using front = await TlsFront.start(server.port, other, { localhost: good });
    expect(await openTrusting(good, `rediss://localhost:${front.port}`)).toBe("it opened");
    expect(new Set(front.askedFor)).toEqual(new Set(["localhost"]));
    // An address is no name: none is asked for.
    expect(await openTrusting(good, `rediss://127.0.0.1:${front.port}`)).toContain("is not trusted");
    expect(new Set(front.askedFor)).toEqual(new Set(["localhost"]));
  });
});

describe("another end", () => {
  /** Answers the first bytes of each connection; undefined = never. */
  async function aServer(answer: string | undefined) {
    const listener = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.resume();
      if (answer !== undefined) socket.once("data", () => socket.end(answer));
    });
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    const { port } = listener.address() as { port: number };
    const close = async (): Promise<void> => {
      listener.close();
      await once(listener, "close");
    };
    return { port, [Symbol.asyncDispose]: close };
  }

  it.each([
    ["rediss", "-ERR unknown command\r\n", "what --redis names speaks no TLS: redis://, not rediss://"],
    [
      "rediss",
      "HTTP/1.1 400 Bad Request\r\n\r\n",
      "what --redis names speaks no TLS: redis://, not rediss://",
    ],
    ["redis", "HTTP/1.1 400 Bad Request\r\n\r\n", "what --redis names answers, and is no Redis"],
  ])("of %s:// that answers %j is told of at once", async (scheme, answer, words) => {
    await using wrong = await aServer(answer);
    expect(await failureOf(`${scheme}://localhost:${wrong.port}`)).toBe(words);
  });

  it.each(["redis", "rediss"])(
    "of %s:// that never says a word ends within the time for it",
    async (scheme) => {
      await using silent = await aServer(undefined);
      expect(await failureOf(`${scheme}://localhost:${silent.port}`, 300)).toMatch(
        /^Redis does not answer \(no connection within 300 ms; a Redis with(out)? TLS looks so behind/,
      );
    },
  );

  it.each(["redis", "rediss"])(
    "of %s:// that hangs up is told of, with what may be behind it",
    async (scheme) => {
      await using rude = await aServer("");
      expect(await failureOf(`${scheme}://localhost:${rude.port}`, 300)).toMatch(
        /TLS looks so behind rediss?:\/\/\)$/,
      );
    },
  );
});
