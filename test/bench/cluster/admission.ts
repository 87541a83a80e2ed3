import { parseArgs } from 'node:util';
import { REGION_LABEL } from '@fso/shared/api';
import { POD_KIND } from '@fso/shared/kube';
import type { AgentHarness } from '../../harness/agent-harness.ts';
import { startAgentProcess } from '../../harness/agent-process.ts';
import { GATEKEEPER_MUTATING_WEBHOOKS, GATEKEEPER_WEBHOOKS } from '../../harness/locks.ts';
import { createRandom, shuffled } from '../../harness/random.ts';
import { percentile, printRows, seconds, writeFigures } from '../figures.ts';
import { makeNamespaces } from '../namespaces.ts';
import { REGION_SETS, regionSet } from '../regions.ts';
import { type OneCluster, withClusters } from './one-cluster.ts';
import { enforcePolicies } from './policy-watch.ts';

/**
 * Number of uncounted requests of each series. They also give the API server time to notice changed
 * webhooks.
 */
const WARM_UP = 100;
/**
 * Number of namespaces of each place that requests cycle through. It is not all of them, because
 * the API server looks up quotas and limits of a namespace that it has not seen for 30 s, which
 * would be measured too.
 */
const TOUCHED = 10;
/**
 * Number of consecutive parts of a run. The spread of their ratios shows how exact the overall
 * ratio is.
 */
const SHARES = 10;
/** Highest allowed ratio of the medians in governed and other namespaces. */
const MOST_RATIO = 1.3;

const PLACEMENTS = ['nodeSelector', 'affinity'] as const;
type Placement = (typeof PLACEMENTS)[number];

/** Namespaces of one kind: `<prefix><first>` and so on. */
interface Place {
  readonly name: string;
  readonly world: AgentHarness;
  readonly prefix: string;
  readonly first: number;
}

/** Requests for the same pod in one place, with one way of setting its region. */
interface Series {
  readonly place: Place;
  readonly by: Placement;
}

interface Measured {
  readonly name: string;
  readonly by: Placement;
  /** Response times in milliseconds. */
  readonly times: readonly number[];
}

const placementBy = (by: Placement, region: string): object => {
  if (by === 'nodeSelector') return { nodeSelector: { [REGION_LABEL]: region } };
  const nodeSelectorTerms = [{ matchExpressions: [{ key: REGION_LABEL, operator: 'In', values: [region] }] }];
  return { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } };
};

/**
 * Creates a pod in a dry run that both locks judge and admit. This covers all of admission without
 * the write, which would hide its cost. @returns ms
 */
const onePod = async ({ place: { world, prefix, first }, by }: Series, index: number): Promise<number> => {
  const spec = {
    containers: [{ name: 'main', image: 'registry.k8s.io/pause:3.10' }],
    ...placementBy(by, regionSet(first + index)[0] ?? ''),
  };
  const metadata = { name: `pod-${index}`, namespace: `${prefix}${first + index}` };
  const started = performance.now();
  await world.client.create(POD_KIND, { metadata, spec }, { dryRun: true }, world.signal);
  return performance.now() - started;
};

/**
 * Sends one request at a time, so that none waits for another. Each turn has one request of each
 * series in random order, so that noise affects all alike.
 */
const takeTurns = async (places: readonly Place[], requests: number): Promise<Measured[]> => {
  const all = places.flatMap((place) => PLACEMENTS.map((by) => ({ place, by, times: [] as number[] })));
  const random = createRandom(1);
  for (let turn = 0; turn < WARM_UP + requests; turn += 1) {
    for (const series of shuffled(all, random)) {
      const took = await onePod(series, turn % TOUCHED);
      if (turn >= WARM_UP) series.times.push(took);
    }
  }
  return all.map(({ place: { name }, by, times }) => ({ name, by, times }));
};

interface Webhook {
  readonly namespaceSelector?: { readonly matchExpressions?: readonly object[] };
}

/** Exempts the namespaces of a place from webhooks. @param paths paths of their configurations */
const exempt = async ({ world: { client, signal }, prefix, first }: Place, paths: readonly string[]): Promise<void> => {
  const values = Array.from({ length: TOUCHED }, (_item, index) => `${prefix}${first + index}`);
  for (const path of paths) {
    const { object } = await client.raw<{ readonly webhooks: readonly Webhook[] }>({ method: 'GET', path }, signal);
    const webhooks = object.webhooks.map(({ namespaceSelector, ...webhook }) => ({
      ...webhook,
      namespaceSelector: {
        ...namespaceSelector,
        matchExpressions: [
          ...(namespaceSelector?.matchExpressions ?? []),
          { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values },
        ],
      },
    }));
    await client.raw({ method: 'PATCH', path, body: { webhooks }, contentType: 'application/merge-patch+json' }, signal);
  }
};

interface Settings {
  readonly policies: number;
  readonly requests: number;
  /** Number of requests of the second run, which measures each part. */
  readonly partRequests: number;
}

interface Result {
  readonly setUpMs: number;
  readonly whole: readonly Measured[];
  /** Results without an agent, which would report the missing Gatekeeper in some namespaces. */
  readonly parts: readonly Measured[];
}

const NAMES = {
  governed: 'governed',
  other: 'not governed',
  without: 'another cluster',
  bareGoverned: 'governed, no Gatekeeper',
  bareOther: 'not governed, no Gatekeeper',
  bare: 'another cluster, no Gatekeeper',
  unmutated: 'another cluster, no mutations',
} as const;

const measure = async ({ cluster, world, folder }: OneCluster, control: OneCluster, settings: Settings): Promise<Result> => {
  const begin = performance.now();
  const governed: Place = { name: NAMES.governed, world, prefix: 'governed-', first: 0 };
  const other: Place = { name: NAMES.other, world, prefix: 'other-', first: 0 };
  const without: Place = { name: NAMES.without, world: control.world, prefix: 'other-', first: 0 };
  const bare: readonly Place[] = [
    { ...governed, name: NAMES.bareGoverned, first: TOUCHED },
    { ...other, name: NAMES.bareOther, first: TOUCHED },
    { ...without, name: NAMES.bare, first: TOUCHED },
  ];
  const unmutated: Place = { ...without, name: NAMES.unmutated, first: 2 * TOUCHED };
  for (const place of [other, without]) await makeNamespaces(place.world, place.prefix, 3 * TOUCHED);
  const namespaces = await makeNamespaces(world, governed.prefix, settings.policies);
  const agent = await startAgentProcess(cluster, { folder });
  try {
    await enforcePolicies(world, namespaces);
    const setUpMs = performance.now() - begin;
    const whole = await takeTurns([governed, other, without], settings.requests);
    await agent.stop();
    for (const place of bare) await exempt(place, [GATEKEEPER_WEBHOOKS, GATEKEEPER_MUTATING_WEBHOOKS]);
    await exempt(unmutated, [GATEKEEPER_MUTATING_WEBHOOKS]);
    const parts = await takeTurns([governed, other, without, ...bare, unmutated], settings.partRequests);
    return { setUpMs, whole, parts };
  } finally {
    await agent.stop();
  }
};

const timesOf = (measured: readonly Measured[], name: string, by: Placement): readonly number[] =>
  measured.find((one) => one.name === name && one.by === by)?.times ?? [];

const ratio = (times: readonly number[], floor: readonly number[]): number => percentile(times, 0.5) / percentile(floor, 0.5);

/**
 * Formats the ratio of the medians, with the lowest and highest ratio of consecutive parts of the
 * run.
 */
const ratioText = (times: readonly number[], floor: readonly number[]): string => {
  const each = Array.from({ length: SHARES }, (_item, share) => {
    const [from, to] = [share, share + 1].map((edge) => Math.floor((edge * times.length) / SHARES));
    return ratio(times.slice(from, to), floor.slice(from, to));
  });
  return `${ratio(times, floor).toFixed(2)} (tenths of the run: ${Math.min(...each).toFixed(2)} to ${Math.max(...each).toFixed(2)})`;
};

/**
 * Returns a row for the cost of each part: the median minus that of the same pod without the part.
 */
const partRows = (parts: readonly Measured[], by: Placement): [string, string][] => {
  const median = (name: string): number => percentile(timesOf(parts, name, by), 0.5);
  const gatekeeper = median(NAMES.without) - median(NAMES.bare);
  const rows: Readonly<Record<string, number>> = {
    'API server alone': median(NAMES.bare),
    'Gatekeeper without a constraint, validation': median(NAMES.unmutated) - median(NAMES.bare),
    'Gatekeeper without a constraint, mutation': median(NAMES.without) - median(NAMES.unmutated),
    'lock 1 where not governed': median(NAMES.bareOther) - median(NAMES.bare),
    'lock 2 where not governed': median(NAMES.other) - median(NAMES.bareOther) - gatekeeper,
    'lock 1 where governed': median(NAMES.bareGoverned) - median(NAMES.bare),
    'lock 2 where governed': median(NAMES.governed) - median(NAMES.bareGoverned) - gatekeeper,
  };
  return Object.entries(rows).map(([what, ms]) => [`${by}, ${what}`, `${ms.toFixed(2)} ms`]);
};

const timeRows = (whole: readonly Measured[], by: Placement): [string, string][] => {
  const [governed, other, without] = [NAMES.governed, NAMES.other, NAMES.without].map((name) => timesOf(whole, name, by));
  if (governed === undefined || other === undefined || without === undefined) return [];
  const quantiles = (times: readonly number[]): string => [0.5, 0.9, 0.99].map((q) => percentile(times, q).toFixed(2)).join(', ');
  const verdict = ratio(governed, other) <= MOST_RATIO ? 'met' : 'missed';
  return [
    [`${by}, governed: p50, p90, p99`, `${quantiles(governed)} ms`],
    [`${by}, not governed: p50, p90, p99`, `${quantiles(other)} ms`],
    [`${by}, another cluster: p50, p90, p99`, `${quantiles(without)} ms`],
    [`${by}, governed / not governed, p50`, `${ratioText(governed, other)}, at most ${MOST_RATIO}: ${verdict}`],
    [`${by}, governed / another cluster, p50`, ratioText(governed, without)],
    [`${by}, not governed / another cluster, p50`, ratioText(other, without)],
  ];
};

const rowsOf = ({ setUpMs, whole, parts }: Result): Record<string, string> =>
  Object.fromEntries([
    ...PLACEMENTS.flatMap((by) => [...timeRows(whole, by), ...partRows(parts, by)]),
    ['set-up, until both locks enforce all policies', seconds(setUpMs)],
  ]);

/**
 * Measures the cost of governance at admission, and of each part of it. In turns, the same pods are
 * created in governed namespaces, in others, and in a cluster without this system.
 */
export const admission = async (args: string[], signal: AbortSignal): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      policies: { type: 'string', default: '1000' },
      requests: { type: 'string', default: '1000' },
      parts: { type: 'string', default: '300' },
      json: { type: 'string' },
    },
  });
  const settings = { policies: Number(values.policies), requests: Number(values.requests), partRequests: Number(values.parts) };
  if (settings.policies < 2 * TOUCHED) throw new Error(`--policies ${values.policies}: must be at least ${2 * TOUCHED}`);
  const result = await withClusters(['bench', 'control'], signal, ([one, control]) => measure(one, control, settings));
  const rows = rowsOf(result);
  const what = `dry runs of a pod at ${settings.policies} policies with ${REGION_SETS.length} region sets, one at a time`;
  printRows(`${what}; another cluster: with Gatekeeper, without this system`, rows);
  await writeFigures(values.json, { settings, rows, ...result });
};
