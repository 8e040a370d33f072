// Loaded into each thread of a process whose memory is looked at, started with --expose-gc: what is garbage is collected every now
// and then, and the thread writes down what JavaScript holds after that, so that what is left is held by somebody.
const { writeFileSync, renameSync } = require('node:fs');
const { join } = require('node:path');
const process = require('node:process');
const { setInterval } = require('node:timers');
const { threadId } = require('node:worker_threads');

const EVERY_MS = 500;
const file = join(process.env['MADAKV_TEST_MEMORY_FOLDER'], `thread-${threadId}`);

setInterval(() => {
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  writeFileSync(`${file}.new`, String(heapUsed + external));
  renameSync(`${file}.new`, file);
}, EVERY_MS).unref();
