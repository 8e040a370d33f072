import {
  isObject,
  isSchema,
  KEYWORDS,
  resolveReference,
  SchemaError,
  type Keyword,
  type Schema,
  type SchemaPath,
} from '@madakv/grammar';

type Keys = Readonly<Record<string, unknown>>;

/** References that lead to one another before one says what the value is. */
const MOST_REFERENCES = 32;

/** What a schema says about one value, with references followed and null told apart from the rest. */
export interface SchemaPart {
  readonly keys: Keys;
  /** Null is valid too. */
  readonly nullable: boolean;
  /** Where the keywords stand. */
  readonly path: SchemaPath;
  /** References that were followed, with those that led to the schema around it. */
  readonly open: ReadonlySet<string>;
  /** Those nearest to the property, where several schemas have them. */
  readonly title?: string;
  readonly description?: string;
}

interface Around {
  readonly nullable: boolean;
  readonly open: ReadonlySet<string>;
  readonly title?: string;
  readonly description?: string;
}

/**
 * Follows `$ref`, `allOf` of one schema, and `anyOf` of one beside null.
 * @param open references that were followed on the way here
 * @throws SchemaError where a value may be of several kinds, or a reference leads back to where it stands
 */
export function partOf(root: Schema, schema: Schema, path: SchemaPath, open: ReadonlySet<string>): SchemaPart {
  return follow(root, schema, path, { nullable: false, open });
}

function follow(root: Schema, schema: Schema, path: SchemaPath, around: Around): SchemaPart {
  if (schema === false) throw new SchemaError(path, 'no value is valid');
  const keys = schema === true ? {} : schema;
  const { $ref, allOf, anyOf } = keys;
  const now: Around = {
    nullable: around.nullable || keys['nullable'] === true,
    open: around.open,
    ...annotation('title', around.title, keys),
    ...annotation('description', around.description, keys),
  };
  if (typeof $ref === 'string') {
    if (now.open.has($ref) || now.open.size >= MOST_REFERENCES) {
      throw new SchemaError([...path, '$ref'], 'leads back to itself; the fields of a document are a fixed number');
    }
    const found = resolveReference(root, $ref, [...path, '$ref']);
    return follow(root, found.schema, found.path, { ...now, open: new Set([...now.open, $ref]) });
  }
  if (Array.isArray(allOf) && isSchema(allOf[0])) return follow(root, allOf[0], [...path, 'allOf', '0'], now);
  if (Array.isArray(anyOf)) return alternatives(root, anyOf as Schema[], path, now);
  return withoutNull(keys, path, now);
}

/** Of several schemas the one that is not null; constants together are a choice. */
function alternatives(root: Schema, branches: readonly Schema[], path: SchemaPath, now: Around): SchemaPart {
  const others = branches.flatMap((schema, i) => (isNull(schema) ? [] : [{ schema, i }]));
  const nullable = now.nullable || others.length < branches.length;
  if (others.length === 0) return withoutNull({ type: 'null' }, path, now);
  if (others.length === 1) {
    const [{ schema, i }] = others;
    return follow(root, schema, [...path, 'anyOf', String(i)], { ...now, nullable });
  }
  const values = others.map(({ schema }) => constantsOf(schema));
  if (values.some((each) => each === undefined)) {
    throw new SchemaError([...path, 'anyOf'], 'allows several kinds of value; a field has one, and null beside it');
  }
  return withoutNull({ enum: values.flat() }, path, { ...now, nullable });
}

function withoutNull(keys: Keys, path: SchemaPath, now: Around): SchemaPart {
  const types = [keys['type'] ?? []].flat() as string[];
  const values = keys['enum'];
  const byType = types.length > 1 && types.includes('null');
  const byValue = Array.isArray(values) && values.includes(null) && (types.length === 0 || types.includes('null'));
  return {
    ...now,
    path,
    nullable: now.nullable || byType || byValue || isAnything(keys),
    keys: {
      ...keys,
      ...(byType ? { type: types.filter((type) => type !== 'null') } : {}),
      ...(Array.isArray(values) ? { enum: values.filter((value) => value !== null) } : {}),
    },
  };
}

/** Nothing is said about the value. */
function isAnything(keys: Keys): boolean {
  return Object.keys(keys).every((key) => {
    const keyword: Keyword = KEYWORDS[key as keyof typeof KEYWORDS];
    return keyword.annotation === true;
  });
}

function annotation(name: 'title' | 'description', outer: string | undefined, keys: Keys): Partial<Around> {
  const own = keys[name];
  const text = outer ?? (typeof own === 'string' && own.trim() !== '' ? own.trim() : undefined);
  return text === undefined ? {} : { [name]: text };
}

function isNull(schema: Schema): boolean {
  if (!isObject(schema)) return false;
  const { type, const: constant, enum: values } = schema;
  if (type === 'null' || ('const' in schema && constant === null)) return true;
  return Array.isArray(values) && values.every((value) => value === null);
}

function constantsOf(schema: Schema): readonly unknown[] | undefined {
  if (!isObject(schema)) return undefined;
  if ('const' in schema) return [schema['const']];
  return Array.isArray(schema['enum']) ? schema['enum'] : undefined;
}
