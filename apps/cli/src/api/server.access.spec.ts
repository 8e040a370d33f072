import { expect, it } from 'vitest';
import { captureRun } from '../captured.run.js';
import { commandThere } from './server.access.js';

it.each([
  [['ask', 'package.json', 'x'], true],
  [['batch', 'list'], false],
  [['files', 'list'], false],
  [['trace', 'x'], false],
])('names what would serve %j, where it looks, and --local only where that is a flag', async (args, startsLocal) => {
  const { code, stderr } = await captureRun([...args, '--data', '/none/of my own']);
  expect(code).toBe(2);
  expect(stderr).toMatch(
    /^madakv: no system runs on \/none\/of my own: start one with `(npx )?madakv up --data '\/none\/of my own'`, /,
  );
  expect(stderr.includes('add --local')).toBe(startsLocal);
  const options = (await captureRun([...args.slice(0, args[0] === 'ask' || args[0] === 'trace' ? 1 : 2), '--help']))
    .stdout;
  expect(options.includes('--local')).toBe(startsLocal);
});

it('writes a command as it has to be typed to reach the same server', () => {
  expect(commandThere('trace x', {})).toMatch(/^(npx )?madakv trace x$/);
  expect(commandThere('trace x', { url: 'http://a:1', data: 'my data' })).toMatch(
    /madakv trace x --url http:\/\/a:1 --data 'my data'$/,
  );
});
