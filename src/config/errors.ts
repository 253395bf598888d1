/**
 * The gateway cannot start as it is configured. The message is for the person who starts it: what is wrong, where it
 * was said, and what is accepted instead.
 */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}
