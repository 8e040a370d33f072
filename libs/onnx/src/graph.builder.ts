import { attributeTypes, dataTypes, ModelProto, type DataType } from './schema.js';

/** The name of a value that flows along the graph's edges. */
export type Value = string;

/** A dimension: a fixed size, or the name of one known only at run time. */
export type Dim = number | string;

/** Where a large initializer's bytes lie: a file (relative to the model's folder) and a range in it. */
export interface ExternalRange {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/** Marks a number as a float attribute; bare numbers become integers. */
export class FloatAttribute {
  constructor(readonly value: number) {}
}
export const float = (value: number): FloatAttribute => new FloatAttribute(value);

export type Attribute = number | string | readonly number[] | FloatAttribute | Subgraph;

/** Operators outside the standard ONNX domain that ONNX Runtime defines. */
export const MICROSOFT_DOMAIN = 'com.microsoft';

const ONNX_OPSET = 23;
const IR_VERSION = 10;

type TypedData = Float32Array | Int32Array | BigInt64Array | Uint8Array;

interface NodeMessage {
  input: Value[];
  output: Value[];
  name: string;
  opType: string;
  domain: string;
  attribute: object[];
}

/** Counts names so that values of a graph and all its subgraphs never collide. */
class NameSource {
  private readonly used = new Map<string, number>();
  next(stem: string): string {
    const count = this.used.get(stem) ?? 0;
    this.used.set(stem, count + 1);
    return count === 0 ? stem : `${stem}_${String(count)}`;
  }
}

/** Nodes, initializers and typed ends shared by a main graph and the branches of an `If`. */
class GraphBody {
  protected readonly nodes: NodeMessage[] = [];
  protected readonly initializers: object[] = [];
  protected readonly outputs: object[] = [];
  private readonly constants = new Map<string, Value>();

  constructor(
    protected readonly graphName: string,
    protected readonly names: NameSource,
  ) {}

  /**
   * Appends one operator.
   * @param options `stem`: what the node's name begins with, instead of the operator
   * @returns the names of its outputs, `outputCount` of them (1 unless given)
   */
  ops(
    opType: string,
    inputs: readonly (Value | null)[],
    options: {
      attributes?: Readonly<Record<string, Attribute>>;
      domain?: string;
      outputCount?: number;
      stem?: string;
    } = {},
  ): Value[] {
    const { attributes = {}, domain = '', outputCount = 1, stem = opType } = options;
    const name = this.names.next(stem);
    const output = Array.from({ length: outputCount }, (_, i) =>
      outputCount === 1 ? `${name}:0` : `${name}:${String(i)}`,
    );
    this.nodes.push({
      input: inputs.map((value) => value ?? ''),
      output,
      name,
      opType,
      domain,
      attribute: Object.entries(attributes).map(([key, value]) => attributeMessage(key, value)),
    });
    return output;
  }

  /** Appends an operator of the standard domain with a single output. */
  op(opType: string, inputs: readonly (Value | null)[], attributes: Readonly<Record<string, Attribute>> = {}): Value {
    return this.ops(opType, inputs, { attributes })[0];
  }

  /** Appends an operator of ONNX Runtime's own domain with a single output. */
  contrib(
    opType: string,
    inputs: readonly (Value | null)[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): Value {
    return this.ops(opType, inputs, { attributes, domain: MICROSOFT_DOMAIN })[0];
  }

  /** An initializer stored in the model file itself. Equal small integer constants are shared. */
  constant(data: TypedData, dims: readonly number[], type?: DataType): Value {
    const dataType = type ?? typeOf(data);
    const key = data.length <= 16 ? `${dataType}/${dims.join('x')}/${data.join(',')}` : undefined;
    const known = key === undefined ? undefined : this.constants.get(key);
    if (known !== undefined) return known;
    const name = this.names.next('const');
    const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.initializers.push({ name, dims: [...dims], dataType: dataTypes[dataType], rawData });
    if (key !== undefined) this.constants.set(key, name);
    return name;
  }

  /** A one-dimensional int64 constant: shapes, axes, indices. */
  ints(...values: number[]): Value {
    return this.constant(BigInt64Array.from(values, BigInt), [values.length]);
  }

  /** A float32 scalar constant. */
  scalar(value: number): Value {
    return this.constant(Float32Array.of(value), []);
  }

  /** An initializer whose bytes stay in a file of their own (memory-mapped by ONNX Runtime). */
  external(name: string, type: DataType, dims: readonly number[], range: ExternalRange): Value {
    const unique = this.names.next(name);
    this.initializers.push({
      name: unique,
      dims: [...dims],
      dataType: dataTypes[type],
      dataLocation: 1,
      externalData: [
        { key: 'location', value: range.location },
        { key: 'offset', value: String(range.offset) },
        { key: 'length', value: String(range.length) },
      ],
    });
    return unique;
  }

  /** An `If` of which both branches see every value defined before it; each returns `outputCount` values. */
  branch(condition: Value, then: Subgraph, otherwise: Subgraph, outputCount: number): Value[] {
    return this.ops('If', [condition], {
      attributes: { then_branch: then, else_branch: otherwise },
      outputCount,
    });
  }

  /** Starts a branch for {@link branch}; it may use any value of this graph. */
  subgraph(name: string): Subgraph {
    return new Subgraph(name, this.names);
  }

  protected message(inputs: readonly object[] = []): object {
    return {
      name: this.graphName,
      node: this.nodes,
      initializer: this.initializers,
      input: [...inputs],
      output: this.outputs,
    };
  }
}

/** A branch of an `If`. Declares its results with {@link result}. */
export class Subgraph extends GraphBody {
  /** Adds a result; its value may have any shape, and the other branch's may differ. */
  result(value: Value, type: DataType): this {
    const alias = this.names.next('result');
    this.nodes.push({
      input: [value],
      output: [alias],
      name: this.names.next('Identity'),
      opType: 'Identity',
      domain: '',
      attribute: [],
    });
    this.outputs.push(valueInfo(alias, type, undefined));
    return this;
  }

  toMessage(): object {
    return this.message();
  }
}

/** Builds one ONNX model, operator by operator, and encodes it. */
export class GraphBuilder extends GraphBody {
  private readonly inputs: object[] = [];

  constructor(name: string) {
    super(name, new NameSource());
  }

  /** Declares a graph input. */
  input(name: string, type: DataType, dims: readonly Dim[]): Value {
    const unique = this.names.next(name);
    this.inputs.push(valueInfo(unique, type, dims));
    return unique;
  }

  /** Declares a graph output of the given name; shape unknown when `dims` is left out. */
  output(name: string, value: Value, type: DataType, dims?: readonly Dim[]): void {
    this.nodes.push({
      input: [value],
      output: [name],
      name: `output/${name}`,
      opType: 'Identity',
      domain: '',
      attribute: [],
    });
    this.outputs.push(valueInfo(name, type, dims));
  }

  /**
   * Makes the output of an operator, which no other operator takes, an output of the graph itself. An operator that can write into the
   * tensor it reads does so where a run is given that tensor for this output; a copy behind it would undo that.
   */
  outputInPlace(name: string, value: Value, type: DataType, dims: readonly Dim[]): void {
    for (const node of this.nodes) node.output = node.output.map((each) => (each === value ? name : each));
    this.outputs.push(valueInfo(name, type, dims));
  }

  /** @returns the encoded `ModelProto` */
  encode(): Uint8Array {
    return ModelProto.encode(
      ModelProto.fromObject({
        irVersion: IR_VERSION,
        producerName: 'madakv',
        graph: this.message(this.inputs),
        opsetImport: [
          { domain: '', version: ONNX_OPSET },
          { domain: MICROSOFT_DOMAIN, version: 1 },
        ],
      }),
    ).finish();
  }
}

function valueInfo(name: string, type: DataType, dims: readonly Dim[] | undefined): object {
  const shape =
    dims === undefined
      ? undefined
      : { dim: dims.map((dim) => (typeof dim === 'number' ? { dimValue: dim } : { dimParam: dim })) };
  return { name, type: { tensorType: { elemType: dataTypes[type], shape } } };
}

function attributeMessage(name: string, value: Attribute): object {
  if (value instanceof FloatAttribute) return { name, type: attributeTypes.float, f: value.value };
  if (value instanceof Subgraph) return { name, type: attributeTypes.graph, g: value.toMessage() };
  if (typeof value === 'number') return { name, type: attributeTypes.int, i: value };
  if (typeof value === 'string') return { name, type: attributeTypes.string, s: Buffer.from(value) };
  return { name, type: attributeTypes.ints, ints: [...value] };
}

function typeOf(data: TypedData): DataType {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Int32Array) return 'int32';
  if (data instanceof BigInt64Array) return 'int64';
  return 'uint8';
}
