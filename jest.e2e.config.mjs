import base from "./jest.config.mjs";

/** Foreign clients and other versions of Node: needs scripts/install-e2e.sh. */
export default {
  ...base,
  testMatch: ["<rootDir>/test/e2e/**/*.test.ts"],
  testPathIgnorePatterns: ["/node_modules/"],
  // Ansible, engines and foreign programs: minutes of work on a machine that is busy elsewhere.
  testTimeout: 300_000,
};
