#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { URL } from 'node:url';

const main = new URL('../dist/main.js', import.meta.url);
if (existsSync(main)) {
  const { runProcess } = await import(main.href);
  await runProcess();
} else {
  console.error('madakv: not built yet; run `make build` first');
  process.exitCode = 1;
}
