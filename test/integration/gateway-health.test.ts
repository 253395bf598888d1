import { afterEach, describe, expect, it } from "@jest/globals";
import { Code, createClient } from "@connectrpc/connect";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../src/gen/grpc/health/v1/health_pb.js";
import { GatewayBench, soon } from "../support/gateway.js";

const bench = new GatewayBench();
afterEach(() => bench.release());

const CLIENT_SERVICE = "p2prc.client.v1.ClientService";

async function openWithHealth() {
  const gateway = await bench.open();
  return { gateway, health: createClient(Health, bench.grpc(gateway.url)) };
}

describe("grpc.health.v1", () => {
  it.each(["", CLIENT_SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"])(
    "checks the service %p as serving",
    async (service) => {
      const { health } = await openWithHealth();

      expect((await health.check({ service })).status).toBe(Status.SERVING);
    },
  );

  it("does not know a service that is not registered", async () => {
    const { health } = await openWithHealth();

    await expect(health.check({ service: "no.such.Service" })).rejects.toMatchObject({ code: Code.NotFound });
  });

  it("lists every service", async () => {
    const { health } = await openWithHealth();
    const { statuses } = await health.list({});

    expect(Object.keys(statuses).sort()).toEqual([
      "",
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
      CLIENT_SERVICE,
    ]);
    expect(new Set(Object.values(statuses).map(({ status }) => status))).toEqual(new Set([Status.SERVING]));
  });

  it("follows what the application says", async () => {
    const { gateway, health } = await openWithHealth();
    gateway.setServing(false);

    expect((await health.check({})).status).toBe(Status.NOT_SERVING);
  });

  it("tells watchers the status at once and each change, and ends when the gateway drains", async () => {
    const { gateway, health } = await openWithHealth();
    const seen: Status[] = [];
    for await (const { status } of health.watch({ service: CLIENT_SERVICE })) {
      seen.push(status);
      if (seen.length === 1) gateway.setServing(false);
      if (seen.length === 2) gateway.setServing(true);
      if (seen.length === 3) void gateway.close();
    }

    expect(seen).toEqual([Status.SERVING, Status.NOT_SERVING, Status.SERVING, Status.NOT_SERVING]);
  });

  it("lets a client wait for a service that is unknown", async () => {
    const { gateway, health } = await openWithHealth();
    const watch = health.watch({ service: "no.such.Service" })[Symbol.asyncIterator]();

    expect((await watch.next()).value).toMatchObject({ status: Status.SERVICE_UNKNOWN });
    void gateway.close();
    expect(await soon(watch.next(), "the end of the stream")).toMatchObject({ done: true });
  });
});
