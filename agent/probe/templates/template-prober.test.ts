import type { KubeObject } from '@fso/shared/api';
import { KubeApiError, type KubeClient } from '@fso/shared/kube';
import { beforeEach, describe, expect, it } from 'vitest';
import { TemplateProber, type TemplateTarget } from './template-prober.ts';

const forbidden = (message: string) =>
  new KubeApiError(403, { message, reason: 'Forbidden' }, { request: { method: 'POST', path: '/' } } as never);
const REFUSAL =
  "pods is forbidden: ValidatingAdmissionPolicy 'fso-floor-pods-deny' with binding 'fso-floor-pods-deny' denied request: policy p allows regions eu in namespace a: spec.nodeSelector allows region \"us\"; fix: move";

const KIND = { apiVersion: 'apps/v1', kind: 'StatefulSet', plural: 'statefulsets', namespaced: true };
const target = (name: string, version = 1, fingerprint = 'f'): TemplateTarget => ({
  kind: KIND,
  namespace: 'a',
  name,
  controller: { apiVersion: 'apps/v1', kind: 'StatefulSet' },
  fingerprint,
  version,
  isRefused: false,
});

let pods: KubeObject[];
let answer: (pod: KubeObject) => KubeObject;
let prober: TemplateProber;
let changes: number;
let stop: AbortController;

beforeEach(() => {
  pods = [];
  changes = 0;
  answer = (pod) => pod;
  stop = new AbortController();
  const template = { metadata: { labels: { app: 'x' } }, spec: { nodeSelector: { disk: 'ssd' }, containers: [] } };
  const client = {
    list: async (_kind: unknown, { fieldSelector = '' }: { fieldSelector?: string }) => {
      const name = fieldSelector.split('=')[1] ?? '';
      return name === 'gone'
        ? []
        : [
            {
              metadata: { name, namespace: 'a', uid: `u-${name}` },
              spec: { template, volumeClaimTemplates: [{ metadata: { name: 'data' } }] },
            },
          ];
    },
    raw: async ({ body, query }: { body: KubeObject; query: object }) => {
      expect(query).toEqual({ dryRun: 'All' });
      pods.push(body);
      return { object: answer(body), warnings: [] };
    },
  } as unknown as KubeClient;
  prober = new TemplateProber(
    {
      client,
      floor: { isFloorPolicy: (name) => name.startsWith('fso-floor') },
      readPlacement: (pod) => ({ nodeSelector: (pod as unknown as { spec: { nodeSelector: Record<string, string> } }).spec.nodeSelector }),
      onChange: () => (changes += 1),
      onAnswer: () => undefined,
    },
    stop.signal,
  );
});

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
const turn = async (): Promise<void> => {
  prober.probeNext();
  await settle();
};
const expectTargets = (...targets: readonly TemplateTarget[]) => prober.expect('a', new Map(targets.map((each) => [each.name, each])));
const askedFor = () => pods.map(({ metadata }) => (metadata as { ownerReferences?: { name: string }[] }).ownerReferences?.[0]?.name);

describe('a template', () => {
  it('is asked for as its controller would, with the volumes of its claims, and its pod is read as webhooks left it', async () => {
    answer = (pod) => ({ ...pod, spec: { nodeSelector: { disk: 'webhook' } } }) as KubeObject;
    expectTargets(target('db'));
    expect(prober.answer('db')).toBeUndefined();
    await turn();
    expect(pods[0]).toMatchObject({
      metadata: {
        generateName: 'db-',
        namespace: 'a',
        labels: { app: 'x' },
        ownerReferences: [{ kind: 'StatefulSet', name: 'db', uid: 'u-db', controller: true }],
      },
      spec: { volumes: [{ name: 'data' }] },
    });
    expect(prober.answer('db')).toEqual({ kind: 'admitted', template: { nodeSelector: { disk: 'webhook' } } });
    expect(changes).toBe(1);
  });

  it('takes the refusal of a lock, with its words, and no other for an answer', async () => {
    const say = async (message: string) => {
      answer = () => {
        throw forbidden(message);
      };
      expectTargets(target('db', 1, message));
      for (let n = 0; n < 4; n += 1) await turn();
      return prober.answer('db');
    };
    expect(await say(REFUSAL)).toEqual({ kind: 'refused', violation: 'spec.nodeSelector allows region "us"' });
    expect(await say('pods is forbidden: exceeded quota: small')).toEqual({ kind: 'admitted' });
    expect(await say('admission webhook "theirs.example.com" denied the request: no')).toEqual({ kind: 'unanswered' });
  });

  it('asks for a changed one before others, and keeps its answer while its placement is the same', async () => {
    const [a, b] = [target('a'), target('b')];
    expectTargets(a, b, target('c'));
    for (let n = 0; n < 3; n += 1) await turn();
    expect([prober.waiting, askedFor()]).toEqual([0, ['a', 'b', 'c']]);
    expectTargets(a, b, target('c', 2));
    expect([prober.waiting, prober.answer('c')?.kind]).toEqual([1, 'admitted']);
    await turn();
    expect(askedFor().at(-1)).toBe('c');
    expectTargets(a, b, target('c', 3, 'elsewhere'));
    expect(prober.answer('c')).toBeUndefined();
  });

  it('keeps its answer for two turns in which nothing answers, and waits for its turn after four tries', async () => {
    expectTargets(target('gone'), target('db'));
    for (let n = 0; n < 12; n += 1) await turn();
    expect([prober.waiting, prober.answer('gone')?.kind]).toEqual([0, 'unanswered']);
    answer = () => {
      throw new Error('connection lost');
    };
    await turn();
    expect(prober.answer('db')?.kind).toBe('admitted');
    // Both have their turns: `db` has had no answer three times in a row by then.
    for (let n = 0; n < 6; n += 1) await turn();
    expect(prober.answer('db')?.kind).toBe('unanswered');
  });

  it('is asked for first where it is refused by itself, and has no answer before four tries', async () => {
    answer = () => {
      throw new Error('connection lost');
    };
    expectTargets(target('fine'), { ...target('refused'), isRefused: true });
    for (let n = 0; n < 3; n += 1) await turn();
    expect([askedFor(), prober.answer('refused')]).toEqual([['refused', 'refused', 'refused'], undefined]);
    await turn();
    expect([prober.answer('refused')?.kind, prober.answer('fine')]).toEqual(['unanswered', undefined]);
    const before = prober.answersIn('a');
    answer = (pod) => pod;
    await turn();
    expect([askedFor().at(-1), prober.answersIn('a') === before]).toEqual(['fine', false]);
  });

  it('waits for one of each other namespace at most twice, however many templates a tenant changes all the time', async () => {
    const tenant = (version: number): void =>
      prober.expect(
        'a',
        new Map(Array.from({ length: 1_000 }, (_, n) => [`t${n}`, { ...target(`t${n}`, version, `${version}`), isRefused: true }])),
      );
    tenant(1);
    for (const namespace of ['b', 'c'])
      prober.expect(
        namespace,
        new Map([
          [`fine-${namespace}`, { ...target(`fine-${namespace}`), namespace }],
          [`refused-${namespace}`, { ...target(`refused-${namespace}`), namespace, isRefused: true }],
        ]),
      );
    for (let n = 0; n < 9; n += 1) {
      await turn();
      tenant(n + 2);
    }
    const others = askedFor().filter((name) => !name?.startsWith('t'));
    expect(others).toEqual(['refused-b', 'refused-c', 'fine-b', 'fine-c']);
  });
});
