import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { makeTemporaryFolder } from '../../test/harness/temporary-folder.ts';
import { readDefinition, selectClusters } from '../definition.ts';
import { chooseProvider, knownClusters, upFleet } from './fleet.ts';
import { renderStatus } from './status.ts';

const signal = new AbortController().signal;
const definition = readDefinition(dirname(import.meta.dirname));

it('reads clusters and regions from the registrations', () => {
  expect(definition.map(({ name, regions }) => [name, regions])).toEqual([
    ['apac', ['ap-southeast-1', 'ap-northeast-1']],
    ['eu', ['eu-west-1', 'eu-central-1']],
    ['us', ['us-east-1', 'us-west-2']],
  ]);
});

it('lists the clusters when a name is unknown', () => {
  expect(() => selectClusters(definition, ['eu', 'mars'])).toThrow('no cluster named mars; there are apac, eu, us');
});

it('names the file and the field of a registration that is wrong', () => {
  const root = makeTemporaryFolder('definition');
  mkdirSync(join(root, 'x'));
  writeFileSync(
    join(root, 'x', 'cluster.yaml'),
    'apiVersion: compliance.federated.io/v1\nkind: ManagedCluster\nmetadata: {name: x}\nspec: {regions: []}\n',
  );
  expect(() => readDefinition(root)).toThrow(/x\/cluster\.yaml is no ManagedCluster: spec\.regions/);
});

/** An environment whose PATH has these commands alone, and whose tool cache is empty. */
const machine = (commands: Readonly<Record<string, string>>): Record<string, string> => {
  const dir = makeTemporaryFolder('machine');
  for (const [name, script] of Object.entries(commands)) writeFileSync(join(dir, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return { PATH: dir, XDG_CACHE_HOME: join(dir, 'cache'), FSO_TOOLS: 'build' };
};
const [go, docker, kind] = ["printf 'go1.26.8\\nauto\\n'", 'exit 0', 'exit 0'];

it.each([
  ['with Go', { go }, 'local'],
  ['with Go, Docker and kind', { go, docker, kind }, 'local'],
  ['with Docker alone', { docker }, 'kind'],
  ['with a Go that is too old, and Docker', { go: "printf 'go1.20\\nlocal\\n'", docker }, 'kind'],
])('selects on a machine %s by itself what is available', async (_, commands, expected) => {
  expect(await chooseProvider({ env: machine(commands), log: () => {}, provider: 'auto' }, signal)).toBe(expected);
});

it('explains what to install on a machine without Go and Docker, and refuses kind without Docker', async () => {
  const options = { env: machine({}), log: () => {} };
  await expect(chooseProvider({ ...options, provider: 'auto' }, signal)).rejects.toThrow(/no `go` was found on PATH.*go\.dev\/dl/);
  await expect(chooseProvider({ ...options, provider: 'kind' }, signal)).rejects.toThrow('Start Docker, or use --provider local');
});

it('uses the requested provider', async () => {
  const options = { env: machine({ go, docker }), log: () => {} };
  expect(await chooseProvider({ ...options, provider: 'kind' }, signal)).toBe('kind');
  expect(await chooseProvider({ ...options, provider: 'local' }, signal)).toBe('local');
});

it('explains what to do when the state folder cannot be made', async () => {
  const file = join(makeTemporaryFolder('state'), 'file');
  writeFileSync(file, '');
  const up = upFleet(
    {
      stateDir: join(file, 'x'),
      clusters: definition,
      provider: 'local',
      gatekeeper: true,
      gatekeeperAuditSeconds: 10,
      env: {},
      log: () => {},
    },
    signal,
  );
  await expect(up).rejects.toThrow(/cannot create .*--state-dir/);
  expect(knownClusters(join(file, 'x'))).toEqual([]);
});

it('renders one line a cluster, and why one does not answer', () => {
  const text = renderStatus([
    {
      name: 'eu',
      provider: 'local',
      state: 'up',
      server: 'https://127.0.0.1:1',
      kubernetes: 'v1.36.3',
      gatekeeper: 'ready',
      nodes: { 'eu-west-1': 2 },
      kubeconfig: '/k',
    },
    {
      name: 'us',
      provider: 'local',
      state: 'not answering',
      server: 'https://127.0.0.1:2',
      kubernetes: '',
      gatekeeper: 'unknown',
      nodes: {},
      kubeconfig: '/u',
      error: 'refused',
    },
  ]);
  expect(text.split('\n')).toEqual([
    'CLUSTER  PROVIDER  STATE          API SERVER           KUBERNETES  GATEKEEPER  NODES        KUBECONFIG',
    'eu       local     up             https://127.0.0.1:1  v1.36.3     ready       eu-west-1:2  /k',
    'us       local     not answering  https://127.0.0.1:2  -           -           -            /u',
    'us does not answer: refused',
  ]);
});
