/** What the command line makes of a gateway that ends a crawl early. */
import { once } from "node:events";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { ClientService } from "../../src/gen/p2prc/client/v1/client_service_pb.js";
import { CrawlCompleted_EndReason as EndReason } from "../../src/gen/p2prc/client/v1/ip_table_pb.js";
import { runCli } from "../support/cli.js";

describe("a crawl that was cut short", () => {
  let endReason: EndReason;
  const server = createServer(
    connectNodeAdapter({
      routes: (router) =>
        router.service(ClientService, {
          async *updateIpTable() {
            yield await Promise.resolve({ event: { case: "completed" as const, value: { endReason } } });
          },
          listNodes: () => ({ nodes: [{ name: "nodes/203.0.113.7:8088", ipv4: "203.0.113.7" }] }),
        }),
    }),
  );
  let url: string;
  beforeEach(async () => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    await new Promise((resolve) => server.close(resolve));
  });

  const words = [["--us"], ["crawl"], ["crawl", "--json"]];
  const reasons = [EndReason.DEADLINE, EndReason.LIMIT, EndReason.DRAINING, EndReason.UNSPECIFIED];

  it.each(words)("prints what was found and ends with 1 and a line that says why: %s %s", async (...word) => {
    for (endReason of reasons) {
      const { code, out, err } = await runCli([...word, "--gateway", url], { cwd: "/" });
      expect([code, out]).toEqual([1, expect.stringMatching(/203\.0\.113\.7|"completed"/)]);
      const said = err.split("\n").filter((line) => line.startsWith("p2prc: "));
      expect(said).toEqual([
        `p2prc: the crawl was cut short (${EndReason[endReason]}): the table may lack nodes`,
      ]);
    }
  });

  it.each(words)("is not one that has finished: %s %s", async (...word) => {
    endReason = EndReason.FINISHED;
    const { code, err } = await runCli([...word, "--gateway", url], { cwd: "/" });
    expect([code, err]).toEqual([0, expect.not.stringContaining("p2prc: ")]);
  });
});
