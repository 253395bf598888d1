/** A build with its failpoints in, for programs that a test kills. A release has none. */
import { hash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Options, transform } from "@swc/core";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const sources = ["src", "test/support"];
const buildsFolder = join(root, ".cache/test-build");
/** Builds kept besides the newest one: another run may use them. */
const keptBuilds = 3;

const options: Options = {
  jsc: { parser: { syntax: "typescript" }, target: "es2022" },
  module: { type: "es6" },
  swcrc: false,
};

/**
 * Compiles the sources, unless that was done before.
 *
 * @returns the folder; programs stand in it under their path here, with the ending `.js`
 */
export async function makeTestBuild(): Promise<string> {
  const files = sources.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => /\.(ts|lua)$/.test(name))
      .map((name) => join(folder, name)),
  );
  const texts = files.sort().map((file) => ({ file, text: readFileSync(join(root, file), "utf8") }));
  const folder = join(buildsFolder, hash("sha256", JSON.stringify(texts), "hex").slice(0, 16));
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.${String(process.pid)}`;
  await Promise.all(
    texts.map(async ({ file, text }) => {
      const isScript = file.endsWith(".lua");
      const { code } = isScript ? { code: text } : await transform(text, { ...options, filename: file });
      const path = join(unfinished, file.replace(/\.ts$/, ".js"));
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, code);
    }),
  );
  writeFileSync(join(unfinished, "package.json"), readFileSync(join(root, "package.json")));
  forgetOldBuilds();
  try {
    renameSync(unfinished, folder);
  } catch (error) {
    // Another run was faster.
    if (!existsSync(folder)) throw error;
    rmSync(unfinished, { recursive: true });
  }
  return folder;
}

function forgetOldBuilds(): void {
  const builds = readdirSync(buildsFolder, { withFileTypes: true })
    .filter(({ name }) => /^[0-9a-f]{16}$/.test(name))
    .map(({ name }) => join(buildsFolder, name))
    .sort((a, b) => ageOf(a) - ageOf(b));
  for (const old of builds.slice(keptBuilds)) rmSync(old, { recursive: true, force: true });
}

/** Of one that another run has forgotten meanwhile: the oldest. */
const ageOf = (build: string): number =>
  Date.now() - (statSync(build, { throwIfNoEntry: false })?.mtimeMs ?? 0);
