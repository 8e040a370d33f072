import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { Usage } from '@madakv/contracts';
import { fileProblem } from '@madakv/requests';
import { warningsOf, warningText } from '../api/answer.warnings.js';
import type { WarnedChunk } from '../api/api.client.js';
import { UnexpectedAnswerError } from '../api/api.errors.js';
import { chooseModel, commandThere, withServer, type LocalFlags, type ServerAccess } from '../api/server.access.js';
import { documentRequest, type RequestFlags } from '../batch/batch.input.js';
import type { CommandIo } from '../command.io.js';
import { UsageError } from '../exit.codes.js';
import { StatusLine } from '../terminal/status.line.js';
import { formatBytes, formatCount } from '@madakv/insight';

/** Whatever becomes of the command, the document goes by itself: an answer may take hours, not a day. */
const EXPIRY_S = 24 * 3_600;

export interface AskFlags extends LocalFlags, RequestFlags {
  readonly json?: true;
}

/** Writes the answer to stdout as it comes, then one line about the cache. */
export async function ask(file: string, question: string, flags: AskFlags, io: CommandIo): Promise<void> {
  const content = await readFile(resolve(io.cwd, file)).catch((cause: unknown) => {
    throw new UsageError(`${file}: ${fileProblem(cause)}`, { cause });
  });
  if (question.trim() === '') throw new UsageError('the question is empty');
  await withServer(flags, io, async (access) => {
    const model = await chooseModel(access, flags);
    const uploaded = await access.client.uploadFile(new Blob([content]), basename(file), 'user_data', {
      expiresAfterS: EXPIRY_S,
    });
    const status = new StatusLine(io.stderr);
    status.show('reading the document ...');
    try {
      const chunks = access.client.streamChat(documentRequest(model, uploaded.id, question, flags));
      const answer = await collect(chunks, (text) => {
        status.clear();
        if (flags.json !== true) io.stdout.write(text);
      });
      io.stdout.write(
        flags.json === true
          ? `${JSON.stringify(answer)}\n`
          : `\n\n${cacheLine(answer)}; ${traceHint(answer.madakv.trace_id, access, flags)}\n`,
      );
      for (const warning of warningsOf(answer.madakv)) io.stderr.write(`warning: ${warningText(warning)}\n`);
    } finally {
      status.clear();
      await forget(access, uploaded.id);
    }
  });
}

/** What `ask --json` prints. */
interface Answer {
  readonly id: string;
  readonly answer: string;
  readonly finish_reason: string | null;
  readonly usage: Usage;
  /** With what the reader of the answer should know, as `warnings`, where there is such. */
  readonly madakv: NonNullable<WarnedChunk['madakv']>;
}

async function collect(chunks: AsyncIterable<WarnedChunk>, say: (text: string) => void): Promise<Answer> {
  let [id, text, reason]: [string, string, string | null] = ['', '', null];
  let usage: Usage | undefined;
  let summary: WarnedChunk['madakv'];
  for await (const chunk of chunks) {
    id = chunk.id;
    usage = chunk.usage ?? usage;
    summary = chunk.madakv ?? summary;
    for (const { delta, finish_reason } of chunk.choices) {
      reason = finish_reason ?? reason;
      if (delta.content === undefined || delta.content === '') continue;
      text += delta.content;
      say(delta.content);
    }
  }
  if (usage === undefined || summary === undefined) {
    throw new UnexpectedAnswerError('the answer broke off: the server closed the stream before its end');
  }
  return { id, answer: text, finish_reason: reason, usage, madakv: summary };
}

function cacheLine({ usage, madakv }: Answer): string {
  const { full, kept } = madakv.bytes;
  const tokens = Object.entries(madakv.prompt_tokens).map(([name, count]) => `${formatCount(count)} ${name}`);
  return (
    `cache ${((100 * kept) / Math.max(1, full)).toFixed(1)} % kept (${formatBytes(kept)} of ${formatBytes(full)}, ` +
    `${madakv.policy}); prompt ${formatCount(usage.prompt_tokens)} tokens: ${tokens.join(', ')}`
  );
}

/** A server that was started for the question is gone by the time somebody asks for the trace. */
function traceHint(traceId: string, { isPassing }: ServerAccess, flags: AskFlags): string {
  const trace = commandThere(`trace ${traceId}`, flags);
  return isPassing === true ? `${commandThere('up', flags)}, then ${trace}` : trace;
}

/** The document was uploaded for this question alone. Whatever becomes of it, the answer stands; hence also when told to stop. */
async function forget({ client }: ServerAccess, fileId: string): Promise<void> {
  await client
    .detached(AbortSignal.timeout(2_000))
    .deleteFile(fileId)
    .catch(() => undefined);
}
