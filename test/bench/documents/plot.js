#!/usr/bin/env node
/*
 * Draws what questions.js measured.
 *
 *   node test/bench/documents/plot.js RESULTS.json docs/benchmarks/documents/questions.svg
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { lineChart } from '../../../libs/evaluation/dist/measures.js';

const [, , from, to] = process.argv;
const { rows, cacheRatio, threads } = JSON.parse(readFileSync(from, 'utf8'));
const series = (name, of, emphasis = false) => ({
  name,
  emphasis,
  points: rows.map((row) => ({ x: row.questions, y: of(row) })),
});
const svg = lineChart({
  title: `Answers a minute about one document of 8 pages, ${100 * cacheRatio} % of the cache, threads: ${threads}`,
  xLabel: 'questions',
  yLabel: 'answers a minute',
  xScale: 'log',
  formatX: String,
  formatY: (value) => value.toFixed(0),
  series: [
    series('read together', ({ questions, sharedSeconds }) => (60 * questions) / sharedSeconds, true),
    series('each by itself', ({ questions, aloneSeconds }) => (60 * questions) / aloneSeconds),
  ],
});
mkdirSync(dirname(to), { recursive: true });
writeFileSync(to, svg);
