import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { samplesOf } from '../../apps/dashboard/src/try/call.texts.js';
import { bodyOf } from '../../apps/dashboard/src/try/question.js';

it('has a call for curl that arrives as it was meant, whatever the shell would make of it', () => {
  const question = {
    model: 'm',
    text: 'What is the $100 fee in `whoami`? \\d+ "$HOME" $(id)',
    policy: 'madakv',
    ratio: 0.2,
    schema: { $ref: '#/$defs/a', $defs: { a: { type: 'string', pattern: '\\$\\d+' } } },
  };
  const { code = '' } = samplesOf(question, 'invoice.pdf', 'http://host').find(({ name }) => name === 'curl') ?? {};
  const here = code.slice(code.indexOf('<<JSON'));
  const arrived = execFileSync('sh', ['-c', `file=file-1\ncat ${here}\n`], { encoding: 'utf8' });
  expect(JSON.parse(arrived)).toEqual(bodyOf(question, 'file-1'));
});
