/**
 * `site.yml` is a Go text template over a list of ports. This renders exactly what plugins use: `{{index . N}}` with a
 * literal N. Of Go's other actions only those are taken that have no meaning of their own: a literal text, which is how a
 * playbook writes Jinja's braces, and a comment. Anything else is refused with its line, never guessed at.
 *
 * Source: shared protocol notes, "Plugins (Ansible)"; Go's text/template.
 */

/** A playbook that is no template of ours. The message names the line. */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
}

const indexAction = /^\s*index\s+\.\s+([0-9]{1,4})\s*$/;
const rawText = /^\s*`([^`]*)`\s*$/;
const quotedText = /^\s*("(?:[^"\\\n]|\\["\\ntr])*")\s*$/;
const comment = /^\/\*[^]*\*\/$/;

/** Renders a playbook. @throws {TemplateError} an action is another one, or has no port */
export function renderPlaybook(text: string, ports: readonly number[]): string {
  let rendered = "";
  let position = 0;
  for (;;) {
    const begin = text.indexOf("{{", position);
    if (begin < 0) return rendered + text.slice(position);
    const end = endOfAction(text, begin + 2);
    try {
      if (end < 0) throw new TemplateError("{{ without }}");
      rendered += text.slice(position, begin) + renderAction(text.slice(begin + 2, end), ports);
    } catch (error) {
      throw new TemplateError(`line ${lineAt(text, begin)}: ${(error as Error).message}`);
    }
    position = end + 2;
  }
}

/** Braces inside a text of the action do not end it. @returns the place of `}}`, -1 if there is none */
function endOfAction(text: string, from: number): number {
  const inner = /^\s*(?:`[^`]*`|"(?:[^"\\\n]|\\.)*"|\/\*[^]*?\*\/)\s*/.exec(text.slice(from));
  return text.indexOf("}}", from + (inner?.[0].length ?? 0));
}

function renderAction(action: string, ports: readonly number[]): string {
  const [, index] = indexAction.exec(action) ?? [];
  if (index !== undefined) {
    const port = ports[Number(index)];
    if (port === undefined)
      throw new TemplateError(`port ${index} of ${ports.length}: ports.json asks for fewer`);
    return String(port);
  }
  const [, raw] = rawText.exec(action) ?? [];
  if (raw !== undefined) return raw;
  const [, quoted] = quotedText.exec(action) ?? [];
  if (quoted !== undefined) return JSON.parse(quoted) as string;
  if (comment.test(action)) return "";
  throw new TemplateError(
    `only {{index . N}} and literal texts are understood; Jinja's braces are written {{"{{"}}`,
  );
}

const lineAt = (text: string, position: number): number => text.slice(0, position).split("\n").length;
