/** No sample of what nodes send and write is forgotten: each is read by the code that it is for, or named as still to come. */
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { readOriginalConfig } from "../../src/config/original-config.js";
import { readGroups } from "../../src/containers/tracking-files/group-document.js";
import { readTracked } from "../../src/containers/tracking-files/tracked-document.js";
import { parseTableDocument } from "../../src/p2p/table/table-document.js";
import { parseRemoveAnswer, parseStartAnswer } from "../../src/peer-api/container-replies.js";
import { isContainerId, parseDockerVm } from "../../src/peer-api/docker-vm.js";
import { parseImages } from "../../src/peer-api/images-reply.js";
import { fetchPublicAddress } from "../../src/peer-api/public-address.js";
import { parseSpecs } from "../../src/peer-api/specs-reply.js";
import { parseTable } from "../../src/peer-api/table-reply.js";
import { Slices } from "../../src/store/mirror/slices.js";
import { systemClock } from "../../src/system/clock.js";

const folder = new URL("../fixtures/samples/", import.meta.url);
const samples = readdirSync(folder).filter((name) => name !== "README.md");
const read = (name: string): Buffer => readFileSync(new URL(name, folder));

/** Samples of plugins, which have tests of their own, and of routes that are gone. */
const toCome = /^(create-vm|frp-port|map-port|plugin|plugins|ports-json)\b/;

/** What reads a sample, by the beginning of its name. */
const readers: Readonly<Record<string, (name: string) => unknown>> = {
  "ip-table.": (name) => {
    const body = read(name);
    const rows = parseTableDocument(body.toString()).rows.filter(({ row }) => row !== undefined);
    expect(parseTable(body, "application/json", 0).rows).toEqual(rows.map(({ row }) => row));
    return rows.length > 0 || name === "ip-table.null.json";
  },
  "server-info.": (name) => parseSpecs(read(name)).hostname === "render-box",
  "show-images.": (name) => parseImages(read(name)).length === (name.includes("empty") ? 0 : 2),
  "docker-vm.": (name) => {
    const container = parseDockerVm(JSON.parse(read(name).toString()))!;
    if (name.endsWith(".zero.json")) return container.id === "" && container.ports.length === 0;
    return isContainerId(container.id) && [41_731, 44_269].includes(container.sshPort);
  },
  "config.": (name) => {
    const baseDir = mkdtempSync(join(tmpdir(), "p2prc-sample-"));
    copyFileSync(new URL(name, folder), join(baseDir, "config.json"));
    const { present, ipTablePath } = readOriginalConfig(baseDir);
    rmSync(baseDir, { recursive: true });
    return present && ipTablePath !== "";
  },
  "trackcontainers.": async (name) => {
    const { document, emptiness } = await readTracked(read(name), new Slices(systemClock));
    const keys = [...document.byKey.keys()];
    if (/brace|empty-list|zero-bytes/.test(name))
      return keys.length === 0 && (emptiness !== undefined) !== name.includes("list");
    return keys.length === 1 && keys[0]?.startsWith("203.0.113.7:8088/") === true;
  },
  "grouptrackcontainers.": async (name) => {
    const { document, emptiness } = await readGroups(read(name), new Slices(systemClock));
    const memberCounts = [...document.byId.values()].map(({ memberKeys }) => memberKeys.length);
    if (/brace|zero-bytes/.test(name)) return emptiness !== undefined;
    return memberCounts.length === 1 && memberCounts[0] === (/20[0-9]{2}/.test(name) ? 1 : 0);
  },
  "public-ip.": async (name) => {
    const server = createServer((_, response) => response.end(read(name)));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const address = await fetchPublicAddress(`http://127.0.0.1:${port}/json/`);
    server.close();
    return address === "203.0.113.99";
  },
  "error-bodies.": (name) => {
    const errors = JSON.parse(read(name).toString()) as {
      route: string;
      status: number;
      contentType: string;
      body: string;
    }[];
    const kinds = errors.flatMap(({ route, status, body }) => {
      const answer = { httpStatus: status, contentType: "", body: Buffer.from(body), elapsedMs: 0 };
      if (route === "GET /startcontainer") return [parseStartAnswer(answer).kind];
      return route === "GET /RemoveContainer" ? [parseRemoveAnswer(answer).kind] : [];
    });
    const [refused, started] = ["refused", "createdWithError"];
    expect(kinds).toEqual([
      started,
      started,
      refused,
      refused,
      refused,
      refused,
      refused,
      refused,
      "removed",
    ]);
    const tables = errors.filter(
      ({ route, contentType }) => route === "POST /IpTable" && contentType.startsWith("text/"),
    );
    for (const { body, contentType } of tables) {
      expect(() => parseTable(Buffer.from(body), contentType, 0)).toThrow(/error text/);
    }
    return tables.length === 3;
  },
};

describe("the samples", () => {
  it.each(samples.filter((name) => !toCome.test(name)))("of which one is %s are read", async (name) => {
    const reader = Object.entries(readers).find(([beginning]) => name.startsWith(beginning))?.[1];
    expect(await reader?.(name)).toBe(true);
  });

  it("that nothing reads yet are those of plugins, ports and routes that are gone", () => {
    expect(samples.filter((name) => toCome.test(name))).toHaveLength(10);
  });
});
