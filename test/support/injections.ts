/** Texts that a shell, a URL, a terminal or a parser could misread. */

/** Texts around a valid one, or in its place. Each has at least one part that must never reach a shell. */
const families: Readonly<Record<string, readonly string[]>> = {
  separators: [
    ";",
    ";reboot",
    "; reboot #",
    "&",
    "&& reboot",
    "|",
    "| sh",
    "||true",
    ">x",
    "<x",
    ">>/etc/passwd",
    "#",
    "!",
  ],
  substitutions: [
    "$(reboot)",
    "`reboot`",
    "${IFS}",
    "$HOME",
    "$((1+1))",
    "%x",
    "{a,b}",
    "*",
    "?",
    "[a-z]",
    "~root",
    "^a^b",
  ],
  lines: ["\n", "\r", "\r\n", "\nreboot", "\rreboot", "\n\n", "\u2028", "\u2029", "\u0085", "\v", "\f"],
  controls: ["\0", "\0reboot", "\u0001", "\u001b[2J", "\u007f", "\b", "\t", "\u009b"],
  quotes: ["'", '"', "\\", "\\n", "';reboot;'", '";reboot;"', "\\x24", "\u2019", "\u201c"],
  spaces: [" x y", "  ", "\u00a0", "\u3000", "\u2003", "\u200b", "\ufeff", "\u2060"],
  lookalikes: [
    "\u0430",
    "\u212a",
    "\uff41",
    "\u0131",
    "\u017f",
    "\u2215",
    "\u2024",
    "\uff0e\uff0e\uff0f",
    "\u202e",
    "é",
    "\ud800",
    "😀",
  ],
  paths: ["/../", "/../../etc/passwd", "..\\..\\", "/..", "%2e%2e%2f", "//../"],
  shells: ["2>&1", "(reboot)", "$'\\n'", "!!", "\\;"],
  addresses: ["?x=1", "&id=2", "%00", "%0a", "=x y", "\\u0000", "<script>", ",x", "$@"],
};

/** More than 500 texts, each with the family it is of. @param valid what the place should hold */
export function* injections(valid: string): Generator<readonly [string, string]> {
  for (const [family, parts] of Object.entries(families)) {
    for (const part of parts) {
      const middle = Math.floor(valid.length / 2);
      for (const text of [
        part,
        part + valid,
        valid + part,
        valid.slice(0, middle) + part + valid.slice(middle),
      ]) {
        yield [family, text];
      }
      yield [family, `${valid}${part}${valid}`];
    }
  }
  const options = [
    "-o",
    "--help",
    "-oProxyCommand=reboot",
    "--privileged",
    "-v/:/host",
    "--",
    "-",
    "-e",
    `-${valid}`,
  ];
  for (const option of options) {
    yield ["options", option];
    yield ["options", `${option} ${valid}`];
    yield ["options", `${valid} ${option}`];
  }
  for (const dots of ["..", "../", "../x", "./x", "/", "/etc/passwd", ".", ".hidden", "a/../../b"])
    yield ["paths", dots];
  for (const length of [9_000, 100_000, 1_000_000]) {
    yield ["very long", "a".repeat(length)];
    yield ["very long", valid + "a".repeat(length)];
    yield ["very long", `${valid} `.repeat(length / 100)];
    yield ["very long", `${"a/".repeat(length / 2)}a`];
    yield ["very long", `${"a-".repeat(length / 2)};`];
  }
}
