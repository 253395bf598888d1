import { expect } from "@jest/globals";
import type { StateStore } from "../../src/store/contract.js";
import type { Api } from "./container-bench.js";
import {
  type ContainersRoom,
  type GatewayRoom,
  openContainersRoom,
  quiet,
  RoomClock,
  someMachines,
} from "./containers-room.js";

/**
 * Gateways that share one state, as one: each call goes to the next of them, and comes back when all show what it did.
 * Watchers come back to another one than they left.
 */
export async function openFleetRoom(stores: readonly StateStore[]): Promise<ContainersRoom> {
  const clock = new RoomClock();
  const machines = someMachines(3);
  const rooms: GatewayRoom[] = [];
  for (const [gatewayNumber, store] of stores.entries())
    rooms.push(await openContainersRoom({ store, clock, machines, gatewayNumber, isShared: true }));
  let turn = 0;
  const inTurn = (apis: readonly Api[]): Api =>
    new Proxy(apis[0]!, {
      get: (_, name: keyof Api) => {
        const api = apis[(turn += 1) % apis.length]!;
        if (name === "watch") return api.watch.bind(api);
        const call = api[name] as (...args: readonly unknown[]) => Promise<unknown>;
        return async (...args: readonly unknown[]) => await call(...args).finally(() => quiet(rooms));
      },
    });
  const [first] = rooms;
  return {
    ...first!,
    api: inTurn(rooms.map(({ api }) => api)),
    operator: inTurn(rooms.map(({ operator }) => operator)),
    quiet: async () => await quiet(rooms),
    filed: async () => {
      const filed = await Promise.all(rooms.map((room) => room.filed()));
      for (const other of filed) expect(other).toEqual(filed[0]);
      return filed[0]!;
    },
    stop: async () => {
      for (const room of rooms) await room.stop();
    },
    close: async () => {
      for (const room of rooms) await room.close();
    },
  };
}
