import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { milebenchSuite } from './milebench.suite.js';

let root: string;
const write = (name: string, type: string, instance: object, more: object = {}): void => {
  mkdirSync(join(root, name, 'images'), { recursive: true });
  const data = [{ sample_id: 7, task_instruction_id: 0, response: 'Red', task_instance: instance, ...more }];
  const meta = { question_type: type, task_instruction: ['Look.'] };
  writeFileSync(join(root, name, `${name}.json`), JSON.stringify({ meta_data: meta, data }));
};
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'madakv-milebench-'));
  write('Colours', 'multi-choice', {
    context: 'A {image#1} B {table#2} C?',
    images_path: ['1.png', '2.png'],
    choice_list: ['Blue', 'Red'],
  });
  write('TextNeedleInAHaystack', 'open-ended', { context: 'Where?', images_path: [] });
  mkdirSync(join(root, 'empty'));
});
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

describe('milebenchSuite', () => {
  it('reads data sets as they are', async () => {
    const { questions, scorers } = await milebenchSuite.load('.', root);
    expect(scorers).toEqual({ Colours: 'milebench-choice', TextNeedleInAHaystack: 'milebench-needle' });
    expect(questions[0]).toMatchObject({ id: '7', set: 'Colours', expected: 'Red', choices: ['Blue', 'Red'] });
    expect(questions[0].source.folder).toBe(join(root, 'Colours', 'images'));
    expect(questions[0].messages[0].content).toEqual([
      { type: 'text', text: 'Look.\nA ' },
      { type: 'image_url', image_url: { url: '1.png' } },
      { type: 'text', text: ' B ' },
      { type: 'image_url', image_url: { url: '2.png' } },
      { type: 'text', text: ' C?\nChoice list: \nA. Blue\nB. Red\nYour answer is: ' },
    ]);
  });

  it('says what is wrong', async () => {
    write('Bad', 'open-ended', { context: '{image#3}', images_path: ['1.png'] });
    await expect(milebenchSuite.load('Bad/Bad.json', root)).rejects.toThrow('{image#3}: there are 1 images');
    write('Bad', 'open-ended', { context: '', images_path: [] }, { task_instruction_id: 4 });
    await expect(milebenchSuite.load('Bad/Bad.json', root)).rejects.toThrow('there is no instruction 4');
    await expect(milebenchSuite.load('empty', root)).rejects.toThrow('has no data sets');
    await expect(milebenchSuite.load('none', root)).rejects.toThrow('no such file');
  });
});
