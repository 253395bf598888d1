/** The original client's flags: how they are spelt, and what becomes of them. */
import { UsageError } from "./errors.js";

/** Operations that this version serves, and the flags that complete them. */
export type OriginalOperation =
  | "updateIpTable"
  | "listNodes"
  | "addNode"
  | "listImages"
  | "specs"
  | "viewConfig"
  | "addRootNode"
  | "createContainer"
  | "removeContainer"
  | "listContainers"
  | "createGroup"
  | "group"
  | "listGroups"
  | "removeGroup"
  | "runPlugin"
  | "listPlugins"
  | "mapPort"
  | "installPlugin"
  | "removePlugin";
type Fate = OriginalOperation | "parameter" | "server only";

export interface OriginalFlag {
  /** Every spelling, after one dash or two. The last one is its name among the parsed options. */
  readonly spellings: readonly [string, ...string[]];
  /** What stands behind it; absent = it is a switch. */
  readonly argument?: string;
  readonly does: Fate;
  /** Of a parameter: the operations it completes. Without one of them it is refused: it would do nothing, silently. */
  readonly completes?: readonly OriginalOperation[];
  /** First spellings of the flags it cannot go without. */
  readonly needs?: readonly string[];
  /** For the usage; only of what is served. */
  readonly summary?: string;
}

/**
 * The only place that says which flag does what. Operations stand in the order in which the original carries them out.
 * Source: shared protocol notes, "CLI".
 */
export const originalFlags: readonly OriginalFlag[] = [
  {
    spellings: ["us", "UpdateServerList"],
    does: "updateIpTable",
    summary: "crawl the network, then print the IP table",
  },
  { spellings: ["ls", "ListServers"], does: "listNodes", summary: "print the IP table" },
  {
    spellings: ["as", "AddServer"],
    argument: "HOST",
    does: "addNode",
    summary: "add a node to the IP table, with -p its port",
  },
  {
    spellings: ["vi", "ViewImages"],
    argument: "HOST:PORT",
    does: "listImages",
    summary: "print the images a node builds",
  },
  {
    spellings: ["specs", "Specs", "Specification"],
    argument: "HOST:PORT",
    does: "specs",
    summary: "print a node's hardware and platform",
  },
  { spellings: ["vc"], does: "viewConfig", summary: "print the configuration as it counts" },
  {
    spellings: ["arn", "AddRootNode"],
    does: "addRootNode",
    needs: ["ip"],
    summary: "make the node of --ip and -p the only one in the IP table",
  },
  {
    spellings: ["ip", "IPAddress"],
    argument: "HOST",
    does: "parameter",
    completes: ["addRootNode"],
    summary: "address for --arn",
  },
  {
    spellings: ["touch", "CreateVM"],
    argument: "HOST:PORT",
    does: "createContainer",
    summary: "start a container on a node, and print how to log in",
  },
  {
    spellings: ["p", "Ports"],
    argument: "N",
    does: "parameter",
    completes: ["addNode", "addRootNode", "createContainer"],
    summary: "with --as and --arn the port (default 8088), with --touch how many ports besides SSH",
  },
  {
    spellings: ["gpu", "GPU"],
    does: "parameter",
    completes: ["createContainer"],
    summary: "with --touch: use the node's GPU",
  },
  {
    spellings: ["cn", "ContainerName"],
    argument: "NAME",
    does: "parameter",
    completes: ["createContainer"],
    summary: "with --touch: one of the node's images, as --vi names them",
  },
  {
    spellings: ["bi", "BaseImage"],
    argument: "IMAGE",
    does: "parameter",
    completes: ["createContainer"],
    summary: "with --touch: the image to build upon, such as ubuntu:22.04",
  },
  {
    spellings: ["rm", "RemoveVM"],
    argument: "HOST:PORT",
    does: "removeContainer",
    needs: ["id"],
    summary: "remove the container of --id from a node",
  },
  {
    spellings: ["id", "ID"],
    argument: "ID",
    does: "parameter",
    completes: ["removeContainer", "group", "runPlugin"],
    summary: "the container for --rm, --group, --rmcgroup and --plugin; for --plugin also a group",
  },
  {
    spellings: ["tc", "TrackedContainers"],
    does: "listContainers",
    summary: "print the tracked containers, passwords included",
  },
  { spellings: ["cgroup", "CreateGroup"], does: "createGroup", summary: "make a group, and print it" },
  {
    spellings: ["group", "Group"],
    argument: "GROUP",
    does: "group",
    summary: "print a group; with --id add a container to it first",
  },
  { spellings: ["groups", "Groups"], does: "listGroups", summary: "print all groups" },
  {
    spellings: ["rmcgroup", "RemoveContainerGroup"],
    does: "parameter",
    completes: ["group"],
    needs: ["group", "id"],
    summary: "with --group and --id: take the container out in place of adding it",
  },
  {
    spellings: ["rmgroup", "RemoveGroup"],
    argument: "GROUP",
    does: "removeGroup",
    summary: "remove a group; its containers stay",
  },
  {
    spellings: ["mp", "MAPPort"],
    argument: "PORT",
    does: "mapPort",
    needs: ["ra"],
    summary: "make a port of the node of --ra reachable from outside, and print where",
  },
  {
    spellings: ["dn", "DomainName"],
    argument: "DOMAIN",
    does: "parameter",
    completes: ["mapPort"],
    summary: "with --mp: the domain name under which the proxy serves it",
  },
  {
    spellings: ["ra", "RemoteAddress"],
    argument: "HOST:PORT",
    does: "parameter",
    completes: ["mapPort"],
    summary: "with --mp: the node whose port it is",
  },
  {
    spellings: ["udp"],
    does: "parameter",
    completes: ["mapPort"],
    summary: "with --mp: the port is one of UDP",
  },

  {
    spellings: ["plugin", "ExecutePlugin"],
    argument: "NAME",
    does: "runPlugin",
    needs: ["id"],
    summary: "run a plugin on the container or group of --id; with --json print each event",
  },
  { spellings: ["vp", "ViewPlugins"], does: "listPlugins", summary: "print the plugins" },
  {
    spellings: ["pp", "PullPlugin"],
    argument: "URL",
    does: "installPlugin",
    summary: "fetch a plugin from a git repository, https or file",
  },
  { spellings: ["rp", "RemovePlugin"], argument: "NAME", does: "removePlugin", summary: "remove a plugin" },

  { spellings: ["s", "Server"], does: "server only" },
  { spellings: ["mode", "Mode"], argument: "MODE", does: "server only" },
  { spellings: ["gen", "Generate"], argument: "DIR", does: "server only" },
  { spellings: ["mod", "ModuleName"], argument: "NAME", does: "server only" },
  { spellings: ["crp"], argument: "VALUE", does: "server only" },
  { spellings: ["ni", "NetworkInterfaces"], does: "server only" },
  { spellings: ["dc", "SetDefaultConfig"], does: "server only" },
  { spellings: ["amd", "AddMetaData"], argument: "TEXT", does: "server only" },
  { spellings: ["proxy", "FRPServerProxy"], does: "server only" },
];

/** The flags that this version takes. */
export const servedFlags = originalFlags.filter(({ does }) => does !== "server only");

/** Its name among the parsed options. */
export const optionNameOf = ({ spellings }: OriginalFlag): string => spellings.at(-1) ?? spellings[0];

/** Finds a flag by its first spelling. */
export function flagOfSpelling(spelling: string): OriginalFlag {
  const flag = originalFlags.find(({ spellings: [first] }) => first === spelling);
  if (flag === undefined) throw new RangeError(`no flag is spelt ${spelling}`);
  return flag;
}

/** `--us`, `-p`: as the documentation of the original spells it. */
export const shortSpelling = ({ spellings: [first] }: OriginalFlag): string =>
  `${first.length === 1 ? "-" : "--"}${first}`;

const flagOf = new Map(
  originalFlags.flatMap((flag) => flag.spellings.map((spelling) => [spelling, flag] as const)),
);

/**
 * Finds the flag that somebody spelt so, without dashes. Case counts, as in the original.
 *
 * @throws {UsageError} it belongs to a P2PRC server
 */
export function findOriginalFlag(spelling: string): OriginalFlag | undefined {
  const flag = flagOf.get(spelling);
  if (flag?.does === "server only") {
    throw new UsageError(
      `${shortSpelling(flag)} belongs to a P2PRC server: this program is a client and runs no node (\`p2prc serve\` starts the gateway)`,
    );
  }
  return flag;
}
