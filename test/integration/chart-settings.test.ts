import { globSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ENROLMENT_SECRET } from '@fso/shared/api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { AGENT_SETTINGS, loadAgentConfig } from '../../agent/config.ts';
import { GATEKEEPER_MANIFEST } from '../../clusters/toolchain/modules.ts';
import { ensureTools } from '../../clusters/toolchain/tools.ts';
import { readRolesFile } from '../../hub/config/access.ts';
import { HUB_SETTINGS } from '../../hub/config/config.ts';
import { agentWith, EU_TEAM, FULL_AGENT, FULL_HUB, TOKEN } from '../harness/chart-releases.ts';
import { CHARTS, Helm } from '../harness/helm.ts';
import { mountedEnvironment } from '../harness/pod-template.ts';
import { never } from '../harness/waiting.ts';

let folder: string;
let helm: Helm;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-chart-settings-'));
  helm = await Helm.open(folder, never);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

it('uses values in docs/operate/prepare-a-cluster.md that the chart of Gatekeeper has by default', async () => {
  const gatekeeper = { ...GATEKEEPER_MANIFEST, name: 'gatekeeper-values', files: { 'values.yaml': 'charts/gatekeeper/values.yaml' } };
  const tools = await ensureTools({ env: process.env, log: () => undefined, modules: [gatekeeper] }, never);
  const defaults: unknown = parse(readFileSync(join(tools[gatekeeper.name] as string, 'values.yaml'), 'utf8'));
  const [, page = ''] = readFileSync(join(CHARTS, '..', '..', 'docs/operate/prepare-a-cluster.md'), 'utf8').split('\n## Gatekeeper\n');
  const rows = [...page.matchAll(/^\| `([\w.]+)` \| (with )?`(.*?)` \|/gm)];
  expect(rows).toHaveLength(7);
  for (const [, path = '', isPart, value = ''] of rows) {
    const actual = path.split('.').reduce<unknown>((values, key) => Reflect.get(Object(values), key), defaults);
    expect([path, actual]).toEqual([path, isPart === undefined ? parse(value) : expect.arrayContaining([value])]);
  }
});

describe('the settings of the programs', () => {
  const named = (chart: string): ReadonlySet<string> => {
    const files = globSync(`${chart}/{values.schema.json,templates/**/*.{yaml,tpl,txt}}`, { cwd: CHARTS });
    return new Set(
      files.flatMap(
        (file) =>
          readFileSync(join(CHARTS, file), 'utf8').match(/\bFSO_\w+|\bDATABASE_URL\w*|\bOTEL_\w+|\bHTTPS_PROXY\w*|\bNO_PROXY\b/g) ?? [],
      ),
    );
  };
  const withFiles = (settings: typeof HUB_SETTINGS): string[] =>
    settings.flatMap(({ name, isSecret }) => (isSecret ? [name, `${name}_FILE`] : name));

  it.each([
    // Beside those: what a pod has by itself, what is for programs without enrolment, and what has
    // one value.
    [
      'fso-agent',
      AGENT_SETTINGS,
      [
        'KUBECONFIG',
        'FSO_IDENTITY',
        'FSO_LEADER_ELECTION',
        'FSO_ENROLL_TOKEN',
        'FSO_HUB_TOKEN',
        'FSO_HUB_TOKEN_FILE',
        'OTEL_EXPORTER_OTLP_PROTOCOL',
      ],
    ],
    [
      'fso-hub',
      HUB_SETTINGS,
      [
        'FSO_GIT_PASSWORD',
        'FSO_GIT_AUTH_COMMAND',
        'FSO_AGENT_TOKENS_FILE',
        'FSO_AGENT_CA_CERT_FILE',
        'FSO_AGENT_CA_KEY_FILE',
        'FSO_AUDIT_KEY_FILE',
        'FSO_AGENT_TLS',
        'FSO_AGENT_TLS_CERT_FILE',
        'FSO_AGENT_TLS_KEY_FILE',
        'OTEL_EXPORTER_OTLP_PROTOCOL',
      ],
    ],
  ])('belong to the program where %s sets them, and are all set but the given', (chart, settings, others) => {
    const names = named(chart);
    expect([...names].filter((name) => !withFiles(settings).includes(name))).toEqual([]);
    const left = settings.filter(({ name, isSecret }) => !names.has(name) && !(isSecret && names.has(`${name}_FILE`)));
    expect(left.map(({ name }) => name).toSorted()).toEqual(others.toSorted());
  });

  it('are read from its pod for the agent', async () => {
    const secrets = { [ENROLMENT_SECRET]: { token: TOKEN }, traces: { headers: 'authorization=Bearer%20abc' } };
    const env = await mountedEnvironment(await helm.render(FULL_AGENT), secrets, folder);
    expect(readFileSync(env['FSO_ENROLL_TOKEN_FILE'] as string, 'utf8')).toBe(TOKEN);
    const config = await loadAgentConfig(env);
    expect({ ...config, telemetry: { ...config.telemetry, headers: config.telemetry?.headers() } }).toMatchObject({
      cluster: 'eu',
      hub: { url: 'wss://hub.example.com:8443', enrolTokenFile: env['FSO_ENROLL_TOKEN_FILE'], ca: 'a CA' },
      trust: { mode: 'warn' },
      listen: { port: 8081 },
      trustedBinders: ['system:kube-scheduler', 'eks:fargate-scheduler', 'system:serviceaccount:batch:scheduler'],
      trustedNodeLabelers: ['eks:cloud-controller-manager'],
      openReports: true,
      ownerEvents: true,
      preview: 'names',
      telemetry: {
        url: 'https://collector.example.com:4318/v1/traces',
        headers: { authorization: 'Bearer abc' },
        ca: 'a CA of collectors',
      },
    });
  });

  it('give the roles of the values to the hub, in a file that it reads', async () => {
    const env = await mountedEnvironment(await helm.render(FULL_HUB), {}, folder);
    const problems: string[] = [];
    expect([await readRolesFile('FSO_ROLES_FILE', String(env['FSO_ROLES_FILE']), problems), problems]).toEqual([[EU_TEAM], []]);
  });

  it('are the defaults of the agent on kubeadm', async () => {
    const config = await loadAgentConfig(await mountedEnvironment(await helm.render(agentWith()), {}, folder));
    expect({ ...config, listen: '', identity: '' }).toEqual({
      ...(await loadAgentConfig({ FSO_CLUSTER: 'eu' })),
      listen: '',
      identity: '',
    });
  });
});
