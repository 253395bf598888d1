/** Unit, contract, integration and conformance tests. The crash proof and foreign clients have configurations of their own. */
export default {
  testEnvironment: "node",
  testMatch: ["<rootDir>/test/**/*.test.ts"],
  randomize: true,
  extensionsToTreatAsEsm: [".ts"],
  moduleNameMapper: { "^(\\.{1,2}/.*)\\.js$": "$1" },
  testPathIgnorePatterns: ["/node_modules/", "<rootDir>/test/crash/", "<rootDir>/test/e2e/"],
  modulePathIgnorePatterns: ["<rootDir>/dist/", "<rootDir>/.cache/"],
  transform: {
    "^.+\\.ts$": [
      "@swc/jest",
      { jsc: { parser: { syntax: "typescript" }, target: "es2022" }, module: { type: "es6" } },
    ],
  },
  // Long for what hangs, and longer than what does not takes on a machine that is busy elsewhere.
  testTimeout: 180_000,
  // Most tests wait for sockets and processes: one fewer than there are processors would leave half of two idle.
  maxWorkers: "100%",
};
