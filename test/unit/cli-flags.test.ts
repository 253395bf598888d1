import { describe, expect, it } from "@jest/globals";
import { spellOut } from "../../src/cli/go-flags.js";
import { findOriginalFlag, optionNameOf, originalFlags } from "../../src/cli/original-flags.js";
import { withPort } from "../../src/cli/typed-address.js";

const own = {
  flags: new Map([
    ["base", { takesValue: true }],
    ["help", { takesValue: false }],
  ]),
  words: ["serve", "crawl", "help"],
};
const spell = (...argv: string[]): string[] => spellOut(argv, own);

/** Every flag of the original client that users know, by what becomes of it. */
const documented = {
  updateIpTable: ["us", "UpdateServerList"],
  listNodes: ["ls", "ListServers"],
  addNode: ["as", "AddServer"],
  listImages: ["vi", "ViewImages"],
  specs: ["specs", "Specs", "Specification"],
  viewConfig: ["vc"],
  addRootNode: ["arn", "AddRootNode"],
  createContainer: ["touch", "CreateVM"],
  removeContainer: ["rm", "RemoveVM"],
  listContainers: ["tc", "TrackedContainers"],
  createGroup: ["cgroup", "CreateGroup"],
  group: ["group", "Group"],
  listGroups: ["groups", "Groups"],
  removeGroup: ["rmgroup", "RemoveGroup"],
  mapPort: ["mp", "MAPPort"],
  parameter: [
    ...["p", "Ports", "ip", "IPAddress", "gpu", "GPU", "cn", "ContainerName", "bi", "BaseImage", "id", "ID"],
    ...["rmcgroup", "RemoveContainerGroup", "dn", "DomainName", "ra", "RemoteAddress", "udp"],
  ],
  "server only": [
    "s",
    "Server",
    "gen",
    "mod",
    "crp",
    "ni",
    "NetworkInterfaces",
    "dc",
    "SetDefaultConfig",
    "amd",
  ],
  runPlugin: ["plugin", "ExecutePlugin"],
  listPlugins: ["vp", "ViewPlugins"],
  installPlugin: ["pp", "PullPlugin"],
  removePlugin: ["rp", "RemovePlugin"],
} as const;

describe("the table of the original's flags", () => {
  it.each(Object.entries(documented))("says of %s what the documentation says", (fate, spellings) => {
    for (const spelling of spellings) {
      const flag = originalFlags.find((row) => row.spellings.includes(spelling));
      expect([spelling, flag?.does]).toEqual([spelling, fate]);
    }
  });

  it("serves nothing that is not documented", () => {
    const known = new Set<string>(Object.values(documented).flat());
    const served = originalFlags.filter(({ does }) => does !== "server only");
    expect(served.flatMap(({ spellings }) => spellings).filter((spelling) => !known.has(spelling))).toEqual(
      [],
    );
  });

  it("has no spelling twice, and one flag for each operation", () => {
    const spellings = originalFlags.flatMap((flag) => flag.spellings);
    expect(new Set(spellings).size).toBe(spellings.length);
    const operations = originalFlags
      .map(({ does }) => does)
      .filter((does) => !["server only", "parameter"].includes(does));
    expect(new Set(operations).size).toBe(operations.length);
  });

  it("refuses what belongs to a server, in words of its own", () => {
    expect(() => findOriginalFlag("dc")).toThrow("--dc belongs to a P2PRC server");
  });
});

describe("flags as they are typed", () => {
  it("takes one dash and two, and every spelling", () => {
    for (const flag of originalFlags.filter(({ does }) => does !== "server only")) {
      for (const spelling of flag.spellings) {
        const value = flag.argument === undefined ? "" : "=VALUE";
        const spelt = [`--${optionNameOf(flag)}${value}`];
        expect(spell(`-${spelling}${value}`)).toEqual(spelt);
        expect(spell(`--${spelling}${value}`)).toEqual(spelt);
      }
    }
  });

  it("takes a value behind a space or an equals sign, whatever it looks like", () => {
    expect(spell("-as", "203.0.113.7", "-p=8088")).toEqual(["--AddServer=203.0.113.7", "--Ports=8088"]);
    expect(spell("--as", "-s")).toEqual(["--AddServer=-s"]);
    expect(spell("--as=a=b")).toEqual(["--AddServer=a=b"]);
  });

  it("reads the value of a switch as Go does", () => {
    expect(spell("--us=true", "--ls=false")).toEqual(["--UpdateServerList"]);
    expect(() => spell("--us=maybe")).toThrow("--us=maybe: a switch is true or false");
  });

  it("leaves what stands behind a word alone and moves flags before it behind it", () => {
    expect(spell("crawl", "--seed", "-p", "serve")).toEqual(["crawl", "--seed", "-p", "serve"]);
    expect(spell("-base", "DIR", "crawl", "--json")).toEqual(["crawl", "--base=DIR", "--json"]);
  });

  it("names an unknown flag, an unknown word and a missing value", () => {
    expect(() => spell("--zap=1")).toThrow("unknown flag --zap;");
    expect(() => spell("--US")).toThrow("unknown flag --US;");
    expect(() => spell("sevre")).toThrow('unknown word "sevre"; words are serve, crawl, help');
    expect(() => spell("help", "zap")).toThrow('unknown word "zap"');
    expect(() => spell("--as")).toThrow("--as needs a value");
  });
});

describe("the address of --as, --arn, --touch and --rm", () => {
  it("is joined with the port of -p", () => {
    expect(withPort("203.0.113.7", undefined)).toBe("203.0.113.7");
    expect(withPort("203.0.113.7:8090", undefined)).toBe("203.0.113.7:8090");
    expect(withPort("203.0.113.7", "8090")).toBe("203.0.113.7:8090");
    expect(withPort("2001:db8::7", "8090")).toBe("[2001:db8::7]:8090");
    expect(withPort("2001:db8::7", undefined)).toBe("[2001:db8::7]");
    expect(withPort("[2001:db8::7]", "8090")).toBe("[2001:db8::7]:8090");
  });

  it("is refused with two ports, or with a port that is none", () => {
    expect(() => withPort("203.0.113.7:8088", "8090")).toThrow("has a port, and -p 8090 names another");
    expect(() => withPort("[2001:db8::7]:8088", "8090")).toThrow("has a port");
    expect(() => withPort("203.0.113.7", "http")).toThrow('-p "http": not a port');
  });
});
