/**
 * What a hint tells the user to type to run one of the program's commands: as they ran this one, through npx or not.
 *
 * @param command with its arguments, as in `trace 0af7…`
 */
export function invocation(command: string, env: NodeJS.ProcessEnv = process.env): string {
  return `${env['npm_command'] === 'exec' ? 'npx madakv' : 'madakv'} ${command}`;
}

/**
 * A help text whose examples and hints name the program as the user called it.
 *
 * @param text where examples stand two spaces in, and commands inside of a line in backticks
 */
export function helpAsInvoked(text: string, env: NodeJS.ProcessEnv = process.env): string {
  return text.replace(/(^ {2}(?:[A-Z_]+=\S+ )*|\| |`|^Usage: )madakv(?=\s)/gm, `$1${invocation('', env).trimEnd()}`);
}

/** As a shell reads it as one word. */
export function shellWord(text: string): string {
  return /^[\w./~:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
