import { resolve } from 'node:path';
import type { Protocol } from '@madakv/engine';
import { explainQuestion, findQuestion, readPages, suites } from '@madakv/evaluation';
import { createPolicy } from '@madakv/madakv';
import { openModel } from '@madakv/models';
import type { CommandIo } from '../../command.io.js';
import { loadEngine, type EngineFlags } from '../../engine.flags.js';
import { modelFolder } from '../../models/model.folder.js';
import { explanationText } from './explanation.text.js';

export interface ExplainFlags extends EngineFlags {
  readonly suite: string;
  readonly model: string;
  readonly data: string;
  readonly id: string;
  readonly set?: string;
  readonly policy: string;
  readonly policyOption?: Readonly<Record<string, unknown>>;
  readonly ratio: number;
  readonly maxTokens?: number;
  readonly protocol: Protocol;
  readonly profile: boolean;
  readonly out?: string;
  readonly json?: true;
}

/** Explains one question and prints what each head kept and of the answer's evidence. Frees the model however it ends. */
export async function explain(flags: ExplainFlags, io: CommandIo): Promise<void> {
  const { questions } = await suites[flags.suite].load(flags.data, io.cwd);
  const question = findQuestion(questions, flags, flags.data);
  const { policy, policyOption: policyOptions = {}, ratio, maxTokens, protocol, profile } = flags;
  const settings = {
    policy,
    policyOptions,
    ratio,
    protocol,
    profile,
    ...(maxTokens === undefined ? {} : { maxTokens }),
  };
  createPolicy(policy, policyOptions);
  const model = openModel(await modelFolder(flags.model, io));
  // Building a large model takes minutes: what cannot work is said before.
  const pages = await readPages(question, model, io.signal);
  const engine = await loadEngine(model, flags, io);
  try {
    const name = flags.out ?? `explain-${flags.id}`;
    const target = { dir: resolve(io.cwd, name), signal: io.signal };
    const explanation = await explainQuestion(engine, question, pages, settings, target);
    io.stdout.write(
      flags.json === true
        ? `${JSON.stringify(explanation)}\n`
        : `${explanationText(explanation)}\npictures and figures are in ${name}\n`,
    );
  } finally {
    await engine.close();
  }
}
