// Takes the failpoints out of a compiled folder: calls, imports and the file itself. Lines stay where they are, for the
// source maps. Fails if one is left: a release must not be able to stop where a test would want it to.
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

const folder = process.argv[2] ?? "dist";

for (const ending of ["js", "js.map", "d.ts"])
  rmSync(join(folder, `system/failpoint.${ending}`), { force: true });
for (const name of readdirSync(folder, { recursive: true })) {
  if (!/\.(js|d\.ts)$/.test(name)) continue;
  const path = join(folder, name);
  const text = readFileSync(path, "utf8");
  if (!text.includes("failpoint")) continue;
  const stripped = strip(text);
  if (/failpoint/i.test(stripped)) throw new Error(`${path}: a failpoint is no statement of its own`);
  writeFileSync(path, stripped);
}

function strip(text) {
  const source = ts.createSourceFile("file.js", text, ts.ScriptTarget.Latest);
  let stripped = text;
  const visit = (node) => {
    if (isImport(node) || (isCall(node) && ts.isBlock(node.parent))) {
      const from = node.getStart(source);
      const blank = text.slice(from, node.end).replace(/[^\n]/g, " ");
      stripped = stripped.slice(0, from) + blank + stripped.slice(node.end);
      return;
    }
    ts.forEachChild(node, (child) => {
      child.parent = node;
      visit(child);
    });
  };
  visit(source);
  return stripped;
}

function isImport(node) {
  return ts.isImportDeclaration(node) && /\/failpoint\.js$/.test(node.moduleSpecifier.text);
}

function isCall(node) {
  return (
    ts.isExpressionStatement(node) &&
    ts.isCallExpression(node.expression) &&
    ts.isIdentifier(node.expression.expression) &&
    node.expression.expression.text === "failpoint"
  );
}
