import { bodyOf, type Question } from './question.js';

/** @returns the call in each language */
export function samplesOf(question: Question, fileName: string, origin: string) {
  const body = JSON.stringify(bodyOf(question, 'FILE_ID'), null, 2);
  const words = JSON.stringify(fileName);
  const shell = fileName.replaceAll("'", `'\\''`);
  // What stands in a here-document is read by the shell, which puts the file's id in.
  const here = body.replace(/[\\$`]/g, '\\$&').replace('"FILE_ID"', '"$file"');
  const curl = `export OPENAI_BASE_URL=${origin}/v1 OPENAI_API_KEY=mk-...

file=$(curl -s "$OPENAI_BASE_URL/files" -H "Authorization: Bearer $OPENAI_API_KEY" \\
  -F purpose=user_data -F 'file=@${shell}' | jq -r .id)

curl "$OPENAI_BASE_URL/chat/completions" \\
  -H "Authorization: Bearer $OPENAI_API_KEY" -H 'Content-Type: application/json' \\
  -d @- <<JSON
${here}
JSON`;
  const { madakv, ...rest } = bodyOf(question, 'FILE_ID') as { madakv: object } & Record<string, unknown>;
  const python = `from openai import OpenAI

client = OpenAI(base_url="${origin}/v1", api_key="mk-...")
file = client.files.create(file=open(${words}, "rb"), purpose="user_data")
answer = client.chat.completions.create(
${pythonArguments(rest)}
    extra_body={"madakv": ${pythonOf(madakv)}},
)
print(answer.choices[0].message.content)`;
  const node = `import { createReadStream } from 'node:fs';
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: '${origin}/v1', apiKey: 'mk-...' });
const file = await client.files.create({ file: createReadStream(${words}), purpose: 'user_data' });
const answer = await client.chat.completions.create(${body.replace('"FILE_ID"', 'file.id')});
console.log(answer.choices[0].message.content);`;
  return [
    { name: 'curl', code: curl },
    { name: 'Python', code: python },
    { name: 'Node', code: node },
  ];
}

function pythonArguments(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values)
    .map(([name, value]) => `    ${name}=${pythonOf(value)},`)
    .join('\n');
}

/** JSON as Python writes it. */
function pythonOf(value: unknown): string {
  if (value === 'FILE_ID') return 'file.id';
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (Array.isArray(value)) return `[${value.map(pythonOf).join(', ')}]`;
  if (typeof value === 'object') {
    return `{${Object.entries(value)
      .map(([key, inner]) => `${JSON.stringify(key)}: ${pythonOf(inner)}`)
      .join(', ')}}`;
  }
  return JSON.stringify(value);
}
