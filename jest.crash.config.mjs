import base from "./jest.config.mjs";

/** The crash proof: what kill -9, lost connections and a Redis that dies leave behind. Minutes of kills, apart from `npm test`. */
export default {
  ...base,
  testMatch: ["<rootDir>/test/crash/**/*.test.ts"],
  testPathIgnorePatterns: ["/node_modules/"],
};
