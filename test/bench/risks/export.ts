import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { CONDITIONS, MAX_NAMED_RISKS, type Risk } from '@fso/shared/api';
import { groupDeviations, standingOf } from '@fso/shared/status';
import { compileDesired } from '../../../hub/rollout/index.ts';
import { type ApiHarness, startApiHarness } from '../../../hub/serve/testing/api-harness.ts';
import { baselineIn, clusterReport, policyReport, reportChange, TIME } from '../../../hub/serve/testing/fleet.ts';
import { clusterFile, policyFile, setOf } from '../../../shared/decode/testing/decoded.ts';
import { kib, mib, printRows, seconds, writeFigures } from '../figures.ts';
import { readCount, readOptions } from '../options.ts';

const POLICY = 'finance';
const REVISION = 'a'.repeat(40);
const LOOK_MS = 20;
/** Time in ms for stalled readers, after which the memory that they cost the hub is visible. */
const STALLED_MS = 5_000;

const JUDGED = { type: CONDITIONS.risksKnown, status: 'True' as const, reason: 'Judged', message: '', lastTransitionTime: TIME };

const riskOf = (cluster: string, index: number): Risk => ({
  risk: index % 2 === 0 ? 'Refused' : 'Pending',
  kind: 'Deployment',
  namespace: POLICY,
  name: `${cluster}-deployment-${index}`,
  reason: 'spec.affinity…nodeSelectorTerms[1] allows any region, so that its pods may run on nodes outside',
  fix: 'put under spec.template.spec: nodeSelector: {topology.kubernetes.io/region: eu-west-1}',
  confirmation: 'Confirmed',
});

/** Fills the ledger with clusters. Each of them names as many owners at risk as an agent does. */
const fill = async ({ ledger }: ApiHarness, clusters: number): Promise<void> => {
  const names = Array.from({ length: clusters }, (_, index) => `cluster-${String(index).padStart(4, '0')}`);
  const files = [policyFile(POLICY, {}), ...names.map((name) => clusterFile(name, ['eu-west-1']))];
  const { desired } = compileDesired(REVISION, setOf(...files));
  await ledger.setDesired(desired);
  const named = MAX_NAMED_RISKS / 2;
  const risks = { refused: named, pending: named, unconfirmed: 0, mended: 0, named: [] };
  for (const name of names) {
    await ledger.setConnected(name, true);
    await reportChange(ledger, name, {
      full: true,
      baseline: baselineIn(desired, name),
      deviations: groupDeviations([[POLICY, standingOf(policyReport(POLICY, { conditions: [], risks }))]]),
      cluster: {
        ...clusterReport(),
        conditions: [JUDGED],
        riskSamples: Array.from({ length: MAX_NAMED_RISKS }, (_, index) => ({ ...riskOf(name, index), policy: POLICY })),
      },
    });
  }
};

const open = async (url: string): Promise<IncomingMessage> => {
  const [response] = (await once(get(url, { agent: false }), 'response')) as [IncomingMessage];
  if (response.statusCode !== 200) throw new Error(`${url}: ${response.statusCode}`);
  return response;
};

interface Reading {
  readonly firstMs: number;
  readonly allMs: number;
  readonly bytes: number;
  readonly lines: number;
}

const read = async (url: string, owner: RegExp): Promise<Reading> => {
  const begin = performance.now();
  const response = await open(url);
  const parts: string[] = [];
  let firstMs = 0;
  for await (const part of response.setEncoding('utf8') as AsyncIterable<string>) {
    if (parts.length === 0) firstMs = performance.now() - begin;
    parts.push(part);
  }
  const text = parts.join('');
  return { firstMs, allMs: performance.now() - begin, bytes: Buffer.byteLength(text), lines: text.match(owner)?.length ?? 0 };
};

/**
 * Measures the growth of the resident memory in bytes while readers have sent a request and read
 * nothing.
 */
const growthWith = async (url: string, readers: number, signal: AbortSignal): Promise<number> => {
  const before = process.memoryUsage.rss();
  const opened = await Promise.all(Array.from({ length: readers }, () => open(url)));
  let highest = before;
  for (const end = performance.now() + STALLED_MS; performance.now() < end; ) {
    await delay(LOOK_MS, undefined, { signal });
    highest = Math.max(highest, process.memoryUsage.rss());
  }
  for (const response of opened) response.destroy();
  return highest - before;
};

/**
 * Measures the export of all owners at risk: its times, and the cost of stalled readers for the
 * hub.
 */
export const riskExport = async (args: string[], signal: AbortSignal): Promise<void> => {
  const values = readOptions(args, {
    clusters: { type: 'string', default: '500' },
    readers: { type: 'string', default: '3' },
    json: { type: 'string' },
  });
  const [clusters, readers] = [readCount('clusters', values.clusters), readCount('readers', values.readers)];
  await using server = await startApiHarness();
  await fill(server, clusters);
  const url = `${server.url}/api/v1/reports/risks`;
  const rows: Record<string, string> = {};
  for (const [format, owner] of [
    ['json', /"risk":/g],
    ['csv', /^(Refused|Pending),/gm],
  ] as const) {
    // Uncounted: V8 compiles code during the first response.
    await read(`${url}?format=${format}`, owner);
    const { firstMs, allMs, bytes, lines } = await read(`${url}?format=${format}`, owner);
    rows[`${format}: owners`] = `${lines}, ${kib(bytes)}`;
    rows[`${format}: first part, all of it`] = `${seconds(firstMs)}, ${seconds(allMs)}`;
    rows[`${format}: memory with ${readers} readers that read nothing`] =
      `${mib(await growthWith(`${url}?format=${format}`, readers, signal))} more`;
  }
  printRows(`${clusters} clusters with ${MAX_NAMED_RISKS} owners at risk each`, rows);
  await writeFigures(values.json, { clusters, readers, rows });
};
