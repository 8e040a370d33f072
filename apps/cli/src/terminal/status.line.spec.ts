import { expect, it } from 'vitest';
import { StatusLine } from './status.line.js';

it('stays below what is written, on a terminal', () => {
  let written = '';
  const status = new StatusLine({ write: (text) => (written += text), isTTY: true, columns: 12 });
  status.show('waiting for a worker');
  status.line('log');
  status.clear();
  status.line('end');
  expect(written).toBe('waiting for\r\x1b[Klog\nwaiting for\r\x1b[Kend\n');
});

it('is not shown elsewhere', () => {
  let written = '';
  const status = new StatusLine({ write: (text) => (written += text) });
  status.show('waiting');
  status.line('log');
  status.clear();
  expect(written).toBe('log\n');
});

it('is shown whole on a terminal that does not know its width', () => {
  let written = '';
  new StatusLine({ write: (text) => (written += text), isTTY: true, columns: 0 }).show('waiting');
  expect(written).toBe('waiting');
});
