import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import { ChatTemplate } from './chat.template.js';
import type { ChatMessage } from './chat.message.js';
import { questionStart } from './question.range.js';

const dirs: string[] = [];
afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true });
});

function open(files: Record<string, string>): ChatTemplate {
  const dir = mkdtempSync(join(tmpdir(), 'madakv-template-'));
  dirs.push(dir);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  return ChatTemplate.open(new CheckpointFolder(dir), { bos_token: '<s>' }, '<image>');
}

const strings = `{% for m in messages %}[{{ m['role'] }}] {{ m['content'] | trim }}\n{% endfor %}>`;
const parts = `{% for m in messages %}[{{ m['role'] }}]
{%- for p in m['content'] %}{% if p['type'] == 'image' %}<image>{% else %} {{ p['text'] }}{% endif %}{% endfor %}
{% endfor %}>`;

const image: ChatMessage = {
  role: 'user',
  content: [
    { type: 'image_url', image_url: { url: 'a.png' } },
    { type: 'text', text: 'What?' },
  ],
};

function render(template: ChatTemplate, messages: ChatMessage[]): { text: string; question?: string } {
  const converted = messages.map((message) => template.convert(message));
  const text = template.render(converted);
  const start = questionStart(template, converted, text);
  return { text, question: start === undefined ? undefined : text.slice(start) };
}

describe('ChatTemplate', () => {
  it('gives parts to a template that reads parts, strings too', () => {
    const template = open({ 'chat_template.jinja': parts });
    expect(render(template, [image])).toEqual({ text: '[user]<image> What?>', question: 'What?>' });
    expect(render(template, [{ role: 'user', content: 'Hi' }]).text).toBe('[user] Hi>');
  });

  it('gives strings to a template that reads strings, images as placeholders', () => {
    const template = open({ 'chat_template.jinja': strings });
    expect(render(template, [image]).text).toBe('[user] <image>\nWhat?\n>');
  });

  it('prefers a file of its own, then the processor, then the tokenizer', () => {
    const holder = (text: string): string => JSON.stringify({ chat_template: text });
    const files = {
      'tokenizer_config.json': holder('tokenizer'),
      'processor_config.json': holder('processor'),
      'chat_template.json': holder('json'),
      'chat_template.jinja': 'jinja',
    };
    const left = Object.entries(files);
    for (const expected of ['jinja', 'json', 'processor', 'tokenizer']) {
      expect(open(Object.fromEntries(left)).render([])).toBe(expected);
      left.pop();
    }
  });

  it('takes the default of several templates', () => {
    const templates = [
      { name: 'tools', template: 'no' },
      { name: 'default', template: '{{ bos_token }}' },
    ];
    expect(open({ 'tokenizer_config.json': JSON.stringify({ chat_template: templates }) }).render([])).toBe('<s>');
  });

  it('has no clock, and no reasoning', () => {
    const day = `{% if strftime_now is defined %}{{ strftime_now('%d %b %Y, %B, 100 %%') }}{% endif %}`;
    const thinking = `{% if enable_thinking is defined and enable_thinking is false %}<think></think>{% endif %}`;
    expect(open({ 'chat_template.jinja': day + thinking }).render([])).toBe('26 Jul 2024, July, 100 %<think></think>');
  });

  it('passes a refusal on', () => {
    const template = open({ 'chat_template.jinja': `{{ raise_exception('Roles must alternate') }}` });
    expect(() => template.render([])).toThrow('the chat template refuses the messages: Roles must alternate');
  });
});

describe('questionStart', () => {
  it('finds the last text of the last user turn, not an equal one before', () => {
    const template = open({ 'chat_template.jinja': strings });
    const messages = ['same', 'answer', 'same'].map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }));
    expect(render(template, messages).question).toBe('same\n>');
  });

  const template = (): ChatTemplate => open({ 'chat_template.jinja': parts });
  const asked = (...texts: (string | null)[]): string | undefined => {
    const content = texts.map((text) =>
      text === null
        ? { type: 'image_url' as const, image_url: { url: 'a.png' } }
        : { type: 'text' as const, text },
    );
    return render(template(), [{ role: 'user', content }]).question;
  };

  it('joins short texts at the end of a turn, and neither a passage nor what an image parts', () => {
    expect(asked(null, 'Total?', 'Only the number.')).toBe('Total? Only the number.\n>'.replace('\n', ''));
    expect(asked('First', null, 'Total?', 'Only the number.')).toBe('Total? Only the number.>');
    expect(asked('passage '.repeat(40), 'Total?')).toBe('Total?>');
    expect(asked(null, 'Total?', 'in detail '.repeat(40))).toBe(`${'in detail '.repeat(40)}>`);
  });

  it('is the last text where images follow it', () => {
    expect(asked('Read.', null, 'Total?', null)).toBe('Total?<image>>');
  });

  it('looks past texts of blanks', () => {
    expect(asked(null, 'Total?', '\n', '')).toBe('Total? \n >');
    expect(asked(null, ' ')).toBeUndefined();
  });

  it('is the user’s last turn, with what an assistant’s has begun', () => {
    const messages = [
      { role: 'user', content: 'A?' },
      { role: 'assistant', content: 'B' },
      { role: 'user', content: 'C?' },
      { role: 'assistant', content: 'The' },
    ];
    expect(render(open({ 'chat_template.jinja': strings }), messages).question).toBe('C?\n[assistant] The\n>');
  });

  it('does not find a question that is not there', () => {
    const template = open({ 'chat_template.jinja': parts });
    expect(render(template, [{ role: 'system', content: 'x' }]).question).toBeUndefined();
    const silent: ChatMessage = { role: 'user', content: [{ type: 'image_url', image_url: { url: 'a.png' } }] };
    expect(render(template, [silent]).question).toBeUndefined();
  });
});
