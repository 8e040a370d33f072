/**
 * What a hint tells the user to type to run one of the program's commands: as they ran this one, through npx or not.
 *
 * @param command with its arguments, as in `trace 0af7…`
 */
export function invocation(command: string, env: NodeJS.ProcessEnv = process.env): string {
  return `${env['npm_command'] === 'exec' ? 'npx madakv' : 'madakv'} ${command}`;
}
