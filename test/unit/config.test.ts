import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { inspect } from "node:util";
import { dirname, join } from "node:path";
import { type ConfigSources, type GatewayConfig, loadConfig } from "../../src/config/config.js";
import { ConfigError } from "../../src/config/errors.js";
import { parseRedisUrl } from "../../src/config/redis-url.js";
import { isLoopback } from "../../src/config/listen.js";
import { allSettings, type Setting, settings } from "../../src/config/settings.js";

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "p2prc-config-"));
});
afterEach(() => {
  rmSync(base, { recursive: true, force: true });
});

const load = (sources: Partial<ConfigSources> = {}): GatewayConfig =>
  loadConfig({ flags: {}, env: {}, cwd: base, ...sources });

/** Writes a configuration file; by default where it is found without being named. */
function writeFile(content: unknown, path = join(base, ".p2prc", "gateway.json")): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

/** The message of the ConfigError that the sources lead to. */
function refusal(sources: Partial<ConfigSources>): string {
  try {
    load(sources);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  }
  throw new Error("it was accepted");
}

/** Two values of each setting, as the environment has them, as flags and file have them, and as the result has them. */
const examples: Readonly<
  Record<
    Exclude<keyof typeof settings, "base" | "config" | "redisPasswordFile">,
    readonly (readonly [string, unknown, unknown])[]
  >
> = {
  listen: [
    ["127.0.0.1:1", "127.0.0.1:1", { host: "127.0.0.1", port: 1 }],
    ["[::1]:0", "[::1]:0", { host: "::1", port: 0 }],
    ["LOCALHOST:65535", "LOCALHOST:65535", { host: "localhost", port: 65_535 }],
  ],
  allowCidrs: [
    ["10.0.0.0/8", ["10.0.0.0/8"], ["10.0.0.0/8"]],
    ["FD00::/8, 203.0.113.7", ["FD00::/8", "203.0.113.7"], ["fd00::/8", "203.0.113.7/32"]],
    ["::ffff:10.0.0.0/104", ["::ffff:10.0.0.0/104"], ["10.0.0.0/8"]],
  ],
  publicIp: [
    ["off", "off", { kind: "off" }],
    ["2001:DB8::1", "2001:DB8::1", { kind: "address", address: "2001:db8::1" }],
    ["https://ip.example/json", "https://ip.example/json", { kind: "url", url: "https://ip.example/json" }],
  ],
  insecureBind: [
    ["true", true, true],
    ["0", false, false],
    ["1", true, true],
  ],
  acceptLoss: [
    ["true", true, true],
    ["false", false, false],
    ["true", true, true],
  ],
  lookIntervalSeconds: [
    ["0", "0", 0],
    ["15", "15", 15],
    ["86400", "86400", 86_400],
  ],
  corsOrigins: [
    ["https://app.example", ["https://app.example"], ["https://app.example"]],
    [
      "http://localhost:3000,https://b.example",
      ["http://localhost:3000", "https://b.example"],
      ["http://localhost:3000", "https://b.example"],
    ],
    ["http://[::1]:8080", ["http://[::1]:8080"], ["http://[::1]:8080"]],
  ],
  redis: ["redis://one.example", "rediss://me:secret@two.example:6380/3", "redis://[::1]"].map(
    (url) => [url, url, parseRedisUrl(url).reveal()] as const,
  ),
  namespace: [
    ["a", "a", "a"],
    ["Team-1.eu_x", "Team-1.eu_x", "Team-1.eu_x"],
    ["0", "0", "0"],
  ],
  logLevel: [
    ["debug", "debug", "debug"],
    ["silent", "silent", "silent"],
    ["fatal", "fatal", "fatal"],
  ],
};
const names = Object.keys(examples) as (keyof typeof examples)[];

/** What became of a setting. The bind beyond loopback stands for the switch that allows it. */
function outcome(name: keyof typeof examples, sources: Partial<ConfigSources>): unknown {
  if (name === "redis") return load(sources).redis?.reveal();
  if (name !== "insecureBind") return load(sources)[name];
  try {
    return load({ ...sources, flags: { ...sources.flags, listen: "0.0.0.0:1" } }).isOpenBind;
  } catch {
    return false;
  }
}

describe("defaults", () => {
  it("listen on loopback, ask ip-api.com, and allow nothing", () => {
    expect(load()).toMatchObject({
      listen: { host: "127.0.0.1", port: 8089 },
      isOpenBind: false,
      baseDir: base,
      allowCidrs: [],
      publicIp: { kind: "url", url: "http://ip-api.com/json/" },
      corsOrigins: [],
      acceptLoss: false,
      lookIntervalSeconds: 60,
      logLevel: "info",
    });
    expect(load()).not.toHaveProperty("configFile");
  });

  it("come out frozen to the last field", () => {
    const config = load({ flags: { allowCidr: ["10.0.0.0/8"], publicIp: "off" } });
    const parts = [
      config,
      config.listen,
      config.allowCidrs,
      config.publicIp,
      config.corsOrigins,
      config.original,
    ];
    expect(parts.filter((part) => !Object.isFrozen(part))).toEqual([]);
  });
});

describe("every setting", () => {
  it("has one name in three spellings", () => {
    for (const { key, flag, env } of allSettings) {
      const words = key
        .replace(/[A-Z]/g, (letter) => ` ${letter}`)
        .toLowerCase()
        .split(" ");
      expect([flag, env]).toEqual([`--${words.join("-")}`, `P2PRC_GATEWAY_${words.join("_").toUpperCase()}`]);
    }
  });

  it.each(names)("%s is read from flags, environment and file alike", (name) => {
    const { key, env }: Setting<unknown> = settings[name];
    for (const [text, value, expected] of examples[name]) {
      expect(outcome(name, { flags: { [key]: value } })).toEqual(expected);
      expect(outcome(name, { env: { [env]: text } })).toEqual(expected);
      writeFile({ [key]: value });
      expect(outcome(name, {})).toEqual(expected);
      rmSync(join(base, ".p2prc"), { recursive: true });
    }
  });

  it.each(names)("%s as a flag goes before the environment, that before the file", (name) => {
    const { key, env }: Setting<unknown> = settings[name];
    const [flag, inEnv, inFile] = examples[name];
    writeFile({ [key]: inFile![1] });
    expect(outcome(name, {})).toEqual(inFile![2]);
    expect(outcome(name, { env: { [env]: inEnv![0] } })).toEqual(inEnv![2]);
    expect(outcome(name, { env: { [env]: inEnv![0] }, flags: { [key]: flag![1] } })).toEqual(flag![2]);
  });

  it.each(names)("%s counts as not given when the flag is undefined or the variable empty", (name) => {
    const { key, env }: Setting<unknown> = settings[name];
    expect(outcome(name, { flags: { [key]: undefined }, env: { [env]: "" } })).toEqual(outcome(name, {}));
  });
});

describe("an unknown name", () => {
  it.each(["rediss", "acceptGain", "Listen", "allow-cidr", "__proto__", "constructor"])(
    "as the flag %s stops the start",
    (key) => {
      const flags = Object.fromEntries([[key, "x"]]);
      expect(refusal({ flags })).toMatch(/^unknown flag --.*; accepted: --listen, --base, --allow-cidr/);
    },
  );

  it("is named as it is typed", () => {
    expect(refusal({ flags: { acceptGain: true } })).toContain("unknown flag --accept-gain;");
  });

  it.each(["P2PRC_GATEWAY_REDISS", "P2PRC_GATEWAY_", "P2PRC_GATEWAY_listen", "P2PRC_GATEWAY_ALLOW_CIDRS"])(
    "as the environment variable %s stops the start, even if it is empty",
    (name) => {
      expect(refusal({ env: { [name]: "" } })).toMatch(
        new RegExp(`^unknown environment variable ${name}; accepted: P2PRC_GATEWAY_LISTEN, `),
      );
    },
  );

  it("as a variable of others is none of our business", () => {
    expect(load({ env: { P2PRC_GATEWA: "x", PATH: "/bin", p2prc_gateway_x: "y" } }).logLevel).toBe("info");
  });

  it.each(["rediss", "allowCidrs", "Listen", "--listen", "__proto__"])(
    "as the key %s of the file stops the start",
    (key) => {
      const path = writeFile(`{${JSON.stringify(key)}: "x"}`);
      expect(refusal({})).toMatch(`unknown key "${key}" of ${path}; accepted: listen, base, allowCidr`);
    },
  );

  it("is also the configuration file in the configuration file", () => {
    writeFile({ config: "other.json" });
    expect(refusal({})).toMatch(/^unknown key "config"/);
  });
});

describe("a value that is not accepted", () => {
  it.each([
    ["listen", "8089"],
    ["listen", "127.0.0.1"],
    ["listen", "127.0.0.1:"],
    ["listen", ":8089"],
    ["listen", "127.0.0.1:65536"],
    ["listen", "127.0.0.1:http"],
    ["listen", "::1:8089"],
    ["listen", "[127.0.0.1]:8089"],
    ["listen", "[::1%lo]:8089"],
    ["listen", "127.1:8089"],
    ["listen", "http://127.0.0.1:8089"],
    ["listen", "nodes/127.0.0.1:8089"],
    ["listen", 8089],
    ["listen", ["127.0.0.1:8089"]],
    ["listen", null],
    ["publicIp", "on"],
    ["publicIp", "ip-api.com"],
    ["publicIp", "ftp://ip.example/"],
    ["publicIp", "file:///etc/hostname"],
    ["publicIp", "http://"],
    ["publicIp", "fe80::1%eth0"],
    ["publicIp", "203.0.113.7:80"],
    ["insecureBind", "yes"],
    ["insecureBind", "true"],
    ["insecureBind", 1],
    ["logLevel", "verbose"],
    ["logLevel", "INFO"],
    ["logLevel", ""],
    ["allowCidr", "10.0.0.0/8"],
    ["base", ""],
    ["base", "\0"],
    ["base", "missing"],
    ["config", "missing.json"],
  ])("for %s is named with its source: %j", (key, value) => {
    const setting = allSettings.find((each) => each.key === key)!;
    const message = refusal({ flags: { [key]: value } });
    expect(message.startsWith(`flag ${setting.flag}: ${JSON.stringify(value)}: `)).toBe(true);
    expect(message.endsWith(`; accepted: ${setting.accepts}`)).toBe(true);
  });

  it.each([
    ["allowCidr", "10.0.0.1/8", "10.0.0.0/8"],
    ["allowCidr", "10.0.0.0/33", "at most 32"],
    ["allowCidr", "example.org", "no address range"],
    ["allowCidr", "", "no address range"],
    ["corsOrigin", "*", "no exact origin"],
    ["corsOrigin", "https://*.example", "no exact origin"],
    ["corsOrigin", "null", "no exact origin"],
    ["corsOrigin", "app.example", "no exact origin"],
    ["corsOrigin", "file:///x", "no exact origin"],
    ["corsOrigin", "https://app.example/", "a browser spells the origin https://app.example;"],
    ["corsOrigin", "https://App.example", "a browser spells the origin https://app.example;"],
    ["corsOrigin", "https://app.example:443", "a browser spells the origin https://app.example;"],
    ["corsOrigin", "https://app.example/path", "a browser spells the origin https://app.example;"],
  ])("among others for %s is singled out: %j", (key, culprit, reason) => {
    const setting = allSettings.find((each) => each.key === key)!;
    const good = key === "allowCidr" ? "192.168.0.0/16" : "https://good.example";
    const message = refusal({ env: { [setting.env]: `${good},${culprit}` } });
    expect(message).toContain(`environment variable ${setting.env}: ${JSON.stringify(culprit)}: `);
    expect(message).toContain(reason);
    expect(message).not.toContain(good);
  });

  it("in the file is named with key and file", () => {
    const path = writeFile({ logLevel: "loud" });
    expect(refusal({})).toContain(`key "logLevel" of ${path}: "loud": `);
  });

  it("is found even where a better source hides it", () => {
    const path = writeFile({ logLevel: "loud" });
    expect(refusal({ flags: { logLevel: "info" } })).toContain(`key "logLevel" of ${path}: "loud": `);
  });

  it("of public-ip with a password is refused without showing it", () => {
    const message = refusal({ flags: { publicIp: "https://user:secret@ip.example/" } });
    expect(message).toContain("user name or password");
    expect(message).not.toContain("secret");
  });
});

describe("listening beyond loopback", () => {
  const open = [
    "0.0.0.0:8089",
    "[::]:8089",
    "203.0.113.7:8089",
    "192.168.1.2:8089",
    "gateway.example:8089",
    "128.0.0.1:1",
  ];

  it.each(open)("at %s is refused, and the message says what allows it", (listen) => {
    expect(refusal({ env: { P2PRC_GATEWAY_LISTEN: listen } })).toMatch(
      /P2PRC_GATEWAY_LISTEN.*--insecure-bind allows it/,
    );
  });

  it.each(open)("at %s is accepted with --insecure-bind, and the caller is told to warn", (listen) => {
    expect(load({ flags: { listen, insecureBind: true } }).isOpenBind).toBe(true);
  });

  it("is not what --insecure-bind alone means", () => {
    expect(load({ flags: { insecureBind: true } }).isOpenBind).toBe(false);
  });

  it.each([
    ["127.0.0.1", true],
    ["127.255.255.254", true],
    ["::1", true],
    ["localhost", true],
    ["127.example.org", false],
    ["localhost.example", false],
    ["::", false],
    ["0.0.0.0", false],
  ])("is judged by the host: %s is loopback: %p", (host, expected) => {
    expect(isLoopback(host)).toBe(expected);
  });
});

describe("the base folder", () => {
  it("is the flag's, else the variable's, else $P2PRC, else the working directory", () => {
    for (const name of ["a", "b", "c"]) mkdirSync(join(base, name));
    const flags = { base: "a" };
    const env = { P2PRC_GATEWAY_BASE: join(base, "b"), P2PRC: "c" };
    expect(load({ flags, env }).baseDir).toBe(join(base, "a"));
    expect(load({ env }).baseDir).toBe(join(base, "b"));
    expect(load({ env: { P2PRC: "c" } }).baseDir).toBe(join(base, "c"));
    expect(load({ env: { P2PRC: "" } }).baseDir).toBe(base);
  });

  it("has to exist and be a folder", () => {
    writeFileSync(join(base, "file"), "");
    expect(refusal({ env: { P2PRC: "missing" } })).toContain(
      'environment variable P2PRC: "missing": there is no such folder',
    );
    expect(refusal({ flags: { base: "file" } })).toContain("there is no such folder");
    expect(refusal({ flags: { base: "file/below" } })).toContain("there is no such folder");
  });

  it("may be named by a configuration file that was asked for, relative to that file", () => {
    mkdirSync(join(base, "etc", "farm"), { recursive: true });
    const config = writeFile({ base: "farm" }, join(base, "etc", "gateway.json"));
    expect(load({ flags: { config } }).baseDir).toBe(join(base, "etc", "farm"));
    expect(load({ flags: { config }, env: { P2PRC: base } }).baseDir).toBe(join(base, "etc", "farm"));
    expect(load({ flags: { config, base } }).baseDir).toBe(base);
  });

  it("may not be named by the file that was found in it", () => {
    const path = writeFile({ base: "elsewhere" });
    expect(refusal({})).toContain(`key "base" of ${path}: the file was found in its base folder`);
  });
});

describe("the configuration file", () => {
  it("is the one in the base folder, and its path is told", () => {
    const path = writeFile({ logLevel: "warn" });
    expect(load({ cwd: "/", flags: { base } })).toMatchObject({ logLevel: "warn", configFile: path });
  });

  it("is another one if the flag or the variable names it, relative to the working directory", () => {
    writeFile({ logLevel: "warn" });
    const other = writeFile({ logLevel: "error" }, join(base, "other.json"));
    writeFile({ logLevel: "trace" }, join(base, "third.json"));
    expect(load({ flags: { config: "other.json" } })).toMatchObject({ logLevel: "error", configFile: other });
    expect(load({ env: { P2PRC_GATEWAY_CONFIG: "other.json" } }).logLevel).toBe("error");
    expect(
      load({ flags: { config: "third.json" }, env: { P2PRC_GATEWAY_CONFIG: "other.json" } }).logLevel,
    ).toBe("trace");
  });

  it.each([
    ["is empty", "", "is not JSON"],
    ["is cut off", '{\n  "listen":', "is not JSON"],
    ["holds a list", "[]", "does not hold a JSON object"],
    ["holds null", "null", "does not hold a JSON object"],
    ["is larger than 1 MiB", `{}${" ".repeat(1024 * 1024)}`, "is larger than 1 MiB"],
  ])("that %s is refused by name", (_, content, reason) => {
    const path = writeFile(content);
    expect(refusal({})).toContain(`${path} ${reason}`);
  });

  it("of exactly 1 MiB is read", () => {
    writeFile(`{"logLevel":"warn"}`.padEnd(1024 * 1024));
    expect(load().logLevel).toBe("warn");
  });

  it("is refused with the place of the mistake, and without quoting it", () => {
    writeFile('{\n  "logLevel": "info",\n  hunter2\n}');
    const message = refusal({});
    expect(message).toContain("(line 3, column 3)");
    expect(message).not.toContain("hunter2");
  });

  it("that is a folder, no text, or a link in a circle is refused by name", () => {
    const path = join(base, ".p2prc", "gateway.json");
    mkdirSync(path, { recursive: true });
    expect(refusal({})).toBe(`${path} is not a file`);
    rmSync(path, { recursive: true });
    writeFileSync(path, Buffer.from([0x7b, 0xff, 0x7d]));
    expect(refusal({})).toBe(`${path} is not UTF-8 text`);
    rmSync(path);
    symlinkSync(path, path);
    expect(refusal({})).toBe(`${path} cannot be read (ELOOP)`);
  });
});

describe("the original's config.json in the base folder", () => {
  it("is part of the configuration", () => {
    expect(load().original.present).toBe(false);
    writeFileSync(join(base, "config.json"), '{"ServerPort": "8090"}');
    expect(load().original).toMatchObject({ present: true, serverPort: 8090 });
  });

  it("stops the start when it cannot be read", () => {
    writeFileSync(join(base, "config.json"), "{");
    expect(refusal({})).toContain(`${join(base, "config.json")} is not JSON`);
  });
});

describe("the password of Redis", () => {
  const secret = "s3cret/with@signs";
  const passwordFile = (text: string): string => {
    const path = join(base, "password");
    writeFileSync(path, text);
    return path;
  };

  it("is read from a file, which a line break may end", () => {
    const redisPasswordFile = passwordFile(`${secret}\n`);
    const { redis } = load({ flags: { redis: "redis://me@one.example:7000/2", redisPasswordFile } });
    const url = new URL(redis!.reveal());
    expect([decodeURIComponent(url.password), url.username, url.host, url.pathname]).toEqual([
      secret,
      "me",
      "one.example:7000",
      "/2",
    ]);
  });

  it("is shown by nothing that prints the configuration", () => {
    const config = load({ env: { P2PRC_GATEWAY_REDIS: "redis://me:s3cret@one.example" } });
    const printed = [JSON.stringify(config), inspect(config, { depth: 9 }), String(config.redis)].join("\n");
    expect(printed).toContain("redis://me@one.example");
    expect(printed).not.toContain("s3cret");
    expect(config.redis!.reveal()).toBe("redis://me:s3cret@one.example");
  });

  it("is not quoted by a refusal, however it is spelled", () => {
    for (const redis of [
      "redis://me:s3cret@",
      "http://me:s3cret@x",
      "redis://me:s3/cret@x/1",
      "redis://me:s3cret@x/db",
      "redis://me:s3cret@x:0",
      "redis://me:s3%cret@x",
      "redis:/me:s3cret@x",
      "me:s3cret@x",
      "redis//me:s3@cret@x",
      "redis://x/0?password=s3cret",
    ])
      expect(refusal({ flags: { redis } })).not.toMatch(/cret/);
  });

  it("stands out where it is given as a flag, for every user of the machine to read", () => {
    const redis = "redis://:s3cret@one.example";
    expect(load({ flags: { redis } }).isPasswordInFlag).toBe(true);
    expect(load({ env: { P2PRC_GATEWAY_REDIS: redis } }).isPasswordInFlag).toBe(false);
    expect(load({ flags: { redis: "redis://one.example" } }).isPasswordInFlag).toBe(false);
  });

  it("is given once, for a Redis, in a file that can be read", () => {
    const redisPasswordFile = passwordFile("x");
    expect(refusal({ flags: { redis: "redis://:y@h", redisPasswordFile } })).toContain(
      "a password of its own",
    );
    expect(refusal({ flags: { redisPasswordFile } })).toContain("without --redis");
    const redis = "redis://h";
    expect(refusal({ flags: { redis, redisPasswordFile: join(base, "none") } })).toContain("ENOENT");
    expect(refusal({ flags: { redis, redisPasswordFile: passwordFile("\n") } })).toContain("is empty");
    expect(refusal({ flags: { redis, redisPasswordFile: passwordFile("x".repeat(5_000)) } })).toContain(
      "larger",
    );
    expect(refusal({ flags: { redis, redisPasswordFile: base } })).toContain("is not a file");
  });
});
