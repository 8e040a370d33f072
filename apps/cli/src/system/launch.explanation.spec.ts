import {
  AddressError,
  BundledModelMissingError,
  DataFolderInUseError,
  NotInstalledError,
  PortTakenError,
  ProcessEndedError,
} from '@madakv/launcher';
import { expect, it } from 'vitest';
import { errorText, exitCodeOf } from '../error.line.js';
import { EXIT } from '../exit.codes.js';
import { explainLaunch } from './launch.explanation.js';

it.each<[Error, number, string]>([
  [
    new DataFolderInUseError('/data', 7, 'http://127.0.0.1:8000'),
    EXIT.usage,
    'a system runs on /data already (process 7, answers at http://127.0.0.1:8000); ' +
      'stop it, or choose another folder with --data',
  ],
  [
    new DataFolderInUseError('/data', 7, null),
    EXIT.usage,
    'a system runs on /data already (process 7, is starting); stop it, or choose another folder with --data',
  ],
  [new PortTakenError(8000), EXIT.usage, 'port 8000 is taken; choose another one with --port'],
  [new AddressError('cannot listen on host, port 80: denied'), EXIT.usage, 'cannot listen on host, port 80: denied'],
  [
    new BundledModelMissingError('/model'),
    EXIT.failure,
    'the bundled model is not there (/model); get it with git, or name a checkpoint folder with --model',
  ],
  [new NotInstalledError('install it'), EXIT.failure, 'install it'],
  [new ProcessEndedError('gateway: it ended'), EXIT.failure, 'gateway: it ended'],
])('%s ends the command with its exit code and one line', (error, code, text) => {
  const explained = explainLaunch(error);
  expect(exitCodeOf(explained)).toBe(code);
  expect(errorText(explained, false)).toBe(`madakv: ${text}\n`);
});
