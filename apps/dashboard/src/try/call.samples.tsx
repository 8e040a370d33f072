import * as Tabs from '@radix-ui/react-tabs';
import { CopyButton } from '../ui/copy.button.js';
import { samplesOf } from './call.texts.js';
import type { Question } from './question.js';

/** The same call for other programs; the key is the reader's to put in. */
export function CallSamples({
  question,
  fileName,
}: {
  readonly question: Question;
  readonly fileName: string | undefined;
}) {
  const samples = samplesOf(question, fileName ?? 'document.pdf', location.origin);
  return (
    <section aria-labelledby="samples">
      <h2 id="samples">The same call from elsewhere</h2>
      <Tabs.Root defaultValue="curl">
        <Tabs.List aria-label="Language of the call">
          {samples.map(({ name }) => (
            <Tabs.Trigger key={name} value={name}>
              {name}
            </Tabs.Trigger>
          ))}
        </Tabs.List>
        {samples.map(({ name, code }) => (
          <Tabs.Content key={name} value={name}>
            <CopyButton text={code} what={`the ${name} call`} />
            <pre tabIndex={0}>{code}</pre>
          </Tabs.Content>
        ))}
      </Tabs.Root>
    </section>
  );
}
