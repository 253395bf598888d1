import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ConfigError } from "../../src/config/errors.js";
import { maxSocketPathBytes, socketPathOf } from "../../src/config/socket-path.js";

let root: string;
let tempDir: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "p2prc-s-")));
  tempDir = join(root, "t");
  mkdirSync(tempDir);
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

const uid = process.getuid!();
const suffix = "/.p2prc/gateway.sock";

/** A base folder whose socket in it would have a path of so many bytes. */
function baseOf(socketPathBytes: number, letter = "a"): string {
  const rest = socketPathBytes - Buffer.byteLength(`${root}/${suffix}`);
  const base = join(root, letter.repeat(rest / Buffer.byteLength(letter)));
  mkdirSync(base, { recursive: true });
  return base;
}

describe("the socket's path", () => {
  it("is in the base folder while a socket can have it", () => {
    const base = baseOf(maxSocketPathBytes);
    expect(socketPathOf(base, { tempDir })).toBe(base + suffix);
    expect(Buffer.byteLength(base + suffix)).toBe(maxSocketPathBytes);
    expect(existsSync(join(tempDir, `p2prc-${uid}`))).toBe(false);
  });

  it("is in a private folder under the temp folder when it would be a byte too long", () => {
    const path = socketPathOf(baseOf(maxSocketPathBytes + 1), { tempDir });
    expect(path).toMatch(/\/p2prc-[0-9]+\/[0-9a-f]{32}\.sock$/);
    expect(dirname(dirname(path))).toBe(tempDir);
    const folder = statSync(dirname(path));
    expect([folder.mode & 0o777, folder.uid]).toEqual([0o700, uid]);
  });

  it("is measured in bytes, not in letters", () => {
    const base = baseOf(
      maxSocketPathBytes + 1 + ((maxSocketPathBytes + 1 - Buffer.byteLength(`${root}/${suffix}`)) % 2),
      "é",
    );
    expect(base.length + suffix.length).toBeLessThan(maxSocketPathBytes);
    expect(dirname(socketPathOf(base, { tempDir }))).toBe(join(tempDir, `p2prc-${uid}`));
  });

  it("can be listened on in both places", async () => {
    for (const bytes of [maxSocketPathBytes, maxSocketPathBytes + 1]) {
      const path = socketPathOf(baseOf(bytes), { tempDir });
      mkdirSync(dirname(path), { recursive: true });
      const server = createServer();
      await new Promise<void>((resolve, reject) => server.once("error", reject).listen(path, resolve));
      expect(existsSync(path)).toBe(true);
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it("is the same each time, and another one for another base folder", () => {
    const [one, other] = [baseOf(120, "a"), baseOf(120, "b")];
    expect(socketPathOf(one, { tempDir })).toBe(socketPathOf(one, { tempDir }));
    expect(socketPathOf(one, { tempDir })).not.toBe(socketPathOf(other, { tempDir }));
  });

  it("is the same through a symbolic link, also when only the link is short", () => {
    const long = baseOf(120);
    symlinkSync(long, join(root, "link"));
    expect(socketPathOf(join(root, "link"), { tempDir })).toBe(socketPathOf(long, { tempDir }));
    expect(socketPathOf(`${long}/../${long.split("/").at(-1)!}/`, { tempDir })).toBe(
      socketPathOf(long, { tempDir }),
    );
  });

  it("is refused when the folder belongs to somebody else", () => {
    const base = baseOf(120);
    mkdirSync(join(tempDir, `p2prc-${uid + 1}`), { mode: 0o700 });
    const claim = (): string => socketPathOf(base, { tempDir, uid: uid + 1 });
    expect(claim).toThrow(ConfigError);
    expect(claim).toThrow(`${join(tempDir, `p2prc-${uid + 1}`)} belongs to another user (uid ${uid})`);
  });

  it.each([0o770, 0o705, 0o701])("is refused when the folder is open to others", (mode) => {
    const base = baseOf(120);
    mkdirSync(join(tempDir, `p2prc-${uid}`));
    chmodSync(join(tempDir, `p2prc-${uid}`), mode);
    expect(() => socketPathOf(base, { tempDir })).toThrow("is open to other users: no socket is put there");
  });

  it("is refused when a file or a symbolic link stands where the folder should", () => {
    const base = baseOf(120);
    const folder = join(tempDir, `p2prc-${uid}`);
    writeFileSync(folder, "");
    expect(() => socketPathOf(base, { tempDir })).toThrow(`${folder} is not a folder`);
    rmSync(folder);
    mkdirSync(join(root, "own"), { mode: 0o700 });
    symlinkSync(join(root, "own"), folder);
    expect(() => socketPathOf(base, { tempDir })).toThrow(`${folder} is not a folder`);
  });

  it("is refused when the temp folder's path is too long as well, or there is none", () => {
    const base = baseOf(120);
    expect(() => socketPathOf(base, { tempDir: baseOf(130, "t") })).toThrow(
      /has at most [0-9]+ bytes.*TMPDIR/,
    );
    expect(() => socketPathOf(base, { tempDir: join(root, "no") })).toThrow(/cannot be made \(ENOENT\)/);
  });

  it("is refused for a base folder that is not there", () => {
    expect(() => socketPathOf(join(root, "missing"))).toThrow(
      `the base folder ${join(root, "missing")} cannot be found`,
    );
  });
});
