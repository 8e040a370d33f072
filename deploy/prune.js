/*
 * Leaves of an installed and built tree what its services run; says what it took away. A step of deploy/Dockerfile:
 *
 *   node deploy/prune.js [FOLDER]
 *
 * - Of a workspace package its package.json, its programs and what its `files` name, or else `dist`; no package that no app needs.
 * - Of other packages those that one of these needs, and none that one merely may use (an optional peer).
 * - Of native libraries those for this platform and processor.
 * - No declarations and source maps: nothing reads them where the sources are not. No devDependencies, which nobody has here.
 * Licences and package.json files stay.
 */
import { existsSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { arch, argv, cwd, platform } from 'node:process';

const root = realpathSync(argv[2] ?? cwd());
const NEVER_READ = /\.(d\.[cm]?ts|[cm]?(js|ts)\.map|css\.map|tsbuildinfo)$/;

const entries = (folder) => (existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : []);
const foldersOf = (folder) =>
  entries(folder).flatMap((entry) => (entry.isDirectory() ? [join(folder, entry.name)] : []));
const manifestOf = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

function bytesOf(path) {
  const folder = statSync(path).isDirectory();
  return folder
    ? entries(path).reduce((sum, entry) => sum + sizeOf(join(path, entry.name), entry), 0)
    : statSync(path).size;
}
const sizeOf = (path, entry) => (entry.isSymbolicLink() ? 0 : bytesOf(path));

const removed = new Map();
function remove(path, why) {
  removed.set(why, (removed.get(why) ?? 0) + bytesOf(path));
  rmSync(path, { recursive: true });
}

/** Removes what is neither one of the paths nor leads to one nor lies in one. */
function keepOnly(folder, paths, why) {
  for (const { name } of entries(folder)) {
    const below = paths.flatMap((path) => (path.startsWith(`${name}/`) ? [path.slice(name.length + 1)] : []));
    if (paths.includes(name)) continue;
    if (below.length > 0) keepOnly(join(folder, name), below, why);
    else remove(join(folder, name), why);
  }
}

/** The package of this name as a package in `folder` finds it. */
function found(name, folder) {
  for (let at = folder; at.startsWith(root); at = dirname(at)) {
    const path = join(at, 'node_modules', name);
    if (existsSync(path)) return realpathSync(path);
  }
  return undefined;
}

/** Every package that the given ones need, at any depth. */
function closureOf(folders) {
  const needed = new Set();
  const need = (folder) => {
    if (needed.has(folder)) return;
    needed.add(folder);
    const { dependencies, optionalDependencies, peerDependencies = {}, peerDependenciesMeta = {} } = manifestOf(folder);
    const peers = Object.keys(peerDependencies).filter((name) => peerDependenciesMeta[name]?.optional !== true);
    for (const name of [...Object.keys({ ...dependencies, ...optionalDependencies }), ...peers]) {
      const path = found(name, folder);
      if (path !== undefined) need(path);
    }
  };
  folders.forEach(need);
  return needed;
}

function pruneWorkspaces(needed) {
  for (const folder of [...foldersOf(join(root, 'apps')), ...foldersOf(join(root, 'libs'))]) {
    const { name, files = ['dist'], bin = {} } = manifestOf(folder);
    if (!needed.has(folder)) {
      rmSync(join(root, 'node_modules', name), { force: true });
      remove(folder, 'packages that no app needs');
      continue;
    }
    const programs = Object.values(bin).map((path) => path.replace(/^\.\//, ''));
    const kept = ['package.json', 'node_modules', ...new Set(['dist', ...files, ...programs])];
    keepOnly(folder, kept, 'sources and settings of the build');
  }
  for (const folder of [root, ...needed].filter((path) => !path.includes('node_modules'))) {
    const manifest = manifestOf(folder);
    delete manifest.devDependencies;
    writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  }
}

function prunePackages(modules, needed) {
  for (const folder of foldersOf(modules)) {
    if (basename(folder) === '.bin') continue;
    if (basename(folder).startsWith('@')) {
      prunePackages(folder, needed);
      if (entries(folder).length === 0) rmSync(folder, { recursive: true });
    } else if (needed.has(folder)) prunePackages(join(folder, 'node_modules'), needed);
    else remove(folder, 'packages that another may use, but does not need');
  }
}

/** onnxruntime-node brings every platform's libraries: bin/napi-vN/PLATFORM/PROCESSOR. */
function pruneNatives() {
  for (const version of foldersOf(join(root, 'node_modules', 'onnxruntime-node', 'bin'))) {
    keepOnly(version, [`${platform}/${arch}`], 'native libraries of other machines');
  }
}

function pruneFiles(folder) {
  for (const entry of entries(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) pruneFiles(path);
    else if (entry.isFile() && NEVER_READ.test(entry.name)) remove(path, 'declarations and source maps');
  }
}

const needed = closureOf(foldersOf(join(root, 'apps')));
pruneWorkspaces(needed);
prunePackages(join(root, 'node_modules'), needed);
for (const folder of foldersOf(join(root, 'libs'))) prunePackages(join(folder, 'node_modules'), needed);
pruneNatives();
for (const folder of ['node_modules', 'libs', 'apps']) pruneFiles(join(root, folder));
for (const [why, bytes] of removed) console.log(`${(bytes / 1e6).toFixed(1).padStart(7)} MB  ${why}`);
