import type { Suite } from '../question.js';
import { milebenchSuite } from './milebench.suite.js';
import { readerSuite } from './reader.suite.js';

/** Every kind of evaluation data by name. */
export const suites: Readonly<Record<string, Suite>> = {
  reader: readerSuite,
  milebench: milebenchSuite,
};
