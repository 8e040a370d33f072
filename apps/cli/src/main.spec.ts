import { describe, expect, it } from 'vitest';
import { captureRun } from './captured.run.js';

const commands = [
  [],
  ['demo'],
  ['up'],
  ['ask'],
  ['batch'],
  ['batch', 'run'],
  ['batch', 'status'],
  ['batch', 'cancel'],
  ['batch', 'list'],
  ['extract'],
  ['files'],
  ['files', 'list'],
  ['files', 'rm'],
  ['trace'],
  ['key'],
  ['key', 'create'],
  ['generate'],
  ['models'],
  ['models', 'inspect'],
  ['calibrate'],
  ['bench'],
  ['bench', 'decode'],
].map((command) => ({ name: ['madakv', ...command].join(' '), command }));

describe('madakv', () => {
  it.each(commands)('helps with $name, with examples', async ({ name, command }) => {
    const { code, stdout, stderr } = await captureRun([...command, '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^Usage: (npx )?${name}`));
    expect(stdout).toMatch(/\nExamples:\n {2}((npx )?madakv|echo)/);
  });

  it('prints its version', async () => {
    expect(await captureRun(['--version'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string,
    });
  });

  it.each([
    [['generat'], "unknown command 'generat'"],
    [['generate', '--request', '-'], "required option '--model <model>' not specified"],
    [['models', 'inspect'], "missing required argument 'model'"],
    [['models', 'inspect', '.', '--jsn'], "unknown option '--jsn'"],
    [['bench', 'decode', '--shape', 'gpt'], 'Allowed choices are'],
  ])('refuses %j in one line', async (args, message) => {
    const { code, stdout, stderr } = await captureRun(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^madakv: [^\n]+\n$/);
    expect(stderr).toContain(message);
  });

  it('shows its help, as an error, when no command is given', async () => {
    const { code, stderr } = await captureRun([]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/Usage: (npx )?madakv/);
  });
});
