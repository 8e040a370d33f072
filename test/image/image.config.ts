import { posix } from 'node:path';
import {
  commandOf,
  DockerfileError,
  expand,
  pairsOf,
  stageOf,
  wordsOf,
  type Dockerfile,
  type Instruction,
} from './dockerfile.js';

/** What an image says about how to run it. */
export interface ImageConfig {
  /** Base image from which its chain of stages starts. */
  base: string;
  env: Record<string, string>;
  labels: Record<string, string>;
  workdir: string;
  user: string;
  volumes: string[];
  ports: number[];
  entrypoint: string[];
  command: string[];
  healthcheck: string[];
}

/** Arguments of `docker build --build-arg`. */
export type BuildArguments = Readonly<Partial<Record<string, string>>>;

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export function emptyConfig(base: string): ImageConfig {
  return {
    base,
    env: { PATH },
    labels: {},
    workdir: '/',
    user: '0:0',
    volumes: [],
    ports: [],
    entrypoint: [],
    command: [],
    healthcheck: [],
  };
}

/** A stage in the making: its configuration, and the ARGs that it has declared so far. */
export class StageState {
  readonly args: Record<string, string> = {};

  constructor(
    readonly config: ImageConfig,
    private readonly given: BuildArguments,
  ) {}

  /** What `$NAME` stands for, and what a RUN finds in its environment. */
  get variables(): Record<string, string> {
    return { ...this.args, ...this.config.env };
  }

  /** Applies an instruction that touches no file; COPY and RUN are the builder's. */
  apply({ keyword, rest, line }: Instruction): void {
    const { config } = this;
    const text = expand(rest, this.variables);
    switch (keyword) {
      case 'ARG':
        // An argument without a default is there only when it is given.
        for (const [name, value] of pairsOf(text)) this.args[name] = this.given[name] ?? value;
        break;
      case 'ENV':
        Object.assign(config.env, Object.fromEntries(pairsOf(text)));
        break;
      case 'LABEL':
        Object.assign(config.labels, Object.fromEntries(pairsOf(text)));
        break;
      case 'WORKDIR':
        config.workdir = posix.resolve(config.workdir, text);
        break;
      case 'USER':
        config.user = text;
        break;
      case 'VOLUME':
        config.volumes.push(...(text.startsWith('[') ? (JSON.parse(text) as string[]) : wordsOf(text)));
        break;
      case 'EXPOSE':
        config.ports.push(...wordsOf(text).map(Number));
        break;
      case 'HEALTHCHECK': {
        // The options before CMD are times.
        config.healthcheck = commandOf(text.replace(/^CMD\s+/, ''));
        break;
      }
      // Both are the program's to read: variables in them are a shell's.
      case 'ENTRYPOINT':
        config.entrypoint = commandOf(rest);
        break;
      case 'CMD':
        config.command = commandOf(rest);
        break;
      case 'COPY':
      case 'RUN':
        break;
      default:
        throw new DockerfileError(line, `${keyword} is not understood`);
    }
  }
}

/** ARGs before the first FROM, which only FROM lines see. */
export function globalArguments(dockerfile: Dockerfile, given: BuildArguments): Record<string, string> {
  const state = new StageState(emptyConfig(''), given);
  for (const instruction of dockerfile.args) state.apply(instruction);
  return state.args;
}

/** Configuration of a target's image, without building it. */
export function configOf(dockerfile: Dockerfile, target?: string, given: BuildArguments = {}): ImageConfig {
  const stage = stageOf(dockerfile, target);
  const from = expand(stage.from, globalArguments(dockerfile, given));
  const earlier = dockerfile.stages.slice(0, dockerfile.stages.indexOf(stage)).some(({ name }) => name === from);
  const state = new StageState(earlier ? configOf(dockerfile, from, given) : emptyConfig(from), given);
  for (const instruction of stage.instructions) state.apply(instruction);
  return state.config;
}
