/** The arrows of docs/architecture.md: apps -> libs; bench -> engine; engine -> madakv, onnx, models; madakv imports nothing. No cycle. */
const libs = {
  madakv: [],
  onnx: [],
  models: ['onnx'],
  engine: ['madakv', 'onnx', 'models'],
  documents: [],
  hub: [],
  storage: [],
  grammar: [],
  extraction: ['grammar'],
  contracts: ['grammar', 'extraction'],
  testing: [],
  'budget-client': ['contracts'],
  evaluation: ['contracts', 'madakv', 'models', 'engine', 'requests'],
  records: ['contracts'],
  queue: ['contracts'],
  telemetry: ['contracts'],
  requests: ['contracts', 'extraction', 'madakv', 'models', 'grammar', 'engine'],
  bench: ['engine', 'madakv', 'models', 'onnx'],
  launcher: ['contracts', 'hub'],
  insight: ['contracts'],
};

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'libs-know-no-app', severity: 'error', from: { path: '^libs/' }, to: { path: '^apps/' } },
    {
      name: 'apps-know-no-other-app',
      severity: 'error',
      from: { path: '^apps/([^/]+)/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    ...Object.entries(libs).map(([lib, allowed]) => ({
      name: `libs-${lib}`,
      comment: `libs/${lib} may import ${allowed.length === 0 ? 'no other lib' : allowed.join(', ')}`,
      severity: 'error',
      from: { path: `^libs/${lib}/src/`, pathNot: '\\.spec\\.ts$' },
      to: { path: '^libs/', pathNot: `^libs/(${[lib, ...allowed].join('|')})/` },
    })),
    {
      name: 'madakv-imports-nothing',
      comment: 'the paper is pure functions on typed arrays',
      severity: 'error',
      from: { path: '^libs/madakv/src/', pathNot: '\\.spec\\.ts$' },
      to: { pathNot: '^libs/madakv/src/' },
    },
    {
      name: 'measures-need-no-model',
      comment: 'scorers, statistics and figures can be imported without the engine',
      severity: 'error',
      from: { path: '^libs/evaluation/src/(measures|split|plot/|scoring/|statistics/)', pathNot: '\\.spec\\.ts$' },
      to: { pathNot: '^libs/evaluation/src/(split|plot/|scoring/|statistics/)|^(node:)?crypto$' },
    },
    {
      name: 'no-framework-below-apps',
      severity: 'error',
      from: {
        path: '^libs/(madakv|onnx|models|grammar|extraction|engine|documents|hub|storage|contracts|budget-client|testing|records|queue|telemetry|requests|bench|launcher|evaluation|insight)/',
      },
      to: { path: 'node_modules/@nestjs/' },
    },
    {
      name: 'tests-are-leaves',
      severity: 'error',
      from: { path: '^(libs|apps)/', pathNot: '(\\.spec\\.ts$)|(^libs/testing/)' },
      to: { path: '(^test/)|(\\.spec\\.ts$)|(^libs/testing/)' },
    },
    { name: 'not-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-undeclared-package',
      severity: 'error',
      from: { path: '^(libs|apps)/', pathNot: '(\\.spec\\.ts$)|(^apps/dashboard/)' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    combinedDependencies: true,
    enhancedResolveOptions: {
      conditionNames: ['madakv-source', 'import', 'require', 'node', 'default', 'types'],
      exportsFields: ['exports'],
    },
  },
};
