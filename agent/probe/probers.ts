import { isFloorName } from '../enforce/index.ts';
import { CanaryProber } from './canary-prober.ts';
import { GuardProber } from './guard/guard-prober.ts';
import { runProbeSchedule } from './probe-schedule.ts';
import { Prober, type ProberDeps } from './prober.ts';
import { RetryBudget } from './retry-budget.ts';
import { TemplateProber, type TemplateProberDeps } from './templates/template-prober.ts';

/** Facts of the API server, and receivers of the results of all probers. */
export interface ProbersOptions extends Pick<ProberDeps, 'client' | 'clock' | 'nodeOutside' | 'onChange' | 'onVerdict'> {
  /** Whether this API server can have the bind gate. */
  readonly bindGate: boolean;
  readonly templates: Omit<TemplateProberDeps, 'client' | 'floor'>;
}

const CONCURRENCY = 16;
const LONGEST_WAIT_MS = 60_000;
const LOCK_ONE_PATIENCE_MS = 10_000;
/**
 * Limits for the index. One canary proves it for the whole cluster, so that frequent probes cost
 * little.
 */
const INDEX_LIMITS = { concurrency: 2, longestWaitMs: 2_000 };
const LOCK_TWO_PATIENCE_MS = 3_000;

/**
 * Probers of one cluster, which share a retry budget and a schedule. They run until the signal
 * aborts.
 */
export class Probers {
  /** Proves lock 1 in each governed namespace. */
  readonly lockOne: Prober;
  /** Proves the index of lock 1, in the namespace that only the index governs. */
  readonly index: Prober;
  /** Proves lock 2 in each governed namespace. */
  readonly lockTwo: CanaryProber;
  readonly guard: GuardProber;
  /** Probes the templates of the next pods in governed namespaces. */
  readonly templates: TemplateProber;

  constructor(options: ProbersOptions, signal: AbortSignal) {
    const { client, clock, bindGate, nodeOutside, onChange, onVerdict } = options;
    const deps = {
      client,
      clock,
      budget: new RetryBudget(clock, signal),
      floor: { isFloorPolicy: isFloorName },
      nodeOutside,
      onChange,
      onVerdict,
    };
    const ofLockOne = { bindGate, concurrency: CONCURRENCY, patienceMs: LOCK_ONE_PATIENCE_MS, longestWaitMs: LONGEST_WAIT_MS };
    this.lockOne = new Prober(ofLockOne, deps, signal);
    this.index = new Prober({ ...ofLockOne, ...INDEX_LIMITS }, deps, signal);
    this.lockTwo = new CanaryProber({ concurrency: CONCURRENCY, patienceMs: LOCK_TWO_PATIENCE_MS }, deps, signal);
    this.guard = new GuardProber(deps, signal);
    this.templates = new TemplateProber({ client, floor: deps.floor, ...options.templates }, signal);
    const { lockOne, index, lockTwo, guard, templates } = this;
    void runProbeSchedule(clock, { prober: lockOne, index, canary: lockTwo, guard, templates }, signal);
  }

  /**
   * Time of the oldest proof among all namespaces, by lock, and among all guards; absent if there
   * is nothing to prove.
   */
  oldestProofs(): Partial<Record<'floor' | 'gatekeeper' | 'guard', Date>> {
    const [floor, gatekeeper, guard] = [this.lockOne, this.lockTwo, this.guard].map((prober) => prober.oldestProof());
    return { ...(floor && { floor }), ...(gatekeeper && { gatekeeper }), ...(guard && { guard }) };
  }
}
