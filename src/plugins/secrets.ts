/** What every node of 2021..2023 used, and everybody knows: taking it out would only garble ordinary words. */
const publicPassword = "password";
const minLength = 4;
const shown = "[hidden]";

/** Takes passwords of containers out of what a playbook prints. */
export function secretHider(secrets: readonly string[]): (text: string) => string {
  const hidden = [...new Set(secrets)]
    .filter((secret) => secret.length >= minLength && secret !== publicPassword)
    // One that holds another goes first.
    .sort((a, b) => b.length - a.length);
  if (hidden.length === 0) return (text) => text;
  return (text) => hidden.reduce((rest, secret) => rest.replaceAll(secret, shown), text);
}
