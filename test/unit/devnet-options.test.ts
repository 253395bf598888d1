import { describe, expect, it } from "@jest/globals";
import type { DevnetOptions } from "../../src/devnet/contract.js";
import type { DialectName } from "../../src/devnet/dialects.js";
import type { GenerationName } from "../../src/devnet/docker-vm.js";
import { DevnetError } from "../../src/devnet/errors.js";
import { everyFault, type FaultName, faultNames } from "../../src/devnet/faults.js";
import { checkOptions } from "../../src/devnet/options.js";
import { type DevnetOptionText, parseDevnetOptions } from "../../src/devnet/option-text.js";

const typed = (text: Partial<DevnetOptionText>): DevnetOptions =>
  parseDevnetOptions({ nodes: "40", ...text });

describe("a typed devnet", () => {
  it("is read flag by flag", () => {
    const options = typed({
      port: "8088",
      delay: "20ms",
      seed: "7",
      faults: "refuse=2, hang=3,lie",
      shape: "chain",
    });
    expect(options).toMatchObject({
      nodes: 40,
      port: 8088,
      delayMs: 20,
      seed: 7,
      faults: { refuse: 2, hang: 3, lie: 1 },
      shape: "chain",
    });
  });

  it("takes seconds, fractions and a bare 0 as delay", () => {
    expect(
      [typed({ delay: "1.5s" }), typed({ delay: "0" }), typed({})].map((options) => options.delayMs),
    ).toEqual([1500, 0, undefined]);
  });

  it("has its new flags read, and --ipv6 with and without a number", () => {
    expect(
      typed({
        ipv6: "2",
        sharedAddress: "3",
        bandwidth: "100, 0.5",
        upload: "20",
        speedTestFile: "missing",
        victimNet: "127.99.0.0/16",
        victimPort: "4000",
      }),
    ).toMatchObject({
      ipv6: 2,
      sharedAddress: 3,
      bandwidthMbps: [100, 0.5],
      uploadMbps: [20],
      speedTestFile: "missing",
      victimNet: "127.99.0.0/16",
      victimPort: 4000,
    });
    expect([true, false, undefined].map((ipv6) => typed({ ipv6 }).ipv6)).toEqual([true, false, undefined]);
  });

  it("has the flags of its containers read", () => {
    expect(
      typed({
        slowDelay: "2s",
        containerPorts: "closed",
        sshDelay: "1s",
        createDelay: "20ms",
        removeDelay: "0",
        cutAfter: "100",
        fixedId: "twin",
        containerVersions: "2021-04-10, 2023-12",
      }),
    ).toMatchObject({
      slowDelayMs: 2000,
      containers: {
        listens: false,
        sshDelayMs: 1000,
        createDelayMs: 20,
        removeDelayMs: 0,
        replyCutAfterBytes: 100,
        fixedId: "twin",
        generations: ["2021-04-10", "2023-12"],
      },
    });
    expect(checkOptions(typed({})).containers).toMatchObject({ listens: true, sshDelayMs: 0 });
  });

  it("simulates its containers unless a Docker Engine is asked for", () => {
    expect(checkOptions(typed({})).containers.docker).toBeUndefined();
    expect(checkOptions(typed({ runtime: "simulated" })).containers.docker).toBeUndefined();
    expect(checkOptions(typed({ runtime: "docker" })).containers.docker).toEqual({
      socketPath: "/var/run/docker.sock",
      image: "p2prc-devnet-base",
    });
    const own = { runtime: "docker", dockerSocket: "/tmp/d.sock", dockerImage: "lab/sshd:1" };
    expect(checkOptions(typed(own)).containers.docker).toEqual({
      socketPath: "/tmp/d.sock",
      image: "lab/sshd:1",
    });
  });

  it("has 40 nodes unless it is told, and more where its faults need room", () => {
    expect(parseDevnetOptions({}).nodes).toBe(40);
    expect(parseDevnetOptions({ faults: "all" }).nodes).toBe(2 * faultNames.length);
  });

  it("has one node of every fault with all, and what is said after it counts", () => {
    expect(typed({ nodes: "200", faults: "all,hang=3,refuse=0" }).faults).toEqual({
      ...everyFault,
      hang: 3,
      refuse: 0,
    });
  });

  it.each<[Partial<DevnetOptionText>, string]>([
    [{ nodes: "forty" }, '--nodes "forty": not a whole number'],
    [{ nodes: "0" }, "nodes 0: not a whole number from 1 to 10000"],
    [{ port: "65536" }, "port 65536: not a whole number from 0 to 65535"],
    [{ delay: "20" }, '--delay "20": not a duration such as 20ms or 1.5s'],
    [{ faults: "refuse=2,hnag=3" }, '--faults "hnag": none of refuse, lie, many-rows'],
    [{ faults: "hang=x" }, '--faults hang= "x": not a whole number'],
    [{ faults: "hang=1=2" }, '--faults "hang=1=2": not of the form NAME=COUNT'],
    [{ faults: "hang=40" }, "40 faulty nodes leave no healthy one in a network of 40"],
    [{ shape: "ring" }, '--shape "ring": none of random, chain, mesh'],
    [{ dialects: "2021-07,2022" }, '--dialects "2022": none of 2021-03-20'],
    [
      { dialects: "2021-06", port: "9000" },
      "dialect 2021-06 has no port in its rows: its nodes can only be on port 8088",
    ],
    [{ nodes: "501", shape: "mesh" }, "a mesh has at most 500 nodes, not 501"],
    [{ ipv6: "two" }, '--ipv6 "two": not a whole number'],
    [{ ipv6: "1001" }, "ipv6 1001: not a whole number from 0 to 1000"],
    [{ sharedAddress: "41" }, "sharedAddress 41: there are only 40 nodes"],
    [{ sharedAddress: "3", port: "65534" }, "sharedAddress 3: so many ports do not follow on port 65534"],
    [
      { sharedAddress: "2", port: "8088", dialects: "2021-06" },
      "dialect 2021-06 has no port in its rows: its nodes can only be on port 8088, none of which shares its address",
    ],
    [
      { ipv6: "1", port: "8088", dialects: "2021-03-21" },
      "ipv6 1: no row of the dialects 2021-03-21 can name them",
    ],
    [
      { ipv6: "2", port: "8088", dialects: "2021-06" },
      "ipv6 2: no row of the dialects 2021-06 can name them",
    ],
    [{ bandwidth: "fast" }, '--bandwidth "fast": not a rate in Mbit/s such as 100 or 0.5'],
    [{ bandwidth: "10,0" }, "bandwidthMbps 0: not a number from 0.001 to 100000"],
    [{ upload: "" }, '--upload "": not a rate in Mbit/s'],
    [{ speedTestFile: "lost" }, '--speed-test-file "lost": none of present, missing'],
    [{ victimNet: "127.0.0.0/20" }, "net 127.0.0.0/20: fewer than 4096 hosts"],
    [{ victimPort: "0" }, "victimPort 0: not a whole number from 1 to 65535"],
    [{ runtime: "podman" }, '--runtime "podman": none of simulated, docker'],
    [{ dockerSocket: "/tmp/d.sock" }, "--docker-socket goes with --runtime docker only"],
    [{ dockerImage: "lab/sshd" }, "--docker-image goes with --runtime docker only"],
    [{ runtime: "docker", dockerSocket: "d.sock" }, "docker socketPath d.sock: not an absolute path"],
    [{ runtime: "docker", dockerImage: "--rm" }, "docker image --rm: not the name of an image"],
    [
      { runtime: "docker", containerPorts: "closed" },
      "containers listens false: those of a Docker Engine always listen",
    ],
    [{ containerPorts: "shut" }, '--container-ports "shut": none of open, closed'],
    [{ createDelay: "601s" }, "containers createDelayMs 601000: not a whole number from 0 to 600000"],
    [{ cutAfter: "half" }, '--cut-after "half": not a whole number'],
    [{ containerVersions: "2022" }, '--container-versions "2022": none of 2021-04-02'],
    [{ firstAddress: "localhost" }, "first address localhost: not an IPv4 address"],
  ])("is refused as %j with the bad part named", (text, message) => {
    expect(() => typed(text)).toThrow(DevnetError);
    expect(() => typed(text)).toThrow(message);
  });
});

describe("a devnet's options from a program", () => {
  it.each<[Partial<DevnetOptions>, string]>([
    [{ faults: { nap: 1 } as Partial<Record<FaultName, number>> }, "fault nap: none of"],
    [{ faults: { hang: -1 } }, "number of nodes with the fault hang -1"],
    [{ dialects: [] }, "at least one is needed"],
    [{ dialects: ["1999" as DialectName] }, "dialect 1999: none of"],
    [{ nodes: 5, faults: { hang: 3 }, entryNodes: 3 }, "entryNodes 3: only 2 of 5 nodes are healthy"],
    [{ delayMs: 0.5 }, "delayMs 0.5: not a whole number"],
    [{ bandwidthMbps: [] }, "bandwidthMbps: at least one rate is needed"],
    [{ uploadMbps: NaN }, "uploadMbps NaN: not a number from 0.001 to 100000"],
    [{ ipv6: 0.5 }, "ipv6 0.5: not a whole number"],
    [{ containers: { generations: [] } }, "containers generations: at least one is needed"],
    [
      { containers: { generations: ["1999" as GenerationName] } },
      "containers generation 1999: none of 2021-04-02",
    ],
    [{ containers: { replyCutAfterBytes: -1 } }, "containers replyCutAfterBytes -1: not a whole number"],
    [{ rowsPerTable: 1 }, "rowsPerTable 1: not a whole number from 2 to 4096"],
  ])("are refused as %j", (options, message) => {
    expect(() => checkOptions({ nodes: 40, ...options })).toThrow(message);
  });

  it("give a tiny network fewer entry nodes, and a chain one", () => {
    expect(checkOptions({ nodes: 2, faults: { hang: 1 } }).entryNodes).toBe(1);
    expect(checkOptions({ nodes: 9 }).entryNodes).toBe(2);
    expect(checkOptions({ nodes: 9, shape: "chain" }).entryNodes).toBe(1);
  });
});
