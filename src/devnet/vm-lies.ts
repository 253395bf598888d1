/** Replies of /startcontainer that are well-formed and wrong. */

import { replyWith, type Spoil } from "./answers.js";
import { goJson } from "./go-json.js";
import { jsonReply } from "./replies.js";

type Vm = Readonly<Record<string, unknown>>;

/** The container that a healthy node tells, changed; a reply that is no container stays as it is. */
export const rewriteVm =
  (change: (vm: Vm) => Vm): Spoil =>
  ({ healthy }) => {
    if (healthy.kind !== "reply" || healthy.reply.status !== 200) return healthy;
    const vm = JSON.parse(healthy.reply.body.toString()) as Vm;
    return replyWith(jsonReply(goJson(change(vm))));
  };

export const highPort = (vm: Vm): Vm => withSshPort(vm, 70_000);
export const negativePort = (vm: Vm): Vm => withSshPort(vm, -1);

export const manyPorts = (vm: Vm): Vm => {
  const ports = Array.from({ length: 100_000 }, (_, count) => 1_024 + (count % 64_000));
  if (!tellsPorts(vm)) return { ...vm, OpenPorts: ports };
  const [first] = vm.Ports.Port;
  return {
    ...vm,
    Ports: { Port: ports.map((port) => ({ ...first, InternalPort: port, ExternalPort: port })) },
  };
};

export const nullPorts = (vm: Vm): Vm =>
  tellsPorts(vm) ? { ...vm, Ports: { Port: null } } : { ...vm, SSHPort: null, OpenPorts: null };

/** Before 2021-07 a container had a port for SSH and a list of numbers. */
const withSshPort = (vm: Vm, port: number): Vm =>
  tellsPorts(vm)
    ? {
        ...vm,
        Ports: {
          Port: vm.Ports.Port.map((each) =>
            each.PortName === "SSH" ? { ...each, ExternalPort: port } : each,
          ),
        },
      }
    : { ...vm, SSHPort: port };

interface VmWithPorts extends Vm {
  readonly Ports: { readonly Port: readonly (Vm & { readonly PortName: string })[] };
}

const tellsPorts = (vm: Vm): vm is VmWithPorts => "Ports" in vm;
