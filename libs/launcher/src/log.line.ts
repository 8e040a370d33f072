/** A line that a process wrote. */
export interface LogLine {
  /** Of the process: gateway, worker-1. */
  readonly source: string;
  readonly text: string;
}

type Level = 'fatal' | 'error' | 'warn' | 'log' | 'debug';

const COLOURS: Readonly<Record<Level, string>> = {
  fatal: '\x1b[31m',
  error: '\x1b[31m',
  warn: '\x1b[33m',
  log: '',
  debug: '\x1b[2m',
};
const RESET = '\x1b[0m';
/** As wide as the longest name of a process with a digit. */
const SOURCE_WIDTH = 8;

/** What Nest says of its own start, line after line. */
const NEST_CONTEXTS = new Set(['InstanceLoader', 'NestFactory', 'RouterExplorer', 'RoutesResolver', 'NestApplication']);

/** `1234:M 22 Nov 2026 16:48:41.123 * Ready to accept connections`: pid and role, date, level, text. */
const REDIS_LINE = /^\d+:[A-Z] \d+ \w+ \d{4} (\d\d:\d\d:\d\d)\.\d+ ([.*#-]) (.*)$/;

/** One short line for people: when, who, what; figures of the JSON object as key=value. */
export function readableLine({ source, text }: LogLine, colour: boolean): string {
  const { time, level, message } = partsOf(text);
  const head = `${time.padEnd(8)} ${source.padEnd(SOURCE_WIDTH)} `;
  const mark = level === 'log' ? '' : `${level} `;
  return colour && COLOURS[level] !== '' ? `${head}${COLOURS[level]}${mark}${message}${RESET}` : head + mark + message;
}

/** Whether a line says only that all goes as ever: it stands in the log file and is of no use on a terminal. */
export function isRoutine({ text }: LogLine): boolean {
  if (/^\d+:[A-Za-z-]/.test(text)) return redisLine(text)?.level !== 'warn';
  const { level, context } = jsonObject(text) ?? {};
  return level === 'log' && typeof context === 'string' && NEST_CONTEXTS.has(context);
}

/**
 * Why a process ended, of the last lines that it wrote: its last errors, else what is no log line (a stack begins with its
 * message), else the very last.
 * @param most that many lines
 */
export function lastWords(texts: readonly string[], most: number): string {
  const parts = texts.map(partsOf);
  const errors = parts.filter(({ level }) => level === 'fatal' || level === 'error');
  const unlogged = parts.filter(({ time }) => time === '');
  const told =
    errors.length > 0 ? errors.slice(-most) : unlogged.length > 0 ? unlogged.slice(0, most) : parts.slice(-1);
  return told.map(({ message }) => message.trim()).join(' | ');
}

interface Parts {
  readonly time: string;
  readonly level: Level;
  readonly message: string;
}

function partsOf(text: string): Parts {
  return redisLine(text) ?? jsonLine(text) ?? { time: '', level: 'log', message: text };
}

function redisLine(text: string): Parts | undefined {
  const match = REDIS_LINE.exec(text);
  if (match === null) return undefined;
  const [, time, mark, message] = match;
  // Redis marks its greetings as warnings, too.
  const level = /warning|error|fail/i.test(message) ? 'warn' : mark === '.' ? 'debug' : 'log';
  return { time, level, message };
}

function jsonLine(text: string): Parts | undefined {
  const object = jsonObject(text);
  if (object === undefined) return undefined;
  const { level, timestamp, context, message, ...rest } = object;
  delete rest['pid'];
  const inner = typeof message === 'object' && message !== null ? (message as Record<string, unknown>) : { message };
  const { message: words = '', ...figures } = inner;
  const told = [
    typeof context === 'string' ? `${context}:` : '',
    typeof words === 'string' ? words : JSON.stringify(words),
    ...Object.entries({ ...figures, ...rest }).map(([key, value]) => `${key}=${valueText(value)}`),
  ];
  return {
    time: timeOf(timestamp),
    level: typeof level === 'string' && level in COLOURS ? (level as Level) : 'log',
    message: told.filter((piece) => piece !== '').join(' '),
  };
}

function jsonObject(text: string): Record<string, unknown> | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function valueText(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return typeof value === 'string' && /[\s"]/.test(text) ? JSON.stringify(text) : text;
}

function timeOf(timestamp: unknown): string {
  const date = new Date(typeof timestamp === 'number' || typeof timestamp === 'string' ? timestamp : NaN);
  return Number.isNaN(date.getTime()) ? '' : date.toTimeString().slice(0, 8);
}
