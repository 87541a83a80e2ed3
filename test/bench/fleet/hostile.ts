import { setTimeout as delay } from 'node:timers/promises';
import { EMPTY_DIGEST, encodeFrame, MAX_FRAME_BYTES } from '@fso/shared/protocol';
import { encodeBitmap, MAX_BASELINE_NAMESPACES } from '@fso/shared/status';
import { EMPTY_BASELINE, ReportedNames } from '../../harness/baselines.ts';
import { policyReport } from '../../harness/policy-reports.ts';
import { type Closed, connectStream, type StreamClient } from '../../harness/stream-client.ts';
import { percentile, seconds } from '../figures.ts';
import { API_TOKEN, type BenchFleet, pssOf, publish, tokenOf, withFleet } from './fleet.ts';
import { LiveReader } from './live-reader.ts';
import { now } from './orders.ts';
import { type FleetSettings, fleetSettings } from './settings.ts';

const ATTACKER = 'attacker';
const READERS = 20;
const PAUSE_MS = 100;
/** Node.js options of the hub in a container of 512 MiB. */
const NODE_OPTIONS = '--max-semi-space-size=4 --max-old-space-size=256';

const times = (count: number, value: string): string => Array.from({ length: count }, () => value).join(',');
const reportOf = (policies: readonly string[], baseline = JSON.stringify(EMPTY_BASELINE)): string =>
  `{"type":"report","seq":1,"full":true,"baseline":${baseline},"total":{"count":0,"root":"${EMPTY_DIGEST}"},"deviations":[],` +
  `"policies":[${policies.join(',')}],"removed":[],"events":[]}`;
const entries = (count: number, make: (n: number) => string): string => reportOf(Array.from({ length: count }, (_, n) => make(n)));

/** Frames of valid JSON that are designed to be expensive. The first one is not, for comparison. */
const FRAMES: Readonly<Record<string, () => string>> = {
  'one good policy': () => entries(1, () => JSON.stringify(policyReport('p'))),
  '20,000 empty policies': () => entries(20_000, () => '{}'),
  '20,000 policies of 32 bad conditions': () =>
    entries(20_000, (n) => `{"namespace":"a","name":"b${n}","conditions":[${times(32, '{}')}]}`),
  '4,000 policies of 420 bad values': () =>
    entries(
      4_000,
      (n) =>
        `{"namespace":"a","name":"b${n}","conditions":[${times(32, '{}')}],"violationSamples":[${times(20, '{}')}],` +
        `"namespaceLabels":[${times(20, '{}')}],"namespaces":[${times(350, '0')}]}`,
    ),
  '20,000 bad policies of the largest size': () =>
    entries(20_000, (n) => JSON.stringify({ ...policyReport(`p${n}`), phase: 'Odd', message: 'x'.repeat(300) })).padEnd(MAX_FRAME_BYTES),
  '5,000,000 empty objects': () => entries(5_000_000, () => '{}'),
  'nested 1,000,000 deep': () => reportOf(['['.repeat(1_000_000) + ']'.repeat(1_000_000)]),
  'a baseline of 10,000 names that globs mean': () =>
    reportOf(
      [],
      JSON.stringify({
        ...EMPTY_BASELINE,
        missing: encodeBitmap(20_000, () => true),
        namespaces: Array.from({ length: MAX_BASELINE_NAMESPACES }, (_, n) => `${'x'.repeat(58)}${String(n).padStart(5, '0')}`),
      }),
    ),
  'a list of 20,000 policies that nobody asked for': () =>
    JSON.stringify({
      type: 'listed',
      list: 'a'.repeat(64),
      policies: Array.from({ length: 20_000 }, (_, n) => [`${'x'.repeat(240)}${n}`, 'b'.repeat(64)]),
    }),
  '64 KiB of bad names': () => reportOf([JSON.stringify({ ...policyReport('p'), namespaces: Array.from({ length: 9_000 }, () => '!') })]),
};

const GOOD = encodeFrame(
  new ReportedNames().complete({
    type: 'report',
    seq: 1,
    full: true,
    policies: Array.from({ length: 1_000 }, (_, n) => policyReport(`policy-${n}`)),
    removed: [],
    events: [],
  }),
);

const headers = { Authorization: `Bearer ${API_TOKEN}` };

/** Returns the response time in ms, also if there was no response because the hub has ended. */
const ask = async ({ hub }: BenchFleet, path: string): Promise<number> => {
  const begin = now();
  await fetch(hub.url + path, { headers }).then(
    (answer) => answer.arrayBuffer(),
    () => undefined,
  );
  return now() - begin;
};

const isUp = ({ hub }: BenchFleet): Promise<boolean> =>
  fetch(`${hub.url}/healthz`).then(
    ({ ok }) => ok,
    () => false,
  );

/** Returns the longest delay of the hub's event loop since the last call, in ms. */
const eventLoopMs = async ({ hub }: BenchFleet): Promise<number> => {
  const text = await (await fetch(`${hub.url}/metrics`, { headers })).text();
  return Number(/^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(text)?.[1]) * 1000;
};

/** Requests a path repeatedly until it is stopped. */
class Probe {
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  readonly #times: number[] = [];

  constructor(fleet: BenchFleet, path: string) {
    this.#running = this.#run(fleet, path);
  }

  /** @returns response times in ms */
  async stop(): Promise<readonly number[]> {
    this.#stop.abort();
    await this.#running;
    return this.#times;
  }

  async #run(fleet: BenchFleet, path: string): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#times.push(await ask(fleet, path));
      await delay(PAUSE_MS);
    }
  }
}

/** Connects as soon as the hub accepts it. */
const connect = async ({ hub, ca }: BenchFleet): Promise<StreamClient> => {
  for (;;) {
    try {
      const stream = await connectStream(hub.agentUrl, tokenOf(ATTACKER), ATTACKER, { ca });
      stream.hello();
      await stream.greeted;
      return stream;
    } catch {
      await delay(PAUSE_MS);
    }
  }
};

const answerOf = (stream: StreamClient): Promise<Closed | { readonly seq: number }> =>
  Promise.race([stream.closed, stream.next('reported')]);

/** Sends a frame. @returns the result */
const attack = async (fleet: BenchFleet, frame: string): Promise<string> => {
  const stream = await connect(fleet);
  await eventLoopMs(fleet);
  const probes = ['/healthz', '/api/v1/status'].map((path) => new Probe(fleet, path));
  const begin = now();
  stream.sendRaw(frame);
  // A frame that is no report has no acknowledgement of its own.
  stream.sendRaw(reportOf([]));
  const answer = await answerOf(stream);
  const took = now() - begin;
  stream.close();
  const [health = [], status = []] = await Promise.all(probes.map((probe) => probe.stop()));
  const slowest = `/healthz ${Math.round(Math.max(...health))} ms, status ${Math.round(Math.max(...status))} ms`;
  if (!(await isUp(fleet))) {
    await fleet.hub.kill();
    await fleet.hub.start();
    return `the hub has ended after ${seconds(took)}; ${slowest}`;
  }
  const answered = 'code' in answer ? `closed with ${answer.code}` : 'taken';
  return `${answered} after ${seconds(took)}; event loop ${Math.round(await eventLoopMs(fleet))} ms, ${slowest}`;
};

const takeGood = async (fleet: BenchFleet): Promise<string> => {
  const stream = await connect(fleet);
  const begin = now();
  stream.sendRaw(GOOD);
  const answer = await answerOf(stream);
  stream.close();
  return 'code' in answer ? `closed with ${answer.code}: ${answer.reason}` : `taken after ${seconds(now() - begin)}`;
};

const commitUntil = async (fleet: BenchFleet, work: Promise<unknown>): Promise<readonly number[]> => {
  const all: number[] = [];
  let isOver = false;
  void work.finally(() => {
    isOver = true;
  });
  const reader = new LiveReader();
  await reader.open(fleet.hub.url, API_TOKEN);
  while (!isOver) all.push(...(await fleet.commit(1, reader)).seen);
  await reader.close();
  return all;
};

const both = (all: readonly number[]): string => `half ${seconds(percentile(all, 0.5))}, 99 % ${seconds(percentile(all, 0.99))}`;

/** Measures how much expensive frames slow down a hub, its readers and honest agents. */
export const hostile = async (args: string[], signal: AbortSignal): Promise<void> => {
  const read = fleetSettings(['--agents', '100', '--policies', '200', ...args]);
  const settings: FleetSettings = { ...read, env: { NODE_OPTIONS, ...read.env }, strangers: [ATTACKER] };
  const rows = await withFleet(settings, signal, async (fleet) => {
    await fleet.commit();
    const quiet = await commitUntil(fleet, delay(5_000));
    const readers = Array.from(
      { length: READERS },
      (_, n) => new Probe(fleet, n % 2 === 0 ? '/api/v1/clusters?limit=50' : '/api/v1/policy-summaries?limit=50'),
    );
    const attacks: Record<string, string> = {};
    const attacking = (async () => {
      for (const [name, make] of Object.entries(FRAMES)) {
        const frame = make();
        attacks[`${name}, ${frame.length} B`] = await attack(fleet, frame);
        console.log(`${name}, ${frame.length} B: ${attacks[`${name}, ${frame.length} B`]}`);
      }
      return takeGood(fleet);
    })();
    const busy = await commitUntil(fleet, attacking);
    const pages = (await Promise.all(readers.map((reader) => reader.stop()))).flat();
    return {
      ...attacks,
      'then a good report of 1,000 policies': await attacking,
      'commit → known to be in force, before': both(quiet),
      'commit → known to be in force, meanwhile': both(busy),
      [`pages for ${READERS} readers meanwhile`]: both(pages),
      'memory of the hub, PSS': `${Math.round(pssOf(fleet.hub) / 1_048_576)} MiB`,
    };
  });
  await publish(settings, rows);
};
