import { mkdtemp, readFile, rm } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import { type Devnet, type DevnetOptions, openDevnet } from "../../src/devnet/devnet.js";
import { readLedger } from "../../src/devnet/ledger.js";
import { bindError } from "../../src/devnet/listening.js";

interface ErrorBody {
  route: string;
  case: string;
  status: number;
  contentType: string;
  body: string;
}

const sampleUrl = new URL("../fixtures/samples/error-bodies.json", import.meta.url);
const errorBodies = JSON.parse(readFileSync(sampleUrl, "utf8")) as ErrorBody[];

/** What a node of ours has to answer, by the samples. */
function sampleOf(route: string, about: string): Omit<ErrorBody, "route" | "case"> {
  const found = errorBodies.find((sample) => sample.route.includes(route) && sample.case.includes(about));
  const { status, contentType, body } = found!;
  return { status, contentType, body };
}

let opened: Devnet[] = [];
afterEach(async () => {
  await Promise.all(opened.map((devnet) => devnet.close()));
  opened = [];
});

async function aDevnet(options: DevnetOptions): Promise<Devnet> {
  const devnet = await openDevnet(options);
  opened.push(devnet);
  return devnet;
}

async function call(
  address: string,
  path: string,
  init: RequestInit = {},
): Promise<Omit<ErrorBody, "route" | "case">> {
  const response = await fetch(`http://${address}${path}`, init);
  return {
    status: response.status,
    contentType: response.headers.get("content-type")!,
    body: await response.text(),
  };
}

function tableForm(content: string, part = "json"): RequestInit {
  const body = new FormData();
  body.set(part, new Blob([content]), "ip_table.json");
  return { method: "POST", body };
}

describe("a node of the devnet", () => {
  it("answers each route with JSON of gin's content type", async () => {
    const { nodes } = await aDevnet({ nodes: 1, dialects: ["2026-01"] });
    const { address, name } = nodes[0]!;
    for (const [path, key, init] of [
      ["/server_info", "Hostname", {}],
      ["/ShowImages?x=1", "DockerContainer", {}],
      ["/IpTable", "ip_address", tableForm("{}")],
    ] as const) {
      const answer = await call(address, path, init);
      expect(answer).toMatchObject({ status: 200, contentType: "application/json; charset=utf-8" });
      expect(Object.keys(JSON.parse(answer.body) as object)).toContain(key);
    }
    expect((await call(address, "/server_info")).body).toContain(`{"Hostname":"${name}"`);
  });

  it.each(["/server_specs", "/nowhere", "/IpTable", "/server_info/"])(
    "does not know GET %s",
    async (path) => {
      const { nodes } = await aDevnet({ nodes: 1, dialects: ["2026-01"] });
      expect(await call(nodes[0]!.address, path)).toEqual(sampleOf("any unknown route", "gin default"));
    },
  );

  it("does not know its routes by a wrong method", async () => {
    const { nodes } = await aDevnet({ nodes: 1, dialects: ["2026-01"] });
    expect(await call(nodes[0]!.address, "/server_info", { method: "POST" })).toEqual(
      sampleOf("any unknown route", "gin"),
    );
  });

  it("answers an upload without multipart, or without the file, with text and status 200", async () => {
    const { nodes } = await aDevnet({ nodes: 1 });
    const { address } = nodes[0]!;
    const raw = await call(address, "/IpTable", {
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json" },
    });
    expect(raw).toEqual(sampleOf("POST /IpTable", "no multipart body"));
    expect(await call(address, "/IpTable", tableForm("{}", "table"))).toEqual(
      sampleOf("POST /IpTable", "without a file part named json"),
    );
  });

  it("ignores an upload that is no JSON and gives its own table", async () => {
    const { nodes } = await aDevnet({ nodes: 1, dialects: ["2025-04"] });
    const answer = await call(nodes[0]!.address, "/IpTable", tableForm("no json"));
    const [host, port] = nodes[0]!.address.split(":");
    expect(JSON.parse(answer.body)).toMatchObject({
      ip_address: [{ IPV4: host, ServerPort: port, Latency: 0 }],
    });
    expect(answer.contentType).toBe(sampleOf("POST /IpTable", "not JSON").contentType);
  });

  it("lists itself as 0.0.0.0 in the newest dialect, which runs in Test mode", async () => {
    const { nodes, port } = await aDevnet({ nodes: 1, dialects: ["2026-01"] });
    const { body } = await call(nodes[0]!.address, "/IpTable", tableForm("{}"));
    expect(JSON.parse(body)).toMatchObject({ ip_address: [{ IPV4: "0.0.0.0", ServerPort: String(port) }] });
  });

  it("has only /server_specs when it is a foreign server", async () => {
    const { nodes } = await aDevnet({ nodes: 1, dialects: ["foreign"] });
    expect(await call(nodes[0]!.address, "/server_specs")).toMatchObject({ status: 200 });
    expect(await call(nodes[0]!.address, "/server_info")).toMatchObject({ status: 404 });
  });

  it("speaks the dialects without ports on 8088, among nodes that find each other", async () => {
    const devnet = await aDevnet({ nodes: 45, port: 8088, firstAddress: "127.0.88.1" });
    const [oldest, newer] = ["2021-03-20", "2021-07"].map(
      (name) => devnet.nodes.find((node) => node.dialect === name)!,
    );
    const { body } = await call(oldest!.address, "/IpTable", tableForm("{}"));
    expect(await call(oldest!.address, "/IpTable")).toMatchObject({ status: 200, body });
    expect(await call(oldest!.address, "/ShowImages")).toMatchObject({ status: 404 });
    expect(await call(newer!.address, "/IpTable")).toMatchObject({ status: 404 });
    expect((await call(oldest!.address, "/server_info")).body).not.toContain("GPU");
    const rows = (JSON.parse(body) as { ip_address: Record<string, unknown>[] }).ip_address;
    const known = new Set(devnet.nodes.map((node) => node.address));
    expect(rows.every((row) => known.has(`${row["ipv4"] as string}:8088`))).toBe(true);
  });

  it("answers on ::1 as well, if the system has it", async () => {
    const { nodes } = await aDevnet({ nodes: 2, ipv6: true });
    const added = nodes.find((node) => node.address.startsWith("[::1]:"));
    if (added === undefined) return;
    const tables = await Promise.all(
      nodes.slice(0, 2).map((node) => call(node.address, "/IpTable", tableForm("{}"))),
    );
    expect(tables.some(({ body }) => /"ipv6":"::1"/i.test(body))).toBe(true);
    expect(await call(added.address, "/IpTable", tableForm("{}"))).toMatchObject({ status: 200 });
  });

  it("waits before it answers", async () => {
    const { nodes } = await aDevnet({ nodes: 1, delayMs: 80, dialects: ["2026-01"] });
    const before = performance.now();
    await call(nodes[0]!.address, "/server_info");
    expect(performance.now() - before).toBeGreaterThanOrEqual(79);
  });

  it("leads from table to table to every other node, at the depth it declares", async () => {
    const devnet = await aDevnet({ nodes: 40, seed: 5, ipv6: 3, sharedAddress: 4 });
    const depths = new Map(devnet.entryAddresses.map((address) => [address, 0]));
    for (const [address, depth] of depths) {
      const { body } = await call(address, "/IpTable", tableForm("{}"));
      for (const row of (JSON.parse(body.toLowerCase()) as { ip_address: Record<string, string>[] })
        .ip_address) {
        const host = row["ipv6"] === "" ? row["ipv4"]! : `[${row["ipv6"]!}]`;
        const found = `${host}:${row["serverport"]!}`;
        if (host !== "0.0.0.0" && !depths.has(found)) depths.set(found, depth + 1);
      }
    }
    expect(Object.fromEntries(depths)).toEqual(
      Object.fromEntries(devnet.nodes.map((node) => [node.address, node.depth])),
    );
  });
});

describe("the devnet's ledger", () => {
  it("has each call, with the rows and the size of an uploaded table, in memory and on disk", async () => {
    const folder = await mkdtemp(join(tmpdir(), "devnet-ledger-"));
    const ledgerPath = join(folder, "ledger.jsonl");
    try {
      const devnet = await aDevnet({ nodes: 2, dialects: ["2026-01"], ledgerPath });
      const [first, second] = devnet.nodes.map((node) => node.address);
      const table = '{"ip_address":[{"IPV4":"203.0.113.7"},{"IPV4":"203.0.113.8"}]}';
      await call(first!, "/server_info?x=1");
      await call(second!, "/IpTable", tableForm(table));
      await call(second!, "/IpTable", tableForm("no json"));
      await call(second!, "/nowhere");
      expect(devnet.ledger.calls).toMatchObject([
        { node: first, method: "GET", path: "/server_info?x=1", status: 200, requestBytes: 0 },
        {
          node: second,
          path: "/IpTable",
          partBytes: table.length,
          rows: [{ IPV4: "203.0.113.7" }, { IPV4: "203.0.113.8" }],
        },
        { node: second, path: "/IpTable", partBytes: 7, rows: null },
        { node: second, path: "/nowhere", status: 404 },
      ]);
      expect(devnet.ledger.calls[1]!.requestBytes).toBeGreaterThan(table.length);
      expect(new Date(devnet.ledger.calls[0]!.time).toISOString()).toBe(devnet.ledger.calls[0]!.time);
      expect(devnet.ledger.count()).toBe(4);
      expect(devnet.ledger.count({ node: first!, path: "/server_info" })).toBe(1);
      expect(devnet.ledger.count({ method: "POST", status: 200 })).toBe(2);
      await devnet.ledger.flush();
      expect(await readLedger(ledgerPath)).toEqual(devnet.ledger.calls);
      expect((await readFile(ledgerPath, "utf8")).split("\n")).toHaveLength(5);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("must be in a folder that is there", async () => {
    const ledgerPath = join(tmpdir(), "no such folder", "ledger.jsonl");
    await expect(openDevnet({ nodes: 1, ledgerPath })).rejects.toThrow(`ledger ${ledgerPath}: ENOENT`);
  });
});

describe("the devnet's addresses", () => {
  it("are bound one by one: the address behind the last one is free", async () => {
    const { port } = await aDevnet({ nodes: 3, firstAddress: "127.0.9.1" });
    await expect(fetch(`http://127.0.9.4:${port}/server_info`)).rejects.toThrow();
  });

  it("are refused by name when one is in use, and none of the others stays bound", async () => {
    const occupant = createServer();
    await new Promise<void>((resolve) => occupant.listen({ host: "127.0.10.3", port: 0 }, resolve));
    const { port } = occupant.address() as { port: number };
    const options = { nodes: 3, port, firstAddress: "127.0.10.1" };
    await expect(openDevnet(options)).rejects.toThrow(`cannot listen on 127.0.10.3:${port} (EADDRINUSE)`);
    await new Promise((resolve) => occupant.close(resolve));
    await aDevnet(options);
  });

  it("that a system lacks are explained", () => {
    const error = bindError("127.0.1.1:8088", Object.assign(new Error("bind"), { code: "EADDRNOTAVAIL" }));
    expect(error.message).toContain("needs all of 127.0.0.0/8, which Linux has and other systems lack");
  });

  it("are free again after close", async () => {
    const options = { nodes: 3, firstAddress: "127.0.11.1" };
    const first = await openDevnet(options);
    await call(first.nodes[0]!.address, "/ShowImages");
    await first.close();
    const second = await aDevnet({ ...options, port: first.port });
    expect(second.port).toBe(first.port);
  });
});
