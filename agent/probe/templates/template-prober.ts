import type { KubeObject } from '@fso/shared/api';
import type { KindDescriptor } from '@fso/shared/kube';
import type { PodTemplate } from '@fso/shared/risk';
import { DRY_RUN, type FloorNames, isRefusedByLock, isRefusedLater, type ProbeClient, toAnswer } from '../probe.ts';
import { ProbeSchedule } from '../probe-schedule.ts';
import { type PodController, podOfTemplate } from './template-pod.ts';

/** Template from which the next pods are created. */
export interface TemplateTarget {
  readonly kind: KindDescriptor;
  readonly namespace: string;
  readonly name: string;
  readonly controller: PodController;
  /** StatefulSet, if the object is a revision of it. */
  readonly set?: { readonly kind: KindDescriptor; readonly name: string } | undefined;
  /** Changes whenever an earlier answer no longer counts. */
  readonly fingerprint: string;
  /** Version of the object. A new version is probed; until then the earlier answer counts. */
  readonly version: number;
  /** Whether the locks refuse the template as written. Such templates are probed first. */
  readonly isRefused: boolean;
}

type Targets = ReadonlyMap<string, TemplateTarget>;

/** Result of a dry run of a pod. */
export type TemplateAnswer =
  /** `template`: placement of the pod as webhooks left it; absent if unknown. */
  | { readonly kind: 'admitted'; readonly template?: PodTemplate | undefined }
  /** Refused by a lock of this system. */
  | { readonly kind: 'refused'; readonly violation: string }
  /** Refused by another rule before the locks, or not answered. */
  | { readonly kind: 'unanswered' };

/** API server that judges the pods, and receivers of the answers. */
export interface TemplateProberDeps {
  readonly client: ProbeClient;
  readonly floor: FloorNames;
  /** Reads the placement of a pod. */
  readonly readPlacement: (pod: KubeObject) => PodTemplate | undefined;
  /** Called when an answer differs from the previous one. */
  readonly onChange: () => void;
  readonly onAnswer: (answer: TemplateAnswer['kind']) => void;
}

const NO_TARGETS: Targets = new Map();
const NO_ANSWERS = {};
const TIMEOUT_MS = 10_000;
/** Tries before an unanswered template waits for its turn like all others. */
const FIRST_TRIES = 4;
/**
 * Consecutive unanswered turns after which the last answer no longer counts: a webhook that
 * influenced it may be gone.
 */
const MAX_MISSES = 3;
/**
 * Extracts the violation from a refusal of either lock: `… in namespace a: <violation>; fix: …`.
 */
const VIOLATION = / in namespace \S+: (.*?); fix: /s;

/**
 * Requests pods of the templates in force by dry runs, as webhooks may repair or break what a
 * template requires. It takes turns with the proofs of the locks, one request each. Templates
 * without an answer come first, with turns by namespace, because a tenant may change any number of
 * templates all the time.
 */
export class TemplateProber {
  readonly #deps: TemplateProberDeps;
  readonly #signal: AbortSignal;
  readonly #targets = new Map<string, TemplateTarget>();
  /** Targets by namespace. For unanswered targets the order is that of their turns. */
  readonly #namespaces = new Map<string, Targets>();
  /** Versions of the answers by namespace. Each change gives a new object. */
  readonly #versions = new Map<string, object>();
  readonly #answers = new Map<string, { readonly fingerprint: string; readonly answer: TemplateAnswer; readonly misses: number }>();
  readonly #schedule = new ProbeSchedule();
  /** Targets without an answer, with the number of attempts. */
  readonly #unanswered = new Map<string, number>();
  /** Whether the next unanswered target is taken from a namespace with a refused template. */
  #isUrgentNext: boolean = true;

  constructor(deps: TemplateProberDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
  }

  /** Replaces the targets of a namespace, by key. */
  expect(namespace: string, targets: Targets): void {
    const before = this.#namespaces.get(namespace) ?? NO_TARGETS;
    if (targets.size === 0) this.#namespaces.delete(namespace);
    else this.#namespaces.set(namespace, targets);
    for (const key of before.keys()) if (!targets.has(key)) this.#forget(key);
    for (const [key, target] of targets) if (before.get(key) !== target) this.#add(key, target);
    if (targets.size === 0) this.#versions.delete(namespace);
  }

  #add(key: string, target: TemplateTarget): void {
    this.#targets.set(key, target);
    this.#schedule.add(key);
    this.#unanswered.set(key, 0);
    const known = this.#answers.get(key);
    if (known === undefined || known.fingerprint === target.fingerprint) return;
    this.#answers.delete(key);
    this.#noteChange(target.namespace);
  }

  /** Answer for the current target; undefined if it was not probed or answered yet. */
  answer(key: string): TemplateAnswer | undefined {
    const answer = this.#answers.get(key)?.answer;
    return answer?.kind === 'unanswered' && this.#unanswered.has(key) ? undefined : answer;
  }

  /** Identity of the answers in a namespace: the same object while they are unchanged. */
  answersIn(namespace: string): object {
    return this.#versions.get(namespace) ?? NO_ANSWERS;
  }

  #noteChange(namespace: string): void {
    this.#versions.set(namespace, {});
  }

  /** Number of targets that are probed before the others. */
  get waiting(): number {
    return this.#unanswered.size;
  }

  /** Probes the target whose turn it is. @returns whether there is one */
  probeNext(): boolean {
    return this.#probeUnanswered() || this.#run(() => true);
  }

  /** @returns whether a free target was found */
  #run(isEligible: (key: string, target: TemplateTarget) => boolean): boolean {
    const isFree = (key: string): boolean => {
      const target = this.#targets.get(key);
      return target !== undefined && isEligible(key, target);
    };
    return this.#schedule.runNext(isFree, (key) => this.#turn(key).catch(() => undefined)) !== undefined;
  }

  /**
   * Probes an unanswered target. Every second turn goes to a namespace with a refused template, the
   * others to any namespace. Within a namespace, refused templates come first.
   */
  #probeUnanswered(): boolean {
    if (this.#unanswered.size === 0) return false;
    const isUrgentNext = this.#isUrgentNext;
    this.#isUrgentNext = !isUrgentNext;
    const unanswered = [...this.#unanswered.keys()].flatMap((key) => this.#targets.get(key) ?? []);
    const all = new Set(unanswered.map(({ namespace }) => namespace));
    const urgent = new Set(unanswered.filter(({ isRefused }) => isRefused).map(({ namespace }) => namespace));
    return (isUrgentNext && this.#probeIn(urgent)) || this.#probeIn(all);
  }

  /** Probes an unanswered target in the first of these namespaces by turn. */
  #probeIn(namespaces: ReadonlySet<string>): boolean {
    for (const [namespace, targets] of [...this.#namespaces].filter(([each]) => namespaces.has(each))) {
      const isIn = (key: string, target: TemplateTarget): boolean => target.namespace === namespace && this.#unanswered.has(key);
      if (!this.#run((key, target) => target.isRefused && isIn(key, target)) && !this.#run(isIn)) continue;
      this.#namespaces.delete(namespace);
      this.#namespaces.set(namespace, targets);
      return true;
    }
    return false;
  }

  #forget(key: string): void {
    this.#targets.delete(key);
    this.#answers.delete(key);
    this.#unanswered.delete(key);
    this.#schedule.remove(key);
  }

  async #turn(key: string): Promise<void> {
    const target = this.#targets.get(key);
    if (target === undefined) return;
    const answer = await this.#probe(target);
    if (this.#targets.get(key) !== target) return;
    this.#deps.onAnswer(answer.kind);
    const before = this.answer(key);
    this.#noteTurn(key, answer);
    this.#keep(key, target.fingerprint, answer);
    if (isSameAnswer(before, this.answer(key))) return;
    this.#noteChange(target.namespace);
    this.#deps.onChange();
  }

  #noteTurn(key: string, answer: TemplateAnswer): void {
    const asked = (this.#unanswered.get(key) ?? FIRST_TRIES) + 1;
    if (answer.kind === 'unanswered' && asked < FIRST_TRIES) this.#unanswered.set(key, asked);
    else this.#unanswered.delete(key);
  }

  #keep(key: string, fingerprint: string, answer: TemplateAnswer): void {
    const before = this.#answers.get(key);
    const misses = answer.kind === 'unanswered' ? (before?.misses ?? 0) + 1 : 0;
    // A short time without an answer does not invalidate the last one.
    if (before !== undefined && misses > 0 && misses < MAX_MISSES) this.#answers.set(key, { ...before, misses });
    else this.#answers.set(key, { fingerprint, answer, misses });
  }

  async #probe({ kind, namespace, name, controller, set }: TemplateTarget): Promise<TemplateAnswer> {
    try {
      const object = await this.#read(kind, namespace, name);
      const body = object && podOfTemplate(object, controller, set && (await this.#read(set.kind, namespace, set.name)));
      return body === undefined ? { kind: 'unanswered' } : await this.#create(namespace, body);
    } catch (error) {
      return this.#judgeError(error);
    }
  }

  async #create(namespace: string, body: KubeObject): Promise<TemplateAnswer> {
    const path = `/api/v1/namespaces/${namespace}/pods`;
    const request = { method: 'POST', path, query: DRY_RUN, body, timeoutMs: TIMEOUT_MS } as const;
    const pod = (await this.#deps.client.raw<KubeObject>(request, this.#signal)).object;
    return { kind: 'admitted', template: this.#deps.readPlacement(pod) };
  }

  #judgeError(error: unknown): TemplateAnswer {
    const answer = toAnswer(error, this.#signal);
    if (answer.kind !== 'refused') return { kind: 'unanswered' };
    const { message } = answer;
    if (isRefusedByLock(message, this.#deps.floor)) return { kind: 'refused', violation: VIOLATION.exec(message)?.[1] ?? message };
    return { kind: isRefusedLater(message) ? 'admitted' : 'unanswered' };
  }

  /** Reads one object by a list request, for which the rights of the watch suffice. */
  async #read(kind: KindDescriptor, namespace: string, name: string): Promise<KubeObject | undefined> {
    const [object] = await this.#deps.client.list(kind, { namespace, fieldSelector: `metadata.name=${name}` }, this.#signal);
    return object;
  }
}

const isSameAnswer = (a: TemplateAnswer | undefined, b: TemplateAnswer | undefined): boolean =>
  a === b || (a?.kind === b?.kind && JSON.stringify(a) === JSON.stringify(b));
