import { z } from 'zod';

/**
 * A process states its environment as one object of these fields and parses it before anything else starts. A field
 * carries what it expects and what it is for, so a bad value can be explained and the table in docs/ can be generated.
 */
interface FieldText {
  /** One sentence for the table of settings. */
  readonly about: string;
  /** What stands there may have a password in it, and is not repeated. */
  readonly isSecret?: boolean;
}

interface NumberText extends FieldText {
  readonly min: number;
  readonly max: number;
  readonly default: number;
}

export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

export function wholeNumber({ min, max, default: fallback, about }: NumberText) {
  const expected = `a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,15}$/, expected)
    .transform(Number)
    .refine((value) => value >= min && value <= max, expected)
    .default(fallback)
    .meta({ about, expected, fallback: String(fallback) });
}

/** A time in milliseconds. */
export function milliseconds(text: Omit<NumberText, 'max'>) {
  return wholeNumber({ ...text, max: 86_400_000 });
}

/** Any text that `schema` admits; `expected` says in words what that is. */
export function text({
  schema,
  default: fallback,
  expected,
  about,
  isSecret = false,
}: FieldText & { readonly schema: z.ZodType<string, string>; readonly default: string; readonly expected: string }) {
  return z
    .string()
    .refine((value) => schema.safeParse(value).success, expected)
    .default(fallback)
    .meta({ about, expected, fallback, isSecret });
}

/** A JSON value that `schema` admits; `expected` says in words what that is. */
export function json<T>({
  schema,
  default: fallback,
  expected,
  about,
}: FieldText & { readonly schema: z.ZodType<T>; readonly default: T; readonly expected: string }) {
  return z
    .string()
    .transform((value, context): T => {
      const parsed = schema.safeParse(parseJson(value));
      if (parsed.success) return parsed.data;
      context.addIssue({ code: 'custom', message: expected });
      return z.NEVER;
    })
    .prefault(JSON.stringify(fallback))
    .meta({ about, expected, fallback: JSON.stringify(fallback) });
}

/**
 * Reads the schema's variables; an empty one counts as unset, others are ignored.
 * @throws SettingsError naming every bad variable, what was expected and what stands there
 */
export function parseEnvironment<S extends z.ZodObject>(
  schema: S,
  environment: Readonly<Record<string, string | undefined>>,
): z.output<S> {
  const given = Object.fromEntries(
    Object.keys(schema.shape)
      .map((name) => [name, environment[name]] as const)
      .filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map(({ path, message }) => {
    const name = String(path[0]);
    const { isSecret } = SettingMeta.parse((schema.shape[name] as z.ZodType).meta());
    const got = isSecret ? 'something else, which is not shown' : JSON.stringify(given[name]);
    return `${name}: expected ${message}, got ${got}`;
  });
  throw new SettingsError(lines.join('\n'));
}

/** The settings of a schema as a Markdown table. */
export function settingsTable(schema: z.ZodObject): string {
  const rows = Object.entries(schema.shape).map(([name, field]) => {
    const { about, expected, fallback } = SettingMeta.parse((field as z.ZodType).meta());
    return `| \`${name}\` | \`${fallback}\` | ${about} Expects ${expected}. |`;
  });
  return ['| Variable | Default | Meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

const SettingMeta = z.object({
  about: z.string(),
  expected: z.string(),
  fallback: z.string(),
  isSecret: z.boolean().default(false),
});

function parseJson(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}
