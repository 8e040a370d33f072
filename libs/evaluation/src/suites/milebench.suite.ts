import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { describeIssues } from '@madakv/contracts';
import type { ChatMessage, ChatPart } from '@madakv/models';
import { fileProblem, InputFileError, parseJsonText, readText } from '@madakv/requests';
import { documentKey, type Question, type Suite, type SuiteData } from '../question.js';
import type { ScorerName } from '../scoring/scorers.js';

const sampleSchema = z.object({
  sample_id: z.union([z.string(), z.number()]),
  task_instruction_id: z.union([z.string(), z.number()]),
  response: z.union([z.string(), z.number()]),
  task_instance: z.object({
    context: z.string(),
    images_path: z.array(z.string()),
    choice_list: z.array(z.string()).optional(),
  }),
});

const datasetSchema = z.object({
  meta_data: z.object({
    question_type: z.enum(['open-ended', 'multi-choice']),
    task_instruction: z.union([z.array(z.string()), z.record(z.string(), z.string())]),
  }),
  data: z.array(sampleSchema).min(1),
});

type Dataset = z.infer<typeof datasetSchema>;
type Sample = z.infer<typeof sampleSchema>;

const MAX_TOKENS = 64;

/** Has more options than there are letters; MileBench lists them without. */
const WITHOUT_LETTERS = 'GPR1200';

/**
 * MileBench as it is downloaded: `<root>/<Dataset>/<Dataset>.json` with `images/` beside it, each data set a set. Contexts are
 * not cut: a prompt beyond the model's positions is an error.
 * Source: Song et al. 2024, arXiv 2404.18532.
 */
export const milebenchSuite: Suite = {
  description: 'MileBench: a folder of data sets, or the JSON file of one',
  async load(path, cwd) {
    const questions: Question[] = [];
    const files: SuiteData['files'][number][] = [];
    const scorers: Record<string, ScorerName> = {};
    for (const name of filesAt(path, cwd)) {
      const file = resolve(cwd, name);
      const text = await readText(file, name);
      const parsed = datasetSchema.safeParse(parseJsonText(text, name));
      if (!parsed.success) throw new InputFileError(`${name}: ${describeIssues(parsed.error.issues)}`);
      const set = basename(name, '.json');
      files.push({ file: basename(name), sha256: createHash('sha256').update(text).digest('hex') });
      scorers[set] = scorerOf(set, parsed.data);
      parsed.data.data.forEach((sample, index) => {
        const where = { name: `${name}: data.${index}`, folder: join(dirname(file), 'images') };
        questions.push(questionOf(set, parsed.data, sample, where));
      });
    }
    return { questions, files, scorers };
  },
};

function filesAt(path: string, cwd: string): string[] {
  if (path.endsWith('.json')) return [path];
  try {
    const names = readdirSync(resolve(cwd, path)).sort();
    const files = names
      .map((name) => join(path, name, `${name}.json`))
      .filter((file) => existsSync(resolve(cwd, file)));
    if (files.length === 0) throw new InputFileError(`${path}: has no data sets <name>/<name>.json`);
    return files;
  } catch (cause) {
    if (cause instanceof InputFileError) throw cause;
    throw new InputFileError(`${path}: ${fileProblem(cause)}`, { cause });
  }
}

function scorerOf(set: string, { meta_data: { question_type: type } }: Dataset): ScorerName {
  if (set.includes('NeedleInAHaystack')) return 'milebench-needle';
  if (set.includes('MMCoQA')) return 'milebench-contains';
  return type === 'open-ended' ? 'milebench-rouge' : 'milebench-choice';
}

function questionOf(
  set: string,
  { meta_data: { task_instruction: instructions } }: Dataset,
  { sample_id, task_instruction_id, response, task_instance }: Sample,
  source: Question['source'],
): Question {
  const instruction = (instructions as Readonly<Record<string, string | undefined>>)[String(task_instruction_id)];
  if (instruction === undefined)
    throw new InputFileError(`${source.name}: there is no instruction ${task_instruction_id}`);
  const { context, images_path: images, choice_list: choices } = task_instance;
  const asked = `${instruction}\n${context}${choices === undefined ? '' : choiceText(set, choices)}`;
  const messages: ChatMessage[] = [{ role: 'user', content: contentOf(asked, images, source.name) }];
  const id = String(sample_id);
  return {
    id,
    set,
    expected: String(response),
    ...(choices === undefined ? {} : { choices }),
    messages,
    maxTokens: MAX_TOKENS,
    document: documentKey(messages, `${set} ${id}`),
    source,
  };
}

function choiceText(set: string, choices: readonly string[]): string {
  const letters = set !== WITHOUT_LETTERS;
  const lines = choices.map((choice, i) => (letters ? `${String.fromCharCode(65 + i)}. ${choice}` : choice));
  return `\nChoice list: \n${lines.join('\n')}\nYour answer is: `;
}

/** Text and images in the order of the context's `{image#1}` and `{table#1}`. */
function contentOf(text: string, images: readonly string[], where: string): ChatPart[] {
  return text.split(/(\{(?:image|table)#\d+\})/).flatMap((piece): ChatPart[] => {
    const number = /^\{(?:image|table)#(\d+)\}$/.exec(piece)?.[1];
    if (number === undefined) return piece === '' ? [] : [{ type: 'text', text: piece }];
    const url = images.at(Number(number) - 1);
    if (url === undefined || number === '0')
      throw new InputFileError(`${where}: ${piece}: there are ${images.length} images`);
    return [{ type: 'image_url', image_url: { url } }];
  });
}
