import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { baseImages, CACHE } from './base.images.js';
import { copyContext, IgnoreRules } from './build.context.js';
import {
  bindLine,
  chrootLines,
  inNamespace,
  networkEnvironment,
  networkMounts,
  overlayLine,
  quote,
  run,
  type Layers,
  type Mount,
} from './chroot.js';
import {
  commandOf,
  DockerfileError,
  expand,
  parseDockerfile,
  stageOf,
  wordsOf,
  type Instruction,
  type Stage,
} from './dockerfile.js';
import { emptyConfig, globalArguments, StageState, type BuildArguments, type ImageConfig } from './image.config.js';

/** One instruction's files. */
export interface Layer {
  readonly folder: string;
  /** As a reader names it: keyword and what follows. */
  readonly instruction: string;
}

export interface Image {
  readonly config: ImageConfig;
  readonly baseLayers: Layers;
  readonly layers: readonly Layer[];
}

/** All layers that its root consists of, the lowest first. */
export function layersOf({ baseLayers, layers }: Image): Layers {
  return [...baseLayers, ...layers.map(({ folder }) => folder)];
}

/**
 * Builds images from a Dockerfile without a container engine: every RUN runs, by chroot in a stack of overlay mounts, and
 * what it writes is a layer of its own, as in a real image. Base images are stand-ins (base.images.ts). Needs root.
 */
export class ImageBuilder {
  private readonly folder = mkdtempSync(join(tmpdir(), 'mkimg-'));
  private readonly context = this.made('context');
  private readonly built = new Map<string, Image>();
  private steps = 0;

  /** @param repository the folder that is the build's context, less what the file's .dockerignore leaves out */
  constructor(
    repository: string,
    private readonly path: string,
    private readonly given: BuildArguments = {},
    private readonly log: (line: string) => void = () => undefined,
  ) {
    copyContext(repository, new IgnoreRules(readFileSync(`${path}.dockerignore`, 'utf8')), this.context);
  }

  /** Stages that several targets have in common are built once. */
  async build(target?: string): Promise<Image> {
    const dockerfile = parseDockerfile(readFileSync(this.path, 'utf8'));
    return this.stage(stageOf(dockerfile, target), dockerfile.stages, globalArguments(dockerfile, this.given));
  }

  /** An empty folder beside the layers, for the place of a root. */
  place(): string {
    return this.made(`root-${this.steps++}`);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async stage(stage: Stage, stages: readonly Stage[], args: Readonly<Record<string, string>>): Promise<Image> {
    const key = String(stages.indexOf(stage));
    const done = this.built.get(key);
    if (done !== undefined) return done;
    const earlier = stages.slice(0, stages.indexOf(stage));
    const imageOf = async (name: string): Promise<Image> => {
      const source = earlier.find((each) => each.name === name);
      if (source !== undefined) return this.stage(source, stages, args);
      const baseLayers = (await baseImages())[name];
      if (baseLayers === undefined)
        throw new Error(`the Dockerfile starts from ${name}, for which there is no stand-in`);
      return { config: emptyConfig(name), baseLayers, layers: [] };
    };
    const from = await imageOf(expand(stage.from, args));
    const state = new StageState(structuredClone(from.config), this.given);
    const layers = [...from.layers];
    for (const instruction of stage.instructions) {
      state.apply(instruction);
      const below = layersOf({ ...from, layers });
      const { keyword, rest, flags } = instruction;
      if (!['COPY', 'RUN', 'WORKDIR'].includes(keyword)) continue;
      this.log(`${stage.name} ${keyword} ${rest}`);
      const folder = this.made(`layer-${this.steps++}`);
      if (keyword === 'COPY') {
        const source = flags['from'] === undefined ? undefined : layersOf(await imageOf(flags['from']));
        await this.copy(instruction, source, state, below, folder);
      } else await this.runStep(instruction, state, below, folder);
      layers.push({ folder, instruction: `${keyword} ${rest}` });
    }
    const image = { config: state.config, baseLayers: from.baseLayers, layers };
    this.built.set(key, image);
    return image;
  }

  private async runStep(
    { keyword, flags, rest, line }: Instruction,
    { config, variables }: StageState,
    layers: Layers,
    folder: string,
  ): Promise<void> {
    const makes = keyword === 'WORKDIR';
    const at = this.place();
    const mounts = networkMounts();
    const cache = cacheMount(flags, line);
    await this.inLayer(layers, folder, at, [
      ...mounts.map((mount) => bindLine(mount, at)),
      ...(cache === undefined ? [] : [`mkdir -p ${quote(at + cache.target)}`, bindLine(cache, at)]),
      ...chrootLines(at, {
        env: { HOME: '/root', ...networkEnvironment(), ...variables },
        // A folder that is only just made cannot be started in.
        workdir: makes ? '/' : config.workdir,
        command: makes ? ['mkdir', '-p', config.workdir] : commandOf(rest),
        user: config.user === '0:0' ? undefined : config.user,
      }),
    ]);
  }

  /** Contents of folders, and files themselves; all of it root's. */
  private async copy(
    { rest, line, flags }: Instruction,
    from: Layers | undefined,
    { config, variables }: StageState,
    layers: Layers,
    folder: string,
  ): Promise<void> {
    const unknown = Object.keys(flags).find((name) => name !== 'from');
    if (unknown !== undefined) throw new DockerfileError(line, `COPY --${unknown} is not understood`);
    const words = wordsOf(expand(rest, variables));
    const target = words[words.length - 1];
    const sources = words.slice(0, -1);
    const into = /\/$|^\.$/.test(target);
    if (sources.length > 1 && !into) throw new DockerfileError(line, `${target}: expected a folder, ending in /`);
    const at = this.place();
    const source = from === undefined ? this.context : this.place();
    const to = at + posix.resolve(config.workdir, target);
    const copy = 'cp -RP --preserve=mode,timestamps';
    await this.inLayer(layers, folder, at, [
      ...(from === undefined ? [] : [overlayLine(from, source)]),
      ...sources.flatMap((path) => {
        const one = quote(posix.join(source, path));
        return [
          `if [ -d ${one} ]; then mkdir -p ${quote(to)}; ${copy} ${one}/. ${quote(to)}`,
          `else mkdir -p ${quote(into ? to : posix.dirname(to))}; ${copy} ${one} ${quote(to)}; fi`,
        ];
      }),
    ]);
  }

  private async inLayer(layers: Layers, folder: string, at: string, lines: readonly string[]): Promise<void> {
    const work = this.made(`work-${this.steps++}`);
    await run(inNamespace([overlayLine(layers, at, { folder, work }), ...lines]));
    rmSync(work, { recursive: true, force: true });
  }

  private made(name: string): string {
    const path = join(this.folder, name);
    mkdirSync(path);
    // The topmost layer's rights become those of the root.
    chmodSync(path, 0o755);
    return path;
  }
}

/** `--mount=type=cache,target=X`: a folder beside the base images, kept from run to run. */
function cacheMount(flags: Instruction['flags'], line: number): Mount | undefined {
  if (flags['mount'] === undefined) return undefined;
  const target = /^type=cache,target=([^,]+)$/.exec(flags['mount'])?.[1];
  if (target === undefined) throw new DockerfileError(line, `RUN --mount=${flags['mount']} is not understood`);
  const source = join(CACHE, 'mounts', target.replaceAll('/', '-').slice(1));
  mkdirSync(source, { recursive: true });
  return { source, target };
}
