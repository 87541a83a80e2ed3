import { FakeClock } from '@fso/shared/fake-clock';
import { KubeApiError, type KubeClient } from '@fso/shared/kube';
import { guardProbes } from '../../enforce/index.ts';
import { CanaryProber, type CanaryTarget } from '../canary-prober.ts';
import { GuardProber } from '../guard/guard-prober.ts';
import { runProbeSchedule } from '../probe-schedule.ts';
import { Prober, type ProbeTarget } from '../prober.ts';
import { RetryBudget } from '../retry-budget.ts';

const floor = { isFloorPolicy: (name: string) => name.startsWith('fso-floor-') };
const REFUSED = 'admission webhook "validation.gatekeeper.sh" denied the request: [geo-canary] policy geo-canary allows';
const BY_FLOOR = `ValidatingAdmissionPolicy 'fso-floor-pods-deny' with binding 'fso-floor-pods-deny' denied request:`;

const forbidden = (message: string): KubeApiError =>
  new KubeApiError(403, { message } as never, { request: { method: 'POST', path: '' } as never });

const notFound = (): KubeApiError =>
  new KubeApiError(404, { message: 'pods "fso-probe" not found' } as never, { request: { method: 'POST', path: '' } as never });

const refusedBy = (policy: string): KubeApiError =>
  forbidden(`ValidatingAdmissionPolicy '${policy}' with binding '${policy}' denied request: no`);

interface ProbeRequest {
  /** Namespace of the request; of a dry run that proves a guard, the name of the guard. */
  readonly namespace: string;
  readonly what: 'canary' | 'bind' | 'deny' | 'admit' | 'guard' | 'template';
}

const TRUST = { agent: 'agent', binders: [], nodeLabelers: [], gatekeeperNamespace: 'gatekeeper-system' };
/** The guards that can be proven. */
export const GUARDS: readonly string[] = [...guardProbes(TRUST).keys()];

interface SentRequest {
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body: never;
}

const guardOf = (body: object): string | undefined => [...guardProbes(TRUST)].find(([, probe]) => probe.body === body)?.[0];

const whatOf = (path: string, body: { metadata: { labels?: object }; spec?: { nodeSelector: object } }): ProbeRequest['what'] => {
  if (path.endsWith('/binding')) return 'bind';
  if (body.metadata.labels !== undefined) return 'canary';
  return JSON.stringify(body.spec?.nodeSelector).includes('fso-probe.invalid') ? 'deny' : 'admit';
};

const regionOf = ({ spec }: { readonly spec: { readonly nodeSelector: Readonly<Record<string, string>> } }): string =>
  Object.values(spec.nodeSelector).join();

/** An API server whose locks hold unless a test opens them. */
export class ProbeHarness {
  readonly requests: ProbeRequest[] = [];
  /** Regions for which an admitted pod was requested. */
  readonly admitted: string[] = [];
  /** Times of the changes that the probers reported, monotonic ms. */
  readonly changes: number[] = [];
  readonly clock = new FakeClock();
  readonly stop = new AbortController();
  /** Namespaces in which Gatekeeper admits everything. */
  readonly open = new Set<string>();
  /** Requests that lock 1 admits, by namespace; `*`: in all. */
  readonly openOne = new Map<string, readonly ProbeRequest['what'][]>();
  /** Namespaces in which another rule refuses everything before the locks; `*`: in all. */
  readonly foreign = new Set<string>();
  /** Guards that admit everything. */
  readonly openGuards = new Set<string>();
  /** The answer to dry runs that prove a guard, in the place of the guard's own. */
  guardAnswer: Error | undefined;
  /** Allowed regions in the messages of lock 1. */
  regions = 'eu';
  /** The same in those of the bind gate; undefined: no others. */
  bindRegions: string | undefined;
  /** Templates to ask for, and how many of them are new; undefined: there are none. */
  templates: { waiting: number } | undefined;
  /** Duration of a request that waits for Gatekeeper. */
  gatekeeperMs = 0;
  /** Targets by content: an unchanged target is the same object. */
  readonly #targets = new Map<string, ProbeTarget>();
  readonly canary: CanaryProber;
  readonly prober: Prober;
  readonly guard: GuardProber;

  /** @param longestWaitMs between two probes of lock 1 in an unproven namespace */
  constructor(longestWaitMs = 60_000) {
    const client = { raw: (request: SentRequest) => this.#answer(request) } as unknown as KubeClient;
    const budget = new RetryBudget(this.clock, this.stop.signal);
    const deps = {
      client,
      clock: this.clock,
      budget,
      floor,
      nodeOutside: () => 'us',
      onChange: () => this.changes.push(this.clock.monotonicMs()),
      onVerdict: () => undefined,
    };
    this.canary = new CanaryProber({ concurrency: 4, patienceMs: 3_000 }, deps, this.stop.signal);
    this.prober = new Prober({ bindGate: true, concurrency: 4, patienceMs: 10_000, longestWaitMs }, deps, this.stop.signal);
    this.guard = new GuardProber(deps, this.stop.signal);
  }

  async #answer(request: SentRequest): Promise<unknown> {
    if (request.query?.['dryRun'] !== 'All') throw new Error(`${request.method} ${request.path} is no dry run`);
    const guard = guardOf(request.body);
    return guard === undefined ? this.#answerOfLocks(request) : this.#answerOfGuard(guard);
  }

  async #answerOfGuard(guard: string): Promise<unknown> {
    this.requests.push({ namespace: guard, what: 'guard' });
    if (this.guardAnswer !== undefined) throw this.guardAnswer;
    if (!this.openGuards.has(guard)) throw refusedBy(guard);
    return { warnings: [] };
  }

  async #answerOfLocks({ path, body }: SentRequest): Promise<unknown> {
    const namespace = path.split('/')[4] ?? '';
    const what = whatOf(path, body);
    this.requests.push({ namespace, what });
    const isIn = (names: Pick<ReadonlySet<string>, 'has'>): boolean => names.has('*') || names.has(namespace);
    if (isIn(this.foreign)) throw forbidden('admission webhook "their.example.com" denied the request: no');
    const regions = (what === 'bind' ? this.bindRegions : undefined) ?? this.regions;
    if (this.#isShut(namespace, what))
      throw forbidden(
        `${BY_FLOOR} policy default/p allows regions ${regions} in namespace ${namespace}: user "agent" is not trusted to bind pods, node "us" is in region "us"`,
      );
    if (what === 'bind') throw notFound();
    this.#noteAdmitted(what, body);
    if (this.gatekeeperMs > 0) await this.clock.sleep(this.gatekeeperMs, this.stop.signal);
    if (what === 'canary' && !isIn(this.open)) throw forbidden(REFUSED);
    return { warnings: [] };
  }

  #noteAdmitted(what: ProbeRequest['what'], body: Parameters<typeof regionOf>[0]): void {
    if (what === 'admit') this.admitted.push(regionOf(body));
  }

  #isShut(namespace: string, what: ProbeRequest['what']): boolean {
    if (what !== 'deny' && what !== 'bind') return false;
    return ![namespace, '*'].some((name) => this.openOne.get(name)?.includes(what) === true);
  }

  expect(namespaces: readonly string[], { isSettled = true } = {}): void {
    const target: CanaryTarget = { region: 'eu', fingerprint: 'f', hint: undefined, isSettled };
    this.canary.expect(new Map(namespaces.map((name): [string, CanaryTarget] => [name, target])));
  }

  expectLockOne(namespaces: readonly string[], { regions = ['eu'], floorVersion = 1, governed = namespaces } = {}): void {
    const targets = namespaces.map((namespace): [string, ProbeTarget] => {
      const key = `${namespace} ${regions} ${floorVersion}`;
      const deny = { regions, policies: ['default/p'], revisions: ['-'] };
      const governance = { namespace, actions: { deny }, policies: ['default/p'], injection: false };
      const known = this.#targets.get(key) ?? { governance, fingerprint: key, uid: 'u', floorVersion };
      this.#targets.set(key, known);
      return [namespace, known];
    });
    this.prober.expect(new Map(targets), new Set(governed));
  }

  /** @param versions of guards that were written again; the others have version 1 */
  expectGuards(guards: readonly string[] = GUARDS, versions: Readonly<Record<string, number>> = {}): void {
    const targets = [...guardProbes(TRUST)].filter(([guard]) => guards.includes(guard));
    this.guard.expect(new Map(targets.map(([guard, probe]) => [guard, { probe, fingerprint: `${versions[guard] ?? 1}` }])));
  }

  runSchedule(): void {
    const { prober, canary, guard } = this;
    const index = { probeNext: () => undefined };
    const probeTemplate = (): boolean => {
      if (this.templates === undefined) return false;
      this.requests.push({ namespace: 'templates', what: 'template' });
      return true;
    };
    const waiting = (): number => this.templates?.waiting ?? 0;
    const templates = {
      probeNext: probeTemplate,
      get waiting() {
        return waiting();
      },
    };
    void runProbeSchedule(this.clock, { prober, index, canary, guard, templates }, this.stop.signal);
  }
}
