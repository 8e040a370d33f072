import { Template } from '@huggingface/jinja';
import { z } from 'zod';
import { CheckpointError } from '../checkpoint/checkpoint.error.js';
import type { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import type { SpecialTokens } from '../tokenizer/tokenizer.js';
import type { ChatMessage } from './chat.message.js';
import { PromptError } from './prompt.error.js';

/** A part of a message as templates know it. */
export type TemplatePart = { type: 'text'; text: string } | { type: 'image' };
export interface TemplateMessage {
  role: string;
  content: string | TemplatePart[];
}

type ContentForm = 'parts' | 'string';

const FILE = 'chat_template.jinja';
const JSON_FILE = 'chat_template.json';
const CONFIGS = ['processor_config.json', 'tokenizer_config.json'];

const named = z.array(z.looseObject({ name: z.string(), template: z.string() }));
const holderSchema = z.looseObject({ chat_template: z.union([z.string(), named]).nullish() });

/** Templates that name a day get this one, which Llama's fall back on: a prompt is made more than once, and must not change at midnight. */
const DAY: Readonly<Record<string, string>> = {
  '%Y': '2024',
  '%m': '07',
  '%d': '26',
  '%b': 'Jul',
  '%B': 'July',
  '%A': 'Friday',
  '%H': '00',
  '%M': '00',
  '%S': '00',
  '%%': '%',
};

/** The library's own clock cannot be replaced, so it is renamed. */
const CLOCK = /\bstrftime_now\b/g;

/** What templates may ask besides. Reasoning is off: an answer is to be within the tokens that were allowed for it. */
const SETTINGS = {
  add_generation_prompt: true,
  tools: null,
  enable_thinking: false,
  fixed_strftime: (format: string): string => format.replace(/%./g, (field) => DAY[field] ?? field),
};

/** Any text a template would not contain by itself. */
const PROBE = '\uE000probe\uE001';

/** Writes messages the way a checkpoint was trained to read them. */
export class ChatTemplate {
  private readonly forms = new Map<string, ContentForm>();

  private constructor(
    private readonly template: Template,
    private readonly specialTokens: SpecialTokens,
    /** Text of the image placeholder, for templates that know only strings. */
    private readonly placeholder: string,
  ) {}

  /**
   * Looks for the template in a file of its own, then in the processor's, then in the tokenizer's settings.
   * @throws CheckpointError `missing_file` when there is none, `bad_template` when it cannot be parsed
   */
  static open(folder: CheckpointFolder, specialTokens: SpecialTokens, placeholder: string): ChatTemplate {
    const { file, text } = readTemplate(folder);
    try {
      return new ChatTemplate(new Template(text.replaceAll(CLOCK, 'fixed_strftime')), specialTokens, placeholder);
    } catch (cause) {
      throw new CheckpointError('bad_template', `${folder.path(file)}: ${(cause as Error).message}`, { cause });
    }
  }

  /** Converts a message to the content form this template takes for its role; strings stay strings where they may. */
  convert({ role, content, ...rest }: ChatMessage): TemplateMessage {
    const given = content ?? '';
    if (typeof given === 'string') {
      const parts = this.formOf(role, 'string') === 'parts';
      return { ...rest, role, content: parts ? [{ type: 'text', text: given }] : given };
    }
    if (this.formOf(role, 'parts') === 'string') {
      const pieces = given.map((part) => (part.type === 'text' ? part.text : this.placeholder));
      return { ...rest, role, content: pieces.join('\n') };
    }
    return { ...rest, role, content: given.map((part) => (part.type === 'text' ? part : { type: 'image' })) };
  }

  /** @throws PromptError with the template's own message when it refuses the messages */
  render(messages: readonly TemplateMessage[]): string {
    try {
      return this.renderOrThrow(messages);
    } catch (cause) {
      throw new PromptError('template_refused', `the chat template refuses the messages: ${(cause as Error).message}`, {
        cause,
      });
    }
  }

  private renderOrThrow(messages: readonly TemplateMessage[]): string {
    return this.template.render({ ...this.specialTokens, ...SETTINGS, messages });
  }

  /** The form to use for a role when content came as `preferred`: that one unless only the other works. */
  private formOf(role: string, preferred: ContentForm): ContentForm {
    const key = `${role} ${preferred}`;
    let form = this.forms.get(key);
    if (form === undefined) {
      const other = preferred === 'parts' ? 'string' : 'parts';
      form = !this.takes(role, preferred) && this.takes(role, other) ? other : preferred;
      this.forms.set(key, form);
    }
    return form;
  }

  /** Whether a text in this form comes out as that text and nothing else of the message's structure does. */
  private takes(role: string, form: ContentForm): boolean {
    const message = (of: string, text: string): TemplateMessage => ({
      role: of,
      content: form === 'string' ? text : [{ type: 'text', text }],
    });
    // Templates may insist on a user's turn, after a system's and before an assistant's.
    const probe = message(role, PROBE);
    const conversation = role === 'user' ? [probe] : [probe, message('user', 'x')];
    if (role === 'assistant') conversation.reverse();
    try {
      const text = this.renderOrThrow(conversation);
      const at = text.indexOf(PROBE);
      return at >= 0 && !/["']text["']|\[object/.test(text);
    } catch {
      return false; // The template refuses this form; whether it takes the other one is asked next.
    }
  }
}

function readTemplate(folder: CheckpointFolder): { file: string; text: string } {
  if (folder.has(FILE)) return { file: FILE, text: folder.text(FILE) };
  for (const file of [JSON_FILE, ...CONFIGS]) {
    if (!folder.has(file)) continue;
    const found = folder.parse(holderSchema, folder.json(file), file).chat_template;
    const text = Array.isArray(found) ? found.find(({ name }) => name === 'default')?.template : found;
    if (text) return { file, text };
  }
  const places = [FILE, JSON_FILE, ...CONFIGS].join(', ');
  throw new CheckpointError('missing_file', `${folder.dir}: no chat template; looked in ${places}`);
}
